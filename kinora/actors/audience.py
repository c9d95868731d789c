"""Those who follow what happens: the face that jobs see of the realtime side."""

from __future__ import annotations

from typing import Protocol

import trio

from kinora.actors.messages import FrameImage, Payload


class Audience(Protocol):
    """The clients, however many there are. No method waits for one of them."""

    @property
    def last_id(self) -> str | None:
        """The id of the newest message: a client that connects with it misses nothing from here on."""

    @property
    def watching_changed(self) -> trio.Event:
        """Set, and replaced by a new event, when the answer of :meth:`picture_fps` may have changed."""

    def publish(self, payload: Payload) -> object:
        """Tell all who want to know, and keep it for those who come back."""

    def forget(self, job_id: str) -> None:
        """Replay no message of this job any more."""

    def picture_fps(self, job_id: str) -> float:
        """Return how many pictures of this job are wanted a second at most: ``inf`` for all of them, 0 for none."""

    def show(self, image: FrameImage) -> None:
        """Send a picture to all who want it; it is not kept."""


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
