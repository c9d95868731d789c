"""Jobs on RTSP cameras: live, over one connection from the check to the end, and without passwords."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import attrs
import pytest

from kinora.actors.errors import InvalidRequest, NotFound
from kinora.media.rtsp.wire import MAX_HEAD
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import frames_of, run_job, some_frames, submit, until, write_plugin
from tests.media.videos import numbered
from tests.rtsp_clips import Clip, describe, encode, framed, rtp_packets
from tests.rtsp_server import RtspServer, Stream, rtsp_server, stream_of

PICTURES = 30
PASSWORD = "Pa55w0rd-of-mine"  # noqa: S105 - to be looked for
NUMBER = """
@tool("number")
def number(frame):
    height, width = frame.image.shape[:2]
    bars = [frame.image[: height // 2, bit * (width // 8) : (bit + 1) * (width // 8)].mean() > 125 for bit in range(8)]
    return {"seen": sum(1 << bit for bit, on in enumerate(bars) if on), "width": width}
"""
SLOW = """
@tool("slow")
def slow(frame):
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Pictures that show their numbers."""
    return encode("h264", map(numbered, range(PICTURES)))


@pytest.fixture
def camera(clip: Clip) -> Iterator[RtspServer]:
    """A camera that goes on and on at ``live``, and one that ends at ``cam``."""
    with rtsp_server() as running:
        running.streams = {"cam": stream_of(clip), "live": Stream(describe(clip), endless(clip))}
        running.pace_s = 0.01
        yield running


def endless(clip: Clip) -> Iterator[bytes]:
    """The clip again and again, its clock and its packets' numbers set back each time."""
    return cycle(b"".join(map(framed, packets)) for packets in rtp_packets(clip))


@pytest.fixture
def settings(settings: Settings, camera: RtspServer, plugins_dir: Path) -> Settings:
    """A server that may read from the camera."""
    write_plugin(plugins_dir, "number", NUMBER)
    write_plugin(plugins_dir, "slow", SLOW)
    return attrs.evolve(settings, url_hosts=(camera.host,))


async def test_every_picture_of_a_camera_is_processed(system: System, camera: RtspServer) -> None:
    """Those after the first, which has told the size; its end is told, and its past is gone."""
    state = await run_job(system, "number", source=camera.url("cam"), policy="wait", max_outage_s=0)
    frames = await frames_of(system, state)
    assert state.status == "done"
    assert [frame["results"]["number"]["seen"] for frame in frames] == list(range(1, PICTURES))
    assert [frame["timestamp_ms"] for frame in frames] == [40.0 * index for index in range(PICTURES - 1)]
    assert "cam has closed the connection" in state.warnings[-1]
    for ask in (system.jobs.picture(state.job_id, 3, overlay=True), system.jobs.video(state.job_id)):
        with pytest.raises(NotFound, match="live stream"):
            await ask
    assert camera.connections == 1


async def test_a_camera_for_one_client_is_connected_to_once(system: System, camera: RtspServer) -> None:
    """From the check to the cancel, which ends the connection; a second job beside it is told that it is busy."""
    camera.one_client = True
    state = await some_frames(system, await submit(system, "number", source=camera.url("live")))
    with pytest.raises(InvalidRequest) as refused:
        await submit(system, "number", source=camera.url("live"))
    assert "live has no bandwidth left: stop another program that watches it" in refused.value.errors[0].message
    assert (await system.jobs.cancel(state.job_id)).cancelled
    await until(lambda: camera.open == 0)
    done = await run_job(system, "number", source=camera.url("live"), max_frames=5)
    assert (done.status, done.frames_done) == ("done", 5)
    await until(lambda: camera.open == 0)
    assert camera.connections == 3


async def test_a_slow_plugin_gets_the_newest_picture(system: System, camera: RtspServer) -> None:
    """Those between are dropped and counted."""
    state = await run_job(system, "slow", source=camera.url("live"), max_frames=8)
    assert (state.status, state.frames_done) == ("done", 8)
    assert state.frames_dropped > 8


async def test_a_camera_may_change_its_size(system: System, camera: RtspServer, clip: Clip) -> None:
    """A larger ring is made for it."""
    larger = encode("h264", (numbered(number, 640, 480) for number in range(PICTURES)))
    sent = [*rtp_packets(clip, sequence=0), *rtp_packets(larger, first=PICTURES, sequence=9000)]
    camera.streams["cam"] = Stream(describe(clip), [b"".join(map(framed, packets)) for packets in sent])
    state = await run_job(system, "number", source=camera.url("cam"), policy="wait", max_outage_s=0)
    frames = await frames_of(system, state)
    assert [frame["results"]["number"]["width"] for frame in frames] == [160] * (PICTURES - 1) + [640] * PICTURES
    assert "SOURCE_RESIZED" in [group.code for group in state.warning_groups]


async def test_what_is_no_camera_is_refused(system: System, camera: RtspServer) -> None:
    """As a field error of the source."""
    camera.answers["OPTIONS"] = b"R" * MAX_HEAD
    with pytest.raises(InvalidRequest) as caught:
        await submit(system, "number", source=camera.url("cam"))
    [error] = caught.value.errors
    assert (error.path, error.message) == (
        "source",
        "cam does not speak RTSP as it should: check the port of the URL.",
    )


async def test_a_password_in_a_url_is_refused_and_kept_nowhere(
    settings: Settings, camera: RtspServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither in an answer, nor in a file, nor in a log; the camera is not asked."""
    async with open_system(settings) as system:
        for url in (camera.url("cam").replace("//", f"//joe:{PASSWORD}@"), f"rtsps://joe:{PASSWORD}@:port/"):
            with pytest.raises(InvalidRequest) as caught:
                await submit(system, "number", source=url)
            assert "user and password" in caught.value.errors[0].message
            assert PASSWORD not in f"{caught.value} {caught.value.errors}"
        assert (await system.jobs.jobs(None, 10, None)).jobs == ()
    assert camera.connections == 0
    kept = [path for path in settings.data_dir.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]
    assert PASSWORD not in "".join(capfd.readouterr())
