"""Things that move before a still background, found by a mixture of Gaussians per pixel (MOG2, Zivkovic 2004)."""

from __future__ import annotations

from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.background import Applied, Background
from kinora.plugins.builtin.saved import read_head, with_head
from kinora.plugins.builtin.scaling import scale_down
from kinora.plugins.builtin.schema import boolean, integer, number, options_schema
from kinora.plugins.forms.detections import Boxes, Detection, as_boxes

MOVING = 255  # in MOG2's mask; shadows are 127
SUDDEN = 0.3  # if the moving share grows by more than this from one frame to the next, the whole picture changed: a cut
MAX_PARTS = 500  # the largest are kept: noise has thousands, and they are compared in pairs
SAMPLE = 6  # every sixth pixel, across and down, is enough to see how bright the background is
STATE_VERSION = 1


class _State(msgspec.Struct, array_like=True):
    size: tuple[int, int] | None
    told: bool
    share: float
    background: Applied


_decoder = msgspec.msgpack.Decoder(_State)


class Motion(Plugin):
    """Gives a box for each thing that moves, and the share of the picture that moves.

    A picture of another size than the one before begins a new background; a warning says so the first time.
    """

    metadata = PluginMetadata(
        name="motion",
        version="1.0.0",
        description="Finds things that move before a still background; things that stop become background",
        author="Kinora",
        tags=("detection", "motion", "metrics"),
        outputs=("detections", "metrics"),
        capabilities=("detections", "metrics"),
        config_schema=options_schema(
            size=integer(384, 64, 1920, "Longer side in pixels at which the picture is compared.", unit="pixels"),
            threshold=number(
                25.0,
                1.0,
                1000.0,
                "Squared distance, in standard deviations, at which a pixel differs from the background.",
                unit="squared deviations",
            ),
            history=integer(
                200, 1, 100_000, "Frames after which a thing that stopped becomes background.", unit="frames"
            ),
            shadows=boolean(True, "Leave out shadows."),
            min_area=number(
                0.003, 0.0, 1.0, "Smallest thing that counts, as a share of the picture.", unit="of the picture"
            ),
            merge=number(
                0.08,
                0.0,
                1.0,
                "Parts closer than this share of the longer side are one thing.",
                unit="of the longer side",
            ),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Set up an empty background."""
        self._context = context
        self._options = context.options
        self._disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
        self._size: tuple[int, int] | None = None
        self._told = False
        self._begin()

    def _begin(self) -> None:
        """Forget what was seen so far."""
        options = self._options
        self._background = Background(
            lambda: cv2.createBackgroundSubtractorMOG2(
                history=options["history"], varThreshold=options["threshold"], detectShadows=options["shadows"]
            )
        )
        self._share = 0.0

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The things that move in this frame, the largest first."""
        height, width = frame.image.shape[:2]
        self._take_size((width, height))
        small, _ = scale_down(frame.image, self._options["size"])
        moving = self._moving(small)
        share = float(np.count_nonzero(moving)) / moving.size
        sudden, self._share = share - self._share > SUDDEN, share
        if sudden:
            self._background.begin_with(small)
            found = []
        else:
            found = self._things(moving, np.array([width, height]) / moving.shape[::-1])
        return {"detections": [thing.as_json() for thing in found], "metrics": {"motion": round(share, 4)}}

    def save_state(self) -> list[bytes]:
        """The background, and what is known of the picture before."""
        head, parts = self._background.saved()
        return [with_head(STATE_VERSION, _State(self._size, self._told, self._share, head)), *parts]

    def load_state(self, data: bytes) -> None:
        """Go on before that background."""
        state, parts = read_head(data, STATE_VERSION, _decoder)
        self._begin()
        self._size, self._told, self._share = state.size, state.told, state.share
        self._background.load(state.background, parts)

    def _take_size(self, size: tuple[int, int]) -> None:
        """Begin anew if this picture has another size: pixels of the background have no partner in it."""
        before, self._size = self._size, size
        if before in (None, size):
            return
        self._begin()
        if not self._told:
            self._told = True
            self._context.warn(
                f"the pictures change their size, first from {_times(before)} to {_times(size)}: at each change motion "
                "learns a new background, and sees nothing move until the next picture"
            )

    def _moving(self, small: NDArray[Any]) -> NDArray[np.uint8]:
        """The mask of moving pixels, 1 or 0, without specks."""
        background = self._background.picture()
        if background is not None:
            small = _as_bright_as(background, small)
        mask = (self._background.apply(small) == MOVING).view(np.uint8)
        return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, self._disc), dtype=np.uint8)

    def _things(self, moving: NDArray[np.uint8], zoom: NDArray[np.float64]) -> list[Detection]:
        _, _, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
        parts = np.asarray(stats[1:], dtype=np.float64)  # the first is the background
        parts = parts[np.argsort(-parts[:, cv2.CC_STAT_AREA], kind="stable")[:MAX_PARTS]]
        parts = parts[parts[:, cv2.CC_STAT_AREA] >= self._options["min_area"] * moving.size / 10]
        groups = merge_near(as_boxes(parts[:, :4]), self._options["merge"] * max(moving.shape))
        things = []
        for members in groups:
            pixels = parts[members, cv2.CC_STAT_AREA].sum()
            if pixels < self._options["min_area"] * moving.size:
                continue
            low = parts[members, :2].min(axis=0)
            size = (parts[members, :2] + parts[members, 2:4]).max(axis=0) - low
            (x, y), (width, height) = low * zoom, size * zoom
            full = min(1.0, pixels / size.prod())
            things.append(Detection(x=x, y=y, width=width, height=height, confidence=full, kind="motion"))
        return sorted(things, key=lambda thing: -thing.width * thing.height)


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _as_bright_as(background: NDArray[Any], image: NDArray[Any]) -> NDArray[Any]:
    """``image`` without the changes that a camera's automatic exposure and white balance have made.

    Most of the picture is background, so the median difference comes from the camera and not from moving things.
    """
    difference = background[::SAMPLE, ::SAMPLE].astype(np.float32) - image[::SAMPLE, ::SAMPLE]
    shift = np.median(difference.reshape(-1, 3), axis=0)
    return np.asarray(cv2.add(image, np.append(shift, 0.0)))


def merge_near(boxes: Boxes, distance: float) -> list[list[int]]:
    """Groups of indices: boxes at most ``distance`` apart in each direction belong together, also through others."""
    low, high = boxes[:, :2] - distance / 2, boxes[:, :2] + boxes[:, 2:] + distance / 2
    near = np.all((low[:, None] <= high[None]) & (low[None] <= high[:, None]), axis=2)
    left, groups = set(range(len(boxes))), []
    while left:
        reached = [left.pop()]
        for member in reached:
            touching = left.intersection(np.flatnonzero(near[member]).tolist())
            left -= touching
            reached += touching
        groups.append(reached)
    return groups
