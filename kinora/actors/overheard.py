"""An audience whose messages are heard on their way by somebody else too."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from kinora.actors.audience import Audience
from kinora.actors.messages import FrameImage, Payload


@attrs.frozen
class Overheard:
    """The audience of a job; ``hear`` is called with each message before it is sent, and must neither wait nor fail.

    See :class:`~kinora.actors.audience.Audience`.
    """

    audience: Audience
    hear: Callable[[Payload], None]

    @property
    def last_id(self) -> str | None:
        """The id of the newest message."""
        return self.audience.last_id

    @property
    def watching_changed(self) -> trio.Event:
        """Set when the answer of :meth:`picture_fps` may have changed."""
        return self.audience.watching_changed

    def publish(self, payload: Payload) -> object:
        """Let the message be heard, and send it."""
        self.hear(payload)
        return self.audience.publish(payload)

    def forget(self, job_id: str) -> None:
        """Stop replaying messages of this job."""
        self.audience.forget(job_id)

    def picture_fps(self, job_id: str) -> float:
        """Return the highest picture rate wanted for this job."""
        return self.audience.picture_fps(job_id)

    def show(self, image: FrameImage) -> None:
        """Send a picture."""
        self.audience.show(image)
