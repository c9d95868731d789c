"""The figures of the server while cameras come and go, and what must hold of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import attrs
import trio

from benchmarks.soak.samples import FIGURES, Sample, growth_per_hour, take
from benchmarks.storms.server import Server
from kinora.runtime.linux.processes import descendants

EVERY_S = 5.0
"""The time between two samples."""
REST_S = 10.0
"""The time after which all that a job had is gone."""
SHOWN = ("server_mb", "fork_server_mb", "descriptors", "threads", "processes", "database_mb")
FLAT = ("server_mb", "fork_server_mb", "descriptors", "threads", "processes")
"""The figures that must not grow while a job runs: its results do, in the database."""


def decoders(pid: int) -> int:
    """The decoders below a server."""
    return sum(_is_decoder(child) for child in descendants(pid))


def _is_decoder(pid: int) -> bool:
    try:
        return b"decoder" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@attrs.define
class Sampled:
    """Samples of a server."""

    server: Server
    data: Path
    samples: list[Sample] = attrs.field(factory=list)
    most_decoders: int = 0

    def take(self) -> Sample:
        """Measure once."""
        self.most_decoders = max(self.most_decoders, decoders(self.server.pid))
        return take(self.server.pid, self.data, trio.current_time())

    async def run(self) -> None:
        """Measure for ever."""
        while True:
            self.samples.append(self.take())
            await trio.sleep(EVERY_S)

    def show(self, before: Sample, after: Sample) -> None:
        """Print the table."""
        third = len(self.samples) // 3
        head = ("", "before", "first third", "last third", "highest", "growth an hour", "after")
        print(f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|")
        for figure in (figure for figure in FIGURES if figure.field in SHOWN):
            values = [float(getattr(sample, figure.field)) for sample in self.samples]
            growth = growth_per_hour(self.samples[third:], figure.field)
            first, last = median(values[: third + 1]), median(values[-third - 1 :])
            cells = (getattr(before, figure.field), first, last, max(values), growth, getattr(after, figure.field))
            print(f"| {figure.name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")

    def growth_faults(self) -> Iterator[str]:
        """What has grown faster than is flat."""
        late = self.samples[len(self.samples) // 3 :]
        for figure in (figure for figure in FIGURES if figure.field in FLAT):
            if (growth := growth_per_hour(late, figure.field)) > figure.flat_per_hour:
                yield f"{figure.name}: grew by {growth:.1f} an hour, expected at most {figure.flat_per_hour:g}"


def left_over(before: Sample, after: Sample) -> Sequence[str]:
    """What is left at rest that was not there before."""
    return [
        f"{figure.name}: {getattr(after, figure.field):g} at rest, {getattr(before, figure.field):g} before"
        for figure in FIGURES
        if figure.returns and getattr(after, figure.field) > getattr(before, figure.field)
    ]
