"""Plugins for the benchmarks: pairs of equal weight, and empty ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins import Frame, Plugin, PluginMetadata

ROUNDS = 4
SEARCH_WIDTH = 480


@cache
def _people() -> cv2.HOGDescriptor:
    """Made in the process that uses it: OpenCV must not be called before a fork."""
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))
    return hog


def detect(image: NDArray[Any]) -> dict[str, Any]:
    """A detector, like most tools: it shrinks the picture and then computes."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (SEARCH_WIDTH, height * SEARCH_WIDTH // width))
    boxes, _ = _people().detectMultiScale(small, winStride=(8, 8))
    return {"metrics": {"boxes": len(boxes)}}


def blur(image: NDArray[Any]) -> dict[str, Any]:
    """A filter over all pixels, again and again: it waits for memory, which all cores share."""
    blurred = image
    for _ in range(ROUNDS):
        blurred = cv2.GaussianBlur(blurred, (9, 9), 0)
    return {"metrics": {"mean": float(blurred[::8, ::8].mean())}}


class _Detect(Plugin):
    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Some computing."""
        return detect(frame.image)


class DetectA(_Detect):
    """The first of two equal tools."""

    metadata = PluginMetadata(name="detect-a")


class DetectB(_Detect):
    """The second of two equal tools."""

    metadata = PluginMetadata(name="detect-b")


class _Blur(Plugin):
    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Some filtering."""
        return blur(frame.image)


class BlurA(_Blur):
    """The first of two equal tools."""

    metadata = PluginMetadata(name="blur-a")


class BlurB(_Blur):
    """The second of two equal tools."""

    metadata = PluginMetadata(name="blur-b")


class _Empty(Plugin):
    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return a small result."""
        return {"index": frame.index}


class Empty1(_Empty):
    """An empty tool."""

    metadata = PluginMetadata(name="empty-1")


class Empty2(_Empty):
    """An empty tool."""

    metadata = PluginMetadata(name="empty-2")


class Empty3(_Empty):
    """An empty tool."""

    metadata = PluginMetadata(name="empty-3")


class Empty4(_Empty):
    """An empty tool."""

    metadata = PluginMetadata(name="empty-4")
