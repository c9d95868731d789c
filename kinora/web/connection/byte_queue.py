"""The queue of bytes on their way to one client, which keeps them in order."""

from __future__ import annotations

import os
import socket

import trio

from kinora.web.connection.tls_session import TlsSession

HIGH_WATER = 256 * 1024
"""The number of waiting bytes at which :meth:`ByteQueue.wait_for_room` makes a writer wait."""
STALL_S = 60.0
"""A client that takes no byte for this long is cut off."""
_CHUNK = 256 * 1024


class ByteQueue:
    """All bytes to one client go through here, and so stay in order.

    ``put`` writes at once if nothing waits. Otherwise it appends, and a flusher task writes when the socket has room.
    There is no lock and no shield: cancelling ``nursery`` ends the flusher at once. With TLS, what waits is ciphertext.

    Args:
        sock: connected, non-blocking; stays the caller's to close, after ``nursery`` has ended.
        nursery: where the flusher runs while bytes wait.
        on_dead: cancelled when the client takes no byte for ``STALL_S`` or is gone, see also :meth:`hurry`.
    """

    def __init__(self, sock: trio.socket.SocketType, nursery: trio.Nursery, on_dead: trio.CancelScope) -> None:
        self._socket = sock
        self._nursery = nursery
        self._on_dead = on_dead
        self.written = 0
        """The bytes that the socket has taken."""
        self._session: TlsSession | None = None
        self._waiting = bytearray()
        self._closed = False
        self._flushing = False
        self._stall_s = STALL_S
        self._patience = trio.CancelScope()
        """The flusher's present wait for room in the socket."""
        self._without_room = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        """The number of bytes that wait."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        """True once nothing more can be put: ``finish`` was called, or the client has gone."""
        return self._closed

    def encrypt_by(self, session: TlsSession) -> None:
        """Encrypt all that ``put`` is given from now on."""
        self._session = session

    def put(self, data: bytes) -> None:
        """Write ``data``, and queue what the socket does not take; never blocks. Does nothing once ``closed``."""
        if self._session is not None and not self._closed:
            try:
                data = self._session.encrypt(data)
            except OSError:  # of TLS: the client has broken the session
                self._die()
        self.put_on_wire(data)

    def put_on_wire(self, data: bytes) -> None:
        """Do as ``put``, with bytes that are ciphertext already, or that TLS does not concern."""
        if self._closed:
            return
        if not self._waiting:
            data = data[self._write(data) :]
        if data and not self._closed:
            self._waiting += data
            if not self._flushing:
                self._flushing = True
                self._nursery.start_soon(self._flush)

    async def wait_for_room(self, limit: int = HIGH_WATER) -> None:
        """Return when fewer than ``limit`` bytes wait, at most ``HIGH_WATER``, or the queue is closed. A checkpoint."""
        await trio.lowlevel.checkpoint()
        while len(self._waiting) >= limit and not self._closed:
            await self._without_room.park()

    def finish(self) -> None:
        """Close the queue; after the waiting bytes, the client gets the end of the stream."""
        if not self._closed:
            if self._session is not None:
                self.put_on_wire(self._session.close())
            self._closed = True
            self._without_room.unpark_all()
            if not self._waiting:
                self._shut_down()

    def hurry(self, stall_s: float) -> None:
        """From now on, cut the client off if it takes no byte for ``stall_s``."""
        self._stall_s = stall_s
        self._patience.deadline = min(self._patience.deadline, trio.current_time() + stall_s)

    async def _flush(self) -> None:
        while self._waiting:
            with trio.move_on_after(self._stall_s) as self._patience:
                await trio.lowlevel.wait_writable(self._socket)
            if self._patience.cancelled_caught:
                self._die()
                return
            with memoryview(self._waiting) as everything, everything[:_CHUNK] as chunk:
                written = self._write(chunk)
            del self._waiting[:written]
            if len(self._waiting) < HIGH_WATER:
                self._without_room.unpark_all()
        self._flushing = False
        if self._closed:
            self._shut_down()

    def _write(self, data: bytes | memoryview) -> int:
        try:
            written = os.write(self._socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            self._die()
            return len(data)
        self.written += written
        return written

    def _die(self) -> None:
        self._closed = True
        self._without_room.unpark_all()
        self._on_dead.cancel()

    def _shut_down(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._on_dead.cancel()
