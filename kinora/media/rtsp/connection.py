"""One connection to a camera: bytes out, messages in, each within a time."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time

from kinora.media.rtsp.faults import closed, no_answer, not_rtsp
from kinora.media.rtsp.wire import Message, Splitter, WireError

READ_BYTES = 64 * 1024
_WANTS_READ = (BlockingIOError, ssl.SSLWantReadError)


class Stopped(Exception):
    """This side wants no more."""


class Connection:
    """A socket that it takes over, used by one thread; :meth:`stop` alone may be called by others."""

    def __init__(self, sock: socket.socket, name: str) -> None:
        """Messages call the camera ``name``."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._name = name
        self._splitter = Splitter()
        self._is_stopped = self._is_closed = False
        self._ending = threading.Lock()
        """Held while a descriptor is closed, or written to by another thread."""
        self._stopped, self._stop = os.pipe()

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of it until ``deadline``, by the clock of ``time.monotonic``.

        Raises:
            CameraError: the camera takes nothing, or is gone.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT, deadline)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN, deadline)
            except OSError as error:
                raise closed(self._name) from error

    def receive(self, deadline: float) -> Message | None:
        """Wait for a message; None if none has come until ``deadline``.

        Raises:
            CameraError: the camera has ended the connection, or sends what is no RTSP.
            Stopped: by :meth:`stop`.
        """
        if self._is_stopped:
            raise Stopped
        try:
            while (message := self._splitter.next()) is None:
                if (data := self._read(deadline)) is None:
                    return None
                self._splitter.feed(data)
        except WireError as error:
            raise not_rtsp(self._name) from error
        return message

    def stop(self) -> None:
        """End a wait for messages, now or later."""
        with self._ending:
            self._is_stopped = True
            if not self._is_closed:
                os.write(self._stop, b".")

    def close(self) -> None:
        """Close the socket."""
        with self._ending:
            if not self._is_closed:
                self._is_closed = True
                self._socket.close()
                os.close(self._stopped)
                os.close(self._stop)

    def _read(self, deadline: float) -> bytes | None:
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except _WANTS_READ:
                if not self._ready(select.POLLIN, deadline):
                    return None
                continue
            except OSError as error:
                raise closed(self._name) from error
            if not data:
                raise closed(self._name)
            return data

    def _wait(self, what: int, deadline: float) -> None:
        if not self._ready(what, deadline):
            raise no_answer(self._name)

    def _ready(self, what: int, deadline: float) -> bool:
        """Wait for the socket; False if the time is over."""
        poll = select.poll()
        poll.register(self._socket, what)
        poll.register(self._stopped, select.POLLIN)
        found = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
        if self._stopped in found:
            raise Stopped
        return bool(found)
