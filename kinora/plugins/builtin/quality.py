"""Picture quality: sharpness, exposure and noise. Warns when the picture gets too dark or too blurred to work with."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.schema import integer, number, options_schema

BLACK, WHITE = 2, 253  # luma at and beyond which a pixel is clipped
RECOVERED = 1.25  # a stretch ends when its figure exceeds this multiple of the limit that began it
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)


class Quality(Plugin):
    """Measures each frame and warns when a dark or a blurred stretch begins."""

    metadata = PluginMetadata(
        name="quality",
        stateless=True,
        version="1.0.0",
        description="Measures sharpness, exposure and noise, and warns of dark and blurred stretches",
        author="Kinora",
        tags=("metrics", "quality"),
        outputs=("metrics",),
        capabilities=("metrics", "warnings"),
        config_schema=options_schema(
            dark_below=number(40.0, 0.0, 255.0, "Mean luma, of 255, below which a frame is dark.", unit="levels"),
            blurred_below=number(
                15.0,
                0.0,
                100_000.0,
                "Sharpness (variance of the Laplacian) below which a frame is blurred. It depends on what is shown: "
                "a bare wall is never sharp.",
            ),
            frames=integer(3, 1, 1000, "Frames in a row that begin or end a stretch.", unit="frames"),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Begin with no stretch under way."""
        self._context = context
        frames = context.options["frames"]
        self._dark = Stretch(context.options["dark_below"], frames)
        self._blurred = Stretch(context.options["blurred_below"], frames)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """This frame's figures: luma and sharpness in grey levels of 255, shares from 0 to 1."""
        grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        brightness, sharpness = float(grey.mean()), _sharpness(grey)
        self._watch(frame, brightness, sharpness)
        histogram = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel() / grey.size
        return {
            "metrics": {
                "sharpness": round(sharpness, 1),
                "brightness": round(brightness, 1),
                "clipped_dark": round(float(histogram[: BLACK + 1].sum()), 4),
                "clipped_bright": round(float(histogram[WHITE:].sum()), 4),
                "noise": round(_noise(grey), 2),
            }
        }

    def _watch(self, frame: Frame, brightness: float, sharpness: float) -> None:
        seconds = frame.timestamp_ms / 1000
        if self._dark.begins(brightness):
            self._context.warn(f"dark from {seconds:.1f} s on (mean luma {brightness:.0f} of 255)", "medium")
        # A dark picture cannot be sharp: one warning is enough.
        if not self._dark.under_way and self._blurred.begins(sharpness):
            self._context.warn(f"blurred from {seconds:.1f} s on (sharpness {sharpness:.1f})", "low")


class Stretch:
    """A run of frames with a figure below a limit; it begins and ends late, so that it does not flicker."""

    def __init__(self, limit: float, frames: int) -> None:
        """``frames`` in a row below ``limit`` begin it; as many clearly above end it."""
        self._limit = limit
        self._frames = frames
        self._against = 0
        self.under_way = False

    def begins(self, value: float) -> bool:
        """Take the next frame's figure. Return True once per stretch, when it begins."""
        speaks_against = value > self._limit * RECOVERED if self.under_way else value < self._limit
        self._against = self._against + 1 if speaks_against else 0
        if self._against < self._frames:
            return False
        self._against = 0
        self.under_way = not self.under_way
        return self.under_way


def _sharpness(grey: NDArray[np.uint8]) -> float:
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2


def _noise(grey: NDArray[np.uint8]) -> float:
    """Standard deviation of the noise in grey levels (Immerkær, Fast Noise Variance Estimation, 1996).

    The kernel is blind to flat areas and straight edges; rich texture still counts as noise.
    """
    height, width = grey.shape
    if min(height, width) < NOISE_KERNEL.shape[0]:
        return 0.0
    answer = cv2.filter2D(grey, cv2.CV_16S, NOISE_KERNEL)[1:-1, 1:-1]
    return math.sqrt(math.pi / 2) / 6 * cv2.norm(answer, cv2.NORM_L1) / answer.size
