"""Single pictures on demand: the right frame, as JPEG, with the detections drawn on it."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from kinora.media.messages import STILL, Failed, Jpeg, MakeStill
from tests.media.channels import running
from tests.media.videos import Image, numbered, read_number, write_video

FRAMES = 80
BOX = {"x": 20, "y": 10, "width": 60, "height": 40, "confidence": 0.9, "class": "person"}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Pictures 0 to 79, a key frame every 12."""
    return write_video(tmp_path / "a.mp4", (numbered(n) for n in range(FRAMES)), options={"g": "12"})


def decoded(answer: Jpeg | Failed) -> Image:
    """The picture in an answer."""
    assert isinstance(answer, Jpeg)
    return np.asarray(cv2.imdecode(np.frombuffer(answer.data, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_an_index_gives_the_picture_that_the_decoder_gives(video: Path) -> None:
    """In any order, first and last included."""
    with running(STILL) as peer:
        for index in (79, 0, 13, 55, 12):
            answer = peer.ask(MakeStill(location=str(video), index=index))
            assert read_number(decoded(answer)) == index


def test_results_are_drawn_on_the_picture(video: Path) -> None:
    """With results the picture differs round the box, and only there."""
    request = MakeStill(location=str(video), index=7)
    with running(STILL) as peer:
        plain = decoded(peer.ask(request)).astype(int)
        drawn = decoded(peer.ask(msgspec.structs.replace(request, results={"people": {"detections": [BOX]}})))
    changed = np.abs(drawn - plain).max(axis=2) > 60
    assert changed[10:50, 18:23].any()
    assert not changed[70:].any()


def test_a_pose_is_drawn_with_its_skeleton(video: Path) -> None:
    """The skeletons come with the request."""
    results = {"poses": {"detections": [BOX | {"keypoints": [[30, 40, 0.9], [60, 40, 0.9]]}]}}
    request = MakeStill(location=str(video), index=7, results=results)
    with running(STILL) as peer:
        points = decoded(peer.ask(request)).astype(int)
        joined = decoded(peer.ask(msgspec.structs.replace(request, skeletons={"poses": [(0, 1)]})))
    assert np.abs(joined - points).max(axis=2)[38:42, 40:50].min() > 60


def test_what_is_not_there_is_an_error_and_the_worker_goes_on(video: Path, tmp_path: Path) -> None:
    """An index beyond the end, and a file that is gone, are answered; the next request works."""
    with running(STILL) as peer:
        beyond = peer.ask(MakeStill(location=str(video), index=FRAMES))
        gone = peer.ask(MakeStill(location=str(tmp_path / "gone.mp4"), index=0))
        assert read_number(decoded(peer.ask(MakeStill(location=str(video), index=3)))) == 3
    assert isinstance(beyond, Failed)
    assert str(FRAMES) in beyond.message
    assert isinstance(gone, Failed)
    assert "does not exist" in gone.message


def test_a_skipped_image_of_a_folder_is_not_replaced_by_the_next(tmp_path: Path) -> None:
    """Index 1 is broken: it is an error, and not picture 2."""
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(number))
    (tmp_path / "1.png").write_bytes(b"no image")
    with running(STILL) as peer:
        assert isinstance(peer.ask(MakeStill(location=str(tmp_path), index=1)), Failed)
        assert read_number(decoded(peer.ask(MakeStill(location=str(tmp_path), index=2)))) == 2
