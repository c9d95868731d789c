"""The clients as jobs see them: the interface of the realtime side."""

from __future__ import annotations

from typing import Protocol

import trio

from kinora.actors.messages import FrameImage, Payload


class Audience(Protocol):
    """All connected clients. No method waits for any of them."""

    @property
    def last_id(self) -> str | None:
        """The id of the newest message: a client that connects with it misses nothing published later."""

    @property
    def watching_changed(self) -> trio.Event:
        """Set, and replaced by a new event, when the answer of :meth:`picture_fps` may have changed."""

    def publish(self, payload: Payload) -> object:
        """Send a message to all clients that want it, and keep it for those that reconnect."""

    def forget(self, job_id: str) -> None:
        """Stop replaying messages of this job."""

    def picture_fps(self, job_id: str) -> float:
        """Return the highest picture rate wanted for this job, per second: ``inf`` for every frame, 0 for none."""

    def show(self, image: FrameImage) -> None:
        """Send a picture to all clients that want it; it is not kept."""


class Nobody:
    """The audience of a system without a realtime side."""

    last_id = None

    def __init__(self) -> None:
        self.watching_changed = trio.Event()

    def publish(self, payload: Payload) -> None:
        """Do nothing."""

    def forget(self, job_id: str) -> None:
        """Do nothing."""

    def picture_fps(self, job_id: str) -> float:  # noqa: ARG002 - the protocol's signature
        """Return 0."""
        return 0.0

    def show(self, image: FrameImage) -> None:
        """Do nothing."""
