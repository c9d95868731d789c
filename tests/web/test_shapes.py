"""Shapes that a plugin gives, as clients get them: in frames, on pictures and in exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import trio
from numpy.typing import NDArray
from pycocotools.coco import COCO

from kinora.serve import RunningServer
from tests.client_kit import get, post
from tests.jobs_kit import write_plugin

PLUGIN = """
class Shapes(Plugin):
    metadata = PluginMetadata(name="shapes", max_batch=4, stateless=True, skeleton=[(0, 1)])

    def process_batch(self, frames):
        return [self.found(frame) for frame in frames]

    def found(self, frame):
        mask = np.zeros(frame.image.shape[:2], bool)
        mask[20:40, 30:60] = True
        box = {"x": 30, "y": 20, "width": 30, "height": 20, "confidence": 0.9, "class": "thing", "mask": mask}
        pose = {"x": 80, "y": 60, "width": 60, "height": 50, "class": "poser", "keypoints": [[90, 90], [130, 90]]}
        return {"detections": [box, pose]}
"""


@pytest.fixture(autouse=True)
def _plugin(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "shapes", PLUGIN)


def picture(data: bytes) -> NDArray[np.int64]:
    """A JPEG's pixels."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)).astype(np.int64)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own, by a newer numpy
async def test_shapes_reach_clients(server: RunningServer, tmp_path: Path) -> None:
    """An array of bool becomes a code in the frames, a tint on the picture, and in COCO each pixel that it had."""
    wanted = {"source": "clip.mp4", "plugins": ["shapes"], "options": {"max_frames": 6}}
    answer = await post(f"{server.url}/v1/jobs", wanted)
    job = f"{server.url}{answer.headers['location']}"
    with trio.fail_after(60):
        while (state := (await get(f"{job}/extended?limit=0", prefer="wait=5")).json())["finished_at"] is None:
            pass
    assert (state["status"], state["warnings"]) == ("done", [])
    frames: list[Any] = (await get(f"{job}/frames")).json()["frames"]
    thing, pose = frames[3]["results"]["shapes"]["detections"]
    assert thing["mask"] == {"x": 30, "y": 20, "width": 30, "height": 20, "counts": "0hb0"}
    assert pose["keypoints"] == [[90, 90, 1], [130, 90, 1]]
    plain, drawn = [picture((await get(f"{job}/frames/3.jpg?overlay={each}")).body) for each in (0, 1)]
    changed = np.abs(drawn - plain).max(axis=2) > 30
    assert changed[24:36, 36:54].all()  # the mask
    assert changed[90, 96:124].all()  # the skeleton
    (tmp_path / "coco.json").write_bytes((await get(f"{job}/export?format=coco")).body)
    coco = COCO(str(tmp_path / "coco.json"))
    found, posed = coco.loadAnns(coco.getAnnIds(imgIds=[4]))
    assert coco.annToMask(found)[20:40, 30:60].sum() == coco.annToMask(found).sum() == 600
    assert posed["keypoints"] == [90, 90, 2, 130, 90, 2]
    assert coco.loadCats(posed["category_id"])[0]["skeleton"] == [[1, 2]]
    listed = (await get(f"{server.url}/v1/plugins/shapes")).json()["metadata"]
    assert json.dumps(listed["skeleton"]) == "[[0, 1]]"
