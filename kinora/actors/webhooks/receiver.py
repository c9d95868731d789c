"""Posts to the receiver of a webhook: attempts that end in bounded time and memory, whatever the other side does."""

from __future__ import annotations

import hmac
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
OF_ONE_MESSAGE = frozenset({400, 409, 413, 415, 422, 500})
"""The statuses that may be the fault of one message. After any other failure none would be taken."""
WRONG_NAME = frozenset({62, 64})
"""OpenSSL's codes for a certificate of another host or another IP address."""
ITS_LOG = "its own log should say why"
ADDRESS = "check host and port in url, and the firewalls between"
CLOSED = f"it closed the connection without an answer: {ITS_LOG}"
NO_HTTP = "it does not speak HTTP: check the port in url"
_PIECE = 4096
"""The bytes that are read of an answer at a time."""


@attrs.frozen
class Answer:
    """The outcome of an attempt."""

    said: str
    """A phrase for the operator, without the receiver's address: what came of it, and what to do if it has failed."""
    status: int | None = None
    """The status of the receiver's answer; None if there was none."""

    @property
    def accepted(self) -> bool:
        """True if the receiver has the message."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def away(self) -> bool:
        """True if the receiver cannot take any message now; false if it refuses this one."""
        return not self.accepted and self.status not in OF_ONE_MESSAGE


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
        return Answer(_in_words(status), status)

    async def _answer(self, message: Message, at: int) -> int:
        end = trio.current_time() + ATTEMPT_S
        with _until(end, "its secret_file could not be read", "check the disk that it is on"):
            headers = await self._headers(message, at)
        with _until(end, "its host could not be looked up", "check the DNS of the server's machine"):
            addresses = await self._addresses()
        with _until(end, "nothing took the connection", ADDRESS):
            stream = await self._connect(addresses)
        with _until(end, "it did not answer", "it should answer at once, and do its work after that"):
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
            raise _Failed(
                f"its secret_file cannot be read ({why_unreadable(error)}): mend it, it is read at each post"
            ) from error
        return [*headers, ("Kinora-Signature", signature(secret, at, message.body))]

    async def _addresses(self) -> Sequence[str]:
        try:
            return await trio.to_thread.run_sync(self._look_up, abandon_on_cancel=True, limiter=self._thread)
        except (OSError, UnicodeError) as error:
            raise _Failed(
                "its host is not known: check the host in url, and the DNS of the server's machine"
            ) from error

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
def _until(end: float, late: str, advice: str) -> Iterator[None]:
    """Let the attempt fail if the block has not ended by then; ``late`` is what has not happened, ``advice`` helps."""
    with trio.move_on_at(end) as scope:
        yield
    if scope.cancelled_caught:
        raise _Failed(f"{late} within {ATTEMPT_S:g} s: {advice}")


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
        raise _Failed(f"nothing takes connections at its address: {ADDRESS}") from error


async def _exchange(stream: trio.abc.Stream, target: str, headers: list[tuple[str, str]], body: bytes) -> int:
    """Send the request, and return the status of the answer; its body is not read.

    Raises:
        _Failed: the answer is too long or not HTTP, or the connection is closed before it.
    """
    try:
        return await _status(stream, h11.Request(method="POST", target=target, headers=headers), body)
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise _Failed(_reason(error)) from error
    except h11.ProtocolError as error:
        raise _Failed(NO_HTTP) from error


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
                    raise _Failed(CLOSED)
                if (room := room - len(piece)) < 0:
                    raise _Failed("its answer does not end: it should be a status with a short head")
                http.receive_data(bytes(piece))


def _in_words(status: int) -> str:
    """The outcome of an attempt that was answered with this status."""
    words = f"it answered {status} {responses.get(status, '')}".rstrip()
    return words if status < HTTPStatus.MULTIPLE_CHOICES else f"{words}: {_advice(status)}"


def _advice(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "redirects are not followed, set url to where it leads"
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return "it must know the secret in secret_file, and both clocks must be right"
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED | HTTPStatus.GONE:
            return "check the path in url"
        case _:
            return ITS_LOG


def _reason(error: BaseException) -> str:
    """Why a connection broke."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _distrust(cause)
    if isinstance(cause, ssl.SSLError):
        return "it does not speak TLS: check the port in url, or begin url with http://"
    return CLOSED


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    """Why a certificate is not trusted. OpenSSL's words for a wrong name are not used: they tell the address."""
    if error.verify_code in WRONG_NAME:
        return "its certificate is for another host: check the host in url"
    authority = "SSL_CERT_FILE can name its authority when the server starts"
    return f"its certificate is not trusted ({error.verify_message}): {authority}"
