"""Annotated videos on demand: made once, kept for a while, sent in parts, and never at the cost of the disk's floor."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from kinora.actors.one_shot import one_shot
from kinora.actors.pictures import annotated_videos
from kinora.media.messages import Working, Written
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.client_kit import Answer, exchange, get, post, request
from tests.disk_kit import Disk
from tests.jobs_kit import CLIP_FRAMES, ended, frames_of, run_job, submit, write_plugin

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""
MB = 2**20


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources of the videos that were made, each by a process as ever."""
    sources: list[str] = []

    async def counted(*about: Any, **options: Any) -> Written:
        sources.append(about[3].location)
        return await one_shot(*about, **options)

    monkeypatch.setattr(annotated_videos, "one_shot", counted)
    return sources


class Annotator:
    """Stands in for the process that makes a video, and goes on when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.begun, self.stopped = trio.Event(), trio.Semaphore(0), trio.Semaphore(0)
        monkeypatch.setattr(annotated_videos, "one_shot", self._make)

    async def _make(self, *about: Any, **_: Any) -> Written:
        self.begun.release()
        try:
            await self.go.wait()
        except trio.Cancelled:
            self.stopped.release()
            raise
        await trio.Path(about[3].out).write_bytes(b"a video")
        return Written(1, "digest")


def kept_files() -> int:
    """The number of videos without a name that are open here."""
    found = set[int]()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if str(entry.readlink()).endswith(f"{annotated_videos.VIDEO_FILE} (deleted)"):
                found.add(entry.stat().st_ino)
    return len(found)


async def kept(number: int) -> None:
    """Wait until so many videos are kept: an answer that has been read may not be quite at its end."""
    with trio.fail_after(SAFETY_S):
        while kept_files() != number:  # noqa: ASYNC110 - the kernel's list of descriptors has no events
            await trio.lowlevel.checkpoint()


async def test_a_video_is_made_once_and_kept(server: RunningServer, made: list[str]) -> None:
    """Requests at the same time and later share one making; no named file stays; it goes with its job."""
    job = await run_job(server.system, "motion")
    url, answers = f"{server.url}/v1/jobs/{job.job_id}", list[Answer]()

    async def ask() -> None:
        answers.append(await get(f"{url}/annotated.mp4"))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    await ask()
    tag = answers[0].headers["etag"]
    assert [(answer.status, answer.headers["etag"]) for answer in answers] == [(200, tag)] * 4
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].headers["cache-control"] == "private, no-cache"
    head = await request(f"{url}/annotated.mp4", "HEAD")
    assert (head.headers["etag"], head.headers["content-length"]) == (tag, str(len(answers[0].body)))
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        assert (await get(f"{url}/annotated.mp4", if_none_match=known)).status == 304
    assert len(made) == 1
    await kept(1)
    assert not list(server.system.settings.data_dir.glob("video-*"))
    assert (await request(url, "DELETE")).status == 204
    assert (await get(f"{url}/annotated.mp4")).status == 404
    await kept(0)


async def test_a_head_makes_no_video(server: RunningServer, made: list[str]) -> None:
    """It says what is known without one, and that a job without frames has none."""
    job = await run_job(server.system, "motion")
    head = await request(f"{server.url}/v1/jobs/{job.job_id}/annotated.mp4", "HEAD")
    assert (head.status, head.headers["content-type"]) == (200, "video/mp4")
    assert (head.headers["accept-ranges"], "etag" in head.headers) == ("bytes", False)
    assert (await request(f"{server.url}/v1/jobs/nowhere/annotated.mp4", "HEAD")).status == 404
    assert made == []


async def test_a_part_of_a_video_or_picture_can_be_asked_for(server: RunningServer, made: list[str]) -> None:
    """One range is sent as 206 with its place; what does not exist is 416; all else gets the whole."""
    job = await run_job(server.system, "motion")
    for name in ("annotated.mp4", "frames/3.jpg"):
        url = f"{server.url}/v1/jobs/{job.job_id}/{name}"
        whole = await get(url)
        body, size, tag = whole.body, len(whole.body), whole.headers["etag"]
        assert whole.headers["accept-ranges"] == "bytes"
        for asked, start, stop in (
            ("0-", 0, size),
            ("10-19", 10, 20),
            (f"{size - 1}-{size + 99}", size - 1, size),
            ("-7", size - 7, size),
            (f"-{size + 1}", 0, size),
        ):
            part = await get(url, range=f"bytes={asked}", if_range=tag)
            assert (part.status, part.body) == (206, body[start:stop])
            assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
            assert (part.headers["content-length"], part.headers["etag"]) == (str(stop - start), tag)
        none = await get(url, range=f"bytes={size}-")
        assert (none.status, none.headers["content-range"]) == (416, f"bytes */{size}")
        assert none.headers["content-type"] == "application/problem+json"
        for ignored in ("bytes=5-2", "bytes=0-1,4-5", "lines=0-1", "bytes=x", "bytes=-0"):
            assert (await get(url, range=ignored)).body == body
        for other in ('"other"', f"W/{tag}", "Thu, 26 Nov 2026 00:00:00 GMT"):
            assert (await get(url, range="bytes=0-1", if_range=other)).status == 200
        assert (await get(url, range="bytes=0-1", if_none_match=tag)).status == 304
        head = await request(url, "HEAD", headers={"range": "bytes=0-1"})
        assert (head.status, head.headers["content-length"]) == (200, str(size))
    assert len(made) == 1


async def test_a_job_that_runs_gets_a_newer_video(
    server: RunningServer, plugins_dir: Path, tmp_path: Path, made: list[str]
) -> None:
    """What was kept of an earlier state is not sent, and gone."""
    gate = tmp_path / "gate"
    held = f"@tool('held')\ndef held(frame):\n    while frame.index > 9 and not os.path.exists({str(gate)!r}):\n"
    write_plugin(plugins_dir, "held", held + "        time.sleep(0.01)\n")
    await server.system.plugins.reload()
    with trio.fail_after(SAFETY_S):
        job = await submit(server.system, "held", plugin_timeout_ms=int(SAFETY_S * 1000))
        while len(await frames_of(server.system, job)) < 10:
            job = await server.system.jobs.wait_changed(job.job_id, job)
        url = f"{server.url}/v1/jobs/{job.job_id}/annotated.mp4"
        early = await get(url)
        assert (await get(url)).headers["etag"] == early.headers["etag"]
        gate.touch()
        assert (await ended(server.system, job)).frames_done == CLIP_FRAMES
        late = await get(url)
    assert (early.status, late.status) == (200, 200)
    assert early.headers["etag"] != late.headers["etag"]
    assert len(made) == 2
    await kept(1)


async def test_a_video_that_is_read_outlives_its_place_in_the_cache(server: RunningServer) -> None:
    """Its file is whole until the last reader closes it."""
    job = await run_job(server.system, "motion")
    video = await server.system.jobs.video(job.job_id)
    size = video.size
    with video.open() as file:
        del video
        await server.system.jobs.delete(job.job_id)
        assert kept_files() == 1
        assert len(file.read()) == size
    assert kept_files() == 0


async def test_videos_are_made_in_turn_and_for_somebody(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client with many requests gets 503 with Retry-After, another does not; when all have gone, the work stops."""
    jobs = [await run_job(server.system, "motion") for _ in range(2)]
    annotator = Annotator(monkeypatch)
    urls = [f"{server.url}/v1/jobs/{job.job_id}/annotated.mp4" for job in jobs]
    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            for _ in range(annotated_videos.MAX_PER_CLIENT):
                nursery.start_soon(get, urls[0])
            await annotator.begun.acquire()
            await wait_all_tasks_blocked()
            refused = await get(urls[1])
            assert (refused.status, "retry-after" in refused.headers) == (503, True)
            async with exchange(urls[1], headers={"user-agent": "another"}) as other:
                await wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
                await annotator.stopped.acquire()
                annotator.go.set()
                assert (await other.head()).status_code == 200


async def test_the_floor_of_the_disk_holds_for_videos(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room none is begun; one in the making is stopped, and nothing of it is left."""
    async with open_server(attrs.evolve(settings, min_free_bytes=200 * MB)) as server:
        job = await run_job(server.system, "motion")
        url = f"{server.url}/v1/jobs/{job.job_id}/annotated.mp4"
        disk = Disk(monkeypatch, free=100 * MB)
        begun: list[str] = []

        async def fill(*about: Any, on_working: Any, **_: Any) -> Written:
            begun.append(about[3].out)
            await trio.Path(about[3].out).write_bytes(b"a part")
            disk.free = 100 * MB
            on_working(Working())
            return Written(1, "digest")

        monkeypatch.setattr(annotated_videos, "one_shot", fill)
        before = await get(url)
        disk.free = 400 * MB
        meanwhile = await get(url)
        assert (before.status, meanwhile.status, len(begun)) == (503, 503, 1)
        assert "free some space" in meanwhile.json()["detail"]
        assert not list(settings.data_dir.glob("video-*"))


async def test_a_head_says_how_much_of_a_video_is_made(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is being made, and only then."""
    job = await run_job(server.system, "motion")
    url = f"{server.url}/v1/jobs/{job.job_id}/annotated.mp4"
    begun, go = trio.Event(), trio.Event()

    async def draw(*about: Any, on_working: Any, **_: Any) -> Written:
        on_working(Working(CLIP_FRAMES // 2))
        begun.set()
        await go.wait()
        await trio.Path(about[3].out).write_bytes(b"a video")
        return Written(1, "digest")

    monkeypatch.setattr(annotated_videos, "one_shot", draw)
    assert "kinora-progress" not in (await request(url, "HEAD")).headers
    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(get, url)
            await begun.wait()
            assert (await request(url, "HEAD")).headers["kinora-progress"] == "50"
            go.set()
    made = await request(url, "HEAD")
    assert ("kinora-progress" in made.headers, made.headers["content-length"]) == (False, "7")


async def test_kept_videos_make_room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go before anything is refused for want of room."""
    async with open_server(attrs.evolve(settings, min_free_bytes=200 * MB)) as server:
        job = await run_job(server.system, "motion")
        assert (await get(f"{server.url}/v1/jobs/{job.job_id}/annotated.mp4")).status == 200
        await kept(1)
        Disk(monkeypatch, free=100 * MB)
        assert (await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["motion"]})).status == 503
        await kept(0)
