"""Sending on a memory channel at the price of a function call where there is room."""

from __future__ import annotations

from typing import TypeVar

import trio

T = TypeVar("T")


async def send(channel: trio.MemorySendChannel[T], value: T) -> None:
    """Send a value, waiting only where there is no room; otherwise this is no checkpoint.

    Trio's own ``send`` always lets the other tasks run, which is most of what passing a frame on costs. For loops that
    have another checkpoint. Raises as ``MemorySendChannel.send``; if cancelled, the value was not sent.
    """
    try:
        channel.send_nowait(value)
    except trio.WouldBlock:
        await channel.send(value)
    except trio.BrokenResourceError:
        # The receiver may have been cancelled a moment earlier than this task: then that is the error to tell.
        await trio.lowlevel.checkpoint_if_cancelled()  # noqa: ASYNC120
        raise
