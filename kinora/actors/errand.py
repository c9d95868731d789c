"""One thing done by a worker process of its own, which is gone afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import trio

from kinora.runtime.channel import ProtocolError
from kinora.runtime.workers import ForkServer, WorkerGone


class ErrandFailed(Exception):
    """The worker could not do it, or died over it; ``str()`` of it says why."""


async def run_errand(fork_server: ForkServer, target: str, name: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Send ``order`` to a new worker, as MessagePack, and give its answer; the worker is gone, also if cancelled.

    An answer whose ``op`` is ``error`` is a failure, and its ``message`` the reason.

    Raises:
        ErrandFailed: it was not done.
        ForkServerGone: there is nothing to fork a worker from.
    """
    worker = await fork_server.fork(target, name)
    try:
        await worker.send(msgspec.msgpack.encode(order))
        answer = msgspec.msgpack.decode(await worker.receive(), type=dict[str, Any])
    except (WorkerGone, ProtocolError, msgspec.DecodeError) as error:
        raise ErrandFailed(str(error)) from error
    finally:
        with trio.CancelScope(shield=True):  # Worker.kill bounds itself
            await worker.kill()
    if answer.get("op") == "error":
        raise ErrandFailed(str(answer.get("message")))
    return answer
