"""Errands: a worker does one thing and is gone, whatever it did instead."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from kinora.actors.errand import ErrandFailed, run_errand
from kinora.system import System
from tests.jobs_kit import nothing_left_behind

TARGETS = "tests.runtime.targets"
REFUSAL = {"op": "error", "message": "not today"}


async def run(system: System, target: str, order: dict[str, Any], patience_s: float = 0.5) -> dict[str, Any]:
    """The answer of one of the tests' workers."""
    return await run_errand(system.fork_server, f"{TARGETS}:{target}", "errand", order, patience_s=patience_s)


@pytest.mark.parametrize(
    ("target", "order", "why"),
    [
        ("mute", {}, "nothing came of it"),
        ("hung_up", {}, "nothing came of it"),
        ("echo", REFUSAL, "not today"),
        ("echo", [1], "Expected"),
    ],
)
async def test_an_errand_that_is_not_done_fails_with_the_reason(
    system: System, target: str, order: Any, why: str
) -> None:
    """A worker that hangs, goes away, says no or talks rubbish; nothing of it stays."""
    with nothing_left_behind(system), pytest.raises(ErrandFailed, match=why):
        await run(system, target, order)


async def test_a_worker_that_says_it_is_working_is_waited_for(system: System) -> None:
    """Longer than one that says nothing."""
    with nothing_left_behind(system):
        assert await run(system, "hesitant", {"op": "done"}) == {"op": "done"}


async def test_a_cancelled_errand_leaves_nothing(system: System) -> None:
    """Its worker is gone when the caller goes on."""
    with nothing_left_behind(system), trio.move_on_after(0.1):
        await run(system, "mute", {}, patience_s=60)
