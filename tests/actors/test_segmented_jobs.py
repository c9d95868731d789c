"""Jobs whose file is cut into segments: they end as uncut ones do, whatever happens to their processes."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import trio

from kinora.actors.errors import InvalidRequest
from kinora.actors.models import JobState
from kinora.actors.pipeline import segments
from kinora.actors.pipeline.pipeline_link import CommandQueue, Event, FrameDone, PipelineEnded
from kinora.actors.pipeline.segmented_pipeline import SegmentedPipeline
from kinora.actors.stages.merging import Merger
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.actors.job_kit import JOB, FakePipeline, Tell, frames, until_told
from tests.jobs_kit import codes_of, ended, frames_of, messages_of, nothing_left_behind, run_job, submit, write_plugin
from tests.media.videos import numbered, write_video

FRAMES = 317
FPS = 10
SAFETY_S = 60.0
PLUGINS = """
class Sums(Plugin):
    metadata = PluginMetadata(name="sums", stateless=True)

    def prepare(self, context):
        self.frames, self.warn = 0, context.warn

    def process_frame(self, frame):
        if frame.index in WAITS:
            while not os.path.exists(GO):
                time.sleep(0.005)
        if frame.index in (100, 200):
            self.warn("a round number")
        self.frames += 1
        return {"index": frame.index, "sum": int(frame.image.sum()), "at": frame.timestamp_ms}

    def finalize(self):
        return {"frames": self.frames}

    def merge(self, results):
        return {"frames": sum(result["frames"] for result in results)}

@tool("pure", stateless=True)
def pure(frame):
    return {"detections": [{"label": "x"}] * (frame.results["sums"]["index"] % 3)}

@tool("alone")
def alone(frame):
    return None
"""


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:  # noqa: ASYNC124 - pytest-trio's fixtures are async
    """Every test ends in time."""
    with trio.fail_after(SAFETY_S):
        yield


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of an odd number of frames, with a key frame each second and B-frames."""
    options = {"g": str(FPS), "bf": "2", "sc_threshold": "0"}
    pictures = (numbered(number) for number in range(FRAMES))
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", pictures, codec="libx264", options=options)


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """The file for which the plugin waits at some frames."""
    return tmp_path / "go"


@pytest.fixture(autouse=True)
def _sources(film: Path, media: Path, plugins_dir: Path, go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short segments, so that each pipeline has several."""
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 40)
    (media / "film.mp4").hardlink_to(film)
    write_plugin(plugins_dir, "plugins", f"GO = {str(go)!r}\nWAITS = (123, 250)\n" + PLUGINS)


def let_go(go: Path) -> None:
    """Let the plugin go on for good."""
    go.touch()


def of_plugin(system: System, state: JobState, kind: str, plugin: str) -> list[dict[str, Any]]:
    """What was told of a plugin by messages of this type."""
    told = [message["payload"] for message in messages_of(system, state.job_id, kind)]
    return [payload for payload in told if payload["plugin"] == plugin]


def comparable(state: JobState) -> dict[str, Any]:
    """What is shown of a job, but for its names, times, choice of segments, and the health that each pipeline tells."""
    facts = ("status", "stage", "error", "frames_done", "frames_total", "detections", "picture", "progress")
    stages = [(name, stage.frames, bytes(stage.finalize), stage.status) for name, stage in state.plugins.items()]
    groups = [attrs.evolve(group, at=None) for group in state.warning_groups]
    return {**{fact: getattr(state, fact) for fact in facts}, "stages": stages, "groups": groups}


async def stored(system: System, state: JobState) -> list[bytes]:
    """The bytes of all frames of a job."""
    return [bytes(data) async for page in system.jobs.frame_pages(state.job_id) for _, data in page]


@pytest.mark.parametrize("options", [{}, {"stride": 3}, {"stride": 3, "max_frames": 77}], ids=str)
async def test_a_cut_file_gives_what_an_uncut_one_gives(system: System, go: Path, options: dict[str, int]) -> None:
    """The frames byte by byte and in order, what each plugin did, its sum, and what was told."""
    let_go(go)
    plugins = "sums", {"name": "pure", "every": 7}
    with nothing_left_behind(system):
        whole = await run_job(system, *plugins, source="film.mp4", **options)
        cut = await run_job(system, *plugins, source="film.mp4", segments=3, **options)
    assert await stored(system, cut) == await stored(system, whole)
    assert comparable(cut) == comparable(whole)
    wanted = [frame["index"] for frame in await frames_of(system, whole)]
    for plugin, every in (("sums", 1), ("pure", 7)):
        assert [told["index"] for told in of_plugin(system, cut, "frame", plugin)] == wanted[::every]
        said = [
            [
                told["status"]
                for told in of_plugin(system, state, "plugin_status", plugin)
                if told["status"] != "running"
            ]
            for state in (whole, cut)
        ]
        assert said == [["started", "completed"]] * 2
    partial = [m["payload"]["result"] for m in messages_of(system, cut.job_id, "partial_result")]
    assert partial == [{"frames": len(wanted)}]
    progress = [m["payload"]["frames_done"] for m in messages_of(system, cut.job_id, "progress")]
    assert progress == sorted(progress)


async def decoders(system: System, state: JobState, count: int) -> list[int]:
    """The pids of a job's decoders, once there are so many."""
    while True:
        workers = system.fork_server._workers.values()
        pids = [worker.pid for worker in workers if worker.name == f"{state.job_id}/decoder"]
        if len(pids) == count and all(pids):
            return [pid for pid in pids if pid is not None]
        await trio.sleep(0.01)


async def until_frames(system: System, state: JobState, frames: int) -> JobState:
    """Wait until a running job has so many frames."""
    while state.frames_done < frames:
        state = await system.jobs.wait_changed(state.job_id, state)
    assert not state.ended
    return state


async def test_decoders_and_plugins_that_are_killed_cost_no_frame(system: System, go: Path) -> None:
    """Each pipeline starts new ones by itself; a plugin's process costs the result of the frame that it was at."""
    with nothing_left_behind(system):
        state = await submit(system, {"name": "sums", "replicas": 1}, source="film.mp4", segments=2)
        pids = await decoders(system, state, 2)
        await until_frames(system, state, 100)
        workers = system.fork_server._workers.values()
        pids += [worker.pid for worker in workers if worker.name == f"{state.job_id}/sums" and worker.pid]
        assert len(pids) == 4
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        let_go(go)
        state = await ended(system, state)
    frames = await frames_of(system, state)
    assert [frame["index"] for frame in frames] == list(range(FRAMES))
    assert sum("sums" not in frame["results"] for frame in frames) <= 2
    assert state.status == "done"
    assert (None, "SOURCE_RESTARTED") in codes_of(system, state.job_id)
    assert state.plugins["sums"].restarts == 2


async def test_a_cancel_ends_all_pipelines(system: System) -> None:
    """No process is left of any."""
    with nothing_left_behind(system):
        state = await submit(system, "sums", source="film.mp4", segments=4)
        await decoders(system, state, 4)
        await until_frames(system, state, 1)
        answer = await system.jobs.cancel(state.job_id)
        assert (answer.status, answer.pids) == ("cancelled", ())
    frames = await frames_of(system, state)
    assert [frame["index"] for frame in frames] == list(range(len(frames)))


async def test_a_paused_job_goes_on_where_it_was(settings: Settings, go: Path) -> None:
    """Also with new pipelines, after a pause that was so long that the first ones have ended."""
    async with open_system(attrs.evolve(settings, paused_keep_s=0.1)) as system:
        state = await submit(system, "sums", source="film.mp4", segments=2)
        await until_frames(system, state, 50)
        await system.jobs.pause(state.job_id)
        await decoders(system, state, 0)
        let_go(go)
        await system.jobs.resume(state.job_id)
        state = await ended(system, await system.jobs.state(state.job_id))
        assert [frame["index"] for frame in await frames_of(system, state)] == list(range(FRAMES))
        assert state.plugins["sums"].frames >= FRAMES


async def test_the_next_server_goes_on_behind_the_last_stored_frame(settings: Settings, go: Path) -> None:
    """With each frame once, in order, and the figures of both."""
    async with open_system(settings) as system:
        state = await submit(system, "sums", "pure", source="film.mp4", segments=3, stride=3)
        await until_frames(system, state, 30)
    let_go(go)
    async with open_system(settings) as system:
        state = await ended(system, await system.jobs.state(state.job_id))
        frames = await frames_of(system, state)
        whole = await run_job(system, "sums", "pure", source="film.mp4", stride=3)
        assert await stored(system, state) == await stored(system, whole)
    assert [frame["index"] for frame in frames] == list(range(0, FRAMES, 3))
    assert (state.status, state.progress) == ("done", 100)
    assert state.plugins["pure"].frames >= len(frames)


async def test_a_plugin_that_needs_its_order_is_refused(system: System) -> None:
    """With ``auto`` the file is not cut."""
    with pytest.raises(InvalidRequest, match=r"options\.segments: alone is not stateless"):
        await submit(system, "alone", source="film.mp4", segments=2)
    state = await run_job(system, "alone", source="film.mp4", segments="auto", max_frames=60)
    assert (state.status, state.frames_done) == ("done", 60)


async def test_a_merge_that_fails_costs_its_result_only(system: System, plugins_dir: Path) -> None:
    """A warning says so."""
    write_plugin(plugins_dir, "plugins", "GO, WAITS = '', ()\n" + PLUGINS.replace("sum(result", "1 / 0 or sum(result"))
    await system.plugins.reload()
    state = await run_job(system, "sums", source="film.mp4", segments=2)
    assert (state.status, state.frames_done) == ("done", FRAMES)
    assert bytes(state.plugins["sums"].finalize) == b"null"
    assert state.warnings[-1] == "sums: merge: ZeroDivisionError: division by zero"


async def test_few_bytes_of_room_for_what_waits_only_slow_it_down(
    system: System, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipelines whose turn it is not wait."""
    let_go(go)
    monkeypatch.setattr("kinora.actors.pipeline.segmented_pipeline.HELD_BYTES", 4_000)
    state = await run_job(system, "sums", "pure", source="film.mp4", segments=4)
    assert [frame["index"] for frame in await frames_of(system, state)] == list(range(FRAMES))
    assert bytes(state.plugins["sums"].finalize) == b'{"frames":317}'


async def test_a_pipeline_that_ends_while_its_last_frames_are_told_ends_the_job() -> None:
    """Also if it takes long until these are taken."""
    hears_last, has_ended = trio.Event(), trio.Event()

    async def last(tell: Tell, _: CommandQueue) -> None:
        await frames(tell, 2, 3)
        await hears_last.wait()
        await trio.testing.wait_all_tasks_blocked()
        await tell(PipelineEnded())
        has_ended.set()

    pipelines = [FakePipeline(lambda tell, _: until_told(tell, 0, 1)), FakePipeline(last)]
    cut = segments.Cut(((0, 2), (2, None)), 2)
    merger = cast("Merger", None)  # there is nothing to merge
    joint = SegmentedPipeline(JOB, cut, pipelines, stride=1, merger=merger)
    tell, told = trio.open_memory_channel[Event](0)
    heard = list[Event]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(joint.run, tell, CommandQueue())
        async for event in told:
            heard.append(event)
            if isinstance(event, FrameDone) and event.index == 1:
                hears_last.set()
                await has_ended.wait()
                await trio.testing.wait_all_tasks_blocked()
    assert [event.index for event in heard if isinstance(event, FrameDone)] == [0, 1, 2, 3]
    assert heard[-1] == PipelineEnded()
