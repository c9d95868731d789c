"""The output of a worker process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import trio

from kinora.runtime.tail import Tail

LOG_BYTES = 64 * 1024
"""The size of a worker's output that is kept; older output is dropped."""
LOG_READS_AT_END = 16
"""The number of reads that empty a pipe: it holds 64 KiB, or up to 1 MiB if the worker asked for it."""
LOG_PAUSE_S = 0.01
"""The pause between two reads, so that a worker that prints without end cannot keep the event loop busy."""


class Log(Tail):
    """The end of a worker's standard output and error, read from a pipe that this owns."""

    def __init__(self, fd: int, hear: Callable[[bytes], None] = lambda _: None) -> None:
        super().__init__(LOG_BYTES)
        os.set_blocking(fd, False)
        self._fd = fd
        self._hear = hear
        """Gets all output as it is read, and empty bytes at the end."""

    async def collect(self) -> None:
        """Read until the log is closed or its last writer has closed the pipe."""
        with contextlib.suppress(trio.ClosedResourceError):
            while self._read() != b"":
                await trio.lowlevel.wait_readable(self._fd)
                await trio.sleep(LOG_PAUSE_S)

    def close(self) -> None:
        """Read the rest of the pipe and close it. To be called when all processes that wrote to it are gone."""
        if self._fd < 0:
            return
        for _ in range(LOG_READS_AT_END):
            if not self._read():
                break
        trio.lowlevel.notify_closing(self._fd)
        os.close(self._fd)
        self._fd = -1
        self._hear(b"")

    def _read(self) -> bytes | None:
        """Read, keep and return available output; return empty bytes at the end, None if there is nothing yet."""
        if self._fd < 0:
            return b""
        try:
            data = os.read(self._fd, LOG_BYTES)
        except BlockingIOError:
            return None
        self.add(data)
        if data:
            self._hear(data)
        return data
