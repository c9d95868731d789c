"""Posts to the receiver of a webhook: attempts that end in bounded time and memory, whatever the other side does."""

from __future__ import annotations

import hmac
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs
import h11
import trio

from kinora import __version__
from kinora.actors.webhooks import outcome
from kinora.actors.webhooks.outcome import Answer
from kinora.actors.webhooks.webhook import Webhook, read_secret
from kinora.media.live.placed_camera import why_unreadable
from kinora.media.network.url_access import HTTP, SourceUrl, is_secured

ATTEMPT_S = 10.0
"""The time for an attempt, from the look-up of the host to the head of the answer. Then it has failed."""
CONNECT_S = 3.0
"""The time for a connection to one of several addresses of a host; after it the next one is tried."""
ANSWER_BYTES = 64 * 1024
"""The most that is read of an answer until its head is whole. The attempt has failed beyond it."""
HEAD_BYTES = 16 * 1024
"""The longest head of an answer. The attempt has failed beyond it."""
_PIECE = 4096
"""The bytes that are read of an answer at a time."""


@attrs.frozen
class Message:
    """The message that is posted."""

    id: str
    """The same at each attempt, so that a receiver can tell a repetition."""
    type: str
    body: bytes = attrs.field(repr=False)


class _Failed(Exception):
    """The attempt has failed; the text is the phrase that says why."""


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of ``Kinora-Signature`` for a post at this time, in seconds since 1970."""
    digest = hmac.digest(secret.encode(), b"%d." % at + body, "sha256")
    return f"t={at},v1={digest.hex()}"


class Receiver:
    """The receiver of one webhook. Each post has a connection of its own; redirects are not followed."""

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self._url = SourceUrl.parse(webhook.url, HTTP)
        self._thread = trio.CapacityLimiter(1)
        """Look-ups and files that hang keep no other thread busy: the next attempt waits for them, and fails."""
        self._trusted: ssl.SSLContext | None = None

    async def post(self, message: Message, at: int) -> Answer:
        """Post a message, signed for the time ``at``. An attempt that fails is an answer too."""
        try:
            status = await self._answer(message, at)
        except _Failed as error:
            return Answer(str(error))
        return outcome.answered(status)

    async def _answer(self, message: Message, at: int) -> int:
        end = trio.current_time() + ATTEMPT_S
        with _until(end, outcome.SLOW_SECRET):
            headers = await self._headers(message, at)
        with _until(end, outcome.SLOW_LOOK_UP):
            addresses = await self._addresses()
        with _until(end, outcome.SLOW_CONNECTION):
            stream = await self._connect(addresses)
        with _until(end, outcome.SLOW_ANSWER):
            async with stream:
                return await _exchange(stream, self._url.target, headers, message.body)

    async def _headers(self, message: Message, at: int) -> list[tuple[str, str]]:
        headers = [
            ("Host", self._url.authority),
            ("User-Agent", f"kinora/{__version__}"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(message.body))),
            ("Connection", "close"),
            ("Kinora-Event", message.type),
            ("Kinora-Delivery", message.id),
        ]
        path = self._webhook.secret_file
        if path is None:
            return headers
        try:
            secret = await trio.to_thread.run_sync(read_secret, path, abandon_on_cancel=True, limiter=self._thread)
        except (OSError, ValueError) as error:
            raise _Failed(outcome.no_secret(why_unreadable(error))) from error
        return [*headers, ("Kinora-Signature", signature(secret, at, message.body))]

    async def _addresses(self) -> Sequence[str]:
        try:
            return await trio.to_thread.run_sync(self._look_up, abandon_on_cancel=True, limiter=self._thread)
        except (OSError, UnicodeError) as error:
            raise _Failed(outcome.UNKNOWN_HOST) from error

    def _look_up(self) -> Sequence[str]:
        found = socket.getaddrinfo(self._url.host, self._url.port, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]

    async def _connect(self, addresses: Sequence[str]) -> trio.abc.Stream:
        if not is_secured(self._webhook.url):
            return await _first_that_answers(addresses, self._url.port)
        if self._trusted is None:
            self._trusted = await trio.to_thread.run_sync(
                ssl.create_default_context, abandon_on_cancel=True, limiter=self._thread
            )
        stream = await _first_that_answers(addresses, self._url.port)
        return trio.SSLStream(stream, self._trusted, server_hostname=self._url.host, https_compatible=True)


@contextmanager
def _until(end: float, late: str) -> Iterator[None]:
    """Let the attempt fail with the phrase ``late``, which lacks the time, if the block has not ended by then."""
    with trio.move_on_at(end) as scope:
        yield
    if scope.cancelled_caught:
        raise _Failed(late.format(f"{ATTEMPT_S:g} s"))


async def _first_that_answers(addresses: Sequence[str], port: int) -> trio.SocketStream:
    """Connect to the first of these addresses that takes a connection. The host is not looked up again."""
    *others, last = addresses
    for address in others:
        with trio.move_on_after(CONNECT_S):
            try:
                return await trio.open_tcp_stream(address, port)
            except OSError:  # if no address answers, the last one tells
                continue
    try:
        return await trio.open_tcp_stream(last, port)
    except OSError as error:
        raise _Failed(outcome.NOT_THERE) from error


async def _exchange(stream: trio.abc.Stream, target: str, headers: list[tuple[str, str]], body: bytes) -> int:
    """Send the request, and return the status of the answer; its body is not read.

    Raises:
        _Failed: the answer is too long or not HTTP, or the connection is closed before it.
    """
    try:
        return await _status(stream, h11.Request(method="POST", target=target, headers=headers), body)
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise _Failed(outcome.why_broken(error)) from error
    except h11.ProtocolError as error:
        raise _Failed(outcome.NO_HTTP) from error


async def _status(stream: trio.abc.Stream, request: h11.Request, body: bytes) -> int:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    parts = (request, h11.Data(data=body), h11.EndOfMessage())
    await stream.send_all(b"".join(filter(None, map(http.send, parts))))
    room = ANSWER_BYTES
    while True:
        match http.next_event():
            case h11.Response(status_code=status):
                return int(status)
            case h11.NEED_DATA:
                if not (piece := await stream.receive_some(_PIECE)):
                    raise _Failed(outcome.CLOSED)
                if (room := room - len(piece)) < 0:
                    raise _Failed(outcome.ENDLESS)
                http.receive_data(bytes(piece))
