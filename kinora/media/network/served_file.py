"""A file of this program's own server, read by ranges like a file of the disk."""

from __future__ import annotations

import ssl
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse

import attrs

from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.network.remote_file import FAILURES, RemoteFile
from kinora.media.network.served import Served
from kinora.media.network.url_access import HTTP, SourceUrl, connect, is_secured
from kinora.media.source_types import SourceError

RETRY_S = 6.0
"""A server that is away is tried again for so long: a little longer than an agent may work without it. With the silence
before and the last try it takes less time than a decoder that sends nothing has."""
PAUSE_S = 0.25
"""The pause between two tries."""
_REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_BUSY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})


@attrs.frozen(kw_only=True)
class ServedSource:
    """What is read from the server, and its names."""

    served: Served
    name: str
    """Its name in messages, which tell nothing of its address."""
    file_name: str
    """FFmpeg tells some formats by the suffix."""
    trusted: ssl.SSLContext | None
    """None if the connection is not encrypted."""

    @classmethod
    def of(cls, served: Served, name: str, file_name: str) -> ServedSource:
        """The source, with the certificates read. A program that is confined can read them no more.

        Raises:
            SourceError: the file of certificates cannot be used.
        """
        trusted = _trusting(served.ca_file) if is_secured(served.url) else None
        return cls(served=served, name=name, file_name=file_name, trusted=trusted)


class ServedFile(RemoteFile):
    """Such a file, open for reading. Only its server is connected to, and it leads nowhere else."""

    def __init__(self, source: ServedSource, etag: str = "") -> None:
        """Request the file; if ``etag`` is given, it must be that of the answer.

        Raises:
            SourceError: it cannot be read, or has changed since the answer with ``etag``.
        """
        self._source = source
        url = SourceUrl.parse(source.served.url, HTTP)
        super().__init__(source.served.url, (f"{url.host}:{url.port}",), None, source.name)
        self.name = source.file_name
        if etag and self._etag != etag:
            self.close()
            raise self._changed()

    def again(self) -> ServedFile:
        """Request the file once more. Raises if it cannot be read, or has changed."""
        return ServedFile(self._source, self._etag)

    def _connect(self, url: SourceUrl) -> HTTPConnection:
        return connect(url, self.hosts, self._source.trusted)

    def _headers(self, url: SourceUrl, start: int) -> dict[str, str]:
        token = self._source.served.token
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        return super()._headers(url, start) | shown

    def _follow(self, _response: HTTPResponse, _url: str) -> str:
        raise self._fault("cannot be read: its server sends the agent elsewhere", LostReason.REDIRECTED)

    def _ask(self, start: int) -> HTTPResponse:
        """The answer to a request for everything from ``start`` on, in as many tries as fit into ``RETRY_S``."""
        give_up = time.monotonic() + RETRY_S
        while True:
            try:
                return super()._ask(start)
            except ssl.SSLCertVerificationError:
                raise
            except FAILURES:
                if time.monotonic() + PAUSE_S > give_up:
                    raise
                time.sleep(PAUSE_S)

    def _wrong(self, response: HTTPResponse, start: int) -> CameraError | None:
        if response.status in _BUSY:
            response.close()
            raise ConnectionError("the server is busy")
        if response.status in _REFUSED:
            return self._fault("cannot be read: its server does not accept the agent's token", LostReason.AUTH)
        if start and response.status in _GONE:
            return self._changed()
        return super()._wrong(response, start)

    def _changed(self) -> CameraError:
        return self._fault("has changed on the server while it was read", LostReason.CLOSED)

    def _fault(self, what: str, reason: LostReason) -> CameraError:
        return CameraError(reason, f"{self._source.name} {what}.", "unreadable")


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    trusted = ssl.create_default_context()
    if ca_file is not None:
        try:
            trusted.load_verify_locations(ca_file)
        except OSError as error:  # of the file, or of TLS
            raise SourceError("unreadable", f"{ca_file} cannot be read as certificates in PEM.") from error
    return trusted
