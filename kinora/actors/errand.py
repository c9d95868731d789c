"""One thing done by a worker process of its own, which is gone afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import trio

from kinora.runtime.channel import ProtocolError
from kinora.runtime.workers import ForkServer, Worker, WorkerGone


class ErrandFailed(Exception):
    """The worker could not do it, or died over it; ``str()`` of it says why."""


async def run_errand(
    fork_server: ForkServer, target: str, name: str, order: Mapping[str, Any], *, patience_s: float
) -> dict[str, Any]:
    """Send ``order`` to a new worker, as MessagePack, and give its answer; the worker is gone, also if cancelled.

    An answer whose ``op`` is ``error`` is a failure, and its ``message`` the reason. One that is ``working`` only says
    that it is: a worker that says nothing for ``patience_s`` is given up.

    Raises:
        ErrandFailed: it was not done.
        ForkServerGone: there is nothing to fork a worker from.
    """
    worker = await fork_server.fork(target, name)
    try:
        await worker.send(msgspec.msgpack.encode(order))
        answer = await _answer(worker, patience_s)
    except (WorkerGone, ProtocolError, msgspec.DecodeError) as error:
        raise ErrandFailed(str(error)) from error
    except trio.TooSlowError:
        raise ErrandFailed(f"nothing came of it within {patience_s:g} s") from None
    finally:
        with trio.CancelScope(shield=True):  # Worker.kill bounds itself
            await worker.kill()
    if answer.get("op") == "error":
        raise ErrandFailed(str(answer.get("message")))
    return answer


async def _answer(worker: Worker, patience_s: float) -> dict[str, Any]:
    while True:
        with trio.fail_after(patience_s):
            answer = msgspec.msgpack.decode(await worker.receive(), type=dict[str, Any])
        if answer.get("op") != "working":
            return answer
