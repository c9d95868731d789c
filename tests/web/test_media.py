"""The list of the media folder: one walk for all who ask, beside which the server goes on answering."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.media.files.kinds import IMAGES, VIDEOS
from kinora.serve import RunningServer
from kinora.web.api import media as media_module
from kinora.web.api.media import MediaFolder, list_folder
from tests.client_kit import Answer, exchange, get

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""
FILES, CLIENTS = 3000, 40


class Walks:
    """Counts how often a folder is listed; while ``go`` is not set, each walk waits at its beginning."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.go = 0, Event()
        self._folder = folder
        self._scandir = os.scandir
        monkeypatch.setattr(os, "scandir", self._counted)

    def _counted(self, path: Any) -> Any:
        if Path(path) == self._folder:
            self.count += 1
            assert self.go.wait(SAFETY_S)
        return self._scandir(path)


@pytest.fixture
def walks(media: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walks]:
    """The walks through the media folder."""
    counted = Walks(media, monkeypatch)
    yield counted
    counted.go.set()


async def test_all_who_ask_at_once_share_one_walk(server: RunningServer, media: Path, walks: Walks) -> None:
    """Many clients and many files are one walk, and other calls are answered meanwhile."""
    for number in range(FILES):
        (media / f"{number:04}.png").touch()
    url, answers = f"{server.url}/v1/media", list[Answer]()

    async def ask() -> None:
        answers.append(await get(url))

    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            assert (await get(f"{server.url}/v1/health")).status == 200
            assert (walks.count, answers) == (1, [])
            walks.go.set()
    assert walks.count == 1
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert (len(answers[0].json()["files"]), answers[0].json()["truncated"]) == (media_module.MAX_FILES, True)


async def test_a_walk_is_not_stopped_by_the_client_that_began_it(server: RunningServer, walks: Walks) -> None:
    """When that client goes, the others get the list of its walk."""
    url = f"{server.url}/v1/media"
    with trio.fail_after(SAFETY_S):
        async with exchange(url):
            await wait_all_tasks_blocked()
        async with exchange(url) as second:
            await wait_all_tasks_blocked()
            walks.go.set()
            assert (await second.head()).status_code == 200
    assert walks.count == 1


async def test_a_list_is_kept_for_a_moment(media: Path, walks: Walks, mock_clock: MockClock) -> None:
    """A file that appears is listed a second later."""
    walks.go.set()
    folder = MediaFolder(media)
    first = await folder.listed()
    (media / "new.png").touch()
    assert await folder.listed() == first
    mock_clock.jump(media_module.KEPT_S)
    assert b"new.png" in await folder.listed()
    assert walks.count == 2


def test_folders_and_hidden_files_count_as_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are of them, the walk ends, and the list says that it is not whole."""
    monkeypatch.setattr(media_module, "MAX_LOOKED_AT", 20)
    for number in range(30):
        (tmp_path / f".{number}").touch()
        (tmp_path / "more" / f"{number}").mkdir(parents=True)
    listed = list_folder(tmp_path)
    assert (listed.files, listed.truncated) == ([], True)


def test_the_list_has_what_can_be_read_whatever_other_programs_know(tmp_path: Path) -> None:
    """Videos and images by their suffixes, in any letters, and files behind links where a job may follow them."""
    names = [f"a{suffix}" for suffix in IMAGES | VIDEOS] + ["B.JPG", "b.Mkv"]
    media = tmp_path / "media"
    (media / "inner").mkdir(parents=True)
    for name in (*names, ".hidden.jpg", "labels.txt", "archive.tar.gz", "inner/c.ts"):
        (media / name).touch()
    (tmp_path / "outside.jpg").touch()
    (media / "d.jpg").symlink_to("inner/c.ts")
    (media / "e.jpg").symlink_to(tmp_path / "outside.jpg")
    (media / "f.jpg").symlink_to("f.jpg")
    (media / os.fsdecode(b"caf\xe9.jpg")).touch()
    (media / "folder.jpg").mkdir()
    here = {*names, "inner/c.ts", "d.jpg"}
    listed = list_folder(media)
    assert ({file.name for file in listed.files}, listed.left_out) == (here, 4)
    assert {file.name for file in list_folder(media, follow_links=True).files} == here | {"e.jpg"}
