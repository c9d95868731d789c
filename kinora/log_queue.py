"""Writes log lines in a thread of its own, so that a log that nobody reads holds up nothing but itself."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque
from time import monotonic

MAX_WAITING_BYTES = 4 * 2**20
"""The most bytes of lines that wait to be written; lines that come when there is no room are dropped and counted."""
FLUSH_S = 1.0
"""The time that waiting lines have to be written when the process ends; what is left then is lost."""


class QueuedHandler(logging.Handler):
    """Passes each line to a thread that writes it to ``fd``; never waits for that.

    Once there is room again, a line says how many were dropped before it.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        """The length of the lines, the one that is being written included."""
        self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._write_all, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put the line of ``record`` behind those that wait, or drop it if there is no room."""
        try:
            line = self._line(record)
        except Exception:  # noqa: BLE001 - as all handlers of the standard library do
            self.handleError(record)
            return
        with self._changed:
            if self._bytes and self._bytes + len(line) > MAX_WAITING_BYTES:
                self._dropped += 1
                return
            self._tell_dropped()
            self._append(line)

    def flush(self) -> None:
        """Wait until all lines are written, for ``FLUSH_S`` at most."""
        due = monotonic() + FLUSH_S
        with self._changed:
            while self._bytes and (left_s := due - monotonic()) > 0:
                self._changed.wait(left_s)

    def close(self) -> None:
        """End the thread once it has written what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        return (self.format(record) + "\n").encode(errors="backslashreplace")

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)
        self._changed.notify_all()

    def _tell_dropped(self) -> None:
        if self._dropped:
            text = f"{self._dropped} lines were not written: nobody read the log"
            self._dropped = 0
            self._append(self._line(logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)))

    def _write_all(self) -> None:
        while line := self._next():
            _write(self._fd, line)
            with self._changed:
                self._bytes -= len(line)
                if not self._bytes:
                    self._tell_dropped()
                self._changed.notify_all()

    def _next(self) -> bytes | None:
        """The next line, or None once the handler is closed."""
        with self._changed:
            while not self._lines and not self._closed:
                self._changed.wait()
            return self._lines.popleft() if self._lines else None


def _write(fd: int, line: bytes) -> None:
    """Write the line, however long nobody reads it; drop it if nobody ever will."""
    while line:
        try:
            line = line[os.write(fd, line) :]
        except BlockingIOError:  # another program has set this on the descriptor that both share
            select.select([], [fd], [])
        except OSError:
            return
