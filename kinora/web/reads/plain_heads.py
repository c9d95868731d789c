"""Strict reading of request heads: of the plainest only, so that nobody can read them differently."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

MAX_BYTES = 4096
"""The most bytes of a plain head; a longer one is none."""
_HEADERS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"cache-control",
        b"connection",
        b"cookie",
        b"host",
        b"if-none-match",
        b"pragma",
        b"priority",
        b"referer",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"user-agent",
    }
)
"""The headers that a plain head may have, each once. What they ask of an answer is known; another may ask for more."""
_HEAD = re.compile(
    rb"GET (/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))? HTTP/1\.1\r\n"
    rb"((?:[A-Za-z-]+: ?[!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
"""The whole head of a GET, with nothing behind it: visible ASCII, no folded or empty headers, no fragment."""
_QUERY = re.compile(r"[a-z_]+=[0-9A-Za-z-]+(?:&[a-z_]+=[0-9A-Za-z-]+)*")
"""A query in which each parameter has a value, and nothing is escaped."""


@attrs.frozen(eq=False)
class PlainHead:
    """The head of a GET."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    """Names in lower case."""

    def header(self, name: bytes) -> str:
        """The value of a header; empty if there is none."""
        return self.headers.get(name, b"").decode("ascii")

    def scope(self) -> Mapping[str, object]:
        """What the ASGI scope of the request says of it."""
        return {
            "type": "http",
            "method": "GET",
            "path": self.path,
            "query_string": "&".join(f"{name}={value}" for name, value in self.query.items()).encode(),
            "headers": [*self.headers.items()],
        }


def plain_head(data: bytes) -> PlainHead | None:
    """The head in ``data``; None if it is not exactly one whole plain head."""
    match = _HEAD.fullmatch(data) if len(data) <= MAX_BYTES else None
    if match is None:
        return None
    path, query, lines = match.groups()
    fields = [line.partition(b":") for line in lines.split(b"\r\n")[:-1]]
    headers = {name.lower(): value.strip(b" ") for name, _, value in fields}
    parameters = _parameters((query or b"").decode("ascii"))
    if parameters is None or len(headers) < len(fields) or not headers.keys() <= _HEADERS:
        return None
    if b"%" in path or headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return PlainHead(path.decode("ascii"), parameters, headers)


def _parameters(query: str) -> Mapping[str, str] | None:
    """The parameters in a query; None if it is not plain, or has one twice."""
    if not query:
        return {}
    if _QUERY.fullmatch(query) is None:
        return None
    pairs = [pair.split("=") for pair in query.split("&")]
    parameters = dict(pairs)
    return parameters if len(parameters) == len(pairs) else None
