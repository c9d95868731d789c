"""What RFC 9112 asks of a request head, beyond what h11 and Hypercorn do."""

from __future__ import annotations

import re
from typing import Any

import h11

_ABSOLUTE = re.compile(
    rb"https?://((?:\[[0-9a-f:.]+\]|[^/?#@:\[\]]+)(?::\d*)?)((?:[/?].*)?)",
    re.IGNORECASE,
)
"""A target in absolute form: the authority, and the path with the query."""
_VERSIONS = frozenset({b"1.0", b"1.1"})
_Headers = list[tuple[bytes, bytes]]


class BoundedHeads(h11.Connection):
    """The server's side of a connection; it refuses longer request heads with 431, whether all of it has come or not.

    h11 itself counts only what has come of an incomplete head. Other versions of HTTP, which h11 takes for 1.1, are
    refused with 505.
    """

    they_are_waiting_for_100_continue = False
    """Hypercorn would send the 100 before the app has looked at the request; see ``awaits_continue``."""

    def __init__(self, max_head_bytes: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=max_head_bytes)
        self._max_head_bytes = max_head_bytes

    @property
    def awaits_continue(self) -> bool:
        """True while the client holds its body back until it gets a 100 or a final answer."""
        return self.client_is_waiting_for_100_continue

    @property
    def at_rest(self) -> bool:
        """True if no request is under way, and nothing of one has come."""
        return self.our_state is h11.IDLE and self.their_state is h11.IDLE and not self.trailing_data[0]

    def next_event(self) -> Any:
        """Return the next event.

        Raises:
            h11.RemoteProtocolError: the client broke the protocol, a head is too long, or of another version of HTTP.
        """
        before = self._waiting() if self.their_state is h11.IDLE else 0
        event = super().next_event()
        if isinstance(event, h11.Request) and before - self._waiting() > self._max_head_bytes:
            raise h11.RemoteProtocolError("The request head is too long.", error_status_hint=431)
        if isinstance(event, h11.Request) and event.http_version not in _VERSIONS:
            raise h11.RemoteProtocolError("Another version of HTTP.", error_status_hint=505)
        return event

    def _waiting(self) -> int:
        """The number of bytes that have come and are not part of an event yet."""
        return len(self.trailing_data[0])


def has_two_lengths(request: h11.Request) -> bool:
    """True if the body's end is given in two ways: another server on the way may have believed the other one."""
    return {b"content-length", b"transfer-encoding"} <= {name for name, _ in request.headers}


def target_and_headers(request: h11.Request) -> tuple[bytes, _Headers]:
    """The target in origin form, and the headers that count.

    The host in an absolute target replaces ``Host``, and ``Transfer-Encoding`` makes ``Content-Length`` void. A target
    in another form is left as it is.
    """
    headers = list(request.headers)
    if has_two_lengths(request):
        headers = _without(headers, b"content-length")
    match = _ABSOLUTE.fullmatch(request.target)
    if match is None:
        return request.target, headers
    authority, path = match.groups()
    return path if path.startswith(b"/") else b"/" + path, [(b"host", authority), *_without(headers, b"host")]


def _without(headers: _Headers, name: bytes) -> _Headers:
    return [header for header in headers if header[0] != name]
