"""The pictures that a client pushes, on their way from the server to the decoder. Light to import.

The server writes into one end of a socket pair, and the decoder reads from the other: for each picture a head, then its
bytes as they were sent. The end of the stream is the end of the source.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import attrs

from kinora.media.source_types import SourceInfo

MAX_PICTURE_BYTES = 16 * 2**20
"""The largest picture that may be pushed."""
PUSHED = SourceInfo(kind="stream", width=0, height=0, max_frame_bytes=0, frames_total=None, fps=None, duration_ms=None)
"""What is known of the source before its first picture."""
_HEAD = struct.Struct(">QQdI")


@attrs.frozen(kw_only=True)
class PushedPicture:
    """One picture as it was sent."""

    index: int
    """Its number among all that were pushed into the job, from 0."""
    time_us: int
    """Its place in time, in microseconds since an arbitrary moment; never less than that of the one before."""
    received_s: float
    """When it came, in seconds of :func:`~kinora.media.arrival.clock_s`."""
    data: bytes = attrs.field(repr=False)

    def head(self) -> bytes:
        """What goes before ``data``."""
        return _HEAD.pack(self.index, self.time_us, self.received_s, len(self.data))


def read_picture(read: Callable[[int], bytes]) -> PushedPicture | None:
    """Read the next picture; None at the end of the stream, be it in the middle of a picture.

    ``read`` waits for so many bytes, and gives fewer at the end only.
    """
    head = read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    index, time_us, received_s, size = _HEAD.unpack(head)
    data = read(size)
    if len(data) < size:
        return None
    return PushedPicture(index=index, time_us=time_us, received_s=received_s, data=data)


def is_pushable(data: bytes) -> bool:
    """True if these bytes begin like a JPEG, a PNG or a WebP."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
