"""Sending on a memory channel, and receiving, at the price of a function call where nobody has to wait."""

from __future__ import annotations

from typing import Protocol, TypeVar

import trio

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Receiving(Protocol[T_co]):
    """The receiving end of a channel, as :func:`receive` uses it."""

    async def receive(self) -> T_co:
        """Wait for the next value."""

    def receive_nowait(self) -> T_co:
        """Return the next value if one waits."""


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


async def receive(channel: Receiving[T]) -> T | None:
    """Receive a value; None once the channel has ended. A checkpoint only if none waits.

    For loops that have another checkpoint, as :func:`send`. If cancelled, no value is lost.
    """
    try:
        return channel.receive_nowait()
    except trio.WouldBlock:
        pass
    except trio.EndOfChannel:
        return None
    try:
        return await channel.receive()
    except trio.EndOfChannel:
        return None
