"""What is shown of many sources while they run: a row for each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from kinora.cli.terminal.live import Moment
from kinora.cli.terminal.output import counted, print_line

if TYPE_CHECKING:
    from kinora.cli.terminal.bars import Bars

ROOM = 4
"""Lines of a terminal that are left free below the rows."""


class Rows(Protocol):
    """A display of many jobs."""

    def show(self, key: str, name: str, moment: Moment) -> None:
        """Show the progress of a source now."""

    def end(self, key: str, name: str, row: Mapping[str, Any]) -> None:
        """Show that a source has ended, and how: ``row`` is that of the table at the end."""

    def say(self, line: str) -> None:
        """Print a line beside the rows."""


@contextmanager
def live_rows(number: int) -> Iterator[Rows]:
    """Rows for so many sources if stderr is a terminal, otherwise a line for each that has ended."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from kinora.cli.terminal.bars import Bars  # noqa: PLC0415 - what draws is needed on a terminal only

    with Bars.open() as bars:
        yield _Bars(bars, keep=number <= shutil.get_terminal_size().lines - ROOM)


class _Bars:
    def __init__(self, bars: Bars, *, keep: bool) -> None:
        self._bars = bars
        self._keep = keep

    def show(self, key: str, name: str, moment: Moment) -> None:
        if self._keep or moment.stage != "queued":
            self._bars.show(key, name, moment)

    def end(self, key: str, name: str, row: Mapping[str, Any]) -> None:
        """The row stays where all have room; otherwise it becomes a line above the others."""
        if self._keep:
            moment = Moment(stage=row["status"], done=row["frames"], total=row["frames"], warnings=row["warnings"])
            self._bars.show(key, name, moment)
            return
        self._bars.remove(key)
        self.say(_in_words(row))

    def say(self, line: str) -> None:
        self._bars.say(line)


class _Lines:
    def show(self, key: str, name: str, moment: Moment) -> None:
        pass

    def end(self, key: str, name: str, row: Mapping[str, Any]) -> None:  # noqa: ARG002 - as bars
        self.say(_in_words(row))

    def say(self, line: str) -> None:
        print_line(line, file="stderr")


def _in_words(row: Mapping[str, Any]) -> str:
    """The end of a source in a line."""
    reason = f": {row['error']}" if row["error"] else ""
    return f"{row['status']} · {row['source']} · {counted(row['frames'], 'frame')}{reason}"
