"""A media folder that does not answer, as on a network share whose server is gone: only what needs it is refused."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trio

from kinora.actors.sources import source_finder
from kinora.serve import RunningServer
from kinora.web.api import media as media_module
from tests.client_kit import Answer, get, post
from tests.jobs_kit import run_job

SAFETY_S = 60.0
"""Far more than any of it takes on a busy machine."""
TIMEOUT_S = 0.5
JOB = {"source": "clip.mp4", "plugins": ["motion"], "options": {"max_frames": 2}}


class HangingFolder:
    """The system calls about a folder and what is in it do not come back until ``answers`` is set."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls, self.answers = 0, Event()
        self._folder = str(folder)
        for name in ("lstat", "stat", "scandir"):
            monkeypatch.setattr(os, name, self._hanging(getattr(os, name)))

    def _hanging(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def hang(path: Any, *arguments: Any, **named: Any) -> Any:
            if str(path).startswith(self._folder) and not self.answers.is_set():
                self.calls += 1
                assert self.answers.wait(SAFETY_S)
            return call(path, *arguments, **named)

        return hang


@pytest.fixture
def hanging(server: RunningServer, media: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HangingFolder]:
    """The media folder hangs; the server has the time limits of a test."""
    assert server
    monkeypatch.setattr(source_finder, "LOOK_TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(media_module, "WALK_TIMEOUT_S", TIMEOUT_S)
    folder = HangingFolder(media, monkeypatch)
    yield folder
    folder.answers.set()


async def all_of(asking: Callable[[], Any], count: int) -> list[Answer]:
    """The answers to the same question of so many clients at once."""
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await asking())

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(ask)
    return answers


async def test_others_are_answered_while_the_media_folder_hangs(server: RunningServer, hanging: HangingFolder) -> None:
    """A job and a list that need the folder are refused with a reason, each in time; all else goes on."""
    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            refused: list[Answer] = []

            async def submit() -> None:
                refused.extend(await all_of(lambda: post(f"{server.url}/v1/jobs", JOB), 3))

            async def ask_list() -> None:
                refused.extend(await all_of(lambda: get(f"{server.url}/v1/media"), 3))

            nursery.start_soon(submit)
            nursery.start_soon(ask_list)
            while not hanging.calls:
                assert (await get(f"{server.url}/v1/health")).status == 200
            assert (await post(f"{server.url}/v1/jobs", {})).status == 422
    assert [answer.status for answer in refused] == [503] * 6
    assert {answer.json()["detail"].split(":")[0] for answer in refused} == {"The media folder does not answer"}


async def test_threads_that_hang_are_bounded_and_used_again(server: RunningServer, hanging: HangingFolder) -> None:
    """However many ask, only so many threads hang; once the folder answers, so does the server."""
    with trio.fail_after(SAFETY_S):
        answers = await all_of(lambda: post(f"{server.url}/v1/jobs", JOB), 2 * source_finder.LOOKS_AT_ONCE)
        answers += await all_of(lambda: get(f"{server.url}/v1/media"), 4)
        assert {answer.status for answer in answers} == {503}
        assert hanging.calls == source_finder.LOOKS_AT_ONCE + media_module.WALKS_AT_ONCE
        hanging.answers.set()
        assert (await post(f"{server.url}/v1/jobs", JOB)).status == 202
        assert (await get(f"{server.url}/v1/media")).json()["files"][0]["name"] == "clip.mp4"


async def test_a_job_of_which_the_source_does_not_answer_has_no_pictures_now(
    server: RunningServer, hanging: HangingFolder
) -> None:
    """A picture of a stored job is refused with 503, not with 404: it may be there again later."""
    with trio.fail_after(SAFETY_S):
        hanging.answers.set()
        job = await run_job(server.system, "motion", max_frames=2)
        hanging.answers.clear()
        answer = await get(f"{server.url}/v1/jobs/{job.job_id}/frames/0.jpg")
    assert (answer.status, answer.json()["detail"].split(":")[0]) == (503, "The media folder does not answer")
