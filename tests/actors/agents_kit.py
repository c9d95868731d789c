"""Agents that are not there: an engine with their places, and pipelines in them that tell what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from kinora.actors.clips.clips import Clips
from kinora.actors.jobs.engine import Engine, Needs, Taken
from kinora.actors.jobs.job import Job
from kinora.actors.jobs.job_archive import JobArchive
from kinora.actors.jobs.job_factory import JobFactory
from kinora.actors.jobs.job_figures import JobFigures
from kinora.actors.jobs.job_manager import JobManager
from kinora.actors.models import JobState
from kinora.actors.pictures.annotated_videos import Videos
from kinora.actors.pictures.stills import Stills
from kinora.actors.pipeline.job_spec import JobPlan, JobSpec
from kinora.actors.pipeline.pipeline_link import (
    AnyPipeline,
    Command,
    CommandQueue,
    Event,
    FrameDone,
    PipelineEnded,
    PipelineLost,
    PipelineState,
)
from kinora.actors.pipeline.work_order import WorkOrder, state_before
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.actors.store.disk_floor import DiskFloor
from kinora.actors.store.store import Store
from kinora.media.source_types import SourceInfo, SourceLimits
from kinora.runtime.forking.workers import ForkServer
from tests.actors.job_kit import PLUGIN, RecordingAudience, job_plan, job_work

PAUSED_KEEP_S = 600.0


class RemotePipeline:
    """A pipeline in an agent; it keeps what it is told, and tells what a test has it tell."""

    def __init__(self, order: WorkOrder, agent: str) -> None:
        self.order = order
        self.agent = agent
        self.commands: list[Command] = []
        self.gone = self.lost = False
        self._send, self._receive = trio.open_memory_channel[Event](1000)

    def state(self) -> PipelineState:
        """As that of the order."""
        return state_before(self.order)

    async def run(self, events: trio.MemorySendChannel[Event], commands: CommandQueue) -> None:
        """Pass on what the test tells, until the last event."""
        try:
            with events:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._obey, commands)
                    async for event in self._receive:
                        await events.send(event)
                        if isinstance(event, PipelineEnded | PipelineLost):
                            break
                    nursery.cancel_scope.cancel()
        finally:
            self.gone = True

    async def _obey(self, commands: CommandQueue) -> None:
        while True:
            self.commands.append(await commands.get())

    async def tell(self, *events: Event) -> None:
        """Tell these events, and let the job take them."""
        for event in events:
            self._send.send_nowait(event)
        await wait_all_tasks_blocked()

    async def do(self, *indexes: int) -> None:
        """Tell of frames that are done."""
        await self.tell(*(FrameDone(index, frame_data(index)) for index in indexes))

    async def lose(self) -> None:
        """Be lost with the agent, whose place nobody gets any more."""
        self.lost = True
        await self.tell(PipelineLost("It has not been heard of for 6 s.", self.agent))


def frame_data(index: int) -> bytes:
    """The data of a frame that was shown 100 ms after the one before."""
    return msgspec.json.encode({"index": index, "timestamp_ms": 100.0 * index})


@attrs.define(eq=False)
class AgentPlace:
    """The place of an agent."""

    engine: Agents
    agent: str
    taken: bool = True

    def give_back(self) -> None:
        """Let the next job have it."""
        taken, self.taken = self.taken, False
        if taken and not any(pipeline.lost for pipeline in self.engine.pipelines if pipeline.agent == self.agent):
            self.engine.come(self.agent)

    def pipeline(self, order: WorkOrder, make_here: Callable[[], AnyPipeline]) -> AnyPipeline:
        """Return one in the agent."""
        self.engine.pipelines.append(RemotePipeline(order, self.agent))
        return self.engine.pipelines[-1]


class Agents:
    """An engine with agents of one place each. One suits a job unless it is to be avoided, or has no GPU for it."""

    def __init__(self, *agents: str, gpus: Sequence[str] = ()) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.line: list[Needs] = []
        self.pipelines: list[RemotePipeline] = []
        """Of all attempts so far."""
        self._free = list(agents)
        self._gpus = gpus

    def take(self, line: Sequence[Needs]) -> Taken | None:
        """Give the first agent that suits to the first job of the line for which there is one."""
        self.line = list(line)
        for needs in line:
            for agent in self._free:
                if self._suits(agent, needs):
                    self._free.remove(agent)
                    return Taken(needs.job_id, AgentPlace(self, agent))
        return None

    def _suits(self, agent: str, needs: Needs) -> bool:
        kept = needs.at in {None, agent}
        return kept and agent not in needs.avoid and (not needs.gpus or agent in self._gpus)

    def waiting_for(self, job_id: str) -> str | None:
        """Say that all who wait need another agent."""
        return "No agent suits." if job_id in {needs.job_id for needs in self.line} else None

    def require(self, needs: Needs) -> None:
        """Accept all."""

    def come(self, agent: str) -> None:
        """Add an agent that is free."""
        self._free.append(agent)
        self.on_change()

    def go(self, agent: str) -> None:
        """Take an agent away that is free."""
        self._free.remove(agent)


class FakeFactory(JobFactory):
    """Makes real jobs on sources that are not looked for: ``camera`` is live, all others are videos of ten frames."""

    def __init__(self, store: Store, audience: RecordingAudience, here: Callable[[WorkOrder], AnyPipeline]) -> None:
        self._store = store
        self._audience = audience
        self._here = here

    async def plan(self, request: JobRequest, upload: Path | None, *, known: SourceInfo | None = None) -> JobPlan:
        """Plan without a check."""
        await trio.lowlevel.checkpoint()
        return job_plan(request, kind="stream" if request.source == "camera" else "video")

    def build(self, spec: JobSpec, plan: JobPlan) -> Job:
        """Make a new job."""
        work = job_work(plan, self._here, spec=spec)
        return Job(spec, work=work, store=self._store, audience=self._audience, paused_keep_s=PAUSED_KEEP_S)

    def recall(self, spec: JobSpec, upload: str | None) -> Job:
        """Make a job of an earlier server."""

        async def find_work() -> object:
            return job_work(await self.plan(spec.request, None), self._here, spec=spec)

        return Job(
            spec,
            find_work=find_work,  # type: ignore[arg-type]
            store=self._store,
            audience=self._audience,
            paused_keep_s=PAUSED_KEEP_S,
        )


@attrs.frozen
class Server:
    """A JobManager with its engine and store."""

    jobs: JobManager
    store: Store
    audience: RecordingAudience

    async def submit(self, source: str = "clip.mp4", **options: object) -> str:
        """Submit a job, and let it begin if it can; return its id."""
        request = JobRequest(
            source=source,
            plugins=(PluginRequest(name=PLUGIN),),
            options=JobOptions(**options),  # type: ignore[arg-type]
        )
        submitted = await self.jobs.submit(request)
        await wait_all_tasks_blocked()
        return submitted.state.job_id

    async def shown(self, job_id: str) -> JobState:
        """A job as clients see it."""
        return await self.jobs.state(job_id)

    async def indexes(self, job_id: str) -> list[int]:
        """The indexes of the frames that are stored."""
        return [index for index, _ in await self.store.frames(job_id)]


def nothing_here(order: WorkOrder) -> AnyPipeline:
    """Be asked by no test whose jobs all run in agents."""
    raise AssertionError(f"attempt {order.attempt} was made in the server")


@asynccontextmanager
async def serving(
    engine: Engine, folder: Path, here: Callable[[WorkOrder], AnyPipeline] = nothing_here
) -> AsyncIterator[Server]:
    """A server's jobs, which stop in order at the end of the block."""
    store, audience, forks = Store(folder / "kinora.db"), RecordingAudience(), ForkServer(())
    disk, limits = DiskFloor(folder, 0), SourceLimits()
    manager = JobManager(
        engine=engine,
        max_jobs=2,
        max_queued=100,
        disk=disk,
        store=store,
        factory=FakeFactory(store, audience, here),
        archive=JobArchive(
            store,
            None,  # type: ignore[arg-type]  # no source is asked for
            Stills(forks, limits, dict),
            Videos(forks, limits, folder, disk, dict),
            Clips(store, forks, limits, folder / "clips", disk, webhooks={}, standing={}),
        ),
        audience=audience,
        figures=JobFigures(),
    )
    async with trio.open_nursery() as storing:
        await storing.start(store.run)
        async with trio.open_nursery() as working:
            await working.start(manager.run)
            await wait_all_tasks_blocked()
            yield Server(manager, store, audience)
            manager.stop()
        store.stop()
