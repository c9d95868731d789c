"""A stage at the side, on the virtual clock: what it takes, what it tells, and that it holds nobody up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.messages import Code
from kinora.actors.models import StageState
from kinora.actors.stages.side_stage import OfferingInbox, SideStage
from kinora.plugins.protocol import Done
from tests.actors.stage_kit import (
    CRASH,
    DONE,
    FOUND,
    HANG,
    PLUGIN,
    RAISED,
    RESULT,
    Act,
    Ending,
    FakeProcess,
    Stage,
    frame,
)

SLOW = Act(FOUND, takes_s=0.44)
DETECTIONS = Done(result=b'{"detections": [{}, {}, {}]}', run_ms=1.0)
PACE_S = 0.1
"""The time from one frame to the next, where a test lets frames come at a pace."""


class Beside(Stage):
    """A stage at the side, with a ring of its own."""

    def __init__(self, process: FakeProcess, *, slots: int = 8, every: int = 1) -> None:
        super().__init__(process, every=every, side=True)
        self.side = SideStage(self.runner)
        self.ring = JobRing(slots, 3)
        self.frames: list[FrameTicket] = []
        """Those that came by."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it at the side of the block; the source ends with that."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.side.run, self.ring, self.tell)
            await wait_all_tasks_blocked()  # it is prepared by now, unless that takes time
            yield
            self.side.close()
        self.check_gone()

    def pass_by(self, *indexes: int, results: dict[str, bytes] | None = None) -> list[FrameTicket]:
        """Let frames come by, which are in use until they are done."""
        passed = [self.read(index) for index in indexes]
        for ticket in passed:
            ticket.results.update(results or {})
            self.side.offer(ticket)
        return passed

    def read(self, index: int) -> FrameTicket:
        """Take a frame from the source."""
        slot = self.ring.lease()
        assert slot is not None, "the stage at the side holds too many slots"
        ticket = frame(index, self.ring, slot)
        self.frames.append(ticket)
        return ticket

    def finish(self, *tickets: FrameTicket) -> None:
        """Be the end of the pipeline."""
        for ticket in tickets:
            ticket.is_done = True
            ticket.release()

    async def pass_by_at_a_pace(self, frames: int) -> None:
        """Let frames come by, each done before the next."""
        for index in range(frames):
            self.finish(*self.pass_by(index))
            await trio.sleep(PACE_S)

    def check_gone(self) -> None:
        """No process and no slot is left of it."""
        assert not self.process.alive
        assert len(self.process.ends) == len(self.process.starts)
        assert self.ring.free == self.ring.slots - sum(not ticket.is_done for ticket in self.frames)

    @property
    def figures(self) -> tuple[int, int, int]:
        """Frames done, passed over, and late results."""
        state = self.side.state()
        return state.frames, state.passed_over, state.late


async def test_it_takes_the_newest_frame_whenever_it_is_free(autojump_clock: MockClock) -> None:
    """Frames that come meanwhile replace each other; the last one is always worked on."""
    stage = Beside(FakeProcess(frames=[SLOW] * 9))
    async with stage.running():
        await stage.pass_by_at_a_pace(12)
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 4", "frame 8", "frame 11", "finalize"]
    assert [told.index for told in stage.frames_told] == [0, 4, 8, 11]
    assert all(told.side is True for told in stage.frames_told)
    assert stage.statuses == ["started", "running", "running", "running", "running", "completed"]
    assert stage.figures == (4, 8, 4)
    assert stage.warned == []


async def test_a_result_in_time_is_in_the_frames_data(autojump_clock: MockClock) -> None:
    """With the others' results; a later plugin does not see it, nor does it see what came after its place."""
    stage = Beside(FakeProcess(frames=[SLOW, SLOW]))
    async with stage.running():
        first, second = stage.pass_by(0, 1, results={"before": b"{}"})
        first.results["after"] = b"{}"
        await trio.sleep(0.6)
        assert set(first.results) == {"before", "after"}
        assert first.frame_data().results == {name: msgspec.Raw(data) for name, data in first.results.items()} | {
            PLUGIN: msgspec.Raw(RESULT)
        }
        stage.finish(first, second)
    assert set(second.frame_data().results) == {"before"}
    assert stage.figures == (2, 0, 1)


async def test_what_it_finds_counts_if_it_is_in_time(autojump_clock: MockClock) -> None:
    """A frame's detections are those of its data."""
    stage = Beside(FakeProcess(frames=[DETECTIONS, Act(DETECTIONS, takes_s=0.5)]))
    async with stage.running():
        (first,) = stage.pass_by(0)
        await wait_all_tasks_blocked()
        (second,) = stage.pass_by(1)
        stage.finish(first, second)
    assert (first.found, second.found) == (3, 0)


async def test_turns_are_counted_before_the_newest_is_taken(autojump_clock: MockClock) -> None:
    """Only every Nth frame is offered at all: the others are not passed over."""
    stage = Beside(FakeProcess(frames=[SLOW] * 9), every=4)
    async with stage.running():
        await stage.pass_by_at_a_pace(13)
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 4", "frame 8", "frame 12", "finalize"]
    assert stage.figures == (4, 0, 4)


async def test_nobody_waits_while_it_prepares(autojump_clock: MockClock) -> None:
    """It has started at once; of the frames that came meanwhile it works on the newest."""
    stage = Beside(FakeProcess(prepare=[Act(DONE, takes_s=4.0)]))
    async with trio.open_nursery() as nursery:
        await nursery.start(stage.side.run, stage.ring, stage.tell)
        assert trio.current_time() < 0.1
        await stage.pass_by_at_a_pace(5)
        stage.side.close()
    assert stage.process.calls == ["prepare cpu", "frame 4", "finalize"]
    assert stage.figures == (1, 4, 1)


async def test_a_death_costs_only_its_own_results(autojump_clock: MockClock) -> None:
    """It is warned of and started again like any other; disabled, it lets everything pass and counts nothing."""
    stage = Beside(FakeProcess(frames=[CRASH, RAISED, FOUND, CRASH, CRASH, CRASH]))
    async with stage.running():
        await stage.pass_by_at_a_pace(40)
        disabled = stage.figures
        await stage.pass_by_at_a_pace(9)
    assert stage.figures == disabled
    assert stage.statuses[-1] == "failed"
    assert stage.codes[-1] == Code.PLUGIN_DISABLED
    assert len(stage.process.starts) == 4
    assert stage.side.state().health == "failed"


async def test_it_never_holds_more_than_its_slots(autojump_clock: MockClock) -> None:
    """One that hangs has the frame that it hangs on and the newest, whatever comes by."""
    stage = Beside(FakeProcess(frames=[HANG] * 9), slots=3)
    assert stage.side.spec.slots == 2
    with trio.move_on_after(30):
        async with stage.running():
            await stage.pass_by_at_a_pace(20)
            assert stage.ring.free >= 1


@pytest.mark.parametrize("frames", [[HANG], [Act(FOUND, takes_s=0.9)], [RAISED, CRASH, HANG, HANG, HANG]])
async def test_the_end_is_bounded(autojump_clock: MockClock, frames: Sequence[Act | Ending]) -> None:
    """It has the frame that it works on and the newest, each with its own time limit."""
    stage = Beside(FakeProcess(frames=frames))
    async with stage.running():
        stage.finish(*stage.pass_by(0, 1))
        await wait_all_tasks_blocked()
        ended = trio.current_time()
    assert trio.current_time() - ended <= 2 * 1.0 + 0.5


@pytest.mark.parametrize("after_s", [0.0, 1.0, 4.2, 4.7, 5.2])
async def test_cancelled_it_gives_everything_back(autojump_clock: MockClock, after_s: float) -> None:
    """While it prepares, works on a frame, or is idle."""
    stage = Beside(FakeProcess(prepare=[Act(DONE, takes_s=4.0)], frames=[SLOW, SLOW]))
    with trio.move_on_after(after_s) as scope:
        async with stage.running():
            stage.finish(*stage.pass_by(0, 1, 2))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    stage.check_gone()


async def test_a_ring_that_is_given_up_waits_for_nobody_at_the_side(autojump_clock: MockClock) -> None:
    """Its descriptor is closed when the last frame has come back."""
    stage = Beside(FakeProcess(frames=[SLOW, SLOW]))
    async with stage.running():
        stage.finish(*stage.pass_by(0, 1))
        await wait_all_tasks_blocked()
        await stage.ring.wait_unused()
        stage.ring.close()
        assert stage.ring.fd >= 0
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 1", "finalize"]
    assert stage.ring.fd < 0


async def test_its_figures_go_on_after_a_restart(autojump_clock: MockClock) -> None:
    """All three; another run of the same stage goes on as well."""
    stage = Beside(FakeProcess(frames=[SLOW] * 3))
    stage.side.restore(StageState(frames=5, passed_over=7, late=2, finalize=msgspec.Raw(b"null")), "")
    async with stage.running():
        await stage.pass_by_at_a_pace(3)
    assert stage.figures == (7, 8, 4)
    assert stage.side.state().side


async def test_an_inbox_offers_what_is_taken_of_it(autojump_clock: MockClock) -> None:
    """In each way; the stage at the side ends with the inbox."""
    stage = Beside(FakeProcess())
    send, receive = trio.open_memory_channel[FrameTicket](4)
    async with stage.running():
        tickets = [stage.read(index) for index in range(3)]
        for ticket in tickets:
            send.send_nowait(ticket)
        send.close()
        with OfferingInbox(receive, stage.side) as inbox:
            taken = [inbox.receive_nowait()]
            await wait_all_tasks_blocked()
            taken.append(await inbox.receive())
            await wait_all_tasks_blocked()
            taken += [ticket async for ticket in inbox]
        stage.finish(*tickets)
    assert taken == tickets
    assert [told.index for told in stage.frames_told] == [0, 1, 2]
