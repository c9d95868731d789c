"""Cuts from one scene to the next, by the difference of colour histograms of neighbouring frames.

A histogram ignores where things are, so movement hardly changes it and a cut does. Fades and dissolves do not count.
"""

from __future__ import annotations

from typing import Any

import attrs
import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.saved import encode_head, read_head, with_head
from kinora.plugins.builtin.schema import integer, number, options_schema

SAMPLE_SIZE = (192, 108)
BINS = (8, 4, 8)  # of hue, saturation and value
STATE_VERSION = 1


@attrs.define
class Scene:
    """A scene, from its first frame to its last so far."""

    start: int
    start_ms: float
    end: int
    end_ms: float


class _State(msgspec.Struct, array_like=True):
    count: int
    newest: list[Scene]
    """The scene that goes on, if any."""
    before: int
    """The bytes of the histogram, which follows; then come the scenes that have ended."""


_decoder = msgspec.msgpack.Decoder(_State)
_decode_scenes = msgspec.msgpack.Decoder(list[Scene]).decode


class Scenes(Plugin):
    """Publishes each cut as it comes and gives the list of scenes at the end."""

    metadata = PluginMetadata(
        name="scenes",
        version="1.0.0",
        description="Finds cuts; the list of scenes comes at the end",
        author="Kinora",
        tags=("scenes", "metrics"),
        outputs=("metrics", "scenes"),
        capabilities=("scenes", "metrics", "partial_results"),
        config_schema=options_schema(
            threshold=number(
                0.35, 0.0, 1.0, "Difference to the frame before (0 same, 1 nothing in common) that counts as a cut."
            ),
            min_scene_ms=integer(
                500, 0, 3_600_000, "Milliseconds after a cut in which no other cut counts.", unit="ms"
            ),
            max_scenes=integer(
                10_000, 1, 100_000, "Longest list of scenes; beyond it the oldest are left out.", unit="scenes"
            ),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Begin before the first scene."""
        self._context = context
        self._scenes: list[Scene] = []
        self._ended: bytes | None = None
        """The scenes that have ended, as they are saved; None after each cut."""
        self._count = 0
        self._before: NDArray[np.float32] | None = None

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The difference to the frame before (0 to 1), the number of the scene (from 1), and ``cut`` at its start."""
        histogram = _histogram(frame.image)
        difference = 0.0
        if self._before is not None:
            difference = cv2.compareHist(self._before, histogram, cv2.HISTCMP_BHATTACHARYYA)
        self._before = histogram
        cut = self._is_cut(frame, difference)
        if cut or not self._scenes:
            self._begin_scene(frame)
        if cut:
            self._context.partial({"cut": {"index": frame.index, "timestamp_ms": frame.timestamp_ms}})
        self._scenes[-1].end, self._scenes[-1].end_ms = frame.index, frame.timestamp_ms
        return {"metrics": {"change": round(difference, 4), "scene": self._count}, "cut": cut}

    def save_state(self) -> list[bytes]:
        """The list of scenes, and the histogram of the frame before."""
        if self._ended is None:
            self._ended = encode_head(self._scenes[:-1])
        before = b"" if self._before is None else self._before.tobytes()
        head = _State(self._count, self._scenes[-1:], len(before))
        return [with_head(STATE_VERSION, head), before, self._ended]

    def load_state(self, data: bytes) -> None:
        """Go on after that frame."""
        state, rest = read_head(data, STATE_VERSION, _decoder)
        before = np.frombuffer(rest[: state.before], np.float32)
        self._before = before.reshape(BINS).copy() if len(before) else None
        self._count, self._ended = state.count, bytes(rest[state.before :])
        self._scenes = [*_decode_scenes(self._ended), *state.newest]

    def finalize(self) -> dict[str, Any]:
        """The scenes: first and last frame of each, and their timestamps in milliseconds."""
        return {"scenes": [attrs.asdict(scene) for scene in self._scenes]}

    def _is_cut(self, frame: Frame, difference: float) -> bool:
        if not self._scenes or difference < self._context.options["threshold"]:
            return False
        lasted = frame.timestamp_ms - self._scenes[-1].start_ms
        return bool(lasted >= self._context.options["min_scene_ms"])

    def _begin_scene(self, frame: Frame) -> None:
        self._count += 1
        at, ms = frame.index, frame.timestamp_ms
        self._scenes.append(Scene(start=at, start_ms=ms, end=at, end_ms=ms))
        self._ended = None
        del self._scenes[: -self._context.options["max_scenes"]]


def _histogram(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = cv2.resize(image, SAMPLE_SIZE, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, list(BINS), [0, 180, 0, 256, 0, 256])
    return np.asarray(counts / (SAMPLE_SIZE[0] * SAMPLE_SIZE[1]), dtype=np.float32)
