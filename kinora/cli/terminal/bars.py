"""The bars that show jobs' progress on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from kinora.cli.terminal.live import Live, Moment, Pace, numbers
from kinora.cli.terminal.output import STATE_STYLES, counted
from kinora.printable import printable

BAR_FROM_COLUMNS = 60
"""On a narrower terminal there is text only."""
BAR_COLUMNS = 20


@contextmanager
def one_bar() -> Iterator[Live]:
    """Show a bar for one job on stderr while the block runs."""
    with _progress() as progress:
        yield _Bar(progress)


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
        self._pace = Pace()

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
            numbers=printable(numbers(moment, self._pace.fps(moment.done))),
        )

    def _stage(self, stage: str) -> Text:
        return Text.assemble(printable(self._name), (printable(stage), STATE_STYLES.get(stage, "")))

    def say(self, line: str) -> None:
        self._progress.console.print(Text(printable(line)), soft_wrap=True)
