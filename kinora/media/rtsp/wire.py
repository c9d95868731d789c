"""RTSP's messages as bytes: requests out, and what a server sends taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import attrs

MAX_HEAD = 16 * 1024
"""The bytes of a message's head; a longer one is a fault of the server."""
MAX_BODY = 64 * 1024
"""The bytes of a message's body; a longer one is a fault of the server."""
_DOLLAR = ord("$")
_FRAME_HEAD = 4
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(r"RTSP/[0-9]\.[0-9] ([1-5][0-9]{2})(?: .*)?")
_REQUEST = re.compile(r"([A-Z_]{1,32}) [^ ]{1,2048} RTSP/[0-9]\.[0-9]")
_LENGTH = re.compile(r"[0-9]{1,9}")
_PLAIN = re.compile(r"[ -~\u00a0-\U0010ffff]*")
"""What may stand in a field's value that is sent: no control characters."""
_TARGET = re.compile(r"[!-~]{1,4096}")


class WireError(Exception):
    """These bytes are not RTSP."""


@attrs.frozen
class Fields:
    """The fields of a head."""

    _values: Mapping[str, list[str]] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, lines: list[str]) -> Fields:
        """Take lines apart; those that are no fields are passed over, as servers send all kinds."""
        values: dict[str, list[str]] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                values.setdefault(name.strip().lower(), []).append(value.strip())
        return cls(values)

    def get(self, name: str) -> str:
        """The first value of a field, by its name in lower case; empty if it is missing."""
        return self.all(name)[0] if self.all(name) else ""

    def all(self, name: str) -> Sequence[str]:
        """Every value of a field."""
        return self._values.get(name, [])


@attrs.frozen
class Response:
    """An answer."""

    status: int
    fields: Fields
    body: bytes


@attrs.frozen
class Asked:
    """A request of the server's."""

    method: str
    fields: Fields


@attrs.frozen
class Interleaved:
    """A packet between messages: RTP or RTCP, by its channel."""

    channel: int
    data: bytes


Message = Response | Asked | Interleaved


def encode_request(method: str, target: str, fields: Mapping[str, str]) -> bytes:
    """A request without a body.

    Raises:
        WireError: the target or a value, which may be a server's own words, cannot stand in a request.
    """
    if not _TARGET.fullmatch(target):
        raise WireError("a target has spaces or odd characters")
    return _head(f"{method} {target} RTSP/1.0", fields)


def encode_response(status: int, fields: Mapping[str, str]) -> bytes:
    """An answer without a body."""
    return _head(f"RTSP/1.0 {status} {'OK' if status == 200 else 'Not Implemented'}", fields)  # noqa: PLR2004


def _head(first: str, fields: Mapping[str, str]) -> bytes:
    if not all(map(_PLAIN.fullmatch, fields.values())):
        raise WireError("a field has control characters")
    lines = [first, *(f"{name}: {value}" for name, value in fields.items())]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


class Splitter:
    """Takes what a server sends apart. It holds one message at most, and what was read with it."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Add bytes as they were read."""
        self._data += data

    def next(self) -> Message | None:
        """The next whole message; None if more bytes are needed.

        Raises:
            WireError: what comes is no message, or too large.
        """
        while self._data and self._data[0] in b"\r\n":
            del self._data[:1]
        if not self._data:
            return None
        return self._next_packet() if self._data[0] == _DOLLAR else self._next_message()

    def _next_packet(self) -> Interleaved | None:
        if len(self._data) < _FRAME_HEAD:
            return None
        end = _FRAME_HEAD + int.from_bytes(self._data[2:_FRAME_HEAD], "big")
        if len(self._data) < end:
            return None
        packet = Interleaved(self._data[1], bytes(self._data[_FRAME_HEAD:end]))
        del self._data[:end]
        return packet

    def _next_message(self) -> Response | Asked | None:
        if not ord("A") <= self._data[0] <= ord("Z"):
            raise WireError("neither a message nor a packet")
        found = _HEAD_END.search(self._data, 0, MAX_HEAD)
        if found is None:
            if len(self._data) >= MAX_HEAD:
                raise WireError("a head without end")
            return None
        first, *rest = self._data[: found.start()].decode("utf-8", "replace").split("\n")
        fields = Fields.parse(rest)
        end = found.end() + _body_length(fields)
        if len(self._data) < end:
            return None
        message = _message(first, fields, bytes(self._data[found.end() : end]))
        del self._data[:end]
        return message


def _body_length(fields: Fields) -> int:
    stated = fields.get("content-length") or "0"
    if not _LENGTH.fullmatch(stated) or int(stated) > MAX_BODY:
        raise WireError("a body of no length, or too long")
    return int(stated)


def _message(first: str, fields: Fields, body: bytes) -> Response | Asked:
    if answered := _STATUS.fullmatch(first.rstrip()):
        return Response(int(answered[1]), fields, body)
    if asked := _REQUEST.fullmatch(first.rstrip()):
        return Asked(asked[1], fields)
    raise WireError("neither an answer nor a request")
