"""The frames of a run that it has gone through, kept for tables, exports and videos."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator

from kinora.results.spool import open_spool

PAGE_FRAMES = 500
"""The most frames in one page."""


class KeptFrames:
    """FrameData, a line of JSON each; more than a few megabytes of them are in a temporary file without a name."""

    def __init__(self) -> None:
        self._file = open_spool()
        self._closing = weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._size = 0
        self.count = 0
        """The number of frames."""

    def add(self, line: bytes) -> None:
        """Keep the next frame."""
        with self._lock:
            self._file.seek(self._size)
            self._size += self._file.write(line + b"\n")
            self.count += 1

    def pages(self) -> Iterator[list[bytes]]:
        """Yield all frames so far, in their order, page by page."""
        place, end = 0, self._size
        while place < end:
            page: list[bytes] = []
            with self._lock:
                self._file.seek(place)
                while place < end and len(page) < PAGE_FRAMES:
                    line = self._file.readline()
                    place += len(line)
                    page.append(line.rstrip(b"\n"))
            yield page

    def lines(self) -> Iterator[bytes]:
        """Yield all frames so far."""
        for page in self.pages():
            yield from page
