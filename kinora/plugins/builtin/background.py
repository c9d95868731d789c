"""The still background of a picture, by OpenCV's MOG2, as a model that can be saved and taken up again exactly.

A state is the model after some frame and the pictures that were applied since: most frames cost the copy of one small
picture. OpenCV gives no access to the model; ``mog2_memory`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.mog2_memory import ModelMemory
from kinora.runtime.shared_memory.state_memory import MAX_STATE_BYTES

REPLAYED_FRAMES = 40
"""The most pictures in a state; with one more the model itself is copied. Fewer if the state would become too large."""
ROOM_BYTES = MAX_STATE_BYTES - 2**16
"""For the model and the pictures."""
Picture = NDArray[np.uint8]


class Applied(msgspec.Struct, array_like=True):
    """The head of a saved background."""

    count: int
    """The pictures that the model has seen when it was copied; 0 if it was new."""
    shape: tuple[int, ...]
    """Of its pictures, and of those that were applied since."""
    since: int
    """The number of the latter."""


class Background:
    """A background that learns from each picture; all have one size."""

    def __init__(self, make: Callable[[], cv2.BackgroundSubtractorMOG2]) -> None:
        """``make`` gives a new, empty model."""
        self._make = make
        self._begin()

    def _begin(self) -> None:
        self._model = self._make()
        self._count = 0
        self._base: Sequence[bytes] = ()
        self._base_count = 0
        self._since: list[bytes] = []
        self._shape: tuple[int, ...] = ()

    def picture(self) -> Picture | None:
        """The background as it looks; None before the first picture."""
        shown = self._model.getBackgroundImage()
        return None if shown is None or not shown.size else np.asarray(shown, dtype=np.uint8)

    def apply(self, picture: Picture) -> Picture:
        """Learn from a picture, and return where it differs: 255, 127 for shadows, else 0."""
        mask = self._learn(picture)
        model = ModelMemory(self._model, self._shape)
        if len(self._since) >= min(REPLAYED_FRAMES, (ROOM_BYTES - model.size) // picture.nbytes):
            self._base, self._base_count, self._since = model.copy(), self._count, []
        else:
            self._since.append(picture.tobytes())
        return mask

    def begin_with(self, picture: Picture) -> None:
        """Forget all pictures before this one."""
        self._begin()
        self.apply(picture)

    def _learn(self, picture: Picture) -> Picture:
        self._count += 1
        self._shape = picture.shape
        return np.asarray(self._model.apply(picture, learningRate=self._rate()), dtype=np.uint8)

    def _rate(self) -> float:
        """The rate that OpenCV would take, which counts only the pictures that this very object has seen."""
        history = self._model.getHistory()
        return 1.0 / min(2 * self._count, history) if self._count > 1 and history > 1 else -1.0

    def saved(self) -> tuple[Applied, list[bytes]]:
        """The head and the parts of its state."""
        return Applied(self._base_count, self._shape, len(self._since)), [*self._base, *self._since]

    def load(self, head: Applied, parts: memoryview) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: it does not fit together.
        """
        self._begin()
        if head.count:
            memory = ModelMemory.of_shape(self._model, head.shape)
            self._base, self._base_count, self._count = memory.load(parts), head.count, head.count
            parts = parts[memory.size :]
        size = int(np.prod(head.shape)) if head.shape else 0
        if len(parts) != head.since * size:
            raise ValueError("the state is not complete")
        for number in range(head.since):
            pixels: Any = np.frombuffer(parts, np.uint8, size, number * size)
            self._learn(pixels.reshape(head.shape))
            self._since.append(pixels.tobytes())
        self._shape = head.shape
