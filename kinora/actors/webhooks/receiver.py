"""Posts to the receiver of a webhook: attempts that end in bounded time and memory, whatever the other side does."""

from __future__ import annotations

import hmac
import socket
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from http.client import responses

import attrs
import h11
import trio

from kinora import __version__
from kinora.actors.webhooks.webhook import Webhook, read_secret
from kinora.media.placed_camera import why_unreadable
from kinora.media.url_access import HTTP, SourceUrl, is_secured

ATTEMPT_S = 10.0
"""The time for an attempt, from the look-up of the host to the head of the answer. Then it has failed."""
CONNECT_S = 3.0
"""The time for a connection to one of several addresses of a host; after it the next one is tried."""
ANSWER_BYTES = 64 * 1024
"""The most that is read of an answer until its head is whole. The attempt has failed beyond it."""
HEAD_BYTES = 16 * 1024
"""The longest head of an answer. The attempt has failed beyond it."""
CLOSED = "it closed the connection without an answer"
_PIECE = 4096
"""The bytes that are read of an answer at a time."""


@attrs.frozen
class Answer:
    """The outcome of an attempt."""

    accepted: bool
    said: str
    """A phrase for the operator, without the receiver's address."""


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
            with trio.fail_after(ATTEMPT_S):
                return _judged(await self._answer(message, at))
        except trio.TooSlowError:
            return Answer(False, f"it did not answer within {ATTEMPT_S:g} s")
        except _Failed as error:
            return Answer(False, str(error))

    async def _answer(self, message: Message, at: int) -> int:
        headers = await self._headers(message, at)
        async with await self._connect() as stream:
            try:
                return await _exchange(stream, self._url.target, headers, message.body)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise _Failed(_reason(error)) from error
            except h11.ProtocolError as error:
                raise _Failed("it does not speak HTTP") from error

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
            raise _Failed(f"its secret_file cannot be read ({why_unreadable(error)})") from error
        return [*headers, ("Kinora-Signature", signature(secret, at, message.body))]

    async def _connect(self) -> trio.abc.Stream:
        stream = await _first_that_answers(await self._addresses(), self._url.port)
        if not is_secured(self._webhook.url):
            return stream
        try:
            context = await self._context()
            return trio.SSLStream(stream, context, server_hostname=self._url.host, https_compatible=True)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise

    async def _addresses(self) -> Sequence[str]:
        try:
            return await trio.to_thread.run_sync(self._look_up, abandon_on_cancel=True, limiter=self._thread)
        except (OSError, UnicodeError) as error:
            raise _Failed("its host is not known") from error

    def _look_up(self) -> Sequence[str]:
        found = socket.getaddrinfo(self._url.host, self._url.port, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]

    async def _context(self) -> ssl.SSLContext:
        if self._trusted is None:
            self._trusted = await trio.to_thread.run_sync(
                ssl.create_default_context, abandon_on_cancel=True, limiter=self._thread
            )
        return self._trusted


async def _first_that_answers(addresses: Sequence[str], port: int) -> trio.SocketStream:
    """Connect to the first of these addresses that takes a connection. The host is not looked up again."""
    *others, last = addresses
    for address in others:
        with trio.move_on_after(CONNECT_S):
            try:
                return await trio.open_tcp_stream(address, port)
            except OSError:
                continue
    try:
        return await trio.open_tcp_stream(last, port)
    except OSError as error:
        raise _Failed("nothing takes connections at its address") from error


async def _exchange(stream: trio.abc.Stream, target: str, headers: list[tuple[str, str]], body: bytes) -> int:
    """Send the request, and return the status of the answer; its body is not read.

    Raises:
        _Failed: the answer is too long, or the connection is closed before it.
    """
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    request = h11.Request(method="POST", target=target, headers=headers)
    parts = (request, h11.Data(data=body), h11.EndOfMessage())
    await stream.send_all(b"".join(filter(None, map(http.send, parts))))
    room = ANSWER_BYTES
    while True:
        match http.next_event():
            case h11.Response(status_code=status):
                return int(status)
            case h11.NEED_DATA:
                if not (piece := await stream.receive_some(_PIECE)):
                    raise _Failed(CLOSED)
                if (room := room - len(piece)) < 0:
                    raise _Failed("its answer does not end")
                http.receive_data(bytes(piece))


def _judged(status: int) -> Answer:
    """The outcome of an attempt that was answered with this status."""
    words = f"{status} {responses.get(status, '')}".rstrip()
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Answer(False, f"it answered {words}: redirects are not followed, set url to where it leads")
    return Answer(HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES, f"it answered {words}")


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return "it does not speak TLS"
    return CLOSED
