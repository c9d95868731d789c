"""A job on a camera that breaks in many ways goes on after each; ``benchmarks.live`` does it for longer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import cycle, pairwise
from pathlib import Path

import attrs
import pytest

from kinora.actors.sources import reconnecting
from kinora.media.camera_errors import LostReason
from kinora.settings import Settings
from kinora.system import System
from tests.actors.test_cameras_that_come_back import until_state, warnings_of
from tests.actors.test_rtsp_jobs import NUMBER
from tests.jobs_kit import frames_of, nothing_left_behind, submit, until, write_plugin
from tests.media.videos import numbered
from tests.nasty_rtsp import KEY_EVERY, NastyCamera, nasties, nasty_camera, repeated
from tests.rtsp_clips import encode, rtp_packets

PICTURES = 4 * KEY_EVERY
PAUSE_S = 0.05


@pytest.fixture
def camera() -> Iterator[NastyCamera]:
    """A camera that goes on and on so far."""
    clip = encode("h264", map(numbered, range(PICTURES)), KEY_EVERY)
    with nasty_camera(clip, lambda: cycle([*rtp_packets(clip)])) as running:
        running.server.pace_s = 0.01
        yield running


@pytest.fixture
def settings(settings: Settings, camera: NastyCamera, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A server that may read from it, and does not pause for long."""
    monkeypatch.setattr(reconnecting, "PAUSES", (PAUSE_S,))
    write_plugin(plugins_dir, "number", NUMBER)
    return attrs.evolve(settings, url_hosts=(camera.server.host,))


async def test_a_job_goes_on_after_each_break(system: System, camera: NastyCamera) -> None:
    """But for those that are silent, which would take longer. Nothing is left, no frame is not whole, time goes on."""
    larger = encode("h264", (numbered(100, 320, 240) for _ in range(PICTURES)), KEY_EVERY)
    ways = [way for way in nasties(repeated(larger)).values() if LostReason.SILENT not in way.reasons]
    left = deque(ways)
    with nothing_left_behind(system):
        state = await submit(system, "number", source=camera.url, policy="wait")
        camera.next_break = lambda _: left.popleft() if left else None
        await until_state(system, state, lambda _: len(warnings_of(system, state, "SOURCE_BACK")) == len(ways))
        frames_then = len(await frames_of(system, state))
        await until_state(system, state, lambda now: now.frames_done > frames_then)
        assert (await system.jobs.cancel(state.job_id)).cancelled
        await until(lambda: not camera.server.open)
    told = {message.partition(":")[0] for message in warnings_of(system, state, "SOURCE_LOST")}
    assert told == {"closed", "refused", "auth", "redirected"}
    frames = await frames_of(system, state)
    seen = {frame["results"]["number"]["seen"] for frame in frames}
    assert seen <= {*range(PICTURES), 100}
    assert all(before["index"] < frame["index"] for before, frame in pairwise(frames))
    times = [frame["timestamp_ms"] for frame in frames]
    assert times == sorted(times)  # some are the same: this camera is faster than its clock
