"""Single pictures on demand: the right frame, as JPEG, with what was found drawn on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kinora.media.programs import still
from tests.media.channels import running
from tests.media.videos import Image, numbered, read_number, write_video

FRAMES = 80
BOX = {"x": 20, "y": 10, "width": 60, "height": 40, "confidence": 0.9, "class": "person"}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Pictures 0 to 79, a key frame every 12."""
    return write_video(tmp_path / "a.mp4", (numbered(n) for n in range(FRAMES)), options={"g": "12"})


def decoded(answer: dict[str, Any]) -> Image:
    """The picture in an answer."""
    assert answer["op"] == "picture"
    return np.asarray(cv2.imdecode(np.frombuffer(answer["jpeg"], np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_an_index_gives_the_picture_that_the_decoder_gives(video: Path) -> None:
    """In any order, first and last included."""
    with running(still.main) as peer:
        for index in (79, 0, 13, 55, 12):
            answer = peer.ask(op="picture", location=str(video), index=index, limits={}, results=None, quality=85)
            assert read_number(decoded(answer)) == index


def test_results_are_drawn_on_the_picture(video: Path) -> None:
    """With results the picture differs round the box, and only there."""
    request = {"op": "picture", "location": str(video), "index": 7, "limits": {}}
    with running(still.main) as peer:
        plain = decoded(peer.ask(**request)).astype(int)
        drawn = decoded(peer.ask(**request, results={"people": {"detections": [BOX]}}))
    changed = np.abs(drawn - plain).max(axis=2) > 60
    assert changed[10:50, 18:23].any()
    assert not changed[70:].any()


def test_quality_decides_on_the_size(video: Path) -> None:
    """Less quality, fewer bytes."""
    request = {"op": "picture", "location": str(video), "index": 7, "limits": {}}
    with running(still.main) as peer:
        sizes = [len(peer.ask(**request, quality=quality)["jpeg"]) for quality in (10, 95)]
    assert sizes[0] < sizes[1]


def test_what_is_not_there_is_an_error_and_the_worker_goes_on(video: Path, tmp_path: Path) -> None:
    """An index beyond the end, and a file that is gone, are answered; the next request works."""
    with running(still.main) as peer:
        beyond = peer.ask(op="picture", location=str(video), index=FRAMES, limits={})
        gone = peer.ask(op="picture", location=str(tmp_path / "gone.mp4"), index=0, limits={})
        assert read_number(decoded(peer.ask(op="picture", location=str(video), index=3, limits={}))) == 3
    assert (beyond["op"], str(FRAMES) in beyond["message"]) == ("error", True)
    assert (gone["op"], gone["kind"]) == ("error", "unreadable")


def test_a_skipped_image_of_a_folder_is_not_replaced_by_the_next(tmp_path: Path) -> None:
    """Index 1 is broken: it is an error, and not picture 2."""
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(number))
    (tmp_path / "1.png").write_bytes(b"no image")
    with running(still.main) as peer:
        assert peer.ask(op="picture", location=str(tmp_path), index=1, limits={})["op"] == "error"
        assert read_number(decoded(peer.ask(op="picture", location=str(tmp_path), index=2, limits={}))) == 2
