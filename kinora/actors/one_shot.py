"""Runs one request in a worker process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import trio

from kinora.media.messages import Failed, Working
from kinora.runtime.forking.channel import ProtocolError
from kinora.runtime.forking.program import Answer, Program, Request
from kinora.runtime.forking.workers import Conversation, ForkServer, WorkerGone

_Wanted = TypeVar("_Wanted", bound=msgspec.Struct)


class OneShotFailed(Exception):
    """The worker failed or died; ``str()`` of the error says why."""


class OneShotBroke(OneShotFailed):
    """The worker ended for a reason that is not the request's."""


class OneShotDiskFailed(OneShotFailed):
    """The disk refused what the worker wrote."""


class OneShotTimedOut(OneShotFailed):
    """The worker did not answer in time."""


async def one_shot(
    fork_server: ForkServer,
    program: Program[Request, Answer],
    name: str,
    request: Request,
    wanted: type[_Wanted],
    *,
    timeout_s: float,
    fds: Sequence[int] = (),
    on_working: Callable[[Working], object] = lambda _: None,
) -> _Wanted:
    """Send ``request`` to a new worker and return its answer, a ``wanted``. The worker is gone then, also if cancelled.

    ``timeout_s`` is the longest time between two messages: each Working extends the deadline.
    ``on_working`` is called with each; what it raises ends the work. The ``fds`` go with the request, and stay the
    caller's.

    Raises:
        OneShotFailed: the request was not carried out.
        OneShotBroke: the worker ended, for another reason than this request.
        OneShotDiskFailed: the disk refused what the worker wrote.
        OneShotTimedOut: the worker has sent nothing for ``timeout_s``.
        ForkServerGone: the fork server is gone, so there is no worker.
    """
    async with fork_server.worker(program, name) as worker:
        try:
            await worker.send(request, fds)
            answer = await _answer(worker, timeout_s, on_working)
        except WorkerGone as error:
            raise (OneShotFailed if error.by_its_work else OneShotBroke)(str(error)) from error
        except ProtocolError as error:
            raise OneShotFailed(str(error)) from error
        except trio.TooSlowError:
            raise OneShotTimedOut(f"no answer within {timeout_s:g} s") from None
    match answer:
        case Failed(message, disk):
            raise (OneShotDiskFailed if disk else OneShotFailed)(message)
        case wanted():
            return answer
        case _:
            raise OneShotFailed("its process sent an unexpected answer")


async def _answer(
    worker: Conversation[Request, Answer], timeout_s: float, on_working: Callable[[Working], object]
) -> Answer:
    while True:
        with trio.fail_after(timeout_s):
            answer = await worker.receive()
        if not isinstance(answer, Working):
            return answer
        on_working(answer)
