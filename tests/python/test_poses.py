"""Poses in a Python program: drawn with the skeleton of their plugin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np

import kinora
from kinora.plugins import Frame, Plugin, PluginMetadata
from tests.clips import make_clip


class Poses(Plugin):
    """Finds the same two key points on each frame."""

    metadata = PluginMetadata(name="poses", skeleton=[(0, 1)])

    def process_frame(self, frame: Frame) -> Mapping[str, Any]:
        """One detection."""
        assert frame.index >= 0
        box = {"x": 20, "y": 60, "width": 120, "height": 50, "confidence": 0.5, "class": "poser"}
        return {"detections": [{**box, "keypoints": [[40, 90, 1], [120, 90, 1]]}]}


def test_a_pose_is_drawn_by_its_skeleton(tmp_path: Path) -> None:
    """On a frame, and in a video."""
    make_clip(tmp_path / "clip.mp4", frames=2)
    run = kinora.run(tmp_path / "clip.mp4", plugins=[Poses])
    frames = [(frame.image.copy(), frame.plot()) for frame in run]
    with av.open(str(run.annotate(tmp_path / "out.mp4"))) as video:
        pictures = [picture.to_ndarray(format="bgr24") for picture in video.decode(video=0)]
    for (plain, plotted), written in zip(frames, pictures, strict=True):
        for drawn in (plotted, written):
            between = np.abs(drawn.astype(int) - plain).max(axis=2)[90, 50:110]
            assert (between > 40).all()
