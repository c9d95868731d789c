"""Shows a job's progress on stderr while it runs: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import attrs

from kinora.cli.terminal.output import counted, print_line

LINE_STEP = 10
"""Per cent of progress between two lines, if there is no bar."""
LINE_EVERY_S = 10.0
"""Seconds between two lines of a source whose length is unknown."""


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
        from kinora.cli.terminal.bars import one_bar  # noqa: PLC0415 - what draws is needed on a terminal only

        with one_bar() as bar:
            yield bar
    else:
        yield _Lines() if lines else _Nothing()


class Pace:
    """Frames per second from the first frame on; 0 until there are two."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def fps(self, done: int) -> float:
        """The pace, now that so many frames are done."""
        now = time.monotonic()
        if self._start is None and done > 0:
            self._start = (now, done)
        if self._start is None or now == self._start[0]:
            return 0.0
        return (done - self._start[1]) / (now - self._start[0])


def numbers(moment: Moment, fps: float) -> str:
    """The pace, the warnings and the detections of each plugin, in a line."""
    found = [f"{plugin} {count:,}" for plugin, count in moment.detections.items()]
    warnings = [counted(moment.warnings, "warning")] if moment.warnings else []
    pace = [f"{fps:.1f} fps"] if fps else []
    return " · ".join([*pace, *warnings, *found])


class _Lines:
    def __init__(self) -> None:
        self._pace = Pace()
        self._shown: tuple[str, int] | None = None

    def show(self, moment: Moment) -> None:
        fps = self._pace.fps(moment.done)
        step = 100 * moment.done // moment.total // LINE_STEP if moment.total else int(time.monotonic() / LINE_EVERY_S)
        if (moment.stage, step) != self._shown:
            self._shown = (moment.stage, step)
            count = f"{moment.done:,} of {moment.total:,} frames" if moment.total else counted(moment.done, "frame")
            print_line(" · ".join(filter(None, (f"{moment.stage}: {count}", numbers(moment, fps)))), file="stderr")

    def say(self, line: str) -> None:
        print_line(line, file="stderr")


class _Nothing:
    def show(self, moment: Moment) -> None:
        pass

    def say(self, line: str) -> None:
        print_line(line, file="stderr")
