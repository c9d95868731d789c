"""Clients that lose their connection all at once and come back for what they missed."""

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
"""Said to one client only, under an id that is not theirs."""
QUIET_S = 1.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Envelope(msgspec.Struct):
    type: str
    id: str


@attrs.define
class Client:
    """One client and the numbers of all it got, over both its connections."""

    last_id: str = ""
    numbers: list[int] = attrs.field(factory=list)
    gaps: int = 0
    rest: bytes = b""

    def take(self, data: bytes) -> None:
        """Read the frames in what came."""
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
        """Nothing lost, nothing twice, all in order."""
        return not self.gaps and self.numbers == list(range(self.numbers[0], self.newest + 1))


def _end_of_frame(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame that begins at ``at`` begins and ends; None if its head is not whole."""
    if len(data) < at + 2:
        return None
    size = data[at + 1]
    extra = {126: 2, 127: 8}.get(size, 0)
    begin = at + 2 + extra
    if len(data) < begin:
        return None
    return begin, begin + (int.from_bytes(data[at + 2 : begin]) if extra else size)


class Crowd:
    """All of them."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self.clients = [Client() for _ in range(count)]
        self._sockets: dict[int, tuple[socket.socket, Client]] = {}
        self._poll = select.epoll()

    def connect(self) -> None:
        """Open a connection for each, with the last id it has."""
        targets = [
            "/v1/realtime" + (f"?last_event_id={client.last_id}" if client.last_id else "") for client in self.clients
        ]
        for client, (sock, data) in zip(self.clients, connect(self._port, targets), strict=True):
            client.rest = b""
            client.take(data)
            self._sockets[sock.fileno()] = sock, client
            self._poll.register(sock, select.EPOLLIN)

    def drop(self) -> None:
        """Cut all connections without a word."""
        for sock, _ in self._sockets.values():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            sock.close()
        self._sockets.clear()

    def read_for(self, seconds: float) -> None:
        """Take what comes for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.05)

    def read(self, patience_s: float) -> bool:
        """Take what is there; False if nothing came."""
        ready = self._poll.poll(patience_s)
        for fd, _ in ready:
            self._sockets[fd][1].take(os.read(fd, READ_BYTES))
        return bool(ready)


@attrs.frozen
class Outcome:
    """What became of them."""

    accepted_s: float
    """From the cut until all had a connection again."""
    recovered_s: float
    """From the cut until all had everything that had been published by then."""
    sound: int
    """Clients that lost nothing and got nothing twice."""


def storm(port: int, control: Control, count: int, rate: int) -> Outcome:
    """Have messages published all the while, cut all clients at once, and let them come back."""
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
