"""The host of a source: it serves the media, or accepts connections and says nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from tests.media_server import MediaServer, media_server


@attrs.frozen
class UrlHost:
    """A host on this machine."""

    server: MediaServer

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Answer no request that comes during the block."""
        meeting = self.server.meeting = threading.Barrier(2**30)
        try:
            yield
        finally:
            self.server.meeting = None
            meeting.abort()


@contextmanager
def url_host(folder: Path) -> Iterator[UrlHost]:
    """A host of the files in ``folder``."""
    with media_server(folder) as server:
        yield UrlHost(server)
