"""A little HTTP server of video files, for tests of sources that are URLs."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import cycle
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import unquote

from tests.door import Door

PIECE = 4096
BOUNDARY = "picture"


class MediaServer(ThreadingMixIn, HTTPServer):
    """Serves the files of a folder, whole or from where a ``Range`` begins. :func:`media_server` makes and runs it."""

    def __init__(self, folder: Path, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.scheme = "http" if tls is None else "https"
        self.folder = folder
        self.parts = True
        """Whether a client may begin in the middle of a file."""
        self.redirects: dict[str, str] = {}
        """Path → where a client is sent instead."""
        self.refusals: dict[str, str] = {}
        """Path → the reason phrase of a 403 that a client gets."""
        self.streams: dict[str, Iterable[bytes]] = {}
        """Path → JPEGs that a camera gives one by one, without saying how many."""
        self.raw_streams: dict[str, Iterable[bytes]] = {}
        """Path → what a camera sends after the head of its answer, piece by piece."""
        self.fields: dict[str, dict[str, str]] = {}
        """Path → fields of the answer's head: more of them, or other values."""
        self.door: Door | None = None
        """Lets in who shows a password; None lets all in."""
        self.required: dict[str, str] = {}
        """Path → the value that a field ``Cookie`` must have, else the answer is 403."""
        self.one_client = False
        """Whether a camera answers 503 while it sends to another client."""
        self.busy = threading.Lock()
        self.pace_s: float | None = None
        """The time between two of them, for a camera that goes on and on; None: they are given once, at once."""
        self.breaks_at: int | None = None
        """The byte of a file at which each connection ends that has begun before it."""
        self.stalls = False
        """Whether it stays open there instead, and nothing more comes."""
        self.away = 0
        """The number of further requests that are answered 503."""
        self.meeting: threading.Barrier | None = None
        """Where each request waits for others, while there is one."""
        self.asked: list[str] = []
        """The path of each request."""
        self.proofs: list[str] = []
        """What each request has shown as ``Authorization``; empty if nothing."""
        self.sent = 0
        """Bytes of files, over all requests."""
        self.shown = 0
        """Pictures that cameras have sent."""
        self.closing = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or that does not like our certificate, is no news."""

    @property
    def host(self) -> str:
        """With its port."""
        return f"127.0.0.1:{self.server_port}"

    def url(self, path: str) -> str:
        """The URL of a file."""
        return f"{self.scheme}://{self.host}/{path}"


class _Handler(BaseHTTPRequestHandler):
    server: MediaServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if (meeting := self.server.meeting) is not None:
            meeting.wait()
        proof = self.headers.get("Authorization", "")
        self.server.proofs.append(proof)
        name = unquote(self.path.lstrip("/").partition("?")[0])
        path = self.server.folder / name
        with suppress(ConnectionError, ssl.SSLError):  # the client has what it wanted
            if self.server.away:
                self.server.away -= 1
                self.send_error(503)
            elif self.server.door is not None and not self.server.door.lets_in(self.path, proof):
                self.send_response(401)
                self._end_head(name, {"WWW-Authenticate": self.server.door.challenge})
            elif name in self.server.redirects:
                self.send_response(302)
                self.send_header("Location", self.server.redirects[name])
                self._end_head(name, {})
            elif self.headers.get("Cookie", "") != self.server.required.get(name, ""):
                self.send_error(403)
            elif name in self.server.refusals:
                self.send_response(403, self.server.refusals[name])
                self.end_headers()
            elif name in self.server.streams or name in self.server.raw_streams:
                self._be_camera(name)
            elif path.is_file():
                self._send(name, path.read_bytes())
            else:
                self.send_error(404)

    def _end_head(self, name: str, fields: dict[str, str]) -> None:
        for field, value in (fields | self.server.fields.get(name, {})).items():
            if value:
                self.send_header(field, value)
        self.end_headers()

    def _be_camera(self, name: str) -> None:
        if not self.server.one_client:
            self._show(name)
        elif self.server.busy.acquire(blocking=False):
            try:
                self._show(name)
            finally:
                self.server.busy.release()
        else:
            self.send_error(503)

    def _show(self, name: str) -> None:
        self.send_response(200)
        self._end_head(name, {"Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"})
        for piece in self.server.raw_streams.get(name, ()):
            self.wfile.write(piece)
            self.server.sent += len(piece)
        self._stream(self.server.streams.get(name, ()))

    def _send(self, name: str, data: bytes) -> None:
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range", "")) if self.server.parts else None
        start = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self._end_head(name, {"Content-Length": str(len(data) - start)})
        for at in range(start, len(data), PIECE):
            breaks_at = self.server.breaks_at
            if breaks_at is not None and start < breaks_at <= at:
                if self.server.stalls:
                    self.server.closing.wait()
                return
            piece = data[at : at + PIECE]
            self.server.sent += len(piece)
            self.wfile.write(piece)

    def _stream(self, pictures: Iterable[bytes]) -> None:
        for picture in pictures if self.server.pace_s is None else self._paced(pictures, self.server.pace_s):
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")
            self.server.shown += 1

    def _paced(self, pictures: Iterable[bytes], pace_s: float) -> Iterator[bytes]:
        for picture in cycle(pictures):
            if self.server.closing.wait(pace_s):
                return
            yield picture

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Tests speak for themselves."""


@contextmanager
def media_server(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[MediaServer]:
    """A running server of the folder's files; when the block is left, all its connections have ended."""
    with MediaServer(folder, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
