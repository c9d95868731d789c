"""Shows a job's progress on stderr while it runs: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, Self

import attrs
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from kinora.cli.output import STATE_STYLES, counted, print_line
from kinora.printable import printable

LINE_STEP = 10
"""Per cent of progress between two lines, if there is no bar."""
LINE_EVERY_S = 10.0
"""Seconds between two lines of a source whose length is unknown."""
BAR_FROM_COLUMNS = 60
"""On a narrower terminal there is text only."""
BAR_COLUMNS = 20


@attrs.frozen(kw_only=True)
class Moment:
    """A job's progress at one time."""

    stage: str
    done: int
    total: int | None
    detections: Mapping[str, int] = attrs.field(factory=dict)
    """By plugin."""
    warnings: int = 0


class Live(Protocol):
    """A display of a job's progress."""

    def show(self, moment: Moment) -> None:
        """Show the job's progress now."""

    def say(self, line: str) -> None:
        """Print a line beside the progress."""


@contextmanager
def live_progress(*, lines: bool) -> Iterator[Live]:
    """A bar if stderr is a terminal; otherwise lines, or nothing."""
    if sys.stderr.isatty():
        with _progress() as progress:
            yield _Bar(progress)
    else:
        yield _Lines() if lines else _Nothing()


def _progress() -> Progress:
    console = Console(stderr=True, highlight=False)
    bar = [BarColumn(BAR_COLUMNS)] if console.width >= BAR_FROM_COLUMNS else []
    rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return Progress(
        TextColumn("{task.fields[stage]}"),
        *bar,
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
        _Time(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[numbers]}", markup=False, table_column=rest),
        console=console,
        expand=True,
    )


class _Time(ProgressColumn):
    """The time that is left; of a source whose length is unknown the time so far."""

    def render(self, task: Task) -> Text:
        if task.total is None or task.finished:
            return Text(_clock(task.finished_time if task.finished else task.elapsed))
        return Text("" if task.time_remaining is None else f"{_clock(task.time_remaining)} left")


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Pace:
    """Frames per second from the first frame on; 0 until there are two."""

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
    found = [f"{plugin} {count:,}" for plugin, count in moment.detections.items()]
    warnings = [counted(moment.warnings, "warning")] if moment.warnings else []
    pace = [f"{fps:.1f} fps"] if fps else []
    return " · ".join([*pace, *warnings, *found])


class Bars:
    """A bar for each of several jobs, on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, _Bar] = {}

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Self]:
        """Show bars while the block runs."""
        with _progress() as progress:
            yield cls(progress)

    def show(self, job_id: str, name: str, moment: Moment) -> None:
        """Show the job's progress now, with ``name`` before its bar."""
        if job_id not in self._bars:
            self._bars[job_id] = _Bar(self._progress, name)
        self._bars[job_id].show(moment)

    def remove(self, job_id: str) -> None:
        """Take the job's bar away, if it has one."""
        if (bar := self._bars.pop(job_id, None)) is not None:
            bar.remove()

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(Text(printable(line)), soft_wrap=True)


class _Bar:
    def __init__(self, progress: Progress, name: str = "") -> None:
        self._progress = progress
        self._name = f"{name} " if name else ""
        self._task = progress.add_task("", total=None, stage="queued", count="", numbers="")
        self._pace = _Pace()

    def remove(self) -> None:
        self._progress.remove_task(self._task)

    def show(self, moment: Moment) -> None:
        of = f"{moment.done:,}/{moment.total:,}" if moment.total is not None else counted(moment.done, "frame")
        self._progress.update(
            self._task,
            completed=moment.done,
            total=moment.total,
            stage=self._stage(moment.stage).markup,
            count=of,
            numbers=printable(_numbers(moment, self._pace.fps(moment.done))),
        )

    def _stage(self, stage: str) -> Text:
        return Text.assemble(printable(self._name), (printable(stage), STATE_STYLES.get(stage, "")))

    def say(self, line: str) -> None:
        self._progress.console.print(Text(printable(line)), soft_wrap=True)


class _Lines:
    def __init__(self) -> None:
        self._pace = _Pace()
        self._shown: tuple[str, int] | None = None

    def show(self, moment: Moment) -> None:
        fps = self._pace.fps(moment.done)
        step = 100 * moment.done // moment.total // LINE_STEP if moment.total else int(time.monotonic() / LINE_EVERY_S)
        if (moment.stage, step) != self._shown:
            self._shown = (moment.stage, step)
            count = f"{moment.done:,} of {moment.total:,} frames" if moment.total else counted(moment.done, "frame")
            print_line(" · ".join(filter(None, (f"{moment.stage}: {count}", _numbers(moment, fps)))), file="stderr")

    def say(self, line: str) -> None:
        print_line(line, file="stderr")


class _Nothing:
    def show(self, moment: Moment) -> None:
        pass

    def say(self, line: str) -> None:
        print_line(line, file="stderr")
