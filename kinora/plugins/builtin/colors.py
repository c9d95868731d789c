"""The colours that make up a picture, by k-means in CIE Lab, where equal distances look about equally different."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.scaling import scale_down
from kinora.plugins.builtin.schema import integer, number, options_schema

SAMPLE_SIDE = 48  # pixels: the longer side of the picture that is sampled
ROUNDS = 12
SEED = 1  # k-means starts at random colours: with the same ones each time, equal pictures get equal palettes


class Colors(Plugin):
    """Gives each frame's palette, the most common colour first."""

    metadata = PluginMetadata(
        name="colors",
        stateless=True,
        version="1.0.0",
        description="Finds the colours that make up the picture, and the share of each",
        author="Kinora",
        tags=("colors", "metrics"),
        outputs=("colors",),
        capabilities=("colors",),
        config_schema=options_schema(
            count=integer(5, 1, 16, "Largest number of colours.", unit="colours"),
            min_share=number(
                0.02, 0.0, 1.0, "Colours with a smaller share of the picture are left out.", unit="of the picture"
            ),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Take the options."""
        self._count: int = context.options["count"]
        self._min_share: float = context.options["min_share"]

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The palette: ``hex`` (``#rrggbb``) and ``share`` of the picture, 0 to 1."""
        centres, shares = palette(frame.image, self._count)
        found = [
            {"hex": f"#{red:02x}{green:02x}{blue:02x}", "share": round(float(share), 3)}
            for (blue, green, red), share in zip(centres.tolist(), shares, strict=True)
            if share >= self._min_share
        ]
        return {"colors": sorted(found, key=lambda color: (-color["share"], color["hex"]))}


def palette(image: NDArray[np.uint8], count: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """At most ``count`` BGR colours of shape (n, 3), and their shares of the picture."""
    small, _ = scale_down(image, SAMPLE_SIDE)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2Lab).reshape(-1, 3)
    count = min(count, len(np.unique(small.reshape(-1, 3), axis=0)))
    if count == 1:  # k-means would read a single pixel as three numbers
        return small.reshape(-1, 3)[:1], np.ones(1)
    cv2.setRNGSeed(SEED)
    rounds = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, ROUNDS, 0.5)
    _, labels, centres = cv2.kmeans(lab, count, np.empty((0, 1), np.int32), rounds, 1, cv2.KMEANS_PP_CENTERS)
    shares = np.bincount(labels.ravel(), minlength=count) / len(lab)
    bgr = cv2.cvtColor(centres[None].astype(np.float32), cv2.COLOR_Lab2BGR)[0]
    return np.clip(np.rint(bgr * 255), 0, 255).astype(np.uint8), shares
