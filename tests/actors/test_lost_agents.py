"""Jobs in agents, and what becomes of them when an agent is lost. Tests play the agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.actors.errors import Conflict, InvalidRequest
from kinora.actors.jobs.embedded_engine import EmbeddedEngine
from kinora.actors.jobs.engine import Needs
from kinora.actors.jobs.job import MAX_MOVES
from kinora.actors.messages import Code, FramePayload, ProgressPayload, WarningPayload
from kinora.actors.models import StageState, WarningGroup
from kinora.actors.pipeline.job_spec import ResumePoint
from kinora.actors.pipeline.pipeline_link import Pause, PipelineEnded, Prepared, Resume, Stop
from kinora.plugins.devices import Device
from tests.actors import realtime_kit
from tests.actors.agents_kit import PAUSED_KEEP_S, Agents, RemotePipeline, Server, serving
from tests.actors.job_kit import FRAMES, PLUGIN, pipeline_state

ALL = list(range(FRAMES))


@pytest.fixture
def agents() -> Agents:
    """Two agents that are free."""
    return Agents("a", "b")


@pytest.fixture
async def server(agents: Agents, tmp_path: Path) -> AsyncIterator[Server]:
    """A server with these agents."""
    async with serving(agents, tmp_path) as running:
        yield running


async def finish(pipeline: RemotePipeline, *indexes: int) -> None:
    """Do the rest, and end well."""
    await pipeline.tell(Prepared())
    await pipeline.do(*indexes)
    await pipeline.tell(PipelineEnded())


def frame_result(job_id: str, index: int) -> FramePayload:
    """The plugin's result of a frame."""
    message = realtime_kit.frame(index, job_id=job_id, plugin=PLUGIN)
    assert isinstance(message.payload, FramePayload)
    return message.payload


def stages_of(server: Server, job_id: str) -> list[str]:
    """The stages that clients were told, each once in a row."""
    told = [payload.stage for payload in server.audience.of(ProgressPayload) if payload.job_id == job_id]
    return [stage for stage, last in zip(told, ["", *told], strict=False) if stage != last]


@pytest.mark.parametrize("done", [None, 0, 4, FRAMES])
async def test_a_job_goes_on_with_another_agent(server: Server, agents: Agents, done: int | None) -> None:
    """Wherever it was: not prepared, without a frame, with some, or with all. Each frame is there once."""
    job_id = await server.submit()
    (first,) = agents.pipelines
    assert (await server.shown(job_id)).agent == "a"
    if done is not None:
        await first.tell(Prepared())
        await first.do(*range(done))
    await first.lose()
    state = await server.shown(job_id)
    assert (state.status, state.agent, state.frames_done) == ("running", "b", done or 0)
    (warning,) = state.warning_groups
    assert (warning.code, warning.severity, warning.count) == (Code.AGENT_LOST, "medium", 1)
    assert warning.message == (
        "a was lost, and the job goes on after its last stored frame. It has not been heard of for 6 s."
    )
    assert state.warnings == (f"agent: {warning.message}",)
    first, second = agents.pipelines
    assert first.gone
    assert [pipeline.order.attempt for pipeline in agents.pipelines] == [1, 2]
    assert (second.order.begin.frames, second.order.begin.start) == (done or 0, done or 0)
    await finish(second, *range(done or 0, FRAMES))
    state = await server.jobs.wait_ended(job_id)
    assert (state.status, state.agent, await server.indexes(job_id)) == ("done", None, ALL)
    stages = ["preparing", *(["running"] if done is not None else [])]
    assert stages_of(server, job_id) == ["queued", *stages, "queued", "preparing", "running", "finalizing"]


async def test_figures_go_on_at_the_next_agent(server: Server, agents: Agents) -> None:
    """As they were at the last stored frame; a job that is queued again has no process."""
    agents.go("b")
    job_id = await server.submit()
    (first,) = agents.pipelines
    group = WarningGroup(plugin=PLUGIN, code="PLUGIN_SLOW", severity="low", message="slow", count=1, frame_id=None)
    stage = StageState(status="running", frames=3, restarts=1, replicas=1, finalize=msgspec.Raw(b"null"))
    await first.tell(Prepared())
    await first.do(0, 1)
    await first.tell(
        pipeline_state(stages={PLUGIN: stage}, warning_groups=(group,), dropped=5, logs={PLUGIN: "printed"})
    )
    await first.do(2, 3)
    await first.lose()
    state = await server.shown(job_id)
    shown = state.plugins[PLUGIN]
    assert (shown.status, shown.frames, shown.restarts, shown.replicas) == ("waiting", 4, 1, 0)
    assert (state.frames_dropped, len(state.warning_groups)) == (5, 2)
    agents.come("b")
    await wait_all_tasks_blocked()
    order = agents.pipelines[1].order
    assert order.past is not None
    assert (order.past.plugins[PLUGIN].frames, order.past.warning_groups, order.logs) == (
        4,
        (group,),
        {PLUGIN: "printed"},
    )
    await finish(agents.pipelines[1], *range(4, FRAMES))
    assert (await server.jobs.wait_ended(job_id)).frames_dropped == 5


async def test_a_live_source_goes_on_too(server: Server, agents: Agents) -> None:
    """With the next index, by the time of its last frame."""
    job_id = await server.submit("camera")
    await agents.pipelines[0].do(0, 7)
    await agents.pipelines[0].lose()
    begin = agents.pipelines[1].order.begin
    assert (begin.frames, begin.start) == (2, 8)
    assert begin.after is not None
    assert begin.after.timestamp_ms == 700.0
    await finish(agents.pipelines[1], 8)
    await server.jobs.wait_ended(job_id)
    assert await server.indexes(job_id) == [0, 7, 8]


@pytest.mark.parametrize(("source", "expected"), [("clip.mp4", [0, 1, 2, 3, 4]), ("camera", [0, 1, 2, 1, 2, 3, 4])])
async def test_each_result_is_told_once(server: Server, agents: Agents, source: str, expected: list[int]) -> None:
    """Also if the agent was lost between a result and the end of its frame; a live source has other frames then."""
    job_id = await server.submit(source)
    first = agents.pipelines[0]
    await first.tell(*(frame_result(job_id, index) for index in (0, 1, 2)))
    await first.do(0)
    await first.lose()
    second = agents.pipelines[1]
    assert second.order.begin.start == 1
    await second.tell(*(frame_result(job_id, index) for index in (1, 2, 3, 4)))
    assert [payload.index for payload in server.audience.of(FramePayload)] == expected


async def test_a_job_that_loses_too_many_agents_fails(tmp_path: Path) -> None:
    """It has moved three times by then, each time to another agent; the sentence says what to do."""
    engine = Agents("a", "b", "c", "d", "e")
    async with serving(engine, tmp_path) as server:
        job_id = await server.submit()
        for number in range(MAX_MOVES):
            await engine.pipelines[number].do(number)
            await engine.pipelines[number].lose()
            assert (await server.shown(job_id)).status == "running"
        await engine.pipelines[MAX_MOVES].lose()
        state = await server.jobs.wait_ended(job_id)
        assert [pipeline.agent for pipeline in engine.pipelines] == ["a", "b", "c", "d"]
        assert (state.status, state.frames_done) == ("failed", MAX_MOVES)
        assert state.error is not None
        assert state.error.startswith("The agent d was lost, as 3 others that worked on the job before.")
        assert state.error.endswith("submit the job again.")
        warnings = [payload for payload in server.audience.of(WarningPayload) if payload.code == Code.AGENT_LOST]
        assert len(warnings) == MAX_MOVES


async def test_a_job_that_is_being_cancelled_ends_with_its_agent(server: Server, agents: Agents) -> None:
    """As cancelled, and nobody else gets it."""
    job_id = await server.submit()
    (pipeline,) = agents.pipelines
    await pipeline.do(0, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.jobs.cancel, job_id)
        await wait_all_tasks_blocked()
        assert pipeline.commands == [Stop()]
        assert (await server.shown(job_id)).status == "running"
        await pipeline.lose()
    state = await server.shown(job_id)
    assert (state.status, state.warnings, state.frames_done) == ("cancelled", (), 2)
    assert len(agents.pipelines) == 1


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_job_that_is_queued_again_can_be_cancelled(server: Server, agents: Agents, deleted: bool) -> None:
    """At once, and be deleted; nobody waits any more then. It can be neither paused nor resumed."""
    agents.go("b")
    job_id = await server.submit()
    await agents.pipelines[0].do(0)
    await agents.pipelines[0].lose()
    state = await server.shown(job_id)
    assert (state.status, state.stage, state.queue_position) == ("queued", "queued", 1)
    assert state.waiting_for == "No agent suits."
    for switch in (server.jobs.pause, server.jobs.resume):
        with pytest.raises(Conflict):
            await switch(job_id)
    if deleted:
        await server.jobs.delete(job_id)
    else:
        assert (await server.jobs.cancel(job_id)).cancelled
    agents.come("c")
    await wait_all_tasks_blocked()
    assert agents.line == []
    assert [pipeline.agent for pipeline in agents.pipelines] == ["a"]


async def test_a_job_that_is_queued_again_goes_on_at_the_next_server(tmp_path: Path) -> None:
    """After its last stored frame; the loss counts there as well."""
    engine = Agents("a")
    async with serving(engine, tmp_path) as server:
        job_id = await server.submit()
        await engine.pipelines[0].do(0, 1, 2)
        await engine.pipelines[0].lose()
        assert (await server.shown(job_id)).status == "queued"
    engine = Agents("a")
    async with serving(engine, tmp_path) as server:
        (pipeline,) = engine.pipelines
        assert pipeline.order.begin == ResumePoint(frames=3, start=3)
        await pipeline.do(3)
        await pipeline.lose()
        assert [group.code for group in (await server.shown(job_id)).warning_groups] == [Code.AGENT_LOST]
        assert (await server.shown(job_id)).warning_groups[0].count == 2
        engine.come("b")
        await wait_all_tasks_blocked()
        await finish(engine.pipelines[1], *range(4, FRAMES))
        assert (await server.jobs.wait_ended(job_id)).status == "done"
        assert await server.indexes(job_id) == ALL


# Pauses


async def test_a_paused_job_whose_agent_is_lost_stays_paused(server: Server, agents: Agents) -> None:
    """It goes on elsewhere when it is resumed; its processes are prepared there."""
    job_id = await server.submit()
    await agents.pipelines[0].tell(Prepared())
    await agents.pipelines[0].do(0)
    await server.jobs.pause(job_id)
    assert (await server.shown(job_id)).agent == "a"
    await agents.pipelines[0].lose()
    state = await server.shown(job_id)
    assert (state.status, state.stage, state.agent) == ("paused", "paused", None)
    assert [group.code for group in state.warning_groups] == [Code.AGENT_LOST]
    assert len(agents.pipelines) == 1
    state = await server.jobs.resume(job_id)
    assert (state.status, state.stage) == ("running", "preparing")
    await wait_all_tasks_blocked()
    assert agents.pipelines[1].agent == "b"
    await finish(agents.pipelines[1], *range(1, FRAMES))
    assert (await server.jobs.wait_ended(job_id)).status == "done"


async def test_a_paused_job_goes_on_where_its_workers_are(server: Server, agents: Agents) -> None:
    """Only there: it waits for that agent while it has another job, and gives its place to nobody else meanwhile."""
    job_id = await server.submit()
    (first,) = agents.pipelines
    await first.do(0)
    await server.jobs.pause(job_id)
    agents.go("b")
    other = await server.submit()
    assert agents.pipelines[1].agent == "a"
    agents.come("b")
    state = await server.jobs.resume(job_id)
    assert (state.status, state.stage, state.waiting_for) == ("paused", "queued", "No agent suits.")
    await finish(agents.pipelines[1], *ALL)
    assert (await server.jobs.wait_ended(other)).status == "done"
    await wait_all_tasks_blocked()
    state = await server.shown(job_id)
    assert (state.status, state.agent, state.waiting_for, len(agents.pipelines)) == ("running", "a", None, 2)
    assert first.commands == [Pause(), Resume()]
    await finish(first, *range(1, FRAMES))
    assert (await server.jobs.wait_ended(job_id)).status == "done"


async def test_after_a_long_pause_any_agent_will_do(autojump_clock: MockClock, server: Server, agents: Agents) -> None:
    """Its workers have ended by then, also while it waits for the agent that had them."""
    job_id = await server.submit()
    (first,) = agents.pipelines
    await first.do(0)
    await server.jobs.pause(job_id)
    agents.go("b")
    await server.submit()
    agents.come("b")
    await server.jobs.resume(job_id)
    await trio.sleep(PAUSED_KEEP_S + 1)
    assert first.commands == [Pause(), Stop(saving=True)]
    assert (await server.shown(job_id)).stage == "queued"
    await first.tell(PipelineEnded())
    state = await server.shown(job_id)
    assert (state.status, state.agent) == ("running", "b")
    assert agents.pipelines[2].order.begin.start == 1
    assert agents.pipelines[2].order.attempt == 2


async def test_one_that_waits_for_a_lost_agent_goes_on_elsewhere(server: Server, agents: Agents) -> None:
    """At once: it waits in line already."""
    job_id = await server.submit()
    (first,) = agents.pipelines
    await server.jobs.pause(job_id)
    agents.go("b")
    await server.submit()
    agents.come("b")
    assert (await server.jobs.resume(job_id)).stage == "queued"
    await first.lose()
    state = await server.shown(job_id)
    assert (state.status, state.agent) == ("running", "b")


# The line


async def test_who_was_there_first_comes_first_unless_no_place_suits(tmp_path: Path) -> None:
    """A job that lost its agent is ahead of those that have not begun; who cannot be placed holds nobody up."""
    engine = Agents("a", gpus=("g",))
    async with serving(engine, tmp_path) as server:
        first, second = await server.submit(), await server.submit()
        with_gpu, third = await server.submit(gpus=1), await server.submit()
        await engine.pipelines[0].lose()
        waiting = [first, second, with_gpu, third]
        assert [(await server.shown(job)).queue_position for job in waiting] == [1, 2, 3, 4]
        engine.come("b")
        await wait_all_tasks_blocked()
        engine.come("c")
        await wait_all_tasks_blocked()
        assert [pipeline.order.job_id for pipeline in engine.pipelines] == [first, first, second]
        engine.come("d")
        await wait_all_tasks_blocked()
        assert engine.pipelines[-1].order.job_id == third
        state = await server.shown(with_gpu)
        assert (state.queue_position, state.waiting_for) == (1, "No agent suits.")
        engine.come("g")
        await wait_all_tasks_blocked()
        assert (engine.pipelines[-1].order.job_id, engine.pipelines[-1].agent) == (with_gpu, "g")


async def test_needs_are_those_of_the_request(server: Server, agents: Agents) -> None:
    """What a source ties to a machine is told as well."""
    agents.go("a")
    agents.go("b")
    await server.submit(cpus=2, gpus=0.5, resources={"licence": 1})
    await server.submit("webcam:0")
    await server.submit("push:")
    plain, webcam, pushed = agents.line
    assert (plain.cpus, plain.gpus, plain.resources, plain.where) == (2, 0.5, {"licence": 1}, "anywhere")
    assert (plain.plugins, plain.device) == ((PLUGIN,), "auto")
    assert (webcam.where, pushed.where) == ("this_machine", "server")


async def test_a_server_alone_refuses_what_it_lacks(tmp_path: Path) -> None:
    """With the option and what there is; its cores are shared, so any number of them is right."""
    gpus = (
        Device("cpu", "cpu", "a cpu"),
        Device("cuda:0", "cuda", "a gpu"),
        Device("cuda:1", "cuda", "b", available=False),
    )
    async with serving(EmbeddedEngine(1, lambda: gpus), tmp_path) as server:
        with pytest.raises(InvalidRequest) as refused:
            await server.submit(gpus=2, resources={"licence": 1, "none": 0})
        assert {error.path: error.message for error in refused.value.errors} == {
            "options.gpus": "asks for 2; this server has 1",
            "options.resources.licence": "is asked for; this server has none, only agents can have some",
        }
        EmbeddedEngine(1, lambda: gpus).require(Needs(job_id="", plugins=(), cpus=1000, gpus=1))
