"""A file or a stream behind an ``http`` or ``https`` URL, read like a local file."""

from __future__ import annotations

import io
import re
import socket
import ssl
import zlib
from collections.abc import Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected, responses
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin
from urllib.request import Request

from kinora.media.camera_errors import CameraError, LostReason, not_followed, password_needed, password_wrong
from kinora.media.network.auth import MAX_PROOFS, Credentials, Prover, parse_challenges
from kinora.media.network.gunzip import Gunzip
from kinora.media.network.url_access import HTTP, ConnectTimedOut, SourceUrl, connect
from kinora.media.source_types import SourceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD_BYTES = 16
MAX_REDIRECTS = 5
SKIP_BYTES = 256 * 1024
"""A gap up to this size is read and thrown away; for a larger one, a new request is faster."""
FAILURES = (OSError, HTTPException, ValueError, zlib.error)
"""Failures of the network, of the HTTP answer, of values in it, such as an invalid ``Location``, and of its gzip."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OK, _PARTIAL = 200, 206
_LOCKED = frozenset({401, 403})
"""The statuses for those who lack a password or a right."""
_AS_IT_IS, _GZIP = frozenset({"", "identity"}), frozenset({"gzip", "x-gzip"})
"""The values of ``Content-Encoding``: some servers send gzip though it was not asked for."""
_PART = re.compile(r"bytes (\d+)-\d+/(\d+)")


class RemoteFile(io.RawIOBase):
    """A remote file, open for reading. It holds a connection and no data.

    If the server supports range requests, the file can be read from anywhere, and a lost connection is opened again, as
    after a long pause of the job. Otherwise it can be read once, from the beginning. Every failure is a SourceError.
    """

    def __init__(
        self, url: str, hosts: Sequence[str], credentials: Credentials | None = None, called: str | None = None
    ) -> None:
        """Request the file; ``hosts`` are those that may be connected to, see :func:`url_access.connect`.

        ``credentials`` go to the server of ``url`` alone, never to where it redirects. Messages about what is
        ``called`` so tell nothing of its address, nor of where that leads.

        Raises:
            SourceError: it cannot be read or is not allowed; the text says what to do.
        """
        super().__init__()
        self.url = url
        self.hosts = hosts
        self._credentials = credentials
        self._prover = None if credentials is None else Prover(credentials)
        self._called = called
        self._etag = ""
        self._lost = False
        self._cookies = CookieJar()
        self._body: io.BufferedIOBase = io.BytesIO()
        self._first = parsed = SourceUrl.parse(url, HTTP)
        self.name = called or unquote(parsed.target.partition("?")[0].rpartition("/")[2]) or parsed.host
        """The name for people: as it is called, or the last part of the path."""
        try:
            response = self._ask(0)
            part = _PART.fullmatch(response.headers.get("Content-Range", ""))
            sent = int(part[2]) if part else response.length
            self.endless = sent is None
            """True if the server does not say how much it will send, as for a stream."""
            packed = _encoding(response) in _GZIP
            self._gives_parts = part is not None and not packed
            self.size = None if packed else sent
            """In bytes; None if the server does not say."""
            self._etag = response.headers.get("ETag", "")
            self.content_type = response.headers.get("Content-Type", "")
            """The field as the server sends it; empty if it does not."""
            self._body = io.BufferedReader(Gunzip(response)) if packed else response
            self.head = self._body.read(HEAD_BYTES)
            """The first bytes, which tell its format."""
        except FAILURES as error:
            raise self._fault(f"cannot be read: {self._reason(error)}", lost_reason(error)) from error
        self._position = 0
        self._at = len(self.head)
        """The position of the response's next byte."""

    def again(self) -> RemoteFile:
        """Request the file once more. Raises as for the first time."""
        return RemoteFile(self.url, self.hosts, self._credentials, self._called)

    def readable(self) -> bool:
        """True: it is open for reading."""
        return True

    def seekable(self) -> bool:
        """True if the server supports range requests."""
        return self._gives_parts

    def tell(self) -> int:
        """The position, in bytes from the beginning."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to any position; the next read asks the server for it."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size or 0}[whence]
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read the bytes that have arrived, at most as many as fit, and return their number; 0 at the end.

        Raises:
            SourceError: the connection was lost or is silent.
        """
        room = memoryview(buffer).cast("B")
        data = self.head[self._position :][: len(room)] or self._read(len(room))
        room[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the connection."""
        self._body.close()
        super().close()

    def _read(self, most: int) -> bytes:
        if self._lost:  # the error has been raised, but FFmpeg may try again and again
            return b""
        try:
            try:
                return self._read_on(most)
            except FAILURES:
                if not self._gives_parts:
                    raise
                self._go_to(self._position)
                return self._read_on(most)
        except FAILURES as error:
            self._lost = True
            at = "" if self.endless else f" after {self._position} bytes"
            raise self._fault(f"broke off{at}: {self._reason(error)}", lost_reason(error)) from error

    def _read_on(self, most: int) -> bytes:
        if self.size is not None and self._position >= self.size:
            return b""
        gap = self._position - self._at
        if 0 < gap <= SKIP_BYTES:
            self._at += len(self._body.read(gap))
        elif gap:
            self._go_to(self._position)
        data = self._body.read1(most)
        if not data and self.size is not None:
            raise ConnectionError("the server has closed the connection")
        self._at += len(data)
        return data

    def _go_to(self, position: int) -> None:
        self._body.close()
        self._body = self._ask(position)
        self._at = position

    def _ask(self, start: int) -> HTTPResponse:
        """The answer to a request for everything from ``start`` on, its body unread."""
        url = self.url
        for _ in range(1 + MAX_REDIRECTS):
            response = self._redirected(url, start) if url != self.url else self._answer(url, start)
            if response.status in _REDIRECTS:
                response.close()
                url = self._follow(response, url)
                continue
            if (wrong := self._wrong(response, start)) is not None:
                response.close()
                raise wrong
            return response
        raise self._fault(f"was redirected more than {MAX_REDIRECTS} times", LostReason.REDIRECTED)

    def _follow(self, response: HTTPResponse, url: str) -> str:
        """The URL to which a redirect of ``url`` leads. Whether it may be connected to is checked later."""
        return urljoin(url, response.headers.get("Location", ""))

    def _connect(self, url: SourceUrl) -> HTTPConnection:
        return connect(url, self.hosts)

    def _redirected(self, url: str, start: int) -> HTTPResponse:
        try:
            return self._answer(url, start)
        except SourceError as error:
            raise (_not_followed(error) if self._called is None else not_followed(self.name)) from error

    def _answer(self, url: str, start: int) -> HTTPResponse:
        """The answer of one server, which may be a redirect; one that asks for a password is shown it.

        Raises:
            CameraError: it does not take the password.
        """
        parsed = SourceUrl.parse(url, HTTP)
        prover = self._prover if parsed.origin == self._first.origin else None
        for _ in range(MAX_PROOFS):
            response = self._single_answer(url, parsed, start, prover)
            if prover is None:
                return response
            if response.status != HTTPStatus.UNAUTHORIZED:
                prover.was_accepted()
                return response
            response.close()
            if not prover.take(parse_challenges(response.headers.get_all("WWW-Authenticate", []))):
                break
        raise password_wrong(self.name)

    def _single_answer(self, url: str, parsed: SourceUrl, start: int, prover: Prover | None) -> HTTPResponse:
        """The answer to one request. Cookies are kept, and sent to where they belong."""
        connection = self._connect(parsed)
        request = Request(url)  # noqa: S310 - it is not opened, but tells the cookies' rules
        self._cookies.add_cookie_header(request)
        cookies = {"Cookie": cookie} if (cookie := request.get_header("Cookie")) else {}
        proof = None if prover is None else prover.prove("GET", parsed.target)
        proofs = {} if proof is None else {"Authorization": proof}
        try:
            connection.request("GET", parsed.target, headers=self._headers(parsed, start) | cookies | proofs)
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        self._cookies.extract_cookies(response, request)
        return response

    def _headers(self, url: SourceUrl, start: int) -> dict[str, str]:
        headers = {
            "Host": url.authority,
            "User-Agent": "kinora",
            "Accept-Encoding": "identity",
            "Range": f"bytes={start}-",
            "Connection": "close",
        }
        exact = self._etag.startswith('"')  # a weak ETag does not vouch for parts
        return headers | {"If-Range": self._etag} if start and exact else headers

    def _wrong(self, response: HTTPResponse, start: int) -> CameraError | None:
        """The fault of an answer other than a redirect; None if it is good."""
        if self._called is not None and response.status == HTTPStatus.UNAUTHORIZED:
            return password_needed(self.name)
        if response.status not in (_OK, _PARTIAL):
            words = f"{response.status} {responses.get(response.status, '')}".rstrip()
            reason = LostReason.AUTH if response.status in _LOCKED else LostReason.REFUSED
            return self._fault(f"cannot be read: the server answers {words}", reason)
        if (encoding := _encoding(response)) not in _AS_IT_IS | _GZIP:
            return self._fault(
                f"is sent compressed as {encoding[:20]!r}; have the server send it as it is", LostReason.REFUSED
            )
        part = _PART.fullmatch(response.headers.get("Content-Range", ""))
        if start and (part is None or (int(part[1]), int(part[2])) != (start, self.size)):
            return self._fault("has changed on the server while it was read", LostReason.CLOSED)
        return None

    def _fault(self, what: str, reason: LostReason) -> CameraError:
        return CameraError(reason, f"{self.name} {what}.", "unreadable")

    def _reason(self, error: Exception) -> str:
        """A phrase for users; of what has a name of the operator's it tells neither the host nor where that leads."""
        if self._called is not None and isinstance(error, ssl.SSLCertVerificationError):
            return "its certificate is not trusted, or is not for its host"
        if self._called is not None and isinstance(error, ValueError) and not isinstance(error, OSError):
            return "its answer makes no sense"
        return _reason(error)


def lost_reason(error: Exception) -> LostReason:
    """The word for a failure of the network, of an HTTP answer or of its gzip."""
    match error:
        case ssl.SSLCertVerificationError():
            return LostReason.CERTIFICATE
        case ConnectTimedOut() | socket.gaierror() | UnicodeError():
            return LostReason.UNREACHABLE
        case TimeoutError():
            return LostReason.SILENT
        case ConnectionRefusedError() | ssl.SSLError():
            return LostReason.REFUSED
        case RemoteDisconnected() | IncompleteRead() | ConnectionError() | zlib.error():
            return LostReason.CLOSED
        case OSError():
            return LostReason.UNREACHABLE
        case _:
            return LostReason.REFUSED


def _not_followed(error: SourceError) -> SourceError:
    """The error of a redirect that is not followed for ``error``."""
    return error if isinstance(error, CameraError) else CameraError(LostReason.REDIRECTED, str(error), error.kind)


def _encoding(response: HTTPResponse) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


def _reason(error: Exception) -> str:
    """A phrase for users; what the other side said is not in it, since it may be a service that they cannot reach."""
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, HTTPException) and not isinstance(error, RemoteDisconnected | IncompleteRead):
        return "the server does not speak HTTP"
    if isinstance(error, zlib.error):
        return "what it sends is not the gzip that it says"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
