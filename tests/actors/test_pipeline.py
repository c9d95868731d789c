"""A pipeline alone: real workers and real video, and nothing else of the system; commands go in and events come out."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from kinora.actors.messages import Code, FrameImage, FramePayload, PluginStatusPayload, WarningPayload
from kinora.actors.pipeline.pipeline import Pipeline, PipelineSpec
from kinora.actors.pipeline.pipeline_link import (
    EVENTS_WAITING,
    CommandQueue,
    Event,
    FrameDone,
    Pause,
    PipelineEnded,
    PipelineState,
    Prepared,
    Resume,
    Stop,
    Watch,
)
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.plugins.plugin_records import PluginRecord
from kinora.actors.sources.source_reader import SourceSpec
from kinora.actors.stages.inspector import PluginInspector
from kinora.actors.stages.plugin_process import PluginProcess, ProcessSpec
from kinora.actors.stages.side_stage import SideStage
from kinora.actors.stages.stage_spec import StageSpec
from kinora.actors.stages.tool_runner import ToolRunner
from kinora.actors.stages.warnings import WarningLog
from kinora.media.source_types import SourceLimits
from kinora.plugins.api import PluginMetadata
from kinora.plugins.devices import Resolution
from kinora.plugins.protocol import Origin
from kinora.runtime.forking.cores import Cores
from kinora.runtime.forking.workers import ForkServer, ForkServerGone
from tests.clips import make_clip
from tests.traces import no_traces

JOB = "job-1"
FRAMES = 120
PRELOAD = ("numpy", "cv2", "av", "kinora.plugins.worker", "kinora.media.programs.decoder")
PLUGINS = """
import hashlib, os, time
from kinora.plugins import Plugin, PluginMetadata

class Quick(Plugin):
    metadata = PluginMetadata(name="quick")
    def process_frame(self, frame):
        return {"index": frame.index}

class Second(Quick):
    metadata = PluginMetadata(name="second")

class Chatty(Quick):
    metadata = PluginMetadata(name="chatty")
    def prepare(self, context):
        print("hello from the plugin", flush=True)

class Counts(Plugin):
    metadata = PluginMetadata(name="counts")
    seen = 0
    def process_frame(self, frame):
        self.seen += 1
        return {"index": frame.index, "seen": self.seen}

class Sees(Plugin):
    metadata = PluginMetadata(name="sees")
    def process_frame(self, frame):
        return {"pixels": hashlib.sha1(frame.image).hexdigest()}

class Dies(Plugin):
    metadata = PluginMetadata(name="dies")
    def process_frame(self, frame):
        if frame.index in (2, 7):
            os._exit(3)
        return {"index": frame.index}

class Hangs(Plugin):
    metadata = PluginMetadata(name="hangs")
    def process_frame(self, frame):
        time.sleep(1000)
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 120 frames."""
    return make_clip(tmp_path_factory.mktemp("media") / "clip.mp4", frames=FRAMES)


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A running fork server, started anew when it dies."""
    server = ForkServer(PRELOAD)

    async def keep_running(  # noqa: ASYNC128 - the first run says it
        *, task_status: trio.TaskStatus[None]
    ) -> None:
        with suppress(ForkServerGone):
            await server.run(task_status=task_status)
        while True:
            with suppress(ForkServerGone):
                await server.run()

    async with trio.open_nursery() as nursery:
        await nursery.start(keep_running)
        yield server
        nursery.cancel_scope.cancel()


class Running:
    """A pipeline at work, seen from where its events arrive."""

    def __init__(self, pipeline: Pipeline, events: trio.MemoryReceiveChannel[Event]) -> None:
        self.pipeline = pipeline
        self.events = events
        self.commands = CommandQueue()
        self.seen: list[Event] = []
        """All that was taken so far."""

    @property
    def indexes(self) -> list[int]:
        """Of the frames that are done."""
        return [event.index for event in self.seen if isinstance(event, FrameDone)]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The FrameData of the frames that are done."""
        return [msgspec.json.decode(event.data) for event in self.seen if isinstance(event, FrameDone)]

    @property
    def end(self) -> PipelineEnded:
        """The last event, which came once."""
        (ended,) = [event for event in self.seen if isinstance(event, PipelineEnded)]
        assert self.seen[-1] is ended
        return ended

    async def take_until(self, frames: int) -> None:
        """Take events until so many frames are done."""
        with trio.fail_after(60):
            while len(self.indexes) < frames:
                self.seen.append(await self.events.receive())

    async def take_all(self) -> None:
        """Take events until the pipeline closes its channel."""
        with trio.fail_after(60):
            async for event in self.events:
                self.seen.append(event)

    async def take_while_some_come(self) -> None:
        """Take events until nothing but states has come for half a second."""
        quiet = False
        while not quiet:
            count = len(self.indexes)
            with trio.move_on_after(0.5):
                while True:
                    self.seen.append(await self.events.receive())
            quiet = len(self.indexes) == count


@asynccontextmanager
async def running(
    forks: ForkServer, clip: Path, tmp_path: Path, *plugins: str, side: str | None = None, max_failures: int = 3
) -> AsyncIterator[Running]:
    """A pipeline of these plugins, one of them at the side; unless the block sees its end, it is cancelled."""
    send, receive = trio.open_memory_channel[Event](EVENTS_WAITING)
    work = Running(make_pipeline(forks, clip, tmp_path, plugins, max_failures, side=side), receive)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work.pipeline.run, send, work.commands)
        with receive:
            yield work
            nursery.cancel_scope.cancel()  # before nobody receives any more


def make_pipeline(
    forks: ForkServer, clip: Path, tmp_path: Path, plugins: Sequence[str], max_failures: int, *, side: str | None = None
) -> Pipeline:
    """Of plugins of this file, called by their classes."""
    file = tmp_path / "plugins.py"
    file.write_text(PLUGINS, encoding="utf-8")
    names = [plugin.lower() for plugin in plugins]
    inspector = PluginInspector(JOB, {name: PluginMetadata(name=name) for name in names})
    warnings, health = WarningLog(JOB), DeviceHealth(60.0)
    stages = [
        ToolRunner(
            StageSpec(
                job_id=JOB,
                plugin=plugin.lower(),
                options={},
                device="cpu",
                plugin_timeout_ms=20_000,
                prepare_timeout_ms=20_000,
                max_failures=max_failures,
                max_errors=3,
            ),
            make_process=partial(PluginProcess, process_spec(plugin, file, tmp_path), forks),
            cores=Cores(2),
            inspector=inspector,
            warnings=warnings,
            device_health=health,
            record=PluginRecord(),
        )
        for plugin in plugins
    ]
    chain = [SideStage(stage) if plugin == side else stage for plugin, stage in zip(plugins, stages, strict=True)]
    source = SourceSpec(
        location=str(clip),
        name=clip.name,
        limits=SourceLimits(),
        start=0,
        stride=1,
        max_frames=None,
        policy="wait",
    )
    spec = PipelineSpec(job_id=JOB, source=source, device=Resolution("cpu"), ring_bytes=64 * 2**20)
    return Pipeline(spec, stages=chain, inspector=inspector, warnings=warnings, fork_server=forks, cores=Cores(2))


def process_spec(plugin: str, file: Path, models_dir: Path) -> ProcessSpec:
    """One of the classes in the file."""
    return ProcessSpec(
        job_id=JOB,
        plugin=plugin.lower(),
        origin=Origin(kind="file", location=str(file), attribute=plugin),
        options={},
        models_dir=models_dir,
        threads=1,
        memory_limit=None,
    )


def pid_of(forks: ForkServer, name: str) -> int:
    """The process of one of the job's workers."""
    (pid,) = [worker.pid for worker in forks._workers.values() if worker.name == f"{JOB}/{name}"]
    assert pid > 0
    return pid


async def test_events_come_in_order(forks: ForkServer, clip: Path, tmp_path: Path) -> None:
    """Each plugin begins, all are ready before the first result, frames in index order, each done after its results."""
    with no_traces(forks):
        async with running(forks, clip, tmp_path, "Quick", "Second") as work:
            await work.take_all()
    assert work.indexes == list(range(FRAMES))
    (prepared,) = [number for number, event in enumerate(work.seen) if isinstance(event, Prepared)]
    assert prepared < next(number for number, event in enumerate(work.seen) if isinstance(event, FramePayload))
    for plugin in ("quick", "second"):
        told = [e for e in work.seen if isinstance(e, FramePayload | PluginStatusPayload) and e.plugin == plugin]
        assert [e.status for e in told if isinstance(e, PluginStatusPayload)] == [
            "started",
            *["running"] * FRAMES,
            "completed",
        ]
        assert [e.index for e in told if isinstance(e, FramePayload)] == list(range(FRAMES))
    seen: set[tuple[str, int]] = set()
    for event in work.seen:
        if isinstance(event, FramePayload):
            seen.add((event.plugin, event.index))
        elif isinstance(event, FrameDone):
            assert {("quick", event.index), ("second", event.index)} <= seen
    assert work.end == PipelineEnded()


async def test_what_a_frame_lacks_is_told_before_it(forks: ForkServer, clip: Path, tmp_path: Path) -> None:
    """A crash and a new beginning are in a state that comes before the frame that they are about is done."""
    async with running(forks, clip, tmp_path, "Dies") as work:
        await work.take_all()
    known = {0: 0}
    losses = 0
    for event in work.seen:
        if isinstance(event, PipelineState):
            losses = event.losses
        elif isinstance(event, FrameDone):
            known[event.index] = losses
    assert [known[index] for index in (2, 3, 7, 8, FRAMES - 1)] == [1, 2, 3, 4, 4]


async def test_the_state_is_told_before_the_end(forks: ForkServer, clip: Path, tmp_path: Path) -> None:
    """The last one is whole: figures, timings and what was printed."""
    async with running(forks, clip, tmp_path, "Chatty") as work:
        await work.take_all()
    state = work.seen[-2]
    assert isinstance(state, PipelineState)
    assert (state.stages["chatty"].frames, state.stages["chatty"].status) == (FRAMES, "completed")
    assert state.logs == {"chatty": "hello from the plugin\n"}
    assert state.timings is not None
    assert state.timings["chatty"] > 0
    assert (state.warnings, state.dropped, state.device) == ((), 0, Resolution("cpu"))


async def test_pause_lets_no_frame_in_until_resume(forks: ForkServer, clip: Path, tmp_path: Path) -> None:
    """What is on its way comes through, then nothing; after resume all the rest, each once."""
    async with running(forks, clip, tmp_path, "Quick") as work:
        await work.take_until(3)
        work.commands.put(Pause())
        await work.take_while_some_come()
        paused = len(work.indexes)
        assert paused < FRAMES
        await work.take_while_some_come()
        assert len(work.indexes) == paused
        work.commands.put(Resume())
        await work.take_all()
    assert work.indexes == list(range(FRAMES))
    assert work.end == PipelineEnded()


@pytest.mark.parametrize("plugin", ["Quick", "Hangs"])
async def test_stop_ends_it_at_once(forks: ForkServer, clip: Path, tmp_path: Path, plugin: str) -> None:
    """Also where a plugin hangs or nobody lets frames in; that is no error, and nothing is left."""
    with no_traces(forks):
        async with running(forks, clip, tmp_path, plugin) as work:
            while not any(isinstance(event, Prepared) for event in work.seen):
                work.seen.append(await work.events.receive())
            work.commands.put(Pause())
            work.commands.put(Stop())
            await work.take_all()
    assert work.end == PipelineEnded()
    assert len(work.indexes) < FRAMES


async def test_watch_makes_pictures(forks: ForkServer, clip: Path, tmp_path: Path) -> None:
    """Of frames that say so, while somebody watches; nobody watches at the beginning."""
    async with running(forks, clip, tmp_path, "Quick") as work:
        await work.take_until(10)
        assert not any(isinstance(event, FrameImage) for event in work.seen)
        work.commands.put(Watch(float("inf")))
        await work.take_all()
    pictures = [event for event in work.seen if isinstance(event, FrameImage)]
    pictured = {event.index for event in work.seen if isinstance(event, FramePayload) and event.pictured}
    assert pictures
    assert {picture.index for picture in pictures} <= pictured
    assert all(picture.jpeg.startswith(b"\xff\xd8") for picture in pictures)


async def test_a_reader_that_takes_nothing_holds_everything_up(forks: ForkServer, clip: Path, tmp_path: Path) -> None:
    """Up to the decoder: the channel is full, a handful of frames are on their way; it goes on once it is read."""
    async with running(forks, clip, tmp_path, "Quick") as work:
        with trio.fail_after(60):
            while work.events.statistics().current_buffer_used < EVENTS_WAITING:  # noqa: ASYNC110 - nothing tells
                await trio.sleep(0.01)
        looks = []
        for _ in range(2):
            with trio.move_on_after(0.4):
                await trio.sleep_forever()
            looks.append(work.pipeline.state().stages["quick"].frames)
        assert looks[0] == looks[1] <= EVENTS_WAITING // 3 + 1  # a frame is three events
        assert work.events.statistics().current_buffer_used == EVENTS_WAITING
        await work.take_all()
    assert work.indexes == list(range(FRAMES))


@pytest.mark.parametrize("frames", [0, 5])
async def test_cancelled_from_outside_it_leaves_nothing(
    forks: ForkServer, clip: Path, tmp_path: Path, frames: int
) -> None:
    """No process, no descriptor, no last event, and its channel is closed."""
    with no_traces(forks):
        async with running(forks, clip, tmp_path, "Quick", "Hangs" if not frames else "Second") as work:
            work.seen.append(await work.events.receive())
            await work.take_until(frames)
    assert not any(isinstance(event, PipelineEnded) for event in work.seen)
    assert work.events.statistics().open_send_channels == 0


@pytest.mark.parametrize("kind", ["missing", "no video"])
async def test_a_source_that_cannot_be_read_is_an_error(forks: ForkServer, tmp_path: Path, kind: str) -> None:
    """A sentence, and no plugin is started for it."""
    source = tmp_path / "source.mp4"
    if kind == "no video":
        source.write_bytes(b"this is no video at all" * 100)
    with no_traces(forks):
        async with running(forks, source, tmp_path, "Quick") as work:
            await work.take_all()
    assert work.end.error
    assert work.end.truncated is None
    assert not any(isinstance(event, PluginStatusPayload | Prepared) for event in work.seen)


async def test_a_decoder_that_is_killed_is_replaced(forks: ForkServer, clip: Path, tmp_path: Path) -> None:
    """Four times: each frame comes once, in order, with the pixels of its number, and no plugin begins anew."""
    with no_traces(forks):
        async with running(forks, clip, tmp_path, "Counts", "Sees") as work:
            await work.take_until(1)
            plugins = {name: pid_of(forks, name) for name in ("counts", "sees")}
            for frames in (2, 20, 45, 70):
                await work.take_until(frames)
                os.kill(pid_of(forks, "decoder"), signal.SIGKILL)
            await work.take_until(100)
            assert plugins == {name: pid_of(forks, name) for name in ("counts", "sees")}
            await work.take_all()
        undisturbed = await frames_of(forks, clip, tmp_path, "Counts", "Sees")
    assert work.end == PipelineEnded()
    assert work.frames == undisturbed
    warnings = [event for event in work.seen if isinstance(event, WarningPayload)]
    assert [warning.code for warning in warnings] == [Code.SOURCE_RESTARTED] * 4
    for warning in warnings:
        assert warning.message == (
            "the decoder is gone: its process was killed by SIGKILL, probably by the system for lack of memory;"
            f" the source was opened again and goes on at frame {index_of(warning)}"
        )
    indexes = [index_of(warning) for warning in warnings]
    assert indexes == sorted(set(indexes))


async def test_a_plugin_that_hangs_at_the_side_holds_no_new_decoder_up(
    forks: ForkServer, clip: Path, tmp_path: Path
) -> None:
    """The old ring is given up although that plugin has a frame in it; all are done before its time is up."""
    with no_traces(forks):
        async with running(forks, clip, tmp_path, "Hangs", "Quick", side="Hangs") as work:
            await work.take_until(5)
            os.kill(pid_of(forks, "decoder"), signal.SIGKILL)
            await work.take_until(FRAMES)
            warned = [event.code for event in work.seen if isinstance(event, WarningPayload)]
            work.commands.put(Stop())
            await work.take_all()
    assert work.indexes == list(range(FRAMES))
    assert warned == [Code.SOURCE_RESTARTED]
    assert work.end == PipelineEnded()


async def test_a_decoder_that_is_replaced_is_pictured_as_well(forks: ForkServer, clip: Path, tmp_path: Path) -> None:
    """The encoder goes over to the new ring; each picture is of a frame that said so."""
    async with running(forks, clip, tmp_path, "Quick") as work:
        work.commands.put(Watch(float("inf")))
        await work.take_until(20)
        os.kill(pid_of(forks, "decoder"), signal.SIGKILL)
        await work.take_all()
    assert work.indexes == list(range(FRAMES))
    (restart,) = [index_of(event) for event in work.seen if isinstance(event, WarningPayload)]
    pictures = [event.index for event in work.seen if isinstance(event, FrameImage)]
    assert min(pictures) < restart <= max(pictures)
    assert len(set(pictures)) == len(pictures)


async def test_a_source_that_cannot_be_taken_up_again_fails_after_its_frames(
    forks: ForkServer, clip: Path, tmp_path: Path
) -> None:
    """It was deleted: the frames before that come through, the plugin sums up, and the error says how far it came."""
    copy = tmp_path / "copy.mp4"
    shutil.copy(clip, copy)
    with no_traces(forks):
        async with running(forks, copy, tmp_path, "Quick") as work:
            await work.take_until(5)
            copy.unlink()
            os.kill(pid_of(forks, "decoder"), signal.SIGKILL)
            await work.take_all()
    last = len(work.indexes) - 1
    assert work.indexes == list(range(last + 1))
    assert 5 <= len(work.indexes) < FRAMES
    expected = f"The source could not be read beyond frame {last}: copy.mp4 does not exist; check the path."
    assert work.end == PipelineEnded(error=expected)
    (*_, status) = [event.status for event in work.seen if isinstance(event, PluginStatusPayload)]
    assert status == "completed"


async def test_a_fork_server_that_dies_before_the_source_is_open_is_waited_for(
    forks: ForkServer, clip: Path, tmp_path: Path
) -> None:
    """The next one opens the source, and nothing is missing."""
    pid = forks.statistics().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    async with running(forks, clip, tmp_path, "Quick") as work:
        await trio.testing.wait_all_tasks_blocked()
        os.kill(pid, signal.SIGKILL)
        await work.take_all()
    assert work.end == PipelineEnded()
    assert work.indexes == list(range(FRAMES))
    assert [index_of(event) for event in work.seen if isinstance(event, WarningPayload)] == [0]


async def test_a_fork_server_that_dies_at_work_costs_the_frames_in_its_workers(
    forks: ForkServer, clip: Path, tmp_path: Path
) -> None:
    """Twice, though one failure disables the plugin: it is not to blame. All frames come, all but two with a result."""
    async with running(forks, clip, tmp_path, "Quick", max_failures=1) as work:
        for frames in (5, 50):
            await work.take_until(frames)
            pid = forks.statistics().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        await work.take_all()
    assert work.end == PipelineEnded()
    assert work.indexes == list(range(FRAMES))
    state = work.pipeline.state().stages["quick"]
    assert (state.status, state.failures, state.restarts, state.health) == ("completed", 0, 2, "ok")
    warnings = [event for event in work.seen if isinstance(event, WarningPayload)]
    lost = [frame["index"] for frame in work.frames if not frame["results"]]
    (crash,) = [group for group in work.pipeline.state().warning_groups if group.code == Code.PLUGIN_CRASH]
    assert (crash.count, crash.message) == (len(lost), "its process ended with the fork server")
    assert len(lost) <= 2
    assert [warning.code for warning in warnings].count(Code.SOURCE_RESTARTED) == 2
    assert forks.statistics().workers == 0


async def frames_of(forks: ForkServer, clip: Path, tmp_path: Path, *plugins: str) -> list[dict[str, Any]]:
    """The frames of a pipeline that nothing happens to."""
    async with running(forks, clip, tmp_path, *plugins) as work:
        await work.take_all()
    return work.frames


def index_of(warning: WarningPayload) -> int:
    """The index of the frame that it names."""
    assert warning.frame_id is not None
    return int(warning.frame_id.removeprefix("frame-"))
