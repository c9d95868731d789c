"""The decisions when a failing plugin is restarted and when it is disabled."""

from __future__ import annotations

import pytest

from kinora.actors.breaker import BACKOFF_MAX_S, BACKOFF_S, Breaker


@pytest.fixture
def breaker() -> Breaker:
    """Three deaths or five exceptions in a row are too many."""
    return Breaker(max_deaths=3, max_errors=5)


def test_deaths_in_a_row_disable(breaker: Breaker) -> None:
    """The third death in a row is the last."""
    breaker.died()
    breaker.died()
    assert not breaker.disabled
    breaker.died()
    assert breaker.disabled


def test_success_starts_the_count_anew(breaker: Breaker) -> None:
    """Deaths with a success between them never disable."""
    for _ in range(10):
        breaker.died()
        breaker.died()
        breaker.succeeded()
    assert not breaker.disabled


def test_exceptions_have_a_longer_patience(breaker: Breaker) -> None:
    """The process is sound after an exception: it takes five, and none of them delays anything."""
    for _ in range(4):
        breaker.raised()
    assert not breaker.disabled
    assert breaker.restart_delay_s == 0
    breaker.raised()
    assert breaker.disabled


def test_a_loss_is_no_failure(breaker: Breaker) -> None:
    """A process that was lost is started again after a moment, and nothing counts."""
    for _ in range(10):
        breaker.lost()
    assert (breaker.disabled, breaker.restart_delay_s) == (False, BACKOFF_S)
    breaker.succeeded()
    assert breaker.restart_delay_s == 0


def test_the_wait_before_a_restart_doubles_up_to_its_limit() -> None:
    """0.1 s, 0.2 s, 0.4 s and so on, and never more than the limit."""
    breaker = Breaker(max_deaths=100, max_errors=100)
    waits = []
    for _ in range(8):
        breaker.died()
        waits.append(breaker.restart_delay_s)
    assert waits[:3] == [BACKOFF_S, 2 * BACKOFF_S, 4 * BACKOFF_S]
    assert waits[-1] == BACKOFF_MAX_S
