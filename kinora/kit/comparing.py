"""Compares what two runs of a plugin gave."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from kinora.plugins.testing import PluginRun

TOLERANCE = 1e-3
"""The relative difference between two numbers of results that counts as none: libraries add up in several orders."""
SHORT = 120
"""The characters of a result that a sentence shows."""


def alike(one: Any, other: Any) -> bool:
    """True if two results are the same, apart from small differences of numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, float | int) and isinstance(other, float | int)
        return numbers and math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)


def difference_of(run: PluginRun, expected: PluginRun) -> str | None:
    """A phrase about the first difference between what two runs gave; None if there is none."""
    for number, (one, other) in enumerate(zip(run.results, expected.results, strict=True)):
        if not alike(one, other):
            return f"it gives {short(one)} for frame {number}, and not {short(other)}"
    if not alike(run.final, expected.final):
        return f"it returns {short(run.final)} from finalize, and not {short(expected.final)}"
    return None


def short(result: object) -> str:
    """The result as JSON, cut to ``SHORT`` characters."""
    text = msgspec.json.encode(result).decode()
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"
