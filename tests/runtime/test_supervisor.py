"""A supervisor starts in order, stops in reverse, restarts within reason, and says when it gives up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.runtime.supervisor import (
    ChildReturned,
    ChildSpec,
    RestartIntensityExceeded,
    RestartPolicy,
    Supervisor,
)

Restart = Literal["permanent", "transient", "temporary"]


class Crash(Exception):
    """The exception that children crash with."""


class Thing:
    """A child that notes what happens to it and crashes on demand."""

    def __init__(self, name: str, record: list[str]) -> None:
        self.name = name
        self.record = record
        self.starts = 0
        self.start_s = 1.0
        self.end_s = 0.0
        self.fails_to_start = False
        self.crashes_after_s: float | None = None
        self.ignores_stop = False
        self.stopping = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Come up after ``start_s`` and stay, or do what the attributes say."""
        self.starts += 1
        self.record.append(f"{self.name} starts")
        try:
            await trio.sleep(self.start_s)
            if self.fails_to_start:
                raise Crash(self.name)
            task_status.started()
            self.record.append(f"{self.name} up")
            if self.crashes_after_s is not None:
                await trio.sleep(self.crashes_after_s)
                raise Crash(self.name)
            await self.stopping.wait()
            if self.ignores_stop:
                await trio.sleep_forever()
            await trio.sleep(self.end_s)
        finally:
            self.record.append(f"{self.name} down")

    def stop(self) -> None:
        """End after ``end_s``."""
        self.stopping.set()

    def spec(
        self,
        *,
        polite: bool = True,
        grace_s: float = 5.0,
        restart: Restart = "permanent",
        optional: bool = False,
    ) -> ChildSpec:
        """This thing as a child."""
        return ChildSpec(
            name=self.name,
            run=self.run,
            stop=self.stop if polite else None,
            grace_s=grace_s,
            restart=restart,
            optional=optional,
        )


def three() -> tuple[list[str], list[Thing]]:
    """Things a, b and c with one record."""
    record: list[str] = []
    return record, [Thing(name, record) for name in "abc"]


async def test_each_start_waits_for_the_one_before(autojump_clock: MockClock) -> None:
    """A child starts when the one before it is up, and the supervisor is up when all are."""
    record, things = three()
    supervisor = Supervisor("s", [thing.spec() for thing in things])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        assert record == ["a starts", "a up", "b starts", "b up", "c starts", "c up"]
        assert all(supervisor.is_up(name) for name in "abc")
        supervisor.stop()


@pytest.mark.parametrize("polite", [True, False])
@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_stops_in_reverse_order(autojump_clock: MockClock, how: str, polite: bool) -> None:
    """Asked or cancelled, polite children or not: the last started ends first, and each before the next."""
    record, things = three()
    for thing in things:
        thing.end_s = 1
    supervisor = Supervisor("s", [thing.spec(polite=polite) for thing in things])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        record.clear()
        supervisor.stop() if how == "stop" else nursery.cancel_scope.cancel()
    assert record == ["c down", "b down", "a down"]
    assert not any(supervisor.is_up(name) for name in "abc")


async def test_a_child_that_does_not_listen_is_cancelled_after_its_grace(autojump_clock: MockClock) -> None:
    """Politeness ends with the grace, and the others are stopped in order all the same."""
    record, things = three()
    things[1].ignores_stop = True
    supervisor = Supervisor("s", [thing.spec(grace_s=2) for thing in things])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        record.clear()
        before = trio.current_time()
        supervisor.stop()
    assert trio.current_time() - before == pytest.approx(2)
    assert record == ["c down", "b down", "a down"]


async def test_a_stop_that_raises_does_not_keep_the_others_up(autojump_clock: MockClock) -> None:
    """An error in asking a child to stop is noted, the child cancelled, and the rest stopped."""
    record, things = three()
    specs = [thing.spec() for thing in things]

    def broken() -> None:
        raise Crash("no stop")

    specs[2] = ChildSpec(name="c", run=things[2].run, stop=broken)
    supervisor = Supervisor("s", specs)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        record.clear()
        supervisor.stop()
    assert record == ["c down", "b down", "a down"]
    assert supervisor.statistics().children[2].last_error == repr(Crash("no stop"))


async def test_only_the_crashed_child_is_restarted(autojump_clock: MockClock) -> None:
    """A crash of one child leaves the others running."""
    _, things = three()
    things[1].crashes_after_s = 30
    supervisor = Supervisor("s", [thing.spec() for thing in things])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(40)
        assert [thing.starts for thing in things] == [1, 2, 1]
        child = supervisor.statistics().children[1]
        assert (child.state, child.restarts, child.last_error) == ("up", 1, repr(Crash("b")))
        supervisor.stop()


async def test_a_restarted_child_is_still_stopped_in_its_place(autojump_clock: MockClock) -> None:
    """After a restart of the first child, a cancellation still ends it last."""
    record, things = three()
    things[0].crashes_after_s = 20
    supervisor = Supervisor("s", [thing.spec() for thing in things])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(25)
        assert things[0].starts == 2
        record.clear()
        nursery.cancel_scope.cancel()
    assert record == ["c down", "b down", "a down"]


async def test_too_many_crashes_end_everything(autojump_clock: MockClock) -> None:
    """Crashes are counted over all needed children; one too many stops all and comes out, the crash as its cause."""
    record, things = three()
    things[0].crashes_after_s = things[1].crashes_after_s = 5
    supervisor = Supervisor("s", [thing.spec() for thing in things], intensity=3, period_s=60)
    with pytest.raises(RestartIntensityExceeded) as caught:
        await supervisor.run()
    assert isinstance(caught.value.__cause__, Crash)
    assert things[0].starts + things[1].starts == 2 + 3
    assert things[2].starts == 1
    assert {line for line in record[-3:] if line.endswith("down")} >= {"c down"}


async def test_crashes_long_ago_do_not_count(autojump_clock: MockClock) -> None:
    """A child that crashes now and then is restarted for ever."""
    _, things = three()
    things[0].crashes_after_s = 25
    supervisor = Supervisor("s", [things[0].spec()], intensity=3, period_s=60)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(500)
        assert things[0].starts > 15
        await trio.sleep(20)
        assert supervisor.statistics().children[0].state != "down"
        supervisor.stop()


async def test_an_optional_child_stays_down_and_the_rest_goes_on(autojump_clock: MockClock) -> None:
    """Its crashes neither stop the others nor use up their restarts, even if it never came up."""
    _, things = three()
    things[1].fails_to_start = True
    things[2].crashes_after_s = 100
    supervisor = Supervisor("s", [things[0].spec(), things[1].spec(optional=True), things[2].spec()])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(150)
        assert things[1].starts == 4
        assert not supervisor.is_up("b")
        assert (things[0].starts, things[2].starts) == (1, 2)
        assert supervisor.is_up("a")
        supervisor.stop()


async def test_a_failed_start_comes_out_as_it_is(autojump_clock: MockClock) -> None:
    """A needed child that fails in its first start stops those before it; later ones never start."""
    record, things = three()
    things[1].fails_to_start = True
    supervisor = Supervisor("s", [thing.spec() for thing in things])
    with pytest.RaisesGroup(Crash):
        async with trio.open_nursery() as nursery:
            with pytest.raises(Crash, match="b"):
                await nursery.start(supervisor.run)
            raise Crash("the start raised, as it should")
    assert record == ["a starts", "a up", "b starts", "b down", "a down"]


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_a_start_can_be_broken_off(autojump_clock: MockClock, how: str) -> None:
    """Asked to stop or cancelled while a child starts, the supervisor ends without waiting for it."""
    record, things = three()
    things[1].start_s = 1_000
    supervisor = Supervisor("s", [thing.spec() for thing in things])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        await trio.sleep(10)
        supervisor.stop() if how == "stop" else nursery.cancel_scope.cancel()
    assert trio.current_time() < 100
    assert record == ["a starts", "a up", "b starts", "b down", "a down"]


async def test_a_child_that_waits_for_its_restart_can_be_stopped(autojump_clock: MockClock) -> None:
    """A stop in the back-off neither waits for it nor starts the child again."""
    _, things = three()
    things[0].crashes_after_s = 1
    supervisor = Supervisor("s", [things[0].spec()], backoff_s=500, backoff_max_s=500)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(10)
        assert supervisor.statistics().children[0].state == "starting"
        supervisor.stop()
    assert things[0].starts == 1
    assert trio.current_time() < 100


@pytest.mark.parametrize(("restart", "starts"), [("permanent", 2), ("transient", 1), ("temporary", 1)])
async def test_what_a_return_means(autojump_clock: MockClock, restart: Restart, starts: int) -> None:
    """Only a permanent child is started again when it returns, which counts as a crash."""
    _, things = three()
    supervisor = Supervisor("s", [things[0].spec(restart=restart), things[1].spec()])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        things[0].stop()
        await trio.sleep(0.5)
        things[0].stopping = trio.Event()
        await trio.sleep(10)
        assert things[0].starts == starts
        if restart == "permanent":
            assert ChildReturned.__name__ in str(supervisor.statistics().children[0].last_error)
        supervisor.stop()


@pytest.mark.parametrize(("restart", "starts"), [("transient", 2), ("temporary", 1)])
async def test_what_a_crash_means(autojump_clock: MockClock, restart: Restart, starts: int) -> None:
    """A transient child is started again after a crash, a temporary one is not, and the rest goes on."""
    _, things = three()
    things[0].crashes_after_s = 10
    supervisor = Supervisor("s", [things[0].spec(restart=restart), things[1].spec()])
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(15)
        assert things[0].starts == starts
        assert supervisor.is_up("b")
        supervisor.stop()


async def test_a_supervisor_can_be_a_child(autojump_clock: MockClock) -> None:
    """When the inner one gives up, the outer one restarts it with all its children."""
    _, things = three()
    things[0].crashes_after_s = 1
    inner = Supervisor("inner", [things[0].spec(), things[1].spec()], intensity=1)
    outer = Supervisor("outer", [ChildSpec(name="inner", run=inner.run, stop=inner.stop), things[2].spec()])
    async with trio.open_nursery() as nursery:
        await nursery.start(outer.run)
        await trio.sleep(7)
        assert things[1].starts >= 2
        assert things[2].starts == 1
        assert RestartIntensityExceeded.__name__ in str(outer.statistics().children[0].last_error)
        outer.stop()


async def test_a_cancellation_right_at_the_start_leaves_nothing_running(autojump_clock: MockClock) -> None:
    """A cancellation in the very pass in which a child says that it is up still ends it."""
    record, things = three()
    cancel: list[Callable[[], None]] = []

    async def cancels_and_starts(*, task_status: trio.TaskStatus[None]) -> None:
        cancel[0]()
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            record.append("ended")

    supervisor = Supervisor("s", [things[0].spec(), ChildSpec(name="x", run=cancels_and_starts)])
    async with trio.open_nursery() as nursery:
        cancel.append(nursery.cancel_scope.cancel)
        nursery.start_soon(supervisor.run)
    await wait_all_tasks_blocked()
    assert record == ["a starts", "a up", "ended", "a down"]


async def test_a_stop_before_a_child_has_taken_its_first_step(autojump_clock: MockClock) -> None:
    """If a stop and the start of a child coincide in any way, the supervisor ends and leaves nothing running."""
    for _ in range(30):
        record, things = three()
        supervisor = Supervisor("s", [thing.spec() for thing in things])
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(supervisor.run)
                await trio.sleep(1)
                await trio.lowlevel.checkpoint()
                supervisor.stop()
        assert "c up" not in record
        assert not any(supervisor.is_up(name) for name in "abc")


@given(st.lists(st.floats(0, 50), max_size=40), st.integers(1, 5))
def test_policy_allows_no_more_than_its_intensity(gaps: list[float], intensity: int) -> None:
    """At all times of crashes, a period has no more restarts than allowed, and delays stay in bounds."""
    policy = RestartPolicy(intensity=intensity, period_s=60, backoff_s=0.1, backoff_max_s=5)
    now = 0.0
    restarts: list[float] = []
    for gap in gaps:
        now += gap
        delay = policy.crashed(now)
        recent = [at for at in restarts if at > now - 60]
        assert (delay is None) == (len(recent) >= intensity)
        if delay is not None:
            assert 0.1 <= delay <= 5
            restarts.append(now)


def test_policy_waits_longer_each_time() -> None:
    """The wait doubles with each crash up to its limit, and begins anew after a healthy period."""
    policy = RestartPolicy(intensity=9, period_s=60, backoff_s=0.5, backoff_max_s=3)
    assert [policy.crashed(now) for now in (0, 1, 2, 3, 100)] == [0.5, 1, 2, 3, 0.5]
