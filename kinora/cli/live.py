"""Shows a job's progress on stderr while it runs: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import attrs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kinora.cli.output import print_line
from kinora.printable import printable

LINE_STEP = 10
"""Per cent of progress between two lines, if there is no bar."""


@attrs.frozen(kw_only=True)
class Moment:
    """A job's progress at one time."""

    stage: str
    done: int
    total: int | None
    detections: int = 0
    warnings: int = 0


class Live(Protocol):
    """A display of a job's progress."""

    def show(self, moment: Moment) -> None:
        """Show the job's progress now."""


@contextmanager
def live_progress(*, lines: bool) -> Iterator[Live]:
    """A bar if stderr is a terminal; otherwise lines, or nothing."""
    if sys.stderr.isatty():
        with _progress() as progress:
            yield _Bar(progress)
    else:
        yield _Lines() if lines else _Nothing()


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class _Pace:
    """Frames per second from the first frame on."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def fps(self, done: int) -> float:
        now = time.monotonic()
        if self._start is None and done > 0:
            self._start = (now, done)
        if self._start is None or now == self._start[0]:
            return 0.0
        return (done - self._start[1]) / (now - self._start[0])


def _numbers(moment: Moment, fps: float) -> str:
    return f"{fps:.1f} fps · {moment.detections} detections · {moment.warnings} warnings"


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("queued", total=None, numbers="")
        self._pace = _Pace()

    def show(self, moment: Moment) -> None:
        self._progress.update(
            self._task,
            description=printable(moment.stage),
            completed=moment.done,
            total=moment.total,
            numbers=_numbers(moment, self._pace.fps(moment.done)),
        )


class _Lines:
    def __init__(self) -> None:
        self._pace = _Pace()
        self._shown: tuple[str, int] | None = None

    def show(self, moment: Moment) -> None:
        fps = self._pace.fps(moment.done)
        step = 100 * moment.done // moment.total // LINE_STEP if moment.total else 0
        if (moment.stage, step) != self._shown:
            self._shown = (moment.stage, step)
            of = f" of {moment.total}" if moment.total else ""
            print_line(f"{moment.stage}: {moment.done}{of} frames · {_numbers(moment, fps)}", file="stderr")


class _Nothing:
    def show(self, moment: Moment) -> None:
        pass
