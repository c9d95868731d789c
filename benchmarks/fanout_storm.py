"""Clients that lose their connection all at once and come back for the messages that they missed."""

from __future__ import annotations

import os
import select
import socket
import struct
import time

import attrs
import msgspec

from benchmarks.fanout_load import READ_BYTES, connect
from benchmarks.fanout_stream import DONE, DURATION_MS, RATE, RUN, Control

OWN = {"metadata", "gap", "ping"}
"""Types of messages to one client only, which have no id of their own."""
QUIET_S = 1.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Envelope(msgspec.Struct):
    type: str
    id: str


@attrs.define
class Client:
    """One client, and the numbers of all messages that it got over both its connections."""

    last_id: str = ""
    numbers: list[int] = attrs.field(factory=list)
    gaps: int = 0
    rest: bytes = b""

    def take(self, data: bytes) -> None:
        """Read the WebSocket frames in the bytes received."""
        data = self.rest + data
        at = 0
        while (end := _end_of_frame(data, at)) is not None and end[1] <= len(data):
            message = msgspec.json.decode(data[end[0] : end[1]], type=_Envelope)
            if message.type not in OWN:
                self.last_id = message.id
                self.numbers.append(int(message.id.partition("-")[2]))
            self.gaps += message.type == "gap"
            at = end[1]
        self.rest = data[at:]

    @property
    def newest(self) -> int:
        """The highest number so far."""
        return self.numbers[-1] if self.numbers else 0

    @property
    def sound(self) -> bool:
        """True if no message was lost or came twice, and all are in order."""
        return not self.gaps and self.numbers == list(range(self.numbers[0], self.newest + 1))


def _end_of_frame(data: bytes, at: int) -> tuple[int, int] | None:
    """The begin and the end of the payload of the frame at ``at``; None if its head is incomplete."""
    if len(data) < at + 2:
        return None
    size = data[at + 1]
    extra = {126: 2, 127: 8}.get(size, 0)
    begin = at + 2 + extra
    if len(data) < begin:
        return None
    return begin, begin + (int.from_bytes(data[at + 2 : begin]) if extra else size)


class Crowd:
    """All clients of a storm."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self.clients = [Client() for _ in range(count)]
        self._sockets: dict[int, tuple[socket.socket, Client]] = {}
        self._poll = select.epoll()

    def connect(self) -> None:
        """Open a connection for each client, with its last id."""
        targets = [
            "/v1/realtime" + (f"?last_event_id={client.last_id}" if client.last_id else "") for client in self.clients
        ]
        for client, (sock, data) in zip(self.clients, connect(self._port, targets), strict=True):
            client.rest = b""
            client.take(data)
            self._sockets[sock.fileno()] = sock, client
            self._poll.register(sock, select.EPOLLIN)

    def drop(self) -> None:
        """Cut all connections without a close frame."""
        for sock, _ in self._sockets.values():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            sock.close()
        self._sockets.clear()

    def read_for(self, seconds: float) -> None:
        """Read for this time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.05)

    def read(self, timeout_s: float) -> bool:
        """Read all that has come; return False if nothing came in time."""
        ready = self._poll.poll(timeout_s)
        for fd, _ in ready:
            self._sockets[fd][1].take(os.read(fd, READ_BYTES))
        return bool(ready)


@attrs.frozen
class Outcome:
    """The outcome of a storm."""

    accepted_s: float
    """Seconds from the cut until all had a connection again."""
    recovered_s: float
    """Seconds from the cut until all had every message published by then."""
    sound: int
    """The number of clients that lost no message and got none twice."""


def storm(port: int, control: Control, count: int, rate: int) -> Outcome:
    """Cut all clients at once while messages are published, and let them come back."""
    crowd = Crowd(port, count)
    crowd.connect()
    words = control.words
    words[RATE], words[DURATION_MS] = rate, 12_000
    words[RUN] += 1
    crowd.read_for(3)
    began = time.monotonic()
    crowd.drop()
    crowd.connect()
    accepted_s = time.monotonic() - began
    target = max(client.newest for client in crowd.clients)
    while any(client.newest < target for client in crowd.clients):
        crowd.read(0.05)
    recovered_s = time.monotonic() - began
    while words[DONE] != words[RUN] or crowd.read(QUIET_S):
        crowd.read(0.05)
    newest = {client.newest for client in crowd.clients}
    sound = sum(client.sound for client in crowd.clients) if len(newest) == 1 else 0
    crowd.drop()
    return Outcome(accepted_s, recovered_s, sound)
