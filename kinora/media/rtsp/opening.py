"""Begins a session with a camera: where it may be connected to, and who is trusted with a password."""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import unquote

from kinora.media.camera_errors import CameraError, not_followed, redirected
from kinora.media.network.auth import Credentials
from kinora.media.network.url_access import RTSP, SourceUrl, open_socket
from kinora.media.rtsp import faults
from kinora.media.rtsp.connection import Connection
from kinora.media.rtsp.requests import REQUEST_S
from kinora.media.rtsp.session import Redirected, Session
from kinora.media.source_types import SourceError

MAX_REDIRECTS = 5
OPEN_S = 20.0
"""The time for all requests together, of a camera that redirects as well."""


def open_session(
    url: str, hosts: Sequence[str], credentials: Credentials | None = None, called: str | None = None
) -> Session:
    """Have a camera send its video, over a connection that the session owns.

    ``hosts`` are those that may be connected to, see :func:`url_access.open_socket`. ``credentials`` go to the host of
    ``url`` alone, never to where it redirects. Messages about a camera that is ``called`` so tell nothing of its
    address, nor of where it leads.

    Raises:
        CameraError: it cannot be watched.
        SourceError: its host is not allowed.
    """
    first = SourceUrl.parse(url, RTSP)
    name, until = called or camera_name(first), time.monotonic() + OPEN_S
    at, leads_to = first, None
    for _ in range(1 + MAX_REDIRECTS):
        try:
            at = first if leads_to is None else SourceUrl.parse(leads_to, RTSP)
            connection = _connect(at, hosts, name, secret=called is not None)
        except CameraError:
            raise
        except SourceError as error:
            if leads_to is None:
                raise
            raise (not_followed(name) if called else redirected(name, str(error))) from error
        try:
            return Session.begin(connection, at, name, credentials if at.origin == first.origin else None, until)
        except Redirected as redirect:
            leads_to = redirect.location
    raise redirected(name, f"It does so more than {MAX_REDIRECTS} times: check the camera's settings.")


def camera_name(url: SourceUrl) -> str:
    """The name of a camera for people: the last part of the path, or else the host."""
    return unquote(url.target.partition("?")[0].rstrip("/").rpartition("/")[2]) or url.host


def _connect(url: SourceUrl, hosts: Sequence[str], name: str, *, secret: bool) -> Connection:
    try:
        return Connection(open_socket(url, hosts, REQUEST_S), name)
    except (OSError, UnicodeError) as error:  # of a name that no host can have
        raise faults.not_connected(name, None if secret else url, error) from error
