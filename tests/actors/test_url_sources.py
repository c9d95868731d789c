"""Jobs on sources behind URLs: like those on files, as far as the source allows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import cv2
import pytest

from kinora.actors.errors import InvalidRequest, NotFound
from kinora.actors.models import JobState
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import CLIP_FRAMES, ended, frames_of, run_job, submit, write_plugin
from tests.media.videos import numbered
from tests.media_server import MediaServer, media_server

SLOW = """
@tool("slow")
def slow(frame):
    time.sleep(0.1)
    return {"mean": float(frame.image.mean())}
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
    return attrs.evolve(settings, url_hosts=(host.host,))


async def some_frames(system: System, state: JobState) -> JobState:
    """Wait until some frames of a job are on disk."""
    while not await frames_of(system, state):
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


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
    """Each frame of the file comes once; a stream cannot be resumed, and its job says so."""
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
    assert done.status == "done"
    assert interrupted.status == "interrupted"
    assert interrupted.error is not None
    assert "live stream" in interrupted.error
