"""Sending on a memory channel at the price of a function call if there is room."""

from __future__ import annotations

from typing import TypeVar

import trio

T = TypeVar("T")


async def send(channel: trio.MemorySendChannel[T], value: T) -> None:
    """Send a value. A checkpoint only if there is no room.

    Trio's own ``send`` always lets other tasks run, which is most of the cost of passing a frame on. Use this in loops
    that have another checkpoint. Raises as ``MemorySendChannel.send``; if cancelled, the value was not sent.
    """
    try:
        channel.send_nowait(value)
    except trio.WouldBlock:
        await channel.send(value)
    except trio.BrokenResourceError:
        # The receiver may have been cancelled a moment earlier than this task: then that is the error to tell.
        await trio.lowlevel.checkpoint_if_cancelled()  # noqa: ASYNC120
        raise
