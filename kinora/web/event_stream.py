"""Server-sent events: what an event stream consists of."""

from __future__ import annotations

import msgspec

STREAM_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}
RETRY = b"retry: 1000\n\n"
"""Tells a browser to wait for a second before it opens a stream anew that has ended."""
COMMENT = b":\n\n"


class _Numbered(msgspec.Struct):
    """The part of a message that an event stream needs."""

    id: str


def event_block(message: bytes) -> bytes:
    """``message``, which is one line of JSON, as a server-sent event."""
    number = msgspec.json.decode(message, type=_Numbered).id
    return b"id: %b\ndata: %b\n\n" % (number.encode(), message)
