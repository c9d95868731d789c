"""The pictures of frames, as a program sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinora.python.errors import PictureGone

Pixels = NDArray[np.uint8]
"""HxWx3, BGR, read-only."""


class Picture(Protocol):
    """The picture of one frame."""

    def get(self) -> Pixels:
        """Return it.

        Raises:
            PictureGone: the frame's turn is over.
        """

    def keep(self) -> None:
        """Make it last beyond the frame's turn."""

    def end_turn(self, *, left: bool) -> None:
        """End the frame's turn; ``left`` if it was the last one, as the loop was left in it."""


class RingPicture:
    """A picture in the shared memory that its decoder wrote it to. It is not copied unless it is kept."""

    def __init__(self, view: Pixels) -> None:
        self._pixels: Pixels | None = view
        self._is_kept = False

    def get(self) -> Pixels:
        """As :class:`Picture` says; so do ``keep`` and ``end_turn``."""
        if self._pixels is None:
            raise PictureGone(
                "This frame's turn of the loop is over, and its picture with it: use frame.image in the loop, "
                "or call frame.keep() there to use it later"
            )
        return self._pixels

    def keep(self) -> None:
        """Copy it, once."""
        if not self._is_kept:
            self._pixels = self.get().copy()
            self._pixels.flags.writeable = False
            self._is_kept = True

    def end_turn(self, *, left: bool) -> None:
        """Forget it unless it is kept. The frame in whose turn the loop is left keeps it: it is the one to look at."""
        if left and self._pixels is not None:
            self.keep()
        if not self._is_kept:
            self._pixels = None


class FetchedPicture:
    """A picture that is fetched when it is asked for, and not again."""

    def __init__(self, fetch: Callable[[], Pixels]) -> None:
        self._fetch = fetch
        self._pixels: Pixels | None = None

    def get(self) -> Pixels:
        """As :class:`Picture` says; it can be fetched at any time."""
        if self._pixels is None:
            self._pixels = self._fetch()
            self._pixels.flags.writeable = False
        return self._pixels

    def keep(self) -> None:
        """Fetch it now."""
        self.get()

    def end_turn(self, *, left: bool) -> None:
        """Do nothing."""
