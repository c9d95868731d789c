"""FoundEvent: an event of a plugin on its way from the plugin's process to the Job, which numbers and stores it."""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from kinora.actors.field_types import Index
from kinora.plugins import protocol
from kinora.plugins.protocol import EVENT_BYTES, KIND_CHARACTERS, MESSAGE_CHARACTERS


@attrs.frozen(kw_only=True)
class FoundEvent:
    """An event without its number. One of a frame goes with the frame's data, so both are stored or neither is."""

    plugin: str
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=KIND_CHARACTERS)]
    message: Annotated[str, msgspec.Meta(max_length=MESSAGE_CHARACTERS)] = ""
    data: Annotated[bytes, msgspec.Meta(max_length=EVENT_BYTES)] = b"null"
    """JSON text."""
    index: Index | None = None
    """The frame; None if it is not about one."""
    timestamp_ms: float | None = None
    """The frame's time."""


def found_event(plugin: str, event: protocol.Event) -> FoundEvent:
    """Return an event that is not about a frame."""
    return FoundEvent(plugin=plugin, kind=event.kind, message=event.message, data=event.data)


def check_event_data(data: bytes) -> None:
    """Check that the data of an event is JSON: what says so is not trusted.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is not JSON, not UTF-8, or nested too deeply.
    """
    _decode_raw(data)
    data.decode()


_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
