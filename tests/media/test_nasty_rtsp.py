"""Nasty cameras, each opened again and again: a sentence for each break, and nothing left of it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from kinora.media.camera_errors import CameraError, CameraLost, LostReason
from kinora.media.network.auth import Credentials
from kinora.media.rtsp import reader, requests, session
from kinora.media.rtsp.source import RtspSource
from kinora.media.source_types import SourceLimits
from tests.media.test_rtsp import descriptors
from tests.media.videos import numbered, read_number
from tests.nasty_rtsp import KEY_EVERY, NastyCamera, nasties, nasty_camera, repeated
from tests.rtsp_clips import encode

OPENINGS, SILENT_OPENINGS = 20, 5
"""Fewer where each takes the whole time after which a camera counts as silent."""
SILENCE_S = 0.1
ME = Credentials("joe", "secret")
PICTURES = 4 * KEY_EVERY
NASTIES = nasties(repeated(encode("h264", (numbered(100 + number, 320, 240) for number in range(PICTURES)), KEY_EVERY)))


@pytest.fixture
def camera() -> Iterator[NastyCamera]:
    """A camera that is a good one so far."""
    clip = encode("h264", map(numbered, range(PICTURES)), KEY_EVERY)
    with nasty_camera(clip, repeated(clip)) as running:
        yield running


def watch(camera: NastyCamera) -> tuple[list[int], CameraError | CameraLost]:
    """The numbers of the pictures that one opening gives, and what ends it."""
    got: list[int] = []
    try:
        with RtspSource(camera.url, SourceLimits(url_hosts=(camera.server.host,)), ME) as source:
            for picture in source.frames():
                image = np.empty((picture.height, picture.width, 3), np.uint8)
                picture.write_to(image)
                got.append(read_number(image))
    except (CameraError, CameraLost) as error:
        return got, error
    raise AssertionError("a camera has no end")


def left(camera: NastyCamera) -> tuple[int, int]:
    """Descriptors and threads of this process, once the camera has no connection any more."""
    camera.server.wait_for(lambda: not camera.server.open)
    gc.collect()
    return descriptors(), threading.active_count()


@pytest.mark.parametrize("name", NASTIES)
def test_nothing_is_left_of_a_nasty_camera(camera: NastyCamera, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each opening ends with its reason; no picture comes twice, and none that is not whole."""
    nasty = NASTIES[name]
    camera.next_break = lambda _: nasty
    is_silent = LostReason.SILENT in nasty.reasons
    if is_silent:
        for where, limit in ((requests, "REQUEST_S"), (session, "SILENCE_S"), (reader, "KEY_FRAME_S")):
            monkeypatch.setattr(where, limit, SILENCE_S)
    watch(camera)
    before = left(camera)
    openings = SILENT_OPENINGS if is_silent else OPENINGS
    for _ in range(openings):
        got, error = watch(camera)
        assert error.reason in nasty.reasons, error
        assert got == sorted(set(got))
        assert set(got) <= {*range(PICTURES), *range(100, 100 + PICTURES)}
    after = left(camera)
    assert all(now <= then + 1 for now, then in zip(after, before, strict=True)), (before, after)
    assert camera.server.connections == 1 + openings
