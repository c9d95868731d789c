"""Output of commands: lines, JSON, or a table, which is tab-separated text unless it goes to a terminal.

Commands print by these functions only: text of others cannot steer the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kinora.printable import printable, printable_json


def print_line(text: str, *, file: str = "stdout") -> None:
    r"""Print ``text`` as one line; newlines in it are shown as ``\n``."""
    click.echo(printable(text), file=getattr(sys, file))


def print_json(value: object, *, indent: int = 2) -> None:
    """Print ``value`` as JSON; an indent of 0 prints one line."""
    text = msgspec.json.encode(value)
    click.echo(printable_json((msgspec.json.format(text, indent=indent) if indent else text).decode()))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, file: str = "stdout") -> None:
    """Print a table on a terminal, else a line per row with tabs between, which ``cut`` and ``awk`` can read."""
    stream = getattr(sys, file)
    rows = list(rows)
    if not stream.isatty():
        for row in (columns, *rows):
            print("\t".join(map(_cell, row)), file=stream)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float | None) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    Console(file=stream).print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}"
    return printable(" ".join(str(value).split()))
