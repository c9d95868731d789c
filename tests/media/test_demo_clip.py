"""The bundled clip: the same each time, and with something in it for every built-in plugin."""

from __future__ import annotations

import hashlib
import stat
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinora.media.files.demo_cache import NAME, keep_clip, kept_clip
from kinora.media.messages import DEMO_CLIP, Made, MakeDemoClip
from kinora.media.programs import demo_clip
from kinora.media.sources import SourceLimits, open_source
from kinora.runtime.files.private_files import FOLDER_MODE
from kinora.runtime.files.temporary import MARK, temporary_folder
from tests.media.channels import running
from tests.media.videos import Image


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip, made once, in the temporary folder of a command, where a crash had left a half-written one behind."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / MARK).touch()
    (folder / f".{demo_clip.NAME}.part").write_bytes(b"half")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return demo_clip.ensure(folder)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kinora"


@pytest.fixture(scope="module")
def frames(clip: Path) -> list[Image]:
    """All its pictures."""
    images = []
    with open_source(str(clip), limits=SourceLimits()) as source:
        for picture in source.frames():
            images.append(np.empty((picture.height, picture.width, 3), np.uint8))
            picture.write_to(images[-1])
    return images


def at(frames: list[Image], time_s: float) -> Image:
    """The picture at this time."""
    return frames[round(time_s * demo_clip.FPS)]


def test_it_is_a_whole_video_of_the_promised_size(clip: Path, frames: list[Image]) -> None:
    """Twelve seconds, 640x360, 25 frames a second."""
    with open_source(str(clip), limits=SourceLimits()) as source:
        info = source.info
    assert (info.width, info.height, info.fps, info.frames_total) == (640, 360, 25.0, 300)
    assert len(frames) == 300


def test_it_is_made_once(clip: Path) -> None:
    """A second call leaves the file alone, and nothing half-made lies beside it."""
    before = clip.stat().st_mtime_ns
    assert demo_clip.ensure(clip.parent) == clip
    assert clip.stat().st_mtime_ns == before
    assert not list(clip.parent.glob("*.part"))


def test_its_worker_makes_the_same_everywhere(clip: Path, cache: Path, tmp_path: Path) -> None:
    """In another folder the worker makes the same bytes and returns their path; asked twice, it names the same file.

    Without a look at the user's cache, unless the folder is deleted again.
    """
    keep_clip(demo_clip.recipe(), b"as it was kept")
    folder = tmp_path / "new" / "folder"
    with running(DEMO_CLIP) as peer:
        first = peer.ask(MakeDemoClip(str(folder)))
        assert peer.ask(MakeDemoClip(str(folder))) == first
    assert isinstance(first, Made)
    assert first == Made(str(folder / demo_clip.NAME))
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (clip, Path(first.path))}
    assert len(digests) == 1
    with temporary_folder() as deleted:
        assert demo_clip.ensure(deleted).read_bytes() == b"as it was kept"


def test_a_command_keeps_it_in_the_users_cache(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that has drawn it keeps it for the others of this version, where no other user reads it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(clip.parent / "cache"))
    assert kept_clip(demo_clip.recipe()) == clip.read_bytes()
    assert kept_clip(b"of another version") is None
    assert stat.S_IMODE((clip.parent / "cache" / "kinora").stat().st_mode) == FOLDER_MODE


def test_a_damaged_clip_is_not_taken_from_the_cache(cache: Path) -> None:
    """One that has lost its end or is of another kind counts as none, and the next one is put in its place."""
    for broken in (b"", b"short", b"x" * 1000):
        keep_clip(b"this", b"the clip" * 100)
        kept = cache / NAME
        kept.write_bytes(broken or kept.read_bytes()[:-1])
        assert kept_clip(b"this") is None
    keep_clip(b"this", b"the clip")
    assert kept_clip(b"this") == b"the clip"
    assert [file.name for file in cache.iterdir()] == [NAME]


def test_without_a_cache_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder cannot be made, or another user's would get it, keeping does nothing and raises nothing."""
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", Path("/proc/1")):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        keep_clip(b"this", b"the clip")
        assert kept_clip(b"this") is None


def test_its_stretches_look_as_they_should(frames: list[Image]) -> None:
    """There is one hard cut, a noisy stretch and a dark one."""
    changes = [float(np.abs(a.astype(int) - b).mean()) for a, b in pairwise(frames)]
    cut = round(demo_clip.CUT_S * demo_clip.FPS) - 1
    assert changes[cut] > 4 * np.median(changes)
    assert at(frames, sum(demo_clip.DARK_S) / 2).mean() < 15
    assert at(frames, demo_clip.DARK_S[1] + 0.2).mean() > 40
    noisy, clear = at(frames, sum(demo_clip.NOISE_S) / 2), at(frames, 2.0)
    assert cv2.Laplacian(noisy[:60], cv2.CV_64F).std() > 5 * cv2.Laplacian(clear[:60], cv2.CV_64F).std()


def test_its_people_are_seen_as_people(frames: list[Image]) -> None:
    """OpenCV's people detector finds somebody in bright, clear pictures with people, and nobody without."""
    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))
    for time_s in (1.2, 2.0, 2.8, 5.4, 7.4, 8.0, 10.2, 11.0):
        boxes, _ = detector.detectMultiScale(at(frames, time_s), winStride=(8, 8), scale=1.05)
        assert len(boxes) >= 1, time_s
    boxes, _ = detector.detectMultiScale(at(frames, demo_clip.CUT_S), winStride=(8, 8), scale=1.05)
    assert len(boxes) == 0
