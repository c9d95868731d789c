"""Makes JPEGs of frames in a job's ring, for clients that watch the job live."""

from __future__ import annotations

from collections.abc import Iterator

import cv2

from kinora.media.messages import JPEG_QUALITY, LIVE_JPEG, EncodeSlot, Jpeg, UseRing
from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, serve
from kinora.runtime.linux.confinement import confine
from kinora.runtime.linux.processes import lower_priority
from kinora.runtime.shared_memory.frames import RingReader

MAX_JPEG_BYTES = 8 * 2**20
"""The size of the largest picture; a larger one does not fit in a client's outbox."""


def main(channel: Channel) -> None:
    """Encode the requested frames."""
    lower_priority()  # when all cores are busy a job's plugins come first, and pictures come less often
    cv2.setNumThreads(1)
    confine()
    serve(Line(LIVE_JPEG, channel), _Encoder().answer)


class _Encoder:
    """Encodes the frames in the ring of one job."""

    def __init__(self) -> None:
        self._ring: RingReader | None = None

    def answer(self, request: UseRing | EncodeSlot, fds: list[int]) -> Iterator[Jpeg]:
        match request:
            case UseRing():
                (ring_fd,) = fds
                self._ring = RingReader(ring_fd, request.slots, request.slot_bytes)
            case EncodeSlot():
                yield self._encode(request)

    def _encode(self, request: EncodeSlot) -> Jpeg:
        if self._ring is None:
            raise RuntimeError("EncodeSlot came before UseRing")
        image = self._ring.view(request.slot, request.height, request.width)
        _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return Jpeg(jpeg.tobytes() if len(jpeg) <= MAX_JPEG_BYTES else b"")
