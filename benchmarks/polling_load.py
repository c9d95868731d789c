"""The clients of the polling benchmark: kept connections on raw sockets, as cheap as Python allows.

``python -m benchmarks.polling_load PORT COUNT PERIOD HEX`` sends the request, given in hexadecimal digits, on COUNT
connections every PERIOD seconds, spread evenly, until it gets SIGTERM.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator

import attrs

READ_BYTES = 256 * 1024
ANSWER_S = 10.0
"""A server that is silent for so long has failed."""
_LENGTH = b"content-length: "
_END = b"\r\n\r\n"


@attrs.frozen
class Polled:
    """One run."""

    per_s: float
    p50_ms: float
    p99_ms: float
    bytes: int
    """The bytes of one answer."""


def request(target: str, *lines: str) -> bytes:
    """A GET as simple programs send it."""
    lines = (f"GET {target} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: polling", "Accept: */*", *lines)
    return "\r\n".join([*lines, "", ""]).encode()


class Pollers:
    """Connections that send the same request again and again; one that the server closes is opened anew."""

    def __init__(self, port: int, count: int, asked: bytes) -> None:
        self._port, self._asked = port, asked
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._got: dict[int, int] = {}
        """The bytes that have come of the answer that each waits for."""
        self._sent: dict[int, float] = {}
        self._size = self._first_answer()
        for _ in range(count):
            self._open()
        self._warm_up()

    def close(self) -> None:
        """Close all connections."""
        for sock in self._sockets.values():
            sock.close()
        self._poll.close()

    def _warm_up(self) -> None:
        """Get an answer on each connection: only then all are accepted."""
        for fd in [*self._sockets]:
            self._send(fd)
        self._take_rest()

    def _take_rest(self) -> None:
        while self._sent:
            for fd in self._answered(ANSWER_S):
                del self._sent[fd]

    def run(self, seconds: float) -> Polled:
        """Each connection asks as soon as it has its answer."""
        late = self._alone(seconds) if len(self._sockets) == 1 else self._together(seconds)
        late.sort()
        p50, p99 = (late[int(len(late) * share)] * 1000 for share in (0.5, 0.99))
        return Polled(len(late) / seconds, p50, p99, self._size)

    def _alone(self, seconds: float) -> list[float]:
        """The times of the answers on a single connection, which nothing else is waited for beside."""
        late: list[float] = []
        (fd,) = self._sockets
        began = now = time.perf_counter()
        while now < began + seconds:
            os.write(fd, self._asked)
            got = 0
            while got < self._size and (data := os.read(fd, READ_BYTES)):
                got += len(data)
            if got != self._size:
                fd = self._reopen(fd)
            before, now = now, time.perf_counter()
            late.append(now - before)
        return late

    def _together(self, seconds: float) -> list[float]:
        late: list[float] = []
        for fd in [*self._sockets]:
            self._send(fd)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for fd in self._answered(ANSWER_S):
                late.append(time.perf_counter() - self._sent.pop(fd))
                self._send(fd)
        self._take_rest()
        return late

    def keep_polling(self, period_s: float) -> None:
        """Each connection asks once in a period, for ever."""
        step, number, next_at = period_s / len(self._sockets), 0, time.perf_counter()
        while True:
            while time.perf_counter() >= next_at:
                fds = [*self._sockets]
                fd = fds[number % len(fds)]
                if fd not in self._sent:
                    self._send(fd)
                number, next_at = number + 1, max(next_at, time.perf_counter() - step) + step  # after SIGSTOP too
            for fd in self._answered(max(0.0, next_at - time.perf_counter())):
                del self._sent[fd]

    def _answered(self, wait_s: float) -> Iterator[int]:
        """Read what has come, and yield the connections whose answer is whole, each under its present number."""
        ready = self._poll.poll(wait_s)
        assert ready or wait_s < ANSWER_S, "the server is silent"
        for fd, _ in ready:
            try:
                data = os.read(fd, READ_BYTES)
            except ConnectionResetError:
                data = b""
            got = self._got[fd] = self._got[fd] + len(data)
            if not data:
                again = self._reopen(fd)
                if fd in self._sent:
                    del self._sent[fd]
                    self._send(again)
            elif got >= self._size:
                self._got[fd] = 0
                yield fd if got == self._size else self._reopen(fd)

    def _reopen(self, fd: int) -> int:
        """Open a new connection for one that the server closes; a longer answer than usual says that it does."""
        self._sockets.pop(fd).close()
        again = self._open()
        if fd in self._sent and again != fd:
            self._sent[again] = self._sent.pop(fd)
        return again

    def _open(self) -> int:
        sock = socket.create_connection(("127.0.0.1", self._port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fd = sock.fileno()
        self._sockets[fd] = sock
        self._got[fd] = 0
        self._poll.register(fd, select.EPOLLIN)
        return fd

    def _send(self, fd: int) -> None:
        self._sent[fd] = time.perf_counter()
        os.write(fd, self._asked)

    def _first_answer(self) -> int:
        """The size of an answer, which is the same each time."""
        with socket.create_connection(("127.0.0.1", self._port)) as sock:
            sock.sendall(self._asked)
            data = b""
            while _END not in data:
                data += sock.recv(READ_BYTES)
            head = data.partition(_END)[0]
            length = head.lower().partition(_LENGTH)[2].partition(b"\r\n")[0]
            unchanged = head.startswith(b"HTTP/1.1 304")
            return len(head) + len(_END) + (0 if unchanged else int(length))


def main() -> None:
    """Poll until somebody says that it is enough."""
    port, count, period_s, asked = sys.argv[1:]
    pollers = Pollers(int(port), int(count), bytes.fromhex(asked))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    print("connected", flush=True)
    pollers.keep_polling(float(period_s))


if __name__ == "__main__":
    main()
