"""Signs of progress on a request that takes long."""

from __future__ import annotations

import time
from collections.abc import Callable

from kinora.media.messages import Working

WORKING_S = 1.0
"""The least time between two reports."""


class Progress:
    """Reports the number of pictures that are done so far, from time to time."""

    def __init__(self, send: Callable[[Working], object]) -> None:
        self._send = send
        self._reported = time.monotonic()
        self._done = 0

    def __call__(self, pictures: int = 0) -> None:
        """Note that work goes on, and that so many pictures are done if that is more than before."""
        self._done = max(self._done, pictures)
        if time.monotonic() - self._reported > WORKING_S:
            self._reported = time.monotonic()
            self._send(Working(self._done))
