"""Output of commands: lines, JSON, or a table, which is tab-separated text unless it goes to a terminal.

Commands print by these functions only: text of others cannot steer the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click
import msgspec

from kinora.printable import printable, printable_json

if TYPE_CHECKING:
    from rich.table import Table

_Columns = dict[str, list[object]]
"""Column → its values, row by row."""
GAP = 2
"""The spaces between two columns of a table."""
STATE_COLUMNS = frozenset({"status", "state", "health"})
"""The columns of tables whose words get a colour on a terminal."""
STATE_STYLES = {
    **dict.fromkeys(("done", "completed", "ok", "delivered"), "green"),
    **dict.fromkeys(("failed", "broken", "given_up"), "red"),
    **dict.fromkeys(("cancelled", "interrupted", "degraded", "paused", "reconnecting", "warning"), "yellow"),
    "running": "cyan",
}
"""State → its colour."""


def print_line(text: str, *, file: str = "stdout") -> None:
    r"""Print ``text`` as one line; newlines in it are shown as ``\n``."""
    click.echo(printable(text), file=getattr(sys, file))


def print_state(state: str, rest: str, *, file: str = "stdout") -> None:
    """Print ``state`` and ``rest`` as one line; on a terminal the state has its colour, unless ``NO_COLOR`` is set."""
    stream = getattr(sys, file)
    if not stream.isatty():
        print_line(state + rest, file=file)
        return
    from rich.console import Console  # noqa: PLC0415 - only for a terminal
    from rich.text import Text  # noqa: PLC0415 - only for a terminal

    style = STATE_STYLES.get(state.partition(",")[0], "")
    line = Text.assemble((printable(state), style), printable(rest))
    Console(file=stream, highlight=False).print(line, soft_wrap=True)


def counted(number: int, noun: str) -> str:
    """The number and the noun, which gets an ``s`` unless there is one: ``1 warning``, ``1,200 frames``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def local_time(time: str) -> str:
    """A time of the server's, ISO 8601 in UTC, as people read it: in the local zone, to the second."""
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def print_json(value: object, *, indent: int = 2) -> None:
    """Print ``value`` as JSON; an indent of 0 prints one line."""
    text = msgspec.json.encode(value)
    click.echo(printable_json((msgspec.json.format(text, indent=indent) if indent else text).decode()))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    file: str = "stdout",
    optional: Sequence[str] = (),
) -> None:
    """Print a table on a terminal, else a line per row with tabs between, which ``cut`` and ``awk`` can read.

    On a terminal that is too narrow, the ``optional`` columns are left out, one after the other, until the rest fits.
    """
    stream = getattr(sys, file)
    rows = list(rows)
    if not stream.isatty():
        for row in (columns, *rows):
            print("\t".join(map(_cell, row)), file=stream)
        return
    from rich.console import Console  # noqa: PLC0415 - only for a terminal

    console = Console(file=stream)
    table = {column: [row[number] for row in rows] for number, column in enumerate(columns)}
    left_out = _narrowed(table, console.width, optional)
    console.print(_rich_table(table))
    if left_out:
        print_line(f"(left out, as the terminal is narrow: {', '.join(left_out)})", file=file)


def _narrowed(table: _Columns, width: int, optional: Sequence[str]) -> list[str]:
    """Take optional columns out of ``table`` until it is no wider than ``width``; return those taken out."""
    left_out = []
    for column in optional:
        if column in table and _width(table) > width:
            left_out.append(column)
            del table[column]
    return left_out


def _rich_table(columns: _Columns) -> Table:
    from rich.table import Table  # noqa: PLC0415 - only for a terminal
    from rich.text import Text  # noqa: PLC0415 - only for a terminal

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, values in columns.items():
        table.add_column(column, justify="right" if all(map(_is_number, values)) else "left")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(Text(_cell(value), _style(column, value)) for column, value in zip(columns, row, strict=True)))
    return table


def _width(table: _Columns) -> int:
    """The characters of a row: the longest cell of each column, and the gaps of two between them."""
    widest = [max(map(len, (column, *map(_cell, values)))) for column, values in table.items()]
    return sum(widest) + GAP * (len(widest) - 1)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | None) and not isinstance(value, bool)


def _style(column: str, value: object) -> str:
    return STATE_STYLES.get(str(value), "") if column in STATE_COLUMNS else ""


def _cell(value: object) -> str:
    """A value as text: numbers with all their digits, and what is neither text nor number as JSON."""
    if value is None:
        return "-"
    if isinstance(value, bool | list | tuple | dict):
        value = msgspec.json.encode(value).decode()
    return printable(" ".join(str(value).split()))
