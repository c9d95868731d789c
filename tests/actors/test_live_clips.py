"""Clips of live sources: what a camera sent around an event, as it was sent, kept with its job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from kinora.actors.clips import clip_table, clips, live_clips
from kinora.actors.clips.clip_table import Clip, WantedClip
from kinora.actors.clips.live_clips import LiveClips, Shot
from kinora.actors.jobs.needs import needs_of
from kinora.actors.models import JobState
from kinora.actors.requests.clip_rule import ClipRule
from kinora.actors.requests.job_request import parse_job_request
from kinora.actors.requests.standing_job import known_live
from kinora.actors.sources.recording import Kept, Recording
from kinora.actors.webhooks.webhook import Webhook
from kinora.media.live.pushed import PUSHED
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import SAFETY_S, messages_of, run_job, submit, write_plugin
from tests.live_http import SERVED, WEB, live_server
from tests.media.videos import Image, numbered, read_number
from tests.media_server import MediaServer
from tests.rtsp_clips import Clip as Sent
from tests.rtsp_clips import encode, nal_units
from tests.rtsp_server import RtspServer, rtsp_server, stream_of

PICTURES, KEY_EVERY = 60, 10
RINGS_AT = 45
ALARM = f"""
class Alarm(Plugin):
    metadata = PluginMetadata(name="alarm", version="1")

    def prepare(self, context):
        self.context, self.rang = context, False

    def process_frame(self, frame):
        height, width = frame.image.shape[:2]
        bars = [frame.image[: height // 2, bit * width // 8 : (bit + 1) * width // 8] for bit in range(8)]
        seen = sum(1 << bit for bit, bar in enumerate(bars) if bar.mean() > 125)
        if seen >= {RINGS_AT} and not self.rang:
            self.context.event("rang")
        self.rang = seen >= {RINGS_AT}
        return {{"seen": seen}}
"""


@pytest.fixture(scope="module")
def sent() -> Sent:
    """Pictures that show their numbers."""
    return encode("h264", map(numbered, range(PICTURES)), KEY_EVERY)


@pytest.fixture
def camera(sent: Sent) -> Iterator[RtspServer]:
    """A camera that breaks off after its last picture."""
    with rtsp_server() as running:
        running.streams = {"yard": stream_of(sent)}
        running.pace_s = 0.02
        yield running


@pytest.fixture
def streams(tmp_path: Path) -> Iterator[MediaServer]:
    """A server of each kind of stream."""
    never = threading.Event()

    def numbers() -> Iterator[Image]:
        return (numbered(number % 256) for number in count())

    with live_server(tmp_path, numbers, lambda: not never.wait(0.02)) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, plugins_dir: Path, camera: RtspServer, streams: MediaServer) -> Settings:
    """A server that wants a clip of each alarm: 0.4 s before it, and a minute after it."""
    write_plugin(plugins_dir, "alarm", ALARM)
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 0.4, "after_s": 60})
    return attrs.evolve(settings, url_hosts=(camera.host, streams.host), webhooks={"alarm": hook})


def for_short(settings: Settings) -> Settings:
    """The same, with clips of 0.2 s after the event."""
    hook = attrs.evolve(settings.webhooks["alarm"], clip={"before_s": 0.4, "after_s": 0.2})
    return attrs.evolve(settings, webhooks={"alarm": hook})


async def clips_of(system: System, job_id: str, wanted: int = 1) -> list[Clip]:
    """The clips of a job, once there are so many."""
    with trio.fail_after(SAFETY_S):
        while len(found := await system.clips.of_job(job_id)) < wanted:  # noqa: ASYNC110 - as clients of the REST API do
            await trio.sleep(0.02)
    return found


async def rung(system: System, state: JobState) -> dict[str, Any]:
    """The event of a job, once it is told."""
    with trio.fail_after(SAFETY_S):
        while not (told := messages_of(system, state.job_id, "event")):  # noqa: ASYNC110 - as above
            await trio.sleep(0.02)
    return dict(told[0]["payload"])


async def none_wanted(system: System) -> None:
    """Wait until no clip is still to be made."""
    with trio.fail_after(SAFETY_S):
        while await system.store.read(clip_table.next_wanted):  # noqa: ASYNC110 - the store has no event for it
            await trio.sleep(0.02)


async def first_wanted(system: System) -> clip_table.WantedClip:
    """Wait until a clip is to be made, and return it."""
    with trio.fail_after(SAFETY_S):
        while (wanted := await system.store.read(clip_table.next_wanted)) is None:  # noqa: ASYNC110 - as above
            await trio.sleep(0.02)
    return wanted


def open_files() -> list[str]:
    """What this process has open."""
    return [entry.resolve().name for entry in Path("/proc/self/fd").iterdir()]


async def all_freed(system: System, job_id: str) -> None:
    """Wait until nothing of a job is kept in memory."""
    with trio.fail_after(SAFETY_S):
        while job_id in system.clips._live:  # noqa: ASYNC110 - nobody tells of it
            await trio.sleep(0.02)
    assert not any("kinora-packets" in name for name in open_files())


def shown(path: Path) -> list[int]:
    """The numbers that the pictures of a clip show."""
    with av.open(str(path)) as container:
        return [
            read_number(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)) for frame in container.decode(video=0)
        ]


async def test_a_clip_ends_where_the_camera_is_lost(system: System, camera: RtspServer, sent: Sent) -> None:
    """It is made then, of what the camera had sent, from the key frame before; each connection has its own."""
    state = await submit(system, "alarm", source=camera.url("yard"), policy="wait")
    first, second = await clips_of(system, state.job_id, 2)
    assert (first.frame_index, first.timestamp_ms) == (RINGS_AT - 1, 40.0 * (RINGS_AT - 1))  # the first told the size
    assert (first.start_ms, first.duration_ms) == (40.0 * 29, 1200.0)
    path = system.clips.path(state.job_id, first.event)
    assert shown(path) == list(range(30, PICTURES))
    written = path.read_bytes()
    assert len(written) == first.bytes
    assert all(nal_units(picture.data)[-1] in written for picture in sent.pictures[30:])  # not coded anew
    assert second.timestamp_ms - second.start_ms == pytest.approx(600)
    assert shown(system.clips.path(state.job_id, second.event)) == list(range(30, PICTURES))
    await system.jobs.cancel(state.job_id)
    await system.jobs.delete(state.job_id)
    assert not path.parent.exists()


async def test_streams_over_http_have_clips(settings: Settings, plugins_dir: Path, streams: MediaServer) -> None:
    """While they go on, with the pictures that were left out for newer ones."""
    write_plugin(plugins_dir, "alarm", ALARM.replace("        seen =", "        time.sleep(0.05)\n        seen ="))
    async with open_system(for_short(settings)) as system:
        for kind in (*SERVED, WEB):
            state = await submit(system, "alarm", source=f"http://{streams.host}/{kind.path}")
            clip, *_ = await clips_of(system, state.job_id)
            await system.jobs.cancel(state.job_id)
            seen = shown(system.clips.path(state.job_id, clip.event))
            assert seen == list(range(seen[0], seen[0] + len(seen)))
            assert seen[0] < RINGS_AT <= seen[-1]
            assert clip.start_ms <= clip.timestamp_ms - 400
            assert clip.start_ms + clip.duration_ms > clip.timestamp_ms


async def test_a_cancel_does_not_wait_for_a_clip(system: System, streams: MediaServer) -> None:
    """The clip ends with the job, and what was kept for it is freed."""
    state = await submit(system, "alarm", source=f"http://{streams.host}/api/stream.ts")
    event = await rung(system, state)
    answer = await system.jobs.cancel(state.job_id)
    assert answer.cancel_ms is not None
    assert answer.cancel_ms < 5_000
    clip, *_ = await clips_of(system, state.job_id)
    assert shown(system.clips.path(state.job_id, clip.event))[-1] >= RINGS_AT
    assert clip.start_ms < event["timestamp_ms"] < clip.start_ms + clip.duration_ms
    await all_freed(system, state.job_id)


async def test_the_clip_of_a_deleted_job_is_not_made(system: System, streams: MediaServer) -> None:
    """What was kept for it is freed."""
    state = await submit(system, "alarm", source=f"http://{streams.host}/api/stream.ts")
    await rung(system, state)
    await system.jobs.delete(state.job_id)
    await all_freed(system, state.job_id)
    assert list((system.settings.data_dir / "clips").rglob("*.mp4")) == []


async def test_a_clip_that_could_not_be_noted_does_not_count(system: System, streams: MediaServer) -> None:
    """The disk may have been full; once it has room again, the job's further events have clips."""
    state = await submit(system, "alarm", source=f"http://{streams.host}/api/stream.ts")
    await rung(system, state)
    wanted = await first_wanted(system)
    await system.store.change(clip_table.drop_clip(wanted.job_id, wanted.event))  # as if it had never been written
    await system.jobs.cancel(state.job_id)
    await all_freed(system, state.job_id)
    assert system.clips._waiting == {state.job_id: 0}


async def test_a_clip_that_a_stop_of_the_server_has_cut_off_is_given_up(
    settings: Settings, streams: MediaServer
) -> None:
    """The next server says so: what was kept is gone. A file that was made, and not noted, goes too."""
    async with open_system(settings) as system:
        state = await submit(system, "alarm", source=f"http://{streams.host}/api/stream.ts")
        event = await rung(system, state)
        made = system.clips.path(state.job_id, event["number"])
    made.parent.mkdir(parents=True)
    made.write_bytes(b"made")
    with capture_logs() as logs:
        async with open_system(settings) as system:
            await none_wanted(system)
            assert await system.clips.of_job(state.job_id) == []
            assert not made.exists()
    (said,) = [entry for entry in logs if entry["event"] == "a clip could not be cut"]
    assert (said["job_id"], "in memory" in said["reason"]) == (state.job_id, True)


async def test_so_many_clips_of_a_job_wait_and_no_more(
    settings: Settings, plugins_dir: Path, camera: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says once for each job that further events have none, also if jobs run at once."""
    write_plugin(plugins_dir, "alarm", ALARM.replace("not self.rang", "True"))
    with capture_logs() as logs:
        async with open_system(settings) as system:
            for module, limit in ((clips, "MAX_WANTED"), (live_clips, "MAX_WAITING")):
                with monkeypatch.context() as patch:
                    patch.setattr(module, limit, 1)
                    async with trio.open_nursery() as nursery:
                        for _ in range(2):
                            nursery.start_soon(ring_always, system, camera)
    said = [entry["reason"] for entry in logs if entry["event"] == "a clip could not be cut"]
    assert said == [*[clips.TOO_MANY] * 2, *[live_clips.TOO_MANY] * 2]


async def ring_always(system: System, camera: RtspServer) -> None:
    """Run a job that has one clip."""
    state = await run_job(system, "alarm", source=camera.url("yard"), policy="wait", max_outage_s=0)
    assert len(await clips_of(system, state.job_id)) == 1


def test_a_clip_that_is_made_too_late_is_given_up_at_once() -> None:
    """That is so once newer pictures have taken the room of its own."""
    kept = Kept()
    wanted = WantedClip(
        job_id="job", event=1, plugin="alarm", kind="rang", frame_index=7, timestamp_ms=0, begin_ms=0, end_ms=10_000
    )
    shot = Shot(wanted, kept, came_s=100.0)
    overtaken = [shot.is_overtaken]
    for index, came_s in ((8, 139.0), (9, 141.0)):
        kept.note(index, came_s)
        overtaken.append(shot.is_overtaken)
    assert overtaken == [False, False, True]
    kept.let_go()


def test_a_job_with_clips_of_a_camera_runs_in_the_server() -> None:
    """Unless it asks for what only agents may have."""
    live, film = known_live("camera:yard"), attrs.evolve(PUSHED, kind="video")
    for info, options, keeps_clips, where in (
        (live, {}, True, "server"),
        (live, {}, False, "anywhere"),
        (live, {"gpus": 0.5}, True, "anywhere"),
        (live, {"resources": {"npu": 1}}, True, "anywhere"),
        (film, {}, True, "anywhere"),
        (None, {}, True, "anywhere"),
    ):
        request = parse_job_request({"source": "camera:yard", "plugins": ["motion"], "options": options})
        assert needs_of("id", request, info, uploaded=False, keeps_clips=keeps_clips).where == where


def wanted_clip(event: int) -> WantedClip:
    """Of the picture with the index ``event``."""
    return WantedClip(
        job_id="job",
        event=event,
        plugin="alarm",
        kind="rang",
        frame_index=event,
        timestamp_ms=0.0,
        begin_ms=0.0,
        end_ms=0.0,
    )


def kept_fds(recording: Recording) -> list[int]:
    """The descriptors of a recording's memories."""
    return [kept.memory.fd for kept in recording._kept]


def test_what_is_kept_of_a_connection_stays_while_a_clip_needs_it() -> None:
    """Of others no more than the last one stays; those without pictures are gone at once."""
    begun: list[Recording] = []
    recording = Recording(10.0, begun.append)
    recording.connect()
    recording.connect()
    assert begun == [recording]
    assert len(kept_fds(recording)) == 1
    (kept,) = recording._kept
    kept.note(7, 100.0)
    assert recording.find(7) == (kept, 100.0)
    assert recording.find(8) is None
    kept.hold()
    recording.connect()
    recording._kept[-1].note(8, 101.0)
    recording.connect()
    recording._kept[-1].note(9, 102.0)
    assert recording.find(7) is None
    assert kept.memory.fd >= 0
    kept.release()
    assert kept.memory.fd == -1
    left = [one.memory for one in recording._kept]
    recording.close()
    assert [memory.fd for memory in left] == [-1, -1]


async def test_a_job_that_is_taken_up_again_has_the_clips_from_before() -> None:
    """Nobody else gives them up while they wait for their turn; with the last one the job is forgotten."""
    free, made = trio.Event(), list[int]()

    async def make(shot: Shot) -> None:
        await free.wait()
        made.append(shot.wanted.event)

    live = LiveClips(make, lambda: None)
    async with trio.open_nursery() as nursery:
        await nursery.start(live.run)
        for event in (1, 2):
            recording = live.recording("job", ClipRule(before_s=1, after_s=1))
            recording.connect()
            recording._kept[-1].note(event, 0.0)
            assert live.at_work == ({"job"} if event == 2 else set())
            assert live.want(wanted_clip(event)) is None
            live.end("job")
        await trio.testing.wait_all_tasks_blocked()
        free.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (sorted(made), len(live.at_work), "job" in live) == ([1, 2], 0, False)
        nursery.cancel_scope.cancel()


async def test_a_clip_is_waited_for_no_longer_than_it_lasts(autojump_clock: trio.testing.MockClock) -> None:
    """Its wait ends with the first picture behind it, with the connection, or somewhat after its end."""
    kept, past = Kept(), 0.0
    waits = trio.current_time()
    await kept.wait_for(past)
    assert trio.current_time() - waits == pytest.approx(5.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.wait_for, 1e12)
        nursery.start_soon(kept.wait_for, 1e13)
        await trio.testing.wait_all_tasks_blocked()
        kept.note(1, 2e12)
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        kept.end()
    await kept.wait_for(1e14)
    kept.let_go()
