"""Jobs on cameras that go away and come back: real connections and decoders, with short pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import attrs
import cv2
import pytest
import trio

from kinora.actors.models import JobState
from kinora.actors.sources import reconnecting
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.actors.test_source_restarts import kill_decoder
from tests.jobs_kit import (
    SAFETY_S,
    codes_of,
    ended,
    frames_of,
    messages_of,
    nothing_left_behind,
    some_frames,
    submit,
    until,
    write_plugin,
)
from tests.media.videos import numbered
from tests.media_server import MediaServer, media_server
from tests.rtsp_clips import Clip, describe, encode, framed, rtp_packets
from tests.rtsp_server import RtspServer, Stream, rtsp_server, stream_of

PICTURES = 30
SEEN = """
@tool("seen")
def seen(frame):
    return {"width": frame.image.shape[1]}
"""
PAUSE_S = 0.2


@pytest.fixture(scope="module")
def clip() -> Clip:
    """A second of pictures."""
    return encode("h264", map(numbered, range(PICTURES)))


@pytest.fixture
def camera(clip: Clip) -> Iterator[RtspServer]:
    """An RTSP camera that ends after a second at ``cam``, and goes on and on at ``live``."""
    with rtsp_server() as running:
        endless = cycle(b"".join(map(framed, packets)) for packets in rtp_packets(clip))
        running.streams = {"cam": stream_of(clip), "live": Stream(describe(clip), endless)}
        running.pace_s = 0.01
        yield running


@pytest.fixture
def host(tmp_path: Path) -> Iterator[MediaServer]:
    """An HTTP camera that ends after a few pictures."""
    with media_server(tmp_path) as running:
        running.streams["cam"] = [cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(8)]
        yield running


@pytest.fixture
def settings(
    settings: Settings,
    camera: RtspServer,
    host: MediaServer,
    plugins_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """A server that may read from both, and does not pause for long."""
    monkeypatch.setattr(reconnecting, "PAUSES", (PAUSE_S,))
    write_plugin(plugins_dir, "seen", SEEN)
    return attrs.evolve(settings, url_hosts=(camera.host, host.host))


async def until_state(system: System, state: JobState, true: Callable[[JobState], bool]) -> JobState:
    """Wait until something is true of a job."""
    with trio.fail_after(SAFETY_S):
        while not true(state):
            state = await system.jobs.wait_changed(state.job_id, state)
    return state


def stages_of(system: System, state: JobState) -> list[str]:
    """The stages that were published, each once where it begins."""
    stages = [message["payload"]["stage"] for message in messages_of(system, state.job_id, "progress")]
    return [stage for before, stage in pairwise([None, *stages]) if stage != before]


def warnings_of(system: System, state: JobState, code: str) -> list[str]:
    """The messages of the warnings of a kind that were published."""
    payloads = [message["payload"] for message in messages_of(system, state.job_id, "warning")]
    return [payload["message"] for payload in payloads if payload["code"] == code]


def when(frame: dict[str, Any]) -> float:
    """The time at which a frame came, in milliseconds."""
    return datetime.fromisoformat(frame["received_at"]).timestamp() * 1000


@pytest.mark.parametrize("kind", ["rtsp", "http"])
async def test_a_camera_that_closes_the_connection_is_watched_again(
    system: System, camera: RtspServer, host: MediaServer, kind: str
) -> None:
    """Each time: frames, indexes and time go on, all is told, and it has never two clients."""
    camera.one_client = host.one_client = True
    url, shown = (camera.url("cam"), PICTURES - 1) if kind == "rtsp" else (host.url("cam"), 7)
    with nothing_left_behind(system):
        state = await submit(system, "seen", source=url, policy="wait", max_frames=3 * shown)
        state = await ended(system, state)
    frames = await frames_of(system, state)
    assert (state.status, state.error) == ("done", None)
    assert [frame["index"] for frame in frames] == list(range(3 * shown))
    for before, after in ((frames[at - 1], frames[at]) for at in (shown, 2 * shown)):
        passed_ms = after["timestamp_ms"] - before["timestamp_ms"]
        assert passed_ms == pytest.approx(when(after) - when(before), abs=2)
        assert passed_ms > 1000 * PAUSE_S * 0.7
    lost, back = warnings_of(system, state, "SOURCE_LOST"), warnings_of(system, state, "SOURCE_BACK")
    assert [text.partition(": cam ")[0] for text in lost] == ["closed"] * 2
    assert [text.partition("; ")[2] for text in back] == [f"it goes on at frame {at}" for at in (shown, 2 * shown)]
    assert [code for _, code in codes_of(system, state.job_id)] == ["SOURCE_LOST", "SOURCE_BACK"] * 2
    assert stages_of(system, state) == [
        *("queued", "preparing", "running"),
        *("reconnecting", "running") * 2,
        "finalizing",
    ]
    assert [(group.code, group.count) for group in state.warning_groups] == [("SOURCE_LOST", 2), ("SOURCE_BACK", 2)]
    assert [(outage.reason, outage.frame_id) for outage in state.outages] == [
        ("closed", f"frame-{at:06d}") for at in (shown, 2 * shown)
    ]
    assert [f"the source is back after {outage.seconds:.1f} s" for outage in state.outages] == [
        text.partition(";")[0] for text in back
    ]
    await until(lambda: camera.open == 0)
    assert (camera.connections if kind == "rtsp" else host.asked.count("/cam")) == 3


async def test_a_decoder_that_is_killed_on_a_camera_is_an_outage(system: System, camera: RtspServer) -> None:
    """Not the end of the job."""
    state = await some_frames(system, await submit(system, "seen", source=camera.url("live")))
    for _ in range(2):
        await kill_decoder(system, state)
        state = await until_state(system, state, lambda state: state.stage == "reconnecting")
        state = await until_state(system, state, lambda state: state.stage == "running")
    assert (await system.jobs.cancel(state.job_id)).cancelled
    indexes = [frame["index"] for frame in await frames_of(system, state)]
    assert indexes == sorted(set(indexes))
    assert [text.partition(":")[0] for text in warnings_of(system, state, "SOURCE_LOST")] == ["closed"] * 2
    assert len(warnings_of(system, state, "SOURCE_BACK")) == 2


async def test_a_camera_may_come_back_with_another_size(system: System, camera: RtspServer) -> None:
    """It is taken up, and told."""
    larger = encode("h264", (numbered(number, 640, 480) for number in range(PICTURES)))
    state = await submit(system, "seen", source=camera.url("cam"), policy="wait", max_frames=2 * (PICTURES - 1))
    camera.streams["cam"] = stream_of(larger)
    state = await ended(system, state)
    frames = await frames_of(system, state)
    assert [(frame["width"], frame["results"]["seen"]["width"]) for frame in frames] == [
        *[(160, 160)] * (PICTURES - 1),
        *[(640, 640)] * (PICTURES - 1),
    ]
    assert "SOURCE_RESIZED" in [group.code for group in state.warning_groups]


async def test_an_outage_longer_than_allowed_ends_the_job_as_done(system: System, camera: RtspServer) -> None:
    """With what there was."""
    state = await submit(system, "seen", source=camera.url("cam"), policy="wait", max_outage_s=0.5)
    camera.streams.clear()
    state = await ended(system, state)
    assert (state.status, state.error, state.frames_done) == ("done", None, PICTURES - 1)
    codes = [code for _, code in codes_of(system, state.job_id)]
    assert codes == ["SOURCE_LOST", "SOURCE_LOST", "SOURCE_TRUNCATED"]
    assert [text.partition(":")[0] for text in warnings_of(system, state, "SOURCE_LOST")] == ["closed", "refused"]


async def away(system: System, camera: RtspServer) -> JobState:
    """A job whose camera has ended and has no stream any more, with its frames before that done."""
    state = await submit(system, "seen", source=camera.url("cam"), policy="wait")
    camera.streams["back"] = camera.streams.pop("cam")
    return await until_state(
        system, state, lambda state: state.stage == "reconnecting" and state.frames_done == PICTURES - 1
    )


async def test_an_outage_can_be_cancelled_at_once(system: System, camera: RtspServer) -> None:
    """Nothing of the job is left."""
    with nothing_left_behind(system):
        state = await away(system, camera)
        with trio.fail_after(SAFETY_S):
            assert (await system.jobs.cancel(state.job_id)).cancelled


async def test_a_job_may_be_paused_and_go_on_while_its_camera_is_away(system: System, camera: RtspServer) -> None:
    """A pause is shown as a pause; what the camera shows meanwhile is let go."""
    state = await away(system, camera)
    state = await system.jobs.pause(state.job_id)
    assert (state.status, state.stage) == ("paused", "paused")
    state = await system.jobs.resume(state.job_id)
    assert (state.status, state.stage) == ("running", "reconnecting")
    await system.jobs.pause(state.job_id)
    camera.streams["cam"] = camera.streams.pop("back")
    await until(lambda: [code for _, code in codes_of(system, state.job_id)].count("SOURCE_BACK") == 1)
    state = await system.jobs.state(state.job_id)
    assert (state.stage, state.frames_done) == ("paused", PICTURES - 1)
    camera.streams["cam"] = camera.streams["live"]
    state = await system.jobs.resume(state.job_id)
    await until_state(system, state, lambda state: state.frames_done > PICTURES)
    assert (await system.jobs.cancel(state.job_id)).cancelled


async def test_a_job_resumed_on_the_next_server_waits_for_its_camera(settings: Settings, camera: RtspServer) -> None:
    """A server that stops in an outage does so at once. The job, interrupted by that, goes on after its last frame."""
    async with open_system(settings) as system:
        left = await away(system, camera)
        before = await frames_of(system, left)
    async with open_system(settings) as system:
        state = await ended(system, left)
        assert state.status == "interrupted"
        state = await system.jobs.resume(left.job_id)
        await until_state(system, state, lambda state: state.stage == "reconnecting")
        camera.streams["cam"] = camera.streams.pop("back")
        await until_state(system, state, lambda state: state.frames_done == 2 * (PICTURES - 1))
        frames = await frames_of(system, state)
        outages = (await system.jobs.state(state.job_id)).outages
        assert (await system.jobs.cancel(state.job_id)).cancelled
    assert outages[0] == left.outages[0], "what was known before is kept"
    assert (outages[1].lost_at > outages[0].lost_at, outages[1].frame_id) == (True, frames[len(before)]["frame_id"])
    assert frames[: len(before)] == before
    assert [frame["index"] for frame in frames] == list(range(len(frames)))
    last, first = frames[len(before) - 1], frames[len(before)]
    assert first["timestamp_ms"] - last["timestamp_ms"] == pytest.approx(when(first) - when(last), abs=100)


async def test_a_job_that_waited_for_its_turn_waits_for_its_camera_too(settings: Settings, camera: RtspServer) -> None:
    """It was there when the job was taken."""
    async with open_system(attrs.evolve(settings, max_jobs=1)) as system:
        first = await some_frames(system, await submit(system, "seen", source=camera.url("live")))
        second = await submit(system, "seen", source=camera.url("cam"), max_frames=3)
        camera.streams["back"] = camera.streams.pop("cam")
        await until(lambda: camera.open == 1)
        await system.jobs.cancel(first.job_id)
        second = await until_state(system, second, lambda state: state.stage == "reconnecting")
        camera.streams["cam"] = camera.streams["live"]
        second = await ended(system, second)
    assert (second.status, second.frames_done) == ("done", 3)
