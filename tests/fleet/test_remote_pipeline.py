"""A job whose pipeline is an agent's: what is told is taken once, in order, and acknowledged when it is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import attrs
import msgspec
import pytest
import trio

from kinora import __version__
from kinora.actors.jobs.job import Job
from kinora.actors.models import FrameData
from kinora.actors.pipeline.pipeline_link import CommandQueue, Event, FrameDone, PipelineEnded, PipelineLost, Prepared
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.actors.sources.cameras import Cameras
from kinora.actors.store.store import Store
from kinora.fleet.agent_book import LOST_AFTER_S, AgentBook
from kinora.fleet.events import encode_event
from kinora.fleet.joined import Joined
from kinora.fleet.lease_watch import watch_leases
from kinora.fleet.link import LEASE_S, Acknowledged, Assign, Attempt, Running, Tell
from kinora.fleet.parts import PART_BYTES, parts
from kinora.fleet.remote_pipeline import ACKNOWLEDGE_S, STOPPING_S, RemotePipeline
from tests.actors.job_kit import JOB, JOB_RECORD, RecordingAudience, job_plan, job_request, job_spec, job_work
from tests.fleet.kit import Noted, hello, join
from tests.jobs_kit import until

M = TypeVar("M")
ATTEMPT = Attempt(JOB, 1)


def frame(index: int, text: str = "") -> FrameDone:
    """A frame that is done."""
    results = {"motion": msgspec.Raw(msgspec.json.encode({"text": text}))}
    data = FrameData(
        frame_id=f"frame-{index:06}", index=index, timestamp_ms=0.0, width=8, height=8, results=results
    ).encode()
    return FrameDone(index, data)


@attrs.define(eq=False, kw_only=True)
class Remote:
    """A job, the agent that works on it, and what goes on between them."""

    book: AgentBook
    agent: Joined
    line: Noted
    job: Job
    store: Store
    told: int = 0

    def tell(self, *events: Event, first: int | None = None) -> None:
        """Tell events."""
        encoded = [part for event in events for part in parts(*encode_event(event))]
        self.agent.assigned[ATTEMPT].take(first or self.told + 1, encoded)
        self.told = max(self.told, (first or self.told + 1) + len(encoded) - 1)

    def sent(self, kind: type[M]) -> list[M]:
        """What the agent was sent, of one kind."""
        return [message for message in self.line.sent if isinstance(message, kind)]


@asynccontextmanager
async def remote() -> AsyncIterator[Remote]:
    """A job that runs with an agent; all clocks are Trio's.

    A virtual clock goes on while a thread works, so the agent joins when the store has done all that it is asked for.
    """
    store = Store(":memory:")
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        await store.add_job(JOB_RECORD)
        book, line = AgentBook(__version__, clock=trio.current_time), Noted()
        agent = join(book, line)

        def make(order: WorkOrder) -> RemotePipeline:
            return RemotePipeline(order, agent, book=book, store=store, cameras=Cameras())

        work = job_work(job_plan(job_request()), make)
        job = Job(job_spec(job_request()), work=work, store=store, audience=RecordingAudience())
        await nursery.start(watch_leases, book)
        job.begin()
        nursery.start_soon(job.run)
        await soon(lambda: ATTEMPT in agent.assigned)
        yield Remote(book=book, agent=agent, line=line, job=job, store=store)
        nursery.cancel_scope.cancel()


async def soon(true: Callable[[], bool]) -> None:
    """Let tasks run until something is true, while no time passes."""
    for _ in range(10_000):
        if true():
            return
        await trio.lowlevel.checkpoint()
    raise AssertionError("it has not come about")


async def acknowledged(run: Remote, upto: int) -> None:
    """Wait until the agent has got this acknowledgement."""
    await until(lambda: Acknowledged(attempt=ATTEMPT, upto=upto) in run.sent(Acknowledged))


async def test_what_is_told_is_taken_once_and_acknowledged_when_stored() -> None:
    """Repeated events make no second frame, and the last event ends the job."""
    async with remote() as run:
        (assign,) = run.sent(Assign)
        order = msgspec.json.decode(assign.order)
        assert (assign.attempt, order["job_id"], order["attempt"]) == (ATTEMPT, JOB, 1)
        run.tell(Prepared(), frame(0), frame(1))
        await acknowledged(run, 3)
        run.tell(frame(0), frame(1), frame(2), first=2)
        await acknowledged(run, 4)
        assert run.job.state().frames_done == 3
        assert [index for index, _ in await run.store.frames(JOB)] == [0, 1, 2]
        run.tell(PipelineEnded())
        await run.job.ended.wait()
        assert run.job.status == "done"
        assert run.sent(Acknowledged)[-1].upto == 5
        assert run.sent(Tell) == []
        assert not run.agent.busy


async def test_nothing_is_acknowledged_that_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store writes nothing, the agent keeps what it has told."""
    async with remote() as run:
        monkeypatch.setattr(run.store, "_batch", list)
        run.tell(Prepared(), frame(0))
        await until(lambda: run.job.state().frames_done == 1)
        await trio.sleep(3 * ACKNOWLEDGE_S)
        assert {sent.upto for sent in run.sent(Acknowledged)} <= {1}
        monkeypatch.undo()
        await acknowledged(run, 2)


async def test_a_large_event_comes_in_parts() -> None:
    """All parts are acknowledged with it."""
    async with remote() as run:
        run.tell(frame(0, "x" * 3 * PART_BYTES))
        assert run.told == 4
        await acknowledged(run, 4)
        assert run.job.state().frames_done == 1


async def test_commands_are_told_now_and_on_each_new_connection(autojump_clock: object) -> None:
    """A link that breaks for less than the lease loses none of them."""
    async with remote() as run:
        run.tell(Prepared())
        run.job.pause()
        await soon(lambda: bool(run.sent(Tell)))
        assert run.sent(Tell) == [Tell(attempt=ATTEMPT, command="pause")]
        run.book.note_away(run.agent, run.line)
        run.job.resume()
        run.job.cancel()
        await trio.sleep(LEASE_S - 1)
        again = Noted()
        run.book.admit(hello("one", Running(attempt=ATTEMPT, told=1)), again)
        run.agent.assigned[ATTEMPT].take(2, [encode_event(PipelineEnded())])
        await run.job.ended.wait()
        assert run.job.status == "cancelled"


@pytest.mark.parametrize("connected", [True, False])
async def test_a_cancel_is_certain_though_the_agent_is_silent(autojump_clock: object, *, connected: bool) -> None:
    """It is answered when the lease has ended, with margin: before lease + 1 s have passed."""
    async with remote() as run:
        run.tell(Prepared())
        await trio.sleep(1)
        run.book.grant(run.agent)
        if not connected:
            run.book.note_away(run.agent, run.line)
        began = trio.current_time()
        run.job.cancel()
        await run.job.ended.wait()
        assert run.job.status == "cancelled"
        assert LEASE_S < trio.current_time() - began < LEASE_S + 1


async def test_an_agent_that_does_not_stop_gets_no_further_lease(autojump_clock: object) -> None:
    """It is heard of all the time, and so would never be lost."""
    async with remote() as run, trio.open_nursery() as nursery:

        async def renew() -> None:
            while run.book.grant(run.agent):  # noqa: ASYNC110 - an agent that renews has no other sign of its end
                await trio.sleep(1)

        nursery.start_soon(renew)
        run.job.cancel()
        await run.job.ended.wait()
        assert run.job.status == "cancelled"
        assert STOPPING_S < trio.current_time() < STOPPING_S + LOST_AFTER_S + 2


Lie = Callable[[Remote], None]
LIES: dict[str, Lie] = {
    "no such event": lambda run: _take(run, "progress", b"{}"),
    "no JSON": lambda run: _take(run, "ended", b"{"),
    "no MessagePack": lambda run: _take(run, "frame_done", b"\xc1"),
    "frames out of order": lambda run: run.tell(frame(5), frame(4)),
    "a frame twice": lambda run: run.tell(frame(5), frame(5)),
    "another frame's data": lambda run: run.tell(FrameDone(6, frame(5).data)),
}


def _take(run: Remote, kind: str, data: bytes) -> None:
    run.agent.assigned[ATTEMPT].take(1, [(kind, data), encode_event(PipelineEnded())])


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_an_agent_that_lies_is_expelled(autojump_clock: object, lie: Lie) -> None:
    """Nothing that follows counts; the attempt ends as lost once nothing of the agent can run."""
    async with remote() as run:
        lie(run)
        await soon(lambda: run.agent.expelled)
        assert run.line.ended is not None
        assert run.agent.lost is None
        run.job.cancel()
        await run.job.ended.wait()
        assert run.agent.lost is not None


async def test_a_job_that_ends_by_itself_stops_its_attempt(autojump_clock: object) -> None:
    """When the server stops, too."""
    async with remote() as run:
        run.tell(Prepared())
    assert run.sent(Tell) == [Tell(attempt=ATTEMPT, command="stop")]
    assert not run.agent.busy


async def test_a_lost_attempt_tells_what_came_before(autojump_clock: object) -> None:
    """Then its last event says who was lost, and why."""
    book, line, store = AgentBook(__version__, clock=trio.current_time), Noted(), Store(":memory:")
    agent = join(book, line)
    order = job_work(job_plan(job_request()), lambda _: pipeline).order
    pipeline = RemotePipeline(order, agent, book=book, store=store, cameras=Cameras())
    tell, events = trio.open_memory_channel[Event](32)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        nursery.start_soon(pipeline.run, tell, CommandQueue())
        await soon(lambda: ATTEMPT in agent.assigned)
        agent.assigned[ATTEMPT].take(1, [encode_event(Prepared())])
        book.lose(agent, "It is gone.")
        assert [event async for event in events] == [Prepared(), PipelineLost("It is gone.", "north-1")]
        nursery.cancel_scope.cancel()
