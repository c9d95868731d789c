"""Jobs on sources behind URLs: like those on files, as far as the source allows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import cv2
import pytest
import trio

from kinora.actors.errors import InvalidRequest, NotFound
from kinora.actors.sources import held_sources
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import CLIP_FRAMES, ended, frames_of, messages_of, run_job, some_frames, submit, until, write_plugin
from tests.media.videos import numbered
from tests.media_server import MediaServer, media_server

SLOW = """
@tool("slow")
def slow(frame):
    time.sleep(0.1)
    return {"mean": float(frame.image.mean())}
"""

NUMBER = """
@tool("number")
def number(frame):
    height, width = frame.image.shape[:2]
    bars = [frame.image[: height // 2, bit * (width // 8) : (bit + 1) * (width // 8)].mean() > 125 for bit in range(8)]
    return {"seen": sum(1 << bit for bit, on in enumerate(bars) if on)}
"""


@pytest.fixture
def host(media: Path) -> Iterator[MediaServer]:
    """Another machine, with the media folder's clip and a camera."""
    with media_server(media) as running:
        running.streams["cam"] = [cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(8)]
        yield running


@pytest.fixture
def settings(settings: Settings, host: MediaServer, plugins_dir: Path) -> Settings:
    """A server that may read from that machine."""
    write_plugin(plugins_dir, "slow", SLOW)
    write_plugin(plugins_dir, "number", NUMBER)
    return attrs.evolve(settings, url_hosts=(host.host,))


async def test_a_url_gives_the_results_and_pictures_of_its_file(system: System, host: MediaServer) -> None:
    """The same frames, the same picture on demand, and the annotated video."""
    local, remote = await run_job(system, "motion"), await run_job(system, "motion", source=host.url("clip.mp4"))
    assert (remote.status, remote.frames_done, remote.progress) == ("done", CLIP_FRAMES, 100)
    assert await frames_of(system, remote) == await frames_of(system, local)
    for overlay in (False, True):
        shown = [await system.jobs.picture(state.job_id, 20, overlay=overlay) for state in (local, remote)]
        assert shown[0] == shown[1]
    with (await system.jobs.video(remote.job_id)).open() as video:
        assert video.read(12)[4:8] == b"ftyp"


async def test_a_host_that_is_not_allowed_is_refused_before_the_job_is_taken(system: System, host: MediaServer) -> None:
    """The error names the source, and no host is asked."""
    with pytest.raises(InvalidRequest) as caught:
        await submit(system, "motion", source=f"http://localhost:{host.server_port}/clip.mp4")
    assert [error.path for error in caught.value.errors] == ["source"]
    assert f"only from {host.host}" in caught.value.errors[0].message
    assert (await system.jobs.jobs(None, 10, None)).jobs == ()
    assert not host.asked


async def test_a_live_stream_is_followed_and_cannot_be_wound_back(system: System, host: MediaServer) -> None:
    """Frames that a slow plugin has no time for are dropped and counted, cancelling ends it, the past is gone."""
    host.pace_s = 0.01
    state = await submit(system, "slow", source=host.url("cam"))
    while state.frames_dropped == 0 or state.frames_done == 0:
        state = await system.jobs.wait_changed(state.job_id, state)
    assert (state.progress, state.frames_total) == (None, None)
    assert (await system.jobs.cancel(state.job_id)).cancelled
    [first, *_] = await frames_of(system, state)
    with pytest.raises(NotFound, match="live stream"):
        await system.jobs.picture(state.job_id, first["index"], overlay=True)
    with pytest.raises(NotFound, match="live stream"):
        await system.jobs.video(state.job_id)


async def test_a_camera_for_one_client_is_connected_to_once(system: System, host: MediaServer) -> None:
    """From the check to the end of the job; a second job beside it is told that the camera is busy."""
    host.one_client, host.pace_s = True, 0.01
    state = await submit(system, "motion", source=host.url("cam"))
    state = await some_frames(system, state)
    with pytest.raises(InvalidRequest) as refused:
        await submit(system, "motion", source=host.url("cam"))
    assert "the server answers 503" in refused.value.errors[0].message
    await system.jobs.cancel(state.job_id)
    await until(lambda: not host.busy.locked())
    done = await run_job(system, "motion", source=host.url("cam"), max_frames=5)
    assert (done.status, done.frames_done) == ("done", 5)
    assert host.asked == ["/cam"] * 3


async def test_a_camera_whose_job_waits_is_let_go(
    settings: Settings, host: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while its connection is closed; when the job's turn comes it is opened anew."""
    monkeypatch.setattr(held_sources, "HOLD_S", 0.0)
    host.one_client, host.pace_s = True, 0.01
    async with open_system(attrs.evolve(settings, max_jobs=1)) as system:
        first = await some_frames(system, await submit(system, "slow", source=host.url("clip.mp4")))
        waiting = await submit(system, "motion", source=host.url("cam"), max_frames=3)
        async with trio.open_nursery() as nursery:
            await until(lambda: not host.busy.locked())
            nursery.start_soon(system.jobs.cancel, first.job_id)
            assert (await ended(system, waiting)).frames_done == 3
    assert host.asked.count("/cam") == 2


async def test_as_many_frames_as_wanted_are_processed(system: System, host: MediaServer) -> None:
    """Those that are dropped do not count."""
    host.pace_s = 0.01
    state = await run_job(system, "slow", source=host.url("cam"), max_frames=8)
    assert (state.status, state.frames_done) == ("done", 8)
    assert state.frames_dropped > 0
    assert [group.code for group in state.warning_groups] == ["FRAMES_DROPPED"]


@pytest.mark.parametrize("policy", ["latest", "wait"])
async def test_after_a_pause_a_camera_shows_the_present(system: System, host: MediaServer, policy: str) -> None:
    """What it has shown meanwhile is over, and does not count as dropped."""
    host.streams["cam"] = [cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(250)]
    host.pace_s = 0.01
    state = await submit(system, "number", source=host.url("cam"), policy=policy)
    state = await some_frames(system, state)
    await system.jobs.pause(state.job_id)
    paused_at = host.shown
    await until(lambda: host.shown >= paused_at + 100)
    before = await frames_of(system, state)
    await system.jobs.resume(state.job_id)
    while len(await frames_of(system, state)) < len(before) + 5:
        state = await system.jobs.wait_changed(state.job_id, state)
    shown = [frame["results"]["number"]["seen"] for frame in await frames_of(system, state)]
    assert shown[len(before)] - shown[len(before) - 1] > 50
    assert state.frames_dropped < 50
    await system.jobs.cancel(state.job_id)


async def test_the_end_of_a_camera_is_told(system: System, host: MediaServer) -> None:
    """A job that may not wait for more is done with what there was, and says why there was no more."""
    state = await run_job(system, "motion", source=host.url("cam"), policy="wait", max_outage_s=0)
    assert (state.status, state.frames_done) == ("done", 7)
    assert "cam sends no more: it ended the stream." in state.warnings[-1]


async def test_the_next_server_opens_the_sources_that_are_left_at_the_same_time(
    settings: Settings, host: MediaServer
) -> None:
    """A source that does not answer does not delay others: here each answers only once both were asked."""
    async with open_system(settings) as system:
        left = [await submit(system, "slow", source=host.url("clip.mp4")) for _ in range(2)]
    host.meeting = threading.Barrier(len(left), action=lambda: setattr(host, "meeting", None), timeout=30)
    async with open_system(settings) as system:
        assert [(await system.jobs.state(state.job_id)).error for state in left] == [None, None]


async def test_the_next_server_goes_on_with_a_url_but_not_with_a_live_stream(
    settings: Settings, host: MediaServer
) -> None:
    """Each frame of the file comes once; the stream's job is interrupted, and says that it can be resumed."""
    host.pace_s = 0.01
    async with open_system(settings) as system:
        file = await some_frames(system, await submit(system, "slow", source=host.url("clip.mp4")))
        stream = await some_frames(system, await submit(system, "slow", source=host.url("cam")))
        before = len(await frames_of(system, file))
    assert before < CLIP_FRAMES
    async with open_system(settings) as system:
        done, interrupted = (
            await ended(system, await system.jobs.state(file.job_id)),
            await system.jobs.state(stream.job_id),
        )
        assert [frame["index"] for frame in await frames_of(system, done)] == list(range(CLIP_FRAMES))
        (end,) = messages_of(system, stream.job_id, "complete")
    assert done.status == "done"
    assert interrupted.status == end["payload"]["status"] == "interrupted"
    assert interrupted.error is not None
    assert "its source is live: resume the job" in interrupted.error
