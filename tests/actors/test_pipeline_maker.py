"""Pipelines made from orders, as an agent makes them: without store, queue or clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import msgspec
import pytest
import trio

from kinora.actors.errors import Unavailable
from kinora.actors.frames.live_count import Moment
from kinora.actors.messages import Code, WarningPayload
from kinora.actors.models import JobState, StageState, WarningGroup
from kinora.actors.pipeline.job_spec import ResumePoint
from kinora.actors.pipeline.means import JobHere, Means
from kinora.actors.pipeline.pipeline import Pipeline
from kinora.actors.pipeline.pipeline_link import (
    EVENTS_WAITING,
    AnyPipeline,
    CommandQueue,
    Event,
    FrameDone,
    PipelineEnded,
    PipelineState,
)
from kinora.actors.pipeline.pipeline_maker import PipelineMaker
from kinora.actors.pipeline.work_order import OrderedPlugin, WorkOrder, for_pipelines, state_before
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.plugins.plugin_records import PluginRecords
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.actors.sources.cameras import Cameras
from kinora.actors.stages.inspector import InspectorService
from kinora.actors.store.earlier_frames import NoEarlierFrames
from kinora.actors.store.store import Store
from kinora.media.source_types import SourceInfo, SourceLimits
from kinora.plugins.api import PluginMetadata
from kinora.plugins.devices import Device, Resolution
from kinora.plugins.protocol import Origin
from kinora.plugins.registry import PluginEntry
from kinora.runtime.forking.cores import Cores
from kinora.runtime.forking.workers import ForkServer
from tests.actors.job_kit import JOB, RecordingAudience, frames, make_job
from tests.clips import make_clip

FRAMES = 20
HALF = 10
PRELOAD = ("numpy", "cv2", "av", "kinora.plugins.worker", "kinora.media.programs.decoder")
COUNTS = """
from kinora.plugins import Plugin, PluginMetadata

class Counts(Plugin):
    metadata = PluginMetadata(name="counts")

    def prepare(self, context):
        print("begins with", context.options["word"], flush=True)

    def process_frame(self, frame):
        return {"index": frame.index}
"""
NAME = "counts"
GROUP = WarningGroup(plugin=NAME, code="PLUGIN_SLOW", severity="low", message="slow", count=3, frame_id=None)
STORE_GROUP = attrs.evolve(GROUP, plugin=None, code="STORE_FAILING")


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A running fork server."""
    server = ForkServer(PRELOAD)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


def maker(forks: ForkServer, folder: Path, *devices: Device) -> PipelineMaker:
    """What an agent has: it knows the plugin ``counts``, and one that is broken."""
    file = folder / "counts.py"
    file.write_text(COUNTS, encoding="utf-8")
    origin = Origin(kind="file", location=str(file), attribute="Counts")
    metadata = PluginMetadata(name=NAME, devices=("cpu", "cuda"))
    entries = {
        NAME: PluginEntry(name=NAME, origin=origin, metadata=metadata),
        "broken": PluginEntry(name="broken", origin=origin, broken="it cannot be imported"),
    }
    means = Means(
        find_plugin=entries.get,
        devices=lambda: devices,
        device_health=DeviceHealth(60.0),
        records=PluginRecords(),
        fork_server=forks,
        cores=Cores(2),
        inspectors=InspectorService(),
        source_limits=SourceLimits(),
        cameras=Cameras(),
        models_dir=folder,
        max_jobs=2,
    )
    return PipelineMaker(means)


def order(location: str = "/media/clip.mp4", *plugins: str, **options: object) -> WorkOrder:
    """The order for a job on a clip."""
    asked = tuple(PluginRequest(name=name, options={"word": "hello"}) for name in plugins or (NAME,))
    return WorkOrder(
        job_id=JOB,
        attempt=1,
        request=JobRequest(source="clip.mp4", plugins=asked, options=JobOptions(**options)),  # type: ignore[arg-type]
        location=location,
        info=SourceInfo(
            kind="video",
            width=160,
            height=120,
            max_frame_bytes=160 * 120 * 3,
            frames_total=FRAMES,
            fps=10.0,
            duration_ms=None,
        ),
        plugins=tuple(OrderedPlugin(asked=plugin, options=plugin.options, code="abc") for plugin in asked),
        begin=ResumePoint(),
        max_failures=3,
        max_errors=3,
        ring_bytes=2**24,
        root_path="/kinora",
    )


def past() -> JobState:
    """A job that has run for a while, as it is shown."""
    store, audience = Store(":memory:"), RecordingAudience()
    job = make_job(lambda tell, _: frames(tell), store, audience)
    stage = StageState(status="running", frames=HALF, failures=1, restarts=2, finalize=msgspec.Raw(b'{"sum": 1}'))
    return attrs.evolve(
        job.state(), plugins={NAME: stage}, plugin_timings={NAME: 12.5}, warning_groups=(GROUP, STORE_GROUP)
    )


def over_the_wire(whole: WorkOrder) -> WorkOrder:
    """The order as it comes to an agent."""
    return msgspec.json.decode(msgspec.json.encode(whole), type=WorkOrder)


async def carried_out(pipeline: AnyPipeline) -> list[Event]:
    """All that the pipeline tells."""
    send, receive = trio.open_memory_channel[Event](EVENTS_WAITING)
    events: list[Event] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run, send, CommandQueue())
        events += [event async for event in receive]
    return events


def stages_of(pipeline: AnyPipeline) -> object:
    """Its stages, which are the same object in pipelines that share them."""
    assert isinstance(pipeline, Pipeline)
    return pipeline._stages


def told(events: list[Event]) -> tuple[list[int], PipelineState]:
    """The indexes of the frames that are done, and the last state; the pipeline has ended well."""
    assert events[-1] == PipelineEnded()
    states = [event for event in events if isinstance(event, PipelineState)]
    return [event.index for event in events if isinstance(event, FrameDone)], states[-1]


def test_an_order_comes_over_a_wire_as_it_is() -> None:
    """As JSON; also that of a live job with a past."""
    new = order(stride=2, max_outage_s=1.5)
    assert over_the_wire(new) == new
    gone_on = attrs.evolve(
        new,
        attempt=3,
        begin=ResumePoint(frames=4, start=9, after=Moment(280.0, 99.5)),
        past=past(),
        logs={"a": "b"},
    )
    assert over_the_wire(gone_on) == gone_on


def test_only_the_warnings_of_pipelines_go_on_to_a_pipeline() -> None:
    """The Job keeps its own; until the pipeline tells its state, that of the past is shown."""
    state = for_pipelines(past())
    assert state.warning_groups == (GROUP,)
    shown = state_before(attrs.evolve(order(), past=state, logs={NAME: "printed"}))
    assert (shown.warning_groups, shown.timings, shown.logs) == ((GROUP,), {NAME: 12.5}, {NAME: "printed"})
    assert (shown.stages[NAME].frames, shown.device) == (HALF, Resolution("cpu"))
    assert state_before(order()).stages[NAME].options == {"word": "hello"}


def test_attempts_share_their_figures_unless_another_one_was_elsewhere(tmp_path: Path) -> None:
    """Then the figures are those of the order's past."""
    here, first = maker(ForkServer(PRELOAD), tmp_path), order()
    jobs = here.open_job(first, here.choose(first), JobHere(earlier=NoEarlierFrames()))
    made = [jobs.make(attrs.evolve(first, attempt=number)) for number in (1, 2)]
    assert stages_of(made[0]) is stages_of(made[1])
    later = jobs.make(attrs.evolve(first, attempt=4, past=for_pipelines(past()), logs={NAME: "printed"}))
    assert stages_of(later) is not stages_of(made[1])
    state = later.state()
    assert (state.stages[NAME].frames, state.stages[NAME].restarts, state.logs) == (HALF, 2, {NAME: "printed"})
    assert (state.timings, state.warning_groups) == ({NAME: 12.5}, (GROUP,))
    assert stages_of(jobs.make(attrs.evolve(first, attempt=5))) is stages_of(later)


def test_a_plugin_that_is_not_there_is_named(tmp_path: Path) -> None:
    """And so is one that is broken."""
    here = maker(ForkServer(PRELOAD), tmp_path)
    for name, words in (("none", "none is missing"), ("broken", "broken is broken: it cannot be imported")):
        with pytest.raises(Unavailable, match=words):
            here.pipeline(order("/clip.mp4", name), JobHere(earlier=NoEarlierFrames()))


async def test_one_process_goes_on_where_another_was(forks: ForkServer, tmp_path: Path) -> None:
    """With all frames once, and its figures, output and warnings; that it lacks the device is told once."""
    clip, here = make_clip(tmp_path / "clip.mp4", frames=FRAMES), JobHere(earlier=NoEarlierFrames())
    wanted = order(str(clip), max_frames=HALF)
    wanted = attrs.evolve(wanted, request=attrs.evolve(wanted.request, device_requested="gpu"))
    with trio.fail_after(60):
        events = await carried_out(maker(forks, tmp_path).pipeline(over_the_wire(wanted), here))
    indexes, state = told(events)
    assert indexes == list(range(HALF))
    (warning,) = [event for event in events if isinstance(event, WarningPayload)]
    assert (warning.plugin, warning.code, events[0]) == (None, Code.DEVICE_FALLBACK, warning)
    before = attrs.evolve(
        past(), plugins=state.stages, plugin_timings=state.timings, warning_groups=state.warning_groups
    )
    rest = attrs.evolve(
        wanted,
        attempt=2,
        request=attrs.evolve(wanted.request, options=JobOptions()),
        begin=ResumePoint(frames=HALF, start=HALF),
        past=before,
        logs=state.logs,
    )
    with trio.fail_after(60):
        events = await carried_out(maker(forks, tmp_path).pipeline(over_the_wire(rest), here))
    indexes, last = told(events)
    assert indexes == list(range(HALF, FRAMES))
    assert [event.code for event in events if isinstance(event, WarningPayload)] == [Code.STATE_LOST]
    assert [group.code for group in last.warning_groups] == [Code.DEVICE_FALLBACK, Code.STATE_LOST]
    assert last.stages[NAME].frames == FRAMES
    assert last.logs == {NAME: "begins with hello\n" * 2}
    assert state.timings is not None
    assert last.timings is not None
    assert last.timings[NAME] > state.timings[NAME] > 0
