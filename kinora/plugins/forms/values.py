"""Numbers in the values that programs give."""

from __future__ import annotations

import math

LARGEST = 1e6
"""Pixels beyond any picture: places with a larger number are not read, as they would break the arithmetic of boxes."""


def finite(value: object) -> float | None:
    """The number of a number, of a text that says one, and of a list of one; None for anything else."""
    value = unwrapped(value)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def finite_list(values: object, length: int) -> list[float] | None:
    """The numbers of a list of this length; None for anything else."""
    if not isinstance(values, list) or len(values) != length:
        return None
    numbers = [finite(value) for value in values]
    return [number for number in numbers if number is not None] if None not in numbers else None


def in_reach(*numbers: float) -> bool:
    """True if all are places that can be in a picture, or near one."""
    return all(-LARGEST <= number <= LARGEST for number in numbers)


def unwrapped(value: object) -> object:
    """The only item of a list, as a tensor of one row has; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
