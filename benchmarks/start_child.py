"""One round of :mod:`benchmarks.start`: ``kinora run`` that writes when each of its phases ended into a file, as JSON.

The first argument is that file, the others are those of ``kinora``. Times are seconds by ``time.monotonic``.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

ENDS: dict[str, float] = {"the interpreter": time.monotonic()}
"""Phase → when it ended; they follow each other."""


def end(phase: str) -> None:
    """Note the end of a phase."""
    ENDS[phase] = time.monotonic()


def ends_phase(phase: str, owner: Any, name: str) -> None:
    """Note the end of a phase whenever an asynchronous function has returned."""
    work: Callable[..., Awaitable[Any]] = getattr(owner, name)

    @wraps(work)
    async def noting(*args: Any, **named: Any) -> Any:
        try:
            return await work(*args, **named)
        finally:
            end(phase)

    setattr(owner, name, noting)


def note_the_rest() -> None:
    """Import what runs a job, and have its phases noted."""
    from kinora.actors.jobs.job_manager import JobManager  # noqa: PLC0415 - what is timed
    from kinora.cli.local import local_job  # noqa: PLC0415 - what is timed
    from kinora.plugins.registry import PluginRegistry  # noqa: PLC0415 - what is timed
    from kinora.runtime.forking.workers import ForkServer  # noqa: PLC0415 - what is timed

    end("importing what runs the job")
    forks: Any = ForkServer
    ready = forks._read_reports  # noqa: SLF001 - it reads the report that the process is ready

    @wraps(ready)
    async def reading(server: Any, control: Any, nursery: Any, task_status: Any) -> None:
        class Status:
            def started(self) -> None:
                end("waiting for the fork server")
                task_status.started()

        await ready(server, control, nursery, Status())

    forks._read_reports = reading  # noqa: SLF001
    ends_phase("looking at the plugin", PluginRegistry, "reload")
    ends_phase("looking at the picture", JobManager, "submit")
    ends_phase("the job: decoder, plugin, frame, results", local_job, "_follow")
    ends_phase("ending all processes", local_job, "_run_to_end")


def main(file: Path) -> None:
    """Run the command."""
    from kinora.cli import main as kinora  # noqa: PLC0415 - what is timed

    run: Any = importlib.import_module("kinora.cli.run")
    import_structlog = run.import_structlog

    def first_of_the_rest() -> None:
        end("arguments, settings, starting the fork server")
        import_structlog()
        note_the_rest()

    run.import_structlog = first_of_the_rest
    try:
        kinora()
    finally:
        file.write_text(json.dumps(ENDS), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv.pop(1)))
