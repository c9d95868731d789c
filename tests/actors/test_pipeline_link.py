"""What joins a job to its pipeline: commands go down without waiting, events come up and wait only for room."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, assert_no_checkpoints, wait_all_tasks_blocked

from kinora.actors.pipeline.pipeline_link import (
    EVENTS_WAITING,
    Command,
    CommandQueue,
    Event,
    FrameDone,
    Pause,
    Prepared,
    Reports,
    Resume,
    Stop,
    Watch,
)

COMMANDS: tuple[Command, ...] = (Pause(), Resume(), Stop(), Watch(0.0), Watch(25.0))


def kind(command: Command) -> type[Command]:
    """What a newer one of the same kind replaces."""
    return Pause if isinstance(command, Resume) else type(command)


async def all_of(queue: CommandQueue) -> list[Command]:
    """Take all that waits."""
    taken: list[Command] = []
    with trio.move_on_after(1):
        while True:
            taken.append(await queue.get())
    return taken


def filled(*commands: Command) -> CommandQueue:
    """Put these."""
    queue = CommandQueue()
    for command in commands:
        queue.put(command)
    return queue


@pytest.mark.parametrize(
    ("put", "taken"),
    [
        ((), []),
        ((Stop(),), [Stop()]),
        ((Pause(), Resume()), [Resume()]),
        ((Resume(), Pause()), [Pause()]),
        ((Pause(), Resume(), Pause()), [Pause()]),
        ((Watch(1.0), Watch(0.0)), [Watch(0.0)]),
        ((Stop(), Stop()), [Stop()]),
        ((Pause(), Watch(5.0), Stop()), [Pause(), Watch(5.0), Stop()]),
        ((Pause(), Watch(5.0), Resume()), [Watch(5.0), Resume()]),
        ((Watch(5.0), Stop(), Watch(6.0)), [Stop(), Watch(6.0)]),
    ],
)
async def test_a_newer_command_replaces_what_it_makes_obsolete(
    autojump_clock: MockClock, put: tuple[Command, ...], taken: list[Command]
) -> None:
    """Those that remain come in the order in which they were put."""
    assert await all_of(filled(*put)) == taken


@given(st.lists(st.sampled_from(COMMANDS), max_size=12))
def test_there_are_never_more_than_three(commands: list[Command]) -> None:
    """One of Pause and Resume, one Watch, one Stop: the newest of each, in order, however many were put."""
    taken = trio.run(lambda: all_of(filled(*commands)), clock=MockClock(autojump_threshold=0))
    newest = {kind(command): number for number, command in enumerate(commands)}
    assert taken == [commands[number] for number in sorted(newest.values())]
    assert len(taken) <= 3


async def test_putting_never_waits(autojump_clock: MockClock) -> None:
    """Nor does taking what is there already."""
    with assert_no_checkpoints():
        queue = filled(*COMMANDS * 100)
    assert await queue.get() == Resume()


async def test_a_command_wakes_the_one_that_waits(autojump_clock: MockClock) -> None:
    """Each of several, one after the other, and none twice."""
    queue, taken = CommandQueue(), list[Command]()

    async def take() -> None:
        while True:
            taken.append(await queue.get())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        for command in COMMANDS:
            await wait_all_tasks_blocked()
            queue.put(command)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert taken == list(COMMANDS)


async def test_a_cancelled_get_loses_nothing(autojump_clock: MockClock) -> None:
    """What is put before, while and after a get is cancelled is either taken by it or there for the next one."""
    queue, taken = CommandQueue(), list[Command]()

    async def take() -> None:
        taken.append(await queue.get())

    with trio.move_on_after(1) as scope:
        await queue.get()
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        queue.put(Stop())
        nursery.cancel_scope.cancel()
    queue.put(Pause())
    assert taken + await all_of(queue) == [Stop(), Pause()]


async def test_what_is_told_waits_only_where_there_is_no_room(autojump_clock: MockClock) -> None:
    """As many events as the channel holds are told without a checkpoint; the next one waits until one is taken."""
    send, receive = trio.open_memory_channel[Event](EVENTS_WAITING)
    reports = Reports(send)
    with assert_no_checkpoints():
        for index in range(EVENTS_WAITING):
            await reports.tell(FrameDone(index, b"{}"))
    with trio.move_on_after(60) as scope:
        await reports.tell(Prepared())
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reports.tell, FrameDone(EVENTS_WAITING, b"{}"))
        await wait_all_tasks_blocked()
        assert await receive.receive() == FrameDone(0, b"{}")
    rest = [receive.receive_nowait() for _ in range(EVENTS_WAITING)]
    assert rest == [FrameDone(index + 1, b"{}") for index in range(EVENTS_WAITING)]


async def test_events_of_many_tellers_keep_their_order(autojump_clock: MockClock) -> None:
    """Those that wait for room overtake nobody: each teller's events arrive in the order in which it told them."""
    send, receive = trio.open_memory_channel[Event](2)
    reports = Reports(send)
    arrived: list[int] = []

    async def tell(teller: int) -> None:
        for number in range(20):
            await reports.tell(FrameDone(teller * 100 + number, b"{}"))

    async with trio.open_nursery() as nursery:
        for teller in range(3):
            nursery.start_soon(tell, teller)
        for _ in range(60):
            await trio.sleep(0.01)
            event = await receive.receive()
            assert isinstance(event, FrameDone)
            arrived.append(event.index)
    for teller, (first, second) in product(range(3), pairwise(range(20))):
        assert arrived.index(teller * 100 + first) < arrived.index(teller * 100 + second)
    assert reports.told == 60
