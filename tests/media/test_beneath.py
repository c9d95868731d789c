"""Sources beneath a folder: what is put in their place after they were checked leads nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

import attrs
import cv2
import pytest

from kinora.media.drawing.annotate import annotate, read_frames
from kinora.media.files.beneath import open_beneath, open_without_links
from kinora.media.messages import DECODER, STILL, Failed, Jpeg, MakeStill, Open, Opened, Refused
from kinora.media.source_types import SourceLimits
from kinora.media.sources import SourceError, SourceTruncated, open_source
from kinora.settings import Settings
from kinora.system import open_system
from tests.clips import make_clip
from tests.jobs_kit import ended, submit, write_plugin
from tests.media.channels import running
from tests.media.videos import numbered, write_video

GATED = """
@tool("gated")
def gated(frame):
    while not os.path.exists({gate!r}):
        time.sleep(0.01)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A media folder with a video and a folder of images in ``shelf``; the same lies in ``elsewhere`` beside it."""
    for shelf in (tmp_path / "media" / "shelf", tmp_path / "elsewhere"):
        (shelf / "images").mkdir(parents=True)
        write_video(shelf / "a.mp4", (numbered(number) for number in range(3)))
        cv2.imwrite(str(shelf / "images" / "1.png"), numbered(1))
    return tmp_path / "media"


def replace_by_link(path: Path, target: str | Path) -> None:
    """Put a link in a file's or folder's place."""
    path.rename(path.with_name("aside"))
    path.symlink_to(target)


SWAPS: dict[str, Callable[[Path], str]] = {
    "the file": lambda root: _swap(root, "shelf/a.mp4", "a.mp4", "shelf/a.mp4"),
    "a folder on the way": lambda root: _swap(root, "shelf", ".", "shelf/a.mp4"),
    "a folder of images": lambda root: _swap(root, "shelf/images", "images", "shelf/images"),
}
"""What is replaced → a function that does so in the media folder, and returns the source."""


def _swap(root: Path, place: str, counterpart: str, source: str) -> str:
    replace_by_link(root / place, root.parent / "elsewhere" / counterpart)
    return str(root / source)


@pytest.fixture(params=SWAPS)
def swapped(root: Path, request: pytest.FixtureRequest) -> tuple[str, SourceLimits]:
    """A source that a link now leads out of the media folder for, and the limits that name that folder."""
    return SWAPS[request.param](root), SourceLimits(folders=(str(root),))


def test_every_program_refuses_what_was_replaced_by_a_link(swapped: tuple[str, SourceLimits], tmp_path: Path) -> None:
    """The decoder, stills and annotated videos say why, and none of them reads the file outside."""
    location, limits = swapped
    with running(DECODER) as decoder:
        refusal = decoder.ask(Open(location=location, name="the source", limits=limits))
    assert refusal == Refused("unreadable", "the source is not in the media folder: a link leads out of it.")
    name = Path(location).name
    said = Failed(f"{name} is not in the media folder: a link leads out of it.")
    with running(STILL) as still:
        assert still.ask(MakeStill(location=location, index=0, limits=limits)) == said
    (tmp_path / "frames").write_bytes(b'{"index": 0, "timestamp_ms": 0, "results": {}}\n')
    out = tmp_path / "out.mp4"
    with pytest.raises(SourceError, match="a link leads out of it"):
        annotate(location, read_frames(tmp_path / "frames"), out, limits=limits)
    assert not out.exists()


@pytest.mark.parametrize("name", ["shelf/a.mp4", "shelf/images"])
def test_what_is_beneath_the_folder_is_read(root: Path, name: str) -> None:
    """Also if the folder itself is named by a link, or the path is."""
    link = root.parent / "link"
    link.symlink_to(root)
    for folder in (root, link):
        for path in (root / name, folder / name):
            with open_source(str(path), limits=SourceLimits(folders=(str(folder), "/nowhere"))) as source:
                assert source.info.frames_total


def test_a_path_that_is_in_none_of_the_folders_is_refused(root: Path) -> None:
    """Neither a folder beside, nor dots, nor a folder whose name begins alike."""
    limits = SourceLimits(folders=(str(root), str(root / "shelf" / "im")))
    for name in ("elsewhere/a.mp4", "media/../elsewhere/a.mp4", "media-2"):
        with pytest.raises(SourceError, match="not in the media folder"):
            open_source(str(root.parent / name), limits=limits)


def test_an_image_replaced_by_a_link_after_the_folder_was_opened_is_skipped(root: Path) -> None:
    """So is one replaced by a pipe, which nobody waits for."""
    images = root / "shelf" / "images"
    for number in (2, 3):
        cv2.imwrite(str(images / f"{number}.png"), numbered(number))
    with open_source(str(images), limits=SourceLimits(folders=(str(root),))) as source:
        (images / "2.png").unlink()
        (images / "2.png").symlink_to(root.parent / "elsewhere" / "images" / "1.png")
        (images / "3.png").unlink()
        os.mkfifo(images / "3.png")
        seen: list[int] = []
        with pytest.raises(SourceTruncated, match=r"2 of 3 images were skipped: 2\.png cannot be read"):
            seen.extend(picture.index for picture in source.frames())
    assert seen == [0]


@contextmanager
def descriptor_of(folder: Path) -> Iterator[int]:
    """A folder that is open."""
    fd = os.open(folder, os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)


def test_a_link_that_leads_inside_is_followed_where_the_kernel_can_tell_it(root: Path) -> None:
    """Linux 5.6 can. Without that, files are opened step by step and no link is followed at all."""
    (root / "inner").symlink_to("shelf")
    os.close(open_beneath(root / "inner" / "a.mp4", [str(root)]))
    with descriptor_of(root) as folder:
        os.close(open_without_links(folder, PurePath("shelf/a.mp4")))
        os.close(open_without_links(folder, PurePath()))
        for source in ("inner/a.mp4", "inner"):
            with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
                open_without_links(folder, PurePath(source))


async def test_a_queued_job_does_not_follow_a_link_put_there_after_the_check(
    settings: Settings, media: Path, plugins_dir: Path, tmp_path: Path
) -> None:
    """The file was checked when the job was taken; when the job begins, a link stands in its place."""
    gate = tmp_path / "gate"
    write_plugin(plugins_dir, "gated", GATED.format(gate=str(gate)))
    make_clip(tmp_path / "secret.mp4")
    make_clip(media / "other.mp4")
    async with open_system(attrs.evolve(settings, max_jobs=1)) as system:
        first = await submit(system, "gated", max_frames=1)
        queued = await submit(system, "motion", source="other.mp4")
        replace_by_link(media / "other.mp4", tmp_path / "secret.mp4")
        gate.touch()
        assert (await ended(system, first)).status == "done"
        state = await ended(system, queued)
    assert state.status == "failed"
    assert state.error is not None
    assert "other.mp4 is not in the media folder: a link leads out of it" in state.error


def test_a_still_of_a_source_in_its_place_is_made(root: Path) -> None:
    """The same limits do not stand in the way of the file that was checked."""
    with running(STILL) as still:
        limits = SourceLimits(folders=(str(root),))
        assert isinstance(still.ask(MakeStill(location=str(root / "shelf/a.mp4"), index=0, limits=limits)), Jpeg)
    with running(DECODER) as decoder:
        answer = decoder.ask(Open(location=str(root / "shelf/a.mp4"), name="a", limits=limits))
        assert isinstance(answer, Opened)
