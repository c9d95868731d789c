"""Gathers the frames of a batch for a stage."""

from __future__ import annotations

import trio

from kinora.actors.frames.ticket import FrameTicket, Inbox
from kinora.actors.stages.batching import Batching


async def gather(first: FrameTicket, inbox: Inbox, batching: Batching) -> list[FrameTicket]:
    """The batch that begins with a frame: those that wait behind it, and those that come before its wait is over.

    It is smaller where the inbox has ended. If this is cancelled, the frames are lost. A checkpoint only if it waits.
    """
    batch = [first]
    batching.note_arrival(first)
    most, until = batching.most(first.ring), batching.wait_until(first)
    while len(batch) < most and (ticket := await _next(inbox, until)) is not None:
        batching.note_arrival(ticket)
        batch.append(ticket)
    return batch


async def _next(inbox: Inbox, until: float) -> FrameTicket | None:
    """The next frame; None if none comes in time, or none at all any more."""
    try:
        return inbox.receive_nowait()
    except trio.EndOfChannel:
        return None
    except trio.WouldBlock:
        pass
    if trio.current_time() < until:
        with trio.move_on_at(until):
            try:
                return await inbox.receive()
            except trio.EndOfChannel:
                pass
    return None
