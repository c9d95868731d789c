"""The bytes of a saved state: a version, a head, and further bytes as they are."""

from __future__ import annotations

import struct
from typing import TypeVar

import msgspec

_PREFIX = struct.Struct("<II")  # version, and bytes of the head
_Head = TypeVar("_Head")

encode_head = msgspec.msgpack.Encoder().encode


def with_head(version: int, head: object) -> bytes:
    """The beginning of a state; ``head`` consists of what msgspec can encode."""
    encoded = encode_head(head)
    return _PREFIX.pack(version, len(encoded)) + encoded


def read_head(data: bytes, version: int, decoder: msgspec.msgpack.Decoder[_Head]) -> tuple[_Head, memoryview]:
    """The head of a state, and what follows it.

    Raises:
        ValueError: it is of another version, or no state at all.
    """
    if len(data) < _PREFIX.size or _PREFIX.unpack_from(data)[0] != version:
        raise ValueError("the state was saved by another version of this plugin")
    end = _PREFIX.size + _PREFIX.unpack_from(data)[1]
    try:
        return decoder.decode(data[_PREFIX.size : end]), memoryview(data)[end:]
    except msgspec.MsgspecError as error:
        raise ValueError(f"the state cannot be read: {error}") from error
