"""A little RTSP server of clips, which can be as nasty as a test wants."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, TCPServer, ThreadingMixIn

import attrs

from tests.rtsp_clips import Clip, describe, framed, rtp_packets

REALM = "camera"
SESSION = "7a7a"


@attrs.frozen
class Asked:
    """A request as it came."""

    method: str
    target: str
    fields: Mapping[str, str]
    """By names in lower case."""


@attrs.define
class Stream:
    """What is sent behind a path."""

    description: str
    pieces: Iterable[bytes]
    """What is sent after PLAY, piece by piece."""


def stream_of(clip: Clip, *, sets: str = "both") -> Stream:
    """A clip whose parameter sets are told in the description, in the stream, or in both."""
    pieces = [b"".join(map(framed, packets)) for packets in rtp_packets(clip, sets=sets != "told")]
    return Stream(describe(clip, sets=sets != "sent"), pieces)


class RtspServer(ThreadingMixIn, TCPServer):
    """Serves streams by their paths. :func:`rtsp_server` makes and runs it."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tls = tls
        self.streams: dict[str, Stream] = {}
        self.answers: dict[str, bytes | None] = {}
        """Method → what is sent in place of the answer, in which CSEQ stands for its number; None for nothing."""
        self.passwords: dict[str, str] = {}
        """User → password; empty if there is none needed."""
        self.challenge = f'Digest realm="{REALM}", qop="auth", nonce="NONCE", algorithm=SHA-256'
        """In which NONCE stands for the newest nonce."""
        self.nonce_uses = 1000
        """The requests that a nonce is good for; then it is stale."""
        self.public = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
        self.transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
        self.session = f"{SESSION};timeout=60"
        self.pace_s: float | None = None
        """The time between two pieces; None: as fast as they are taken."""
        self.stays = False
        """True if the connection stays open when all was sent."""
        self.one_client = False
        """True if a second client is answered 453."""
        self.asked: list[Asked] = []
        self.connections = 0
        self.open = 0
        """Connections at this moment."""
        self.closing = threading.Event()
        self.nonces: dict[str, int] = {}
        """Nonce → its uses so far."""
        self.sockets = set[socket.socket]()
        self.meet: Callable[[], None] = lambda: None
        """Called for each connection before its first request is read."""
        self.changed = threading.Condition()
        """Notified after each request, and when a connection ends."""

    @property
    def host(self) -> str:
        """With its port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def url(self, path: str) -> str:
        """The URL of a stream."""
        return f"{'rtsp' if self.tls is None else 'rtsps'}://{self.host}/{path}"

    def methods(self) -> list[str]:
        """The method of each request."""
        return [asked.method for asked in self.asked]

    def wait_for(self, true: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait until something is true of the requests."""
        with self.changed:
            assert self.changed.wait_for(true, timeout_s)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


class _Handler(StreamRequestHandler):
    server: RtspServer

    def setup(self) -> None:
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
        super().setup()
        self.sending: threading.Thread | None = None
        self.gone = threading.Event()
        self.lock = threading.Lock()
        with self.server.changed:
            self.server.connections += 1
            self.server.sockets.add(self.request)
            self.server.open += 1
        self.server.meet()

    def handle(self) -> None:
        with suppress(OSError, ValueError):
            while (asked := self._read()) is not None:
                with self.server.changed:
                    self.server.asked.append(asked)
                    self.server.changed.notify_all()
                if not self._answer(asked):
                    return

    def finish(self) -> None:
        self.gone.set()
        if self.sending is not None:
            self.sending.join()
        with suppress(OSError):
            super().finish()
        self.request.close()
        with self.server.changed:
            self.server.open -= 1
            self.server.sockets.discard(self.request)
            self.server.changed.notify_all()

    def _read(self) -> Asked | None:
        first = self.rfile.readline().decode()
        fields: dict[str, str] = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        method, _, rest = first.partition(" ")
        return Asked(method, rest.partition(" ")[0], fields) if first else None

    def _answer(self, asked: Asked) -> bool:
        """Answer; False if the connection ends."""
        number = asked.fields.get("cseq", "")
        if not self._is_allowed(asked):
            challenge = self.server.challenge.replace("NONCE", self._new_nonce())
            self._reply(401, number, {"WWW-Authenticate": challenge})
        elif asked.method in self.server.answers:
            canned = self.server.answers[asked.method]
            if canned is not None:
                self._write(canned.replace(b"CSEQ", number.encode()))
        else:
            return self._do(asked, number)
        return True

    def _do(self, asked: Asked, number: str) -> bool:
        stream = self.server.streams.get(asked.target.partition("://")[2].partition("/")[2].split("/")[0])
        if asked.method == "OPTIONS":
            self._reply(200, number, {"Public": self.server.public})
        elif stream is None:
            self._reply(404, number, {})
        elif asked.method == "DESCRIBE":
            base = {"Content-Base": f"{asked.target}/", "Content-Type": "application/sdp"}
            self._reply(200, number, base, stream.description)
        elif asked.method == "SETUP" and self.server.one_client and self.server.open > 1:
            self._reply(453, number, {})
        elif asked.method == "SETUP":
            self._reply(200, number, {"Transport": self.server.transport, "Session": self.server.session})
        elif asked.method == "PLAY":
            self._reply(200, number, {"Session": SESSION, "RTP-Info": "url=x"})
            self.sending = threading.Thread(target=self._send, args=(stream,), daemon=True)
            self.sending.start()
        else:
            self._reply(200, number, {"Session": SESSION})
            return asked.method != "TEARDOWN"
        return True

    def _reply(self, status: int, number: str, fields: Mapping[str, str], body: str = "") -> None:
        head = {"CSeq": number, **fields, **({"Content-Length": str(len(body))} if body else {})}
        lines = [f"RTSP/1.0 {status} Words", *(f"{name}: {value}" for name, value in head.items()), "", body]
        self._write("\r\n".join(lines).encode())

    def _send(self, stream: Stream) -> None:
        with suppress(OSError, ValueError):
            for piece in stream.pieces:
                if self.gone.wait(self.server.pace_s or 0) or self.server.closing.is_set():
                    return
                self._write(piece)
            if not self.server.stays:
                self.request.shutdown(socket.SHUT_RDWR)

    def _write(self, data: bytes) -> None:
        with self.lock:
            self.wfile.write(data)

    def _new_nonce(self) -> str:
        nonce = f"n{len(self.server.nonces)}"
        self.server.nonces[nonce] = 0
        return nonce

    def _is_allowed(self, asked: Asked) -> bool:
        """True if the proof is right and its nonce is not used up; computed apart from the client's own code."""
        if not self.server.passwords:
            return True
        scheme, _, proof = asked.fields.get("authorization", "").partition(" ")
        if scheme == "Basic":
            user, _, password = base64.b64decode(proof).decode().partition(":")
            return self.server.passwords.get(user) == password and "Basic" in self.server.challenge
        parts = dict(part.strip().split("=", 1) for part in proof.split(",") if "=" in part)
        given = {name: value.strip('"') for name, value in parts.items()}
        nonce = given.get("nonce", "")
        uses = self.server.nonces.get(nonce)
        if uses is None or uses >= self.server.nonce_uses or given.get("uri") != asked.target:
            return False
        self.server.nonces[nonce] += 1
        return given["response"] == self._expected(given, asked)

    def _expected(self, given: Mapping[str, str], asked: Asked) -> str:
        made = hashlib.sha256 if given.get("algorithm") == "SHA-256" else hashlib.md5
        password = self.server.passwords.get(given["username"], "nobody")
        secret = made(f"{given['username']}:{REALM}:{password}".encode()).hexdigest()
        what = made(f"{asked.method}:{asked.target}".encode()).hexdigest()
        middle = [given["nonce"], given["nc"], given["cnonce"], given["qop"]] if "qop" in given else [given["nonce"]]
        return made(":".join([secret, *middle, what]).encode()).hexdigest()


@contextmanager
def rtsp_server(tls: ssl.SSLContext | None = None) -> Iterator[RtspServer]:
    """A running server; when the block is left, all its connections have ended."""
    with RtspServer(tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            with server.changed:
                for connection in server.sockets:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
            thread.join()
