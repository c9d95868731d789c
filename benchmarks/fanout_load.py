"""The clients of the fan-out benchmark: many plain sockets, read as fast as one process can.

``python -m benchmarks.fanout_load PORT TARGET COUNT BUFFER`` connects COUNT clients with receive buffers of BUFFER
bytes (0 for the system's), prints ``connected``, and reads until it gets SIGTERM. Then it prints the number of
pictures.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import attrs
import numpy as np

from benchmarks.fanout_stream import DONE, DURATION_MS, PUBLISHED, RATE, RECEIVED, RUN, Control

MARK = b',"id":"'
"""Occurs once in each message, near its end: when it has come, the whole message has come but for its last bytes."""
PICTURE_MARK = b'"frame_image"'
READ_BYTES = 256 * 1024
RECORD_BYTES = 16 * 1024
AT_ONCE = 100
QUIET_S = 0.3
LATE_S = 20.0
PONG = b"\x8a\x80\0\0\0\0"
HANDSHAKE = (
    b"GET %b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@attrs.frozen
class Result:
    """One run."""

    delivered_per_s: float
    p50_ms: float
    p99_ms: float
    complete: bool
    """True if each client got every message."""


class Clients:
    """Connected clients of one server, with their handshakes done and the server's first messages read."""

    def __init__(self, port: int, target: str, count: int, buffer: int = 0, *, tls: bool = False) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._poll = select.epoll()
        began = time.monotonic()
        for sock, _ in connect(port, [target] * count, buffer, tls=tls):
            self._sockets[sock.fileno()] = sock
            self._poll.register(sock, select.EPOLLIN)
        self.connect_s = time.monotonic() - began
        """Seconds until all were accepted."""

    def close(self) -> None:
        """Close all connections."""
        for sock in self._sockets.values():
            sock.close()
        self._poll.close()

    def settle(self) -> int:
        """Read until nothing comes any more, and return the number of pictures."""
        pictures = 0
        while ready := self._poll.poll(QUIET_S):
            for fd, _ in ready:
                pictures += read(self._sockets[fd]).count(PICTURE_MARK)
        return pictures

    def say_something(self) -> None:
        """Read all that has come, and send an empty pong."""
        self.settle()
        for sock in self._sockets.values():
            sock.send(PONG)

    def run(self, control: Control, rate: int, seconds: float) -> Result:
        """Have the server publish at this rate, 0 for as fast as all can read, and count the messages."""
        self.settle()
        words = control.words
        words[RECEIVED] = words[PUBLISHED] = 0
        words[RATE], words[DURATION_MS] = rate, int(seconds * 1000)
        words[RUN] += 1
        began = time.monotonic_ns()
        counts = dict.fromkeys(self._sockets, 0)
        reads = self._read(control, counts, time.monotonic() + seconds + LATE_S)
        return _result(control, counts, reads, began)

    def _read(self, control: Control, counts: dict[int, int], give_up: float) -> list[tuple[int, int, int]]:
        """Read until all have all. Each read is its time, and the numbers of messages before and after it."""
        words, keep = control.words, len(MARK) - 1
        tails = dict.fromkeys(counts, b"")
        reads: list[tuple[int, int, int]] = []
        while time.monotonic() < give_up:
            for fd, _ in self._poll.poll(0.01):
                data = tails[fd] + read(self._sockets[fd])
                found, before = data.count(MARK), counts[fd]
                tails[fd] = data[-keep:]
                if found:
                    counts[fd] = before + found
                    reads.append((time.monotonic_ns(), before, before + found))
            words[RECEIVED] = slowest = min(counts.values())
            if words[DONE] == words[RUN] and slowest >= words[PUBLISHED]:
                break
        return reads


def read(sock: socket.socket) -> bytes:
    """What has come; with TLS all of it, as nobody would tell again of what has been decrypted."""
    if not isinstance(sock, ssl.SSLSocket):
        return os.read(sock.fileno(), READ_BYTES)
    pieces = []
    with suppress(ssl.SSLWantReadError):
        while piece := sock.recv(RECORD_BYTES):
            pieces.append(piece)
    return b"".join(pieces)


def _any_server() -> ssl.SSLContext:
    """TLS without a look at the server's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(
    port: int, targets: Sequence[str], buffer: int = 0, *, tls: bool = False
) -> Iterator[tuple[socket.socket, bytes]]:
    """Open a WebSocket for each target, a hundred at a time, each with the bytes that followed its handshake."""
    for first in range(0, len(targets), AT_ONCE):
        opening = []
        for target in targets[first : first + AT_ONCE]:
            sock = socket.socket()
            if buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            sock.connect(("127.0.0.1", port))
            if tls:
                sock = _ANY_SERVER.wrap_socket(sock)
            sock.sendall(HANDSHAKE % target.encode())
            opening.append(sock)
        for sock in opening:
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += sock.recv(4096)
            assert b" 101 " in answer, answer
            sock.setblocking(False)
            yield sock, answer.partition(b"\r\n\r\n")[2]


_ANY_SERVER = _any_server()


def _result(control: Control, counts: dict[int, int], reads: list[tuple[int, int, int]], began: int) -> Result:
    published = control.words[PUBLISHED]
    sent = np.array(control.times(published), np.int64)
    table = np.array(reads, np.int64)
    table = table[table[:, 2] <= published]
    sizes = table[:, 2] - table[:, 1]
    starts = np.repeat(table[:, 1] - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)
    numbers = starts + np.arange(len(starts))
    late = (np.repeat(table[:, 0], sizes) - sent[numbers]) / 1e6
    seconds = (int(table[:, 0].max()) - began) / 1e9
    return Result(
        delivered_per_s=len(late) / seconds,
        p50_ms=float(np.percentile(late, 50)),
        p99_ms=float(np.percentile(late, 99)),
        complete=all(count == published for count in counts.values()),
    )


def main() -> None:
    """Read all that comes, until ended."""
    port, target, count, buffer = sys.argv[1:]
    clients = Clients(int(port), target, int(count), int(buffer))
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    print("connected", flush=True)
    pictures = 0
    while not ended:
        pictures += clients.settle()
    print(pictures, flush=True)


if __name__ == "__main__":
    main()
