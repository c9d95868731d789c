"""The output of a worker process."""

from __future__ import annotations

import contextlib
import os

import trio

from kinora.runtime.tail import Tail

LOG_BYTES = 64 * 1024
"""How much of a worker's output is kept; when there is more, the oldest goes."""
LOG_READS_AT_END = 16
"""A pipe holds 64 KiB, or up to 1 MiB if the worker asked for it."""
LOG_PAUSE_S = 0.01
"""Between two reads of its output, so that a worker that prints without end cannot busy the event loop."""


class Log(Tail):
    """The last bytes that a worker wrote to its standard output and error, read from a pipe that it owns."""

    def __init__(self, fd: int) -> None:
        super().__init__(LOG_BYTES)
        os.set_blocking(fd, False)
        self._fd = fd

    async def collect(self) -> None:
        """Read until the log is closed or no one can write to it any more."""
        with contextlib.suppress(trio.ClosedResourceError):
            while self._read() != b"":
                await trio.lowlevel.wait_readable(self._fd)
                await trio.sleep(LOG_PAUSE_S)

    def close(self) -> None:
        """Take what is left in the pipe, and close it; done when everything that wrote to it is gone."""
        if self._fd < 0:
            return
        for _ in range(LOG_READS_AT_END):
            if not self._read():
                break
        trio.lowlevel.notify_closing(self._fd)
        os.close(self._fd)
        self._fd = -1

    def _read(self) -> bytes | None:
        """Keep what is there and return it; empty at the end, None when there is nothing yet."""
        if self._fd < 0:
            return b""
        try:
            data = os.read(self._fd, LOG_BYTES)
        except BlockingIOError:
            return None
        self.add(data)
        return data
