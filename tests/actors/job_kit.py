"""One job on its own: a pipeline that does what a test says, and an audience that keeps all that it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import msgspec
import trio

from kinora.actors.jobs.job import Job, Work
from kinora.actors.jobs.job_figures import JobFigures
from kinora.actors.messages import CompletePayload, FrameImage, Payload, ProgressPayload
from kinora.actors.models import StageState
from kinora.actors.pipeline.job_spec import JobPlan, JobSpec, PlannedPlugin, ResumePoint
from kinora.actors.pipeline.pipeline_link import (
    AnyPipeline,
    CommandQueue,
    Event,
    FrameDone,
    PipelineEnded,
    PipelineState,
)
from kinora.actors.pipeline.work_order import OrderedPlugin, WorkOrder, for_pipelines
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.actors.store.store import JobRecord, Store
from kinora.media.source_types import SourceInfo
from kinora.plugins.api import PluginMetadata
from kinora.plugins.devices import Resolution
from kinora.plugins.protocol import Origin

JOB, PLUGIN = "job-1", "motion"
CREATED_AT = "2026-11-23T08:00:00.000Z"
FRAMES = 10
"""Of the source, as far as is known."""
JOB_RECORD = JobRecord(job_id=JOB, created_at=CREATED_AT, status="queued", request=b"{}", state=b"{}")
_T = TypeVar("_T")

Tell = Callable[[Event], Awaitable[None]]
Script = Callable[[Tell, CommandQueue], Awaitable[None]]
"""What a pipeline does: it tells events and takes commands."""


class FakePipeline:
    """A Worker that does what it is given to do, and closes its channel at the end, however it ends."""

    def __init__(self, script: Script) -> None:
        self.running = False
        self._script = script

    def state(self) -> PipelineState:
        """As it is before the work begins."""
        return pipeline_state()

    async def run(self, events: trio.MemorySendChannel[Event], commands: CommandQueue) -> None:
        """Do it."""
        self.running = True
        try:
            with events:
                await self._script(events.send, commands)
        finally:
            self.running = False


class RecordingAudience:
    """Keeps all that is published and shown; wishes for pictures can be set."""

    last_id = None

    def __init__(self) -> None:
        self.published: list[Payload] = []
        self.shown: list[FrameImage] = []
        self.watching_changed = trio.Event()
        self._fps = 0.0

    def publish(self, payload: Payload) -> None:
        """Keep it."""
        self.published.append(payload)

    def forget(self, job_id: str) -> None:
        """Do nothing."""

    def picture_fps(self, job_id: str) -> float:
        """Return what was wished for last."""
        return self._fps

    def show(self, image: FrameImage) -> None:
        """Keep it."""
        self.shown.append(image)

    def wish(self, fps: float) -> None:
        """Wish for so many pictures a second."""
        self._fps = fps
        changed, self.watching_changed = self.watching_changed, trio.Event()
        changed.set()

    def of(self, kind: type[_T]) -> list[_T]:
        """What was published of one kind."""
        return [payload for payload in self.published if isinstance(payload, kind)]

    @property
    def end(self) -> CompletePayload:
        """The one message that ends a job; it was the last one, and progress never fell until then."""
        (complete,) = self.of(CompletePayload)
        assert self.published[-1] is complete
        progress = [payload.progress or 0 for payload in self.of(ProgressPayload)]
        assert progress == sorted(progress)
        assert progress.count(100) == (complete.status == "done")
        return complete


def pipeline_state(**changes: object) -> PipelineState:
    """A state with one plugin at work."""
    stages = {PLUGIN: StageState(finalize=msgspec.Raw(b"null"))}
    state = PipelineState(stages=stages, device=Resolution("cpu"), timings=None, logs={PLUGIN: ""})
    return attrs.evolve(state, **changes)  # type: ignore[arg-type]


def job_request(source: str = "clip.mp4", *, stride: int = 1) -> JobRequest:
    """What a client has asked for."""
    return JobRequest(source=source, plugins=(PluginRequest(name=PLUGIN),), options=JobOptions(stride=stride))


def job_plan(request: JobRequest, *, kind: str = "video", frames: int | None = FRAMES) -> JobPlan:
    """How it can be carried out."""
    info = SourceInfo(
        kind=kind,  # type: ignore[arg-type]
        width=160,
        height=120,
        max_frame_bytes=160 * 120 * 3,
        frames_total=frames,
        fps=10.0,
        duration_ms=None,
    )
    origin = Origin(kind="builtin", location="kinora.plugins.builtin.motion", attribute="Motion")
    (asked,) = request.plugins
    plugin = PlannedPlugin(asked=asked, name=PLUGIN, origin=origin, metadata=PluginMetadata(name=PLUGIN), options={})
    return JobPlan(
        request=request,
        location="/media/clip.mp4",
        info=info,
        plugins=(plugin,),
        device=Resolution("cpu"),
    )


class FakePipelines:
    """Makes pipelines as a test says."""

    def __init__(self, make: Callable[[WorkOrder], AnyPipeline]) -> None:
        self.make = make

    def state(self) -> PipelineState:
        """As it is before the first one."""
        return pipeline_state()


def job_work(plan: JobPlan, make: Callable[[WorkOrder], AnyPipeline], *, spec: JobSpec | None = None) -> Work:
    """A plan, with pipelines that a test makes."""
    spec = spec or job_spec(plan.request)
    order = WorkOrder(
        job_id=spec.job_id,
        attempt=1,
        request=plan.request,
        location=plan.location,
        info=plan.info,
        plugins=tuple(OrderedPlugin(asked=plugin.asked, options={}, code="") for plugin in plan.plugins),
        begin=spec.resumed,
        past=None if spec.past is None else for_pipelines(spec.past.state),
        logs={} if spec.past is None else spec.past.logs,
        max_failures=3,
        max_errors=3,
        ring_bytes=2**20,
        root_path="",
    )
    return Work(plan, order, FakePipelines(make))


def make_job(
    script: Script,
    store: Store,
    audience: RecordingAudience,
    *,
    resumed: ResumePoint | None = None,
    frames: int | None = FRAMES,
    figures: JobFigures | None = None,
) -> Job:
    """A job of ten frames that has not begun."""
    spec = job_spec(resumed=resumed or ResumePoint())
    work = job_work(job_plan(job_request(), frames=frames), lambda _: FakePipeline(script))
    return Job(spec, work=work, store=store, audience=audience, figures=figures)


def job_spec(request: JobRequest | None = None, **changes: object) -> JobSpec:
    """The facts of a new job."""
    spec = JobSpec(job_id=JOB, created_at=CREATED_AT, request=request or job_request(), uploaded=False)
    return attrs.evolve(spec, **changes)  # type: ignore[arg-type]


async def frames(tell: Tell, *indexes: int) -> None:
    """Tell of frames that are done."""
    for index in indexes:
        await tell(FrameDone(index, b"{}"))


async def until_told(tell: Tell, *indexes: int, **ended: object) -> None:
    """Tell of frames, then of the end."""
    await frames(tell, *indexes)
    await tell(PipelineEnded(**ended))  # type: ignore[arg-type]
