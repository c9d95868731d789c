"""Output of commands on stdout: JSON, or a table, which is tab-separated text unless stdout is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_json(value: object) -> None:
    """Print ``value`` as indented JSON."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


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
    return " ".join(str(value).split())
