"""One-shots: a worker carries out one request and is gone, also if it failed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import trio

from kinora.actors.errors import NotFound
from kinora.actors.one_shot import OneShotFailed, one_shot
from kinora.media.messages import Failed, Made, Working
from kinora.runtime.forking.program import Program
from kinora.system import System
from tests.jobs_kit import nothing_left_behind

TARGETS = "tests.runtime.targets"
PLENTY_S = 30
Anything = Made | Failed | Working | list[int]


async def run(
    system: System,
    target: str,
    request: Anything,
    timeout_s: float,
    on_working: Callable[[Working], object] = lambda _: None,
) -> Made:
    """The answer of one of the tests' workers, which should be Made."""
    program: Program[Anything, Made | Failed | Working] = Program(
        f"{TARGETS}:{target}",
        msgspec.msgpack.Decoder(Made | Failed | Working).decode,
        msgspec.msgpack.Decoder(Made | Failed | Working).decode,
    )
    return await one_shot(
        system.fork_server, program, "one-shot", request, Made, timeout_s=timeout_s, on_working=on_working
    )


@pytest.mark.parametrize(
    ("target", "request_", "timeout_s", "why"),
    [
        ("mute", Made("x"), 0.5, "no answer within 0.5 s"),
        ("hung_up", Made("x"), 0.5, "no answer within 0.5 s"),
        ("echo", Failed("not today"), PLENTY_S, "not today"),
        ("echo", [1], PLENTY_S, "Expected"),
    ],
)
async def test_a_one_shot_that_is_not_done_fails_with_the_reason(
    system: System, target: str, request_: Anything, timeout_s: float, why: str
) -> None:
    """A worker hangs, closes its channel, fails or sends an invalid message; it is gone in every case."""
    with nothing_left_behind(system), pytest.raises(OneShotFailed, match=why):
        await run(system, target, request_, timeout_s)


async def test_a_worker_that_says_it_is_working_is_waited_for(system: System) -> None:
    """Each Working extends the time limit."""
    with nothing_left_behind(system):
        assert await run(system, "hesitant", Made("done"), timeout_s=2) == Made("done")


async def test_a_one_shot_can_be_stopped_at_each_sign_of_progress(system: System) -> None:
    """What is raised then is passed on, and the worker is gone."""

    def stop(_: Working) -> None:
        raise NotFound("It is no longer wanted.")

    with nothing_left_behind(system), pytest.raises(NotFound):
        await run(system, "hesitant", Made("done"), PLENTY_S, on_working=stop)


async def test_a_cancelled_one_shot_leaves_nothing(system: System) -> None:
    """Its worker is gone when the caller goes on."""
    with nothing_left_behind(system), trio.move_on_after(0.1):
        await run(system, "mute", Made("x"), timeout_s=60)
