"""The model inside OpenCV's BackgroundSubtractorMOG2, to copy it and to put a copy back.

OpenCV neither gives the model out nor takes one in. Its object holds two matrices: the Gaussians of all pixels, and how
many of them each pixel uses. They are found by what their headers must say, of which no two others in the object can;
nothing is written before all of it is as expected.
"""

from __future__ import annotations

import ctypes
import math
import struct

import cv2
import numpy as np

_HEADER = struct.Struct("<Iiii4Q")  # of cv::Mat: flags, dimensions, rows, columns; data, its begin, end and limit
_CONTINUOUS = 0x42FF4000  # the mark of a Mat and of one without gaps between its rows
_FLOATS, _BYTES = _CONTINUOUS | 5, _CONTINUOUS | 0
_SEARCHED = 256
"""The bytes of the object in which the headers are: it is far larger."""
_POINTER_AT = object.__basicsize__
"""Where the Python object has the address of the C++ one."""


class ModelMemory:
    """The two matrices of a model that has seen a picture."""

    def __init__(self, model: cv2.BackgroundSubtractorMOG2, shape: tuple[int, ...]) -> None:
        """``shape`` is that of the pictures.

        Raises:
            RuntimeError: this version of OpenCV has another layout.
        """
        height, width = shape[:2]
        channels = math.prod(shape[2:])
        gaussians = height * width * model.getNMixtures()
        address = ctypes.c_size_t.from_address(id(model) + _POINTER_AT).value
        inside = ctypes.string_at(address, _SEARCHED)
        self._model = model  # which owns the memory
        self._places = (
            _find(inside, _FLOATS, 1, gaussians * (2 + channels), 4),
            _find(inside, _BYTES, height, width, 1),
        )

    @classmethod
    def of_shape(cls, model: cv2.BackgroundSubtractorMOG2, shape: tuple[int, ...]) -> ModelMemory:
        """That of a model that has seen nothing; it sees a black picture first, so that it has matrices of the size."""
        model.apply(np.zeros(shape, np.uint8))
        return cls(model, shape)

    @property
    def size(self) -> int:
        """The bytes of both."""
        return sum(size for _, size in self._places)

    def copy(self) -> list[bytes]:
        """Copies of both."""
        return [ctypes.string_at(address, size) for address, size in self._places]

    def load(self, saved: memoryview) -> list[bytes]:
        """Put copies back, which stand at the beginning of ``saved``, and return them.

        Raises:
            ValueError: there are fewer bytes.
        """
        if len(saved) < self.size:
            raise ValueError("the state is not complete")
        copies = []
        for address, size in self._places:
            copies.append(bytes(saved[:size]))
            ctypes.memmove(address, copies[-1], size)
            saved = saved[size:]
        return copies


def _find(inside: bytes, flags: int, rows: int, columns: int, item_bytes: int) -> tuple[int, int]:
    """Address and size of the one matrix in an object that is like this."""
    size = rows * columns * item_bytes
    found = []
    for offset in range(0, len(inside) - _HEADER.size + 1, 8):
        *kind, data, begin, end, limit = _HEADER.unpack_from(inside, offset)
        if kind == [flags, 2, rows, columns] and data == begin != 0 and end == limit == begin + size:
            found.append((data, size))
    if len(found) != 1:
        raise RuntimeError(f"the model of OpenCV {cv2.__version__} cannot be copied: its layout is not known")
    return found[0]
