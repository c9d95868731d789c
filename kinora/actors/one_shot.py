"""One thing done by a worker process of its own, which is gone afterwards."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import trio

from kinora.media.messages import Failed, Working
from kinora.runtime.channel import ProtocolError
from kinora.runtime.program import Answer, Program, Request
from kinora.runtime.workers import Conversation, ForkServer, WorkerGone

_Wanted = TypeVar("_Wanted", bound=msgspec.Struct)


class OneShotFailed(Exception):
    """The worker could not do it, or died over it; ``str()`` of it says why."""


async def one_shot(
    fork_server: ForkServer,
    program: Program[Request, Answer],
    name: str,
    request: Request,
    wanted: type[_Wanted],
    *,
    timeout_s: float,
) -> _Wanted:
    """Send ``request`` to a new worker and return its answer, a ``wanted``; the worker is gone, also if cancelled.

    ``timeout_s`` bounds the silence before each message: Working puts the deadline off.

    Raises:
        OneShotFailed: it was not done.
        ForkServerGone: there is no process to fork a worker from.
    """
    async with fork_server.worker(program, name) as worker:
        try:
            await worker.send(request)
            answer = await _answer(worker, timeout_s)
        except (WorkerGone, ProtocolError) as error:
            raise OneShotFailed(str(error)) from error
        except trio.TooSlowError:
            raise OneShotFailed(f"no answer within {timeout_s:g} s") from None
    match answer:
        case Failed(message):
            raise OneShotFailed(message)
        case wanted():
            return answer
        case _:
            raise OneShotFailed("its process answered something else than it was asked")


async def _answer(worker: Conversation[Request, Answer], timeout_s: float) -> Answer:
    while True:
        with trio.fail_after(timeout_s):
            answer = await worker.receive()
        if not isinstance(answer, Working):
            return answer
