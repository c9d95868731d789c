"""The bound on log lines: what floods is left out and counted, what is rare is never lost."""

from __future__ import annotations

import logging

import pytest

from kinora import line_budget
from kinora.line_budget import LINES_AT_ONCE, LINES_PER_S, LineBudget


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def line(event: object) -> logging.LogRecord:
    """A line as structlog hands it over, or another library's if ``event`` is a text."""
    return logging.LogRecord("test", logging.INFO, __file__, 0, event, None, None)


def test_a_flood_is_left_out_and_said() -> None:
    """After so many lines of a kind, a few a second are written, and the next one says how many are missing."""
    clock = Clock()
    budget = LineBudget(clock)
    written = [budget.filter(line({"event": "request"})) for _ in range(LINES_AT_ONCE + 70)]
    assert written == [True] * LINES_AT_ONCE + [False] * 70
    clock.now = 1 / LINES_PER_S
    assert budget.filter(said := line({"event": "request"}))
    assert said.msg == {"event": "request", "left_out": 70}
    assert not budget.filter(line({"event": "request"}))
    clock.now += 1 / LINES_PER_S
    assert budget.filter(said := line({"event": "request"}))
    assert (said.msg, budget.left_out) == ({"event": "request", "left_out": 1}, 71)


def test_a_flood_that_lasts_is_bounded() -> None:
    """However many lines come, in the long run so many a second are written."""
    clock, lasts_s = Clock(), 1000
    budget = LineBudget(clock)
    written = 0
    for _ in range(20 * lasts_s):
        clock.now += 1 / 20
        written += budget.filter(line({"event": "request"}))
    assert written == pytest.approx(lasts_s * LINES_PER_S + LINES_AT_ONCE, abs=2)


def test_other_lines_are_written_during_a_flood() -> None:
    """Each kind has its own budget, and after a quiet time all of it again."""
    clock = Clock()
    budget = LineBudget(clock)
    while budget.filter(line({"event": "request"})):
        pass
    assert budget.filter(line({"event": "jobs cannot be stored"}))
    clock.now = LINES_AT_ONCE / LINES_PER_S
    assert sum(budget.filter(line({"event": "request"})) for _ in range(2 * LINES_AT_ONCE)) == LINES_AT_ONCE


def test_lines_of_other_libraries_are_bounded_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their kind is their text; beyond a number of kinds all are one, so that their texts fill no memory."""
    monkeypatch.setattr(line_budget, "MAX_KINDS", 3)
    clock = Clock()
    budget = LineBudget(clock)
    written = sum(budget.filter(line(f"text {number}")) for number in range(5 * LINES_AT_ONCE))
    assert (written, len(budget._kinds)) == (3 + LINES_AT_ONCE, 4)
    clock.now = 1
    assert budget.filter(said := line("another text"))
    assert said.getMessage().startswith("another text (")
