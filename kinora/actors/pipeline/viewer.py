"""Viewer: a part of this process that looks at each finished frame with its picture, as a Python program does."""

from __future__ import annotations

from typing import Protocol

from kinora.actors.frames.ticket import FrameTicket


class Viewer(Protocol):
    """Takes the frames of a pipeline as they are finished, in the order of the source."""

    async def show(self, ticket: FrameTicket, data: bytes) -> None:
        """Look at a frame, whose FrameData is ``data``. Its picture stays in its slot until this returns.

        Meanwhile the pipeline finishes no further frame; if it is stopped, this is cancelled.
        """
