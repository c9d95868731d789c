"""Amounts as people write them on the command line: ages with a unit of time, sizes with one of bytes."""

from __future__ import annotations

import re
from typing import Any

import click

from kinora.settings.sizes import read_size

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


class Age(click.ParamType[float]):
    """An age such as ``30d``; its value is in seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds; a number without a unit is refused."""
        match = _AGE.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not an age: write it as 30d, 12h or 90m", param, ctx)
        return float(match[1]) * SECONDS[match[2]]


class Size(click.ParamType[int]):
    """A size such as ``10G``; its value is in bytes. ``G`` and ``GiB`` are 1024³ of them, ``GB`` is 1000³."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes; what is no size is refused."""
        try:
            return read_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def size_text(size: int) -> str:
    """A number of bytes as people read it: ``3.4 GB``, in powers of 1,000."""
    for unit, bytes_of_one in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_of_one:
            return f"{size / bytes_of_one:.1f} {unit}"
    return f"{size} bytes"
