"""A small HTTP/1.1 client on Trio for the tests: requests, uploads and event streams over real sockets."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import attrs
import h11
import trio

_BOUNDARY = "kinora-test-boundary"


@attrs.frozen
class Answer:
    """A whole HTTP answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@attrs.frozen
class Event:
    """One block of an event stream: fields of the same name are joined by newlines, ``""`` is a comment."""

    fields: Mapping[str, str]

    @property
    def message(self) -> Any:
        """The decoded ``data``."""
        return json.loads(self.fields["data"])


@attrs.frozen
class Part:
    """One part of a multipart body."""

    name: str
    data: bytes
    filename: str | None = None


class Exchange:
    """One request on a connection of its own, and its answer as it comes."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._connection = h11.Connection(h11.CLIENT)

    async def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """Send the whole request."""
        head = {"content-length": str(len(body))} if body else {}
        request = h11.Request(method=method, target=target, headers=[*(head | dict(headers)).items()])
        await self._stream.send_all(self._connection.send(request) or b"")
        if body:
            await self._stream.send_all(self._connection.send(h11.Data(data=body)) or b"")
        self._connection.send(h11.EndOfMessage())

    async def head(self) -> h11.Response:
        """The answer's status and headers."""
        event = await self._next()
        while isinstance(event, h11.InformationalResponse):
            event = await self._next()
        assert isinstance(event, h11.Response), event
        return event

    async def piece(self) -> bytes | None:
        """The next piece of the body, None at its end."""
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _next(self) -> Any:
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            self._connection.receive_data(bytes(await self._stream.receive_some(2**16)))
        return event


async def _open_stream(host: str, port: int, *, secure: bool) -> trio.abc.Stream:
    """Connect; with TLS the authority of ``KINORA_CA_FILE`` is trusted."""
    if not secure:
        return await trio.open_tcp_stream(host, port)
    trusted = ssl.create_default_context(cafile=os.environ["KINORA_CA_FILE"])
    return await trio.open_ssl_over_tcp_stream(host, port, https_compatible=True, ssl_context=trusted)


@asynccontextmanager
async def exchange(
    url: str, method: str = "GET", *, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> AsyncIterator[Exchange]:
    """Send one request and give its answer to read; the connection is closed in the end."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    async with await _open_stream(parts.hostname, parts.port, secure=parts.scheme == "https") as stream:
        opened = Exchange(stream)
        await opened.send(method, target or "/", {"host": parts.netloc} | dict(headers or {}), body)
        yield opened


async def request(
    url: str, method: str = "GET", *, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Answer:
    """One request and its whole answer."""
    return await ask(url, method, headers, body)


async def ask(url: str, method: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    """As :func:`request`, for all functions here; ``tests.both_ways`` puts another one in its place."""
    async with exchange(url, method, headers=headers, body=body) as opened:
        head = await opened.head()
        pieces: list[bytes] = []
        while (piece := await opened.piece()) is not None:
            pieces.append(piece)
    named = {name.decode(): value.decode() for name, value in head.headers}
    return Answer(head.status_code, named, b"".join(pieces))


async def get(url: str, **headers: str) -> Answer:
    """GET; ``if_none_match="…"`` becomes ``If-None-Match``."""
    return await request(url, headers=_dashed(headers))


async def post(url: str, data: Any = None, **headers: str) -> Answer:
    """POST ``data`` as JSON, or nothing at all when it is None."""
    if data is None:
        return await request(url, "POST", headers=_dashed(headers))
    typed = {"content-type": "application/json"} | _dashed(headers)
    return await request(url, "POST", headers=typed, body=json.dumps(data).encode())


async def upload(url: str, parts: Sequence[Part], **headers: str) -> Answer:
    """POST a multipart form."""
    typed = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"} | _dashed(headers)
    return await request(url, "POST", headers=typed, body=multipart(parts))


def multipart(parts: Sequence[Part]) -> bytes:
    """The parts as one body."""
    chunks: list[bytes] = []
    for part in parts:
        name = f'form-data; name="{part.name}"'
        if part.filename is not None:
            name += f'; filename="{part.filename}"'
        head = f"--{_BOUNDARY}\r\nContent-Disposition: {name}\r\n\r\n"
        chunks += [head.encode(), part.data, b"\r\n"]
    return b"".join(chunks) + f"--{_BOUNDARY}--\r\n".encode()


class EventStream:
    """An open event stream; iterating gives its events until it ends."""

    def __init__(self, opened: Exchange) -> None:
        self._exchange = opened
        self._text = ""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event or comment."""
        while "\n\n" not in self._text:
            piece = await self._exchange.piece()
            if piece is None:
                raise StopAsyncIteration
            self._text += piece.decode()
        block, self._text = self._text.split("\n\n", 1)
        return _event(block)


@asynccontextmanager
async def events(url: str, **headers: str) -> AsyncIterator[EventStream]:
    """An open event stream."""
    async with exchange(url, headers=_dashed(headers)) as opened:
        head = await opened.head()
        assert head.status_code == 200, head
        yield EventStream(opened)


def _event(block: str) -> Event:
    fields: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value.removeprefix(" ")
    return Event(fields)


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
