"""The figures of a server and of all processes below it, and how fast each grows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from statistics import median

import attrs

from benchmarks.storms.memory import field_of
from kinora.runtime.linux.processes import children, descendants

MIB = 2**20
HOUR_S = 3600.0
DATABASE = ("kinora.db", "kinora.db-wal")


@attrs.frozen
class Sample:
    """What was measured at one time. Memory is resident, in MiB; a process that has just ended counts nothing."""

    time: float
    """In seconds."""
    server_mb: float
    fork_server_mb: float
    descriptors: int
    """Of the server, but for the files without a name: the last few videos with boxes, which it keeps for clients."""
    threads: int
    """Of the server."""
    processes: int
    """Below the server."""
    database_mb: float
    """The database and its write-ahead log."""
    uploads: int
    """Files."""


@attrs.frozen
class Figure:
    """One column of the samples, and what is still called flat."""

    name: str
    field: str
    flat_per_hour: float
    """The fastest growth, per hour, that is flat: what a server could take for months, or noise of the measurement."""
    returns: bool
    """True if the figure must be the same at rest, before and after the load."""
    by_rest: bool = False
    """True if its growth is that from the rest before the load to the rest after it: under load it swings too much."""


FIGURES = (
    Figure("memory of the server, MiB", "server_mb", 6.0, returns=False, by_rest=True),
    Figure("memory of the fork server, MiB", "fork_server_mb", 1.0, returns=False),
    Figure("descriptors of the server", "descriptors", 4.0, returns=True),
    Figure("threads of the server", "threads", 1.0, returns=False),
    Figure("processes below it", "processes", 1.0, returns=True),
    Figure("database, MiB", "database_mb", 12.0, returns=False),
    Figure("uploads", "uploads", 30.0, returns=False),  # of some 30 jobs that stay: by chance more or fewer have one
)


def take(pid: int, data: Path, now: float) -> Sample:
    """Measure the server with this pid. Blocks for some milliseconds."""
    uploads = data / "uploads"
    return Sample(
        time=now,
        server_mb=field_of(pid, "status", "VmRSS:") / 1024,
        fork_server_mb=sum(field_of(child, "status", "VmRSS:") for child in children(pid)) / 1024,
        descriptors=_named_descriptors(pid),
        threads=field_of(pid, "status", "Threads:"),
        processes=len(descendants(pid)),
        database_mb=sum((data / name).stat().st_size for name in DATABASE if (data / name).exists()) / MIB,
        uploads=sum(1 for _ in uploads.iterdir()),
    )


def _named_descriptors(pid: int) -> int:
    number = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            number += not str(entry.readlink()).endswith("(deleted)")
    return number


def growth_per_hour(samples: Sequence[Sample], field: str) -> float:
    """The median slope between all pairs of samples (Theil and Sen), which single peaks do not move."""
    points = [(sample.time, float(getattr(sample, field))) for sample in samples]
    return median((later[1] - early[1]) / (later[0] - early[0]) for early, later in combinations(points, 2)) * HOUR_S
