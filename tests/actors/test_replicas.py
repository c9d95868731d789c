"""A stage whose plugin is stateless and works on several frames at once, in several processes; on the virtual clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import trio
from trio.testing import MockClock

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.messages import Code
from kinora.actors.stages.crew import GROW_AFTER_S
from kinora.actors.stages.inspector import PluginInspector
from kinora.actors.stages.merging import Merge, MergeFailed
from kinora.actors.stages.plugin_process import PluginDied
from kinora.actors.stages.stage_spec import REORDER_FRAMES
from kinora.plugins.api import PluginMetadata
from kinora.plugins.protocol import Done
from kinora.runtime.forking.cores import Cores, Load
from tests.actors.stage_kit import (
    CRASH,
    DONE,
    FOUND,
    HANG,
    JOB,
    NO_DEVICE,
    PLUGIN,
    RAISED,
    RESULT,
    RING,
    Act,
    Ending,
    FakeProcess,
    Stage,
    frame,
)

FRAME_S = 1.0


def works(*endings: Ending, takes_s: float = FRAME_S) -> list[Act]:
    """What a process does with its frames: these endings, each after its time, then many that succeed."""
    found = Done(result=RESULT, run_ms=takes_s * 1000)
    return [Act(ending, takes_s=takes_s) for ending in (*endings, *[found] * 20)]


def stage(
    *processes: FakeProcess,
    cores: Cores | None = None,
    fixed: bool = True,
    max_failures: int = 3,
    device: str = "cpu",
    every: int = 1,
    merge: Merge | None = None,
) -> Stage:
    """A stage of a stateless plugin with so many replicas."""
    metadata = PluginMetadata(name=PLUGIN, stateless=True)
    return Stage(
        *processes,
        cores=cores,
        fixed_replicas=fixed,
        inspector=PluginInspector(JOB, {PLUGIN: metadata}, trio.current_time),
        max_failures=max_failures,
        plugin_timeout_ms=5_000,
        device=device,
        every=every,
        merge=merge,
    )


@contextmanager
def hog(cores: Cores) -> Iterator[None]:
    """Another stage has a core."""
    load = Load()
    cores.begin(load)
    try:
        yield
    finally:
        cores.end(load)


def frames_of(process: FakeProcess) -> list[int]:
    """The indexes that a process was given."""
    return [int(call.split()[1]) for call in process.calls if call.startswith("frame")]


async def test_several_frames_are_processed_at_once_and_told_in_order(autojump_clock: MockClock) -> None:
    """The second process is there from the second frame on: 10 frames take 1 + 9 / 2 seconds."""
    first, second = FakeProcess(frames=works()), FakeProcess(frames=works())
    both = stage(first, second)
    began = trio.current_time()
    await both.run(frames=10)
    assert trio.current_time() - began == pytest.approx(1 + 5 * FRAME_S)
    assert both.indexes == both.with_result == list(range(10))
    assert [told.index for told in both.frames_told] == list(range(10))
    assert sorted(frames_of(first) + frames_of(second)) == list(range(10))
    assert both.statuses == ["started", *["running"] * 10, "completed"]
    assert both.warned == []


async def test_results_wait_for_those_of_earlier_frames(autojump_clock: MockClock) -> None:
    """A frame that takes long holds those behind it back, and does not stop the work on a few of them."""
    first = FakeProcess(frames=[Act(FOUND), Act(FOUND), Act(FOUND, takes_s=4.0)])
    second = FakeProcess(frames=works(takes_s=0.5))
    both = stage(first, second)
    await both.run(frames=9)
    assert [told.index for told in both.frames_told] == list(range(9))
    assert both.indexes == list(range(9))
    assert len(frames_of(second)) > 2


async def test_a_ring_that_frames_have_outgrown_stays_until_a_replica_has_taken_it(autojump_clock: MockClock) -> None:
    """The source closes its ring while a further process starts, which is still prepared with it."""
    first, second = FakeProcess(frames=works()), FakeProcess(start=[Act(DONE, takes_s=3.0)], frames=works())
    both, outgrown = stage(first, second), JobRing(2, 3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(both.run_alone)
        await both.entrance.send(frame(0, outgrown))
        await both.exit.receive()
        outgrown.close()
        await trio.sleep(5.0)
        for index in (1, 2):
            await both.entrance.send(frame(index))
        both.entrance.close()
        async for ticket in both.exit:
            both.passed_on.append(ticket)
    both.check_closed()
    assert second.rings == [outgrown]
    assert outgrown.fd < 0
    assert both.with_result == [1, 2]
    assert both.warned == []


async def test_no_replica_is_prepared_with_a_ring_that_is_gone(autojump_clock: MockClock) -> None:
    """The frames of a batch that failed may have left the stage, and their ring, before it is seen what they cost."""
    first, second = FakeProcess(batches=[RAISED], frames=works(takes_s=0.1), max_batch=2), FakeProcess()
    both = Stage(first, second, fixed_replicas=True, max_batch=2, tell_takes_s=0.5)
    outgrown = JobRing(2, 3, batch=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(both.run_alone)
        for index in (0, 1):
            await both.entrance.send(frame(index, outgrown))
        for _ in range(2):
            await both.exit.receive()
        outgrown.close()
        await trio.sleep(5.0)
        await both.entrance.send(frame(2))
        both.passed_on.append(await both.exit.receive())
        await trio.sleep(5.0)
        both.entrance.close()
    both.check_closed()
    assert both.with_result == [2]
    assert second.rings == [RING]


async def test_frames_out_of_turn_stay_in_order_and_are_bounded(autojump_clock: MockClock) -> None:
    """They wait behind those that are at work, and no more of them than of others."""
    first, second = FakeProcess(frames=works()), FakeProcess(frames=works())
    both = stage(first, second, every=3)
    most = 0

    async def watch() -> None:
        nonlocal most
        while both.process.alive or not both.passed_on:
            most = max(most, len(both.runner._flights))
            await trio.sleep(FRAME_S / 10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await both.run(frames=30)
    assert both.indexes == list(range(30))
    assert both.with_result == sorted(frames_of(first) + frames_of(second)) == list(range(0, 30, 3))
    assert len(frames_of(second)) > 2
    assert most <= 2 + REORDER_FRAMES


async def test_a_further_process_is_started_once_frames_have_waited_long_enough(autojump_clock: MockClock) -> None:
    """Not for a short job: it costs memory."""
    takes_s = 0.05
    waits = round(GROW_AFTER_S / takes_s)
    for frames, starts in ((waits, 0), (waits + 3, 1)):
        first, second = FakeProcess(frames=works(takes_s=takes_s)), FakeProcess(frames=works(takes_s=takes_s))
        await stage(first, second, fixed=False).run(frames=frames)
        assert len(second.starts) == starts


async def test_no_further_process_is_started_while_no_core_is_idle(autojump_clock: MockClock) -> None:
    """Others are at work on all of them."""
    cores = Cores(2)
    second = FakeProcess()
    with hog(cores):
        await stage(FakeProcess(frames=works()), second, cores=cores, fixed=False).run(frames=10)
    assert second.starts == []


async def test_a_further_process_works_on_idle_cores_only(autojump_clock: MockClock) -> None:
    """While another stage has a core one process works at a time; both do at once when that core is idle again."""
    cores = Cores(2)
    first, second = FakeProcess(frames=works()), FakeProcess(frames=works())
    both = stage(first, second, cores=cores, fixed=False)

    def begun() -> int:
        return len(frames_of(first) + frames_of(second))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(both.run, 20)
        await trio.sleep(2.75)
        assert frames_of(second)
        with hog(cores):
            await trio.sleep(1)
            before = begun()
            await trio.sleep(5)
            assert begun() == before + 5
        await trio.testing.wait_all_tasks_blocked()
        assert begun() == before + 6
    assert both.with_result == list(range(20))


async def test_a_number_of_replicas_is_that_number(autojump_clock: MockClock) -> None:
    """A client that sets it wants so many, whatever the cores do: a plugin may wait for a network, or for a GPU."""
    cores = Cores(1)
    first, second = FakeProcess(frames=works()), FakeProcess(frames=works())
    with hog(cores):
        await stage(first, second, cores=cores).run(frames=6)
    assert len(frames_of(second)) >= 2


async def test_the_state_says_how_many_are_at_work(autojump_clock: MockClock) -> None:
    """One at first, none when the stage has ended."""
    both = stage(FakeProcess(frames=works()), FakeProcess(frames=works()))
    seen = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(both.run, 9)
        for _ in range(4):
            await trio.sleep(0.9)
            seen.append(both.runner.state().replicas)
    assert (seen[0], seen[-1], both.runner.state().replicas) == (1, 2, 0)


# Failures


@pytest.mark.parametrize("ending", [CRASH, HANG, RAISED], ids=["dies", "hangs", "raises"])
async def test_a_failure_costs_its_frame_only(autojump_clock: MockClock, ending: Ending) -> None:
    """Whichever process it happens in; the others go on, and another one is started for one that has ended."""
    for processes in (
        (FakeProcess(frames=works(FOUND, FOUND, ending)), FakeProcess(frames=works())),
        (FakeProcess(frames=works()), FakeProcess(frames=works(FOUND, ending))),
    ):
        both = stage(*processes)
        await both.run(frames=12)
        assert both.indexes == list(range(12))
        assert len(both.with_result) == 11
        assert len(both.warned) == 1
        state = both.runner.state()
        assert (state.failures, state.restarts, state.status) == (1, 0 if ending is RAISED else 1, "completed")


SCRIPTS: dict[str, Sequence[Ending]] = {
    "dies on three in a row": [FOUND, FOUND, CRASH, CRASH, CRASH, FOUND, FOUND, FOUND],
    "dies and hangs": [FOUND, CRASH, HANG, CRASH, FOUND, FOUND],
    "raises three times in a row": [FOUND, RAISED, RAISED, RAISED, FOUND, FOUND],
    "dies twice, works, dies twice": [CRASH, CRASH, FOUND, CRASH, CRASH, FOUND, FOUND],
}
"""What becomes of each frame, whichever process works on it."""


@pytest.mark.parametrize("does", SCRIPTS)
async def test_frames_bear_what_they_would_with_one_process(autojump_clock: MockClock, does: str) -> None:
    """Also where the plugin is disabled: work on later frames that was under way by then does not count."""
    script: dict[int, Act | Ending] = {n: Act(ending, takes_s=0.5) for n, ending in enumerate(SCRIPTS[does])}
    alone = stage(FakeProcess(at=script))
    several = stage(FakeProcess(at=script), FakeProcess(at=script), FakeProcess(at=script))
    for each in (alone, several):
        await each.run(frames=12)
    assert several.with_result == alone.with_result
    assert several.indexes == alone.indexes == list(range(12))
    assert several.warned == alone.warned
    now, then = several.runner.state(), alone.runner.state()
    assert (now.status, now.failures, now.frames) == (then.status, then.failures, then.frames)


async def test_a_disabled_plugin_is_ended_on_all_frames(autojump_clock: MockClock) -> None:
    """The other process hangs on a later frame at that time, and is not waited for."""
    first = FakeProcess(at={2: Act(CRASH, takes_s=0.5), 3: HANG})
    second = FakeProcess(at={2: Act(CRASH, takes_s=0.5), 3: HANG})
    both = stage(first, second, max_failures=1)
    began = trio.current_time()
    await both.run(frames=6)
    assert trio.current_time() - began < 2.0
    assert both.codes == [Code.PLUGIN_CRASH, Code.PLUGIN_DISABLED]
    assert both.indexes == list(range(6))


@pytest.mark.parametrize("ending", [RAISED, CRASH, HANG], ids=["raises", "dies", "hangs"])
async def test_another_process_that_cannot_be_prepared_costs_nothing(autojump_clock: MockClock, ending: Ending) -> None:
    """The stage goes on with those that it has, says so once, and counts no failure: alone it would work as well."""
    first, second = FakeProcess(frames=works()), FakeProcess(prepare=[ending] * 9, ends_in_s=2 * FRAME_S)
    both = stage(first, second, max_failures=1)
    await both.run(frames=8)
    assert both.with_result == list(range(8))
    assert len(second.starts) == 1
    (warned,) = both.warned
    assert warned[1:] == ("low", None)
    state = both.runner.state()
    assert (state.failures, state.restarts, state.last_error, state.health) == (0, 0, None, "ok")


async def test_when_all_processes_have_ended_the_frame_waits_for_the_next_one(autojump_clock: MockClock) -> None:
    """As when the fork server has ended: each loses its frame, and no failure counts."""
    gone = PluginDied(Code.PLUGIN_CRASH, "its process ended with the fork server", blameless=True)
    at = {3: Act(gone, takes_s=0.5), 4: Act(gone, takes_s=0.5)}
    first, second = (FakeProcess(at=at, frames=works(takes_s=0.2)) for _ in range(2))
    both = stage(first, second, max_failures=1)
    await both.run(frames=12)
    assert both.with_result == [n for n in range(12) if n not in {3, 4}]
    assert both.runner.state().failures == 0
    assert len(first.starts) + len(second.starts) == 4


async def test_each_process_leaves_a_device_that_failed(autojump_clock: MockClock) -> None:
    """The frame is looked at once more on the CPU, and it is told once."""
    first, second = FakeProcess(frames=works(FOUND, FOUND, NO_DEVICE)), FakeProcess(frames=works(NO_DEVICE))
    both = stage(first, second, device="cuda:0")
    await both.run(frames=10)
    assert both.with_result == list(range(10))
    assert both.codes == [Code.DEVICE_FALLBACK]
    assert both.runner.state().failures == 0


# The end


async def test_each_process_is_finalized_and_the_first_result_counts(autojump_clock: MockClock) -> None:
    """So each can free what it holds; no process of several has seen all frames."""
    processes = [
        FakeProcess(frames=works(), finalize=Act(Done(result=b'{"n": %d}' % n, run_ms=1.0), takes_s=2.0))
        for n in (1, 2)
    ]
    both = stage(*processes)
    await both.run(frames=6)
    assert [process.calls[-1] for process in processes] == ["finalize"] * 2
    assert bytes(both.runner.state().finalize) == b'{"n": 1}'


async def test_with_merge_the_results_of_all_processes_count(autojump_clock: MockClock) -> None:
    """In the order of the processes, whichever is first; one that fails costs the joint result only."""

    async def merge(results: Sequence[bytes]) -> Done:  # noqa: ASYNC124 - a way as Merger.merge is one
        if b"3" in results[-1]:
            raise MergeFailed("ValueError: no good")
        return Done(result=b"[%s]" % b",".join(results), run_ms=1.0)

    for last, final, codes in ((2, b'[{"n": 1},{"n": 2}]', []), (3, b"null", [Code.PLUGIN_ERROR])):
        processes = [
            FakeProcess(frames=works(), finalize=Act(Done(result=b'{"n": %d}' % n, run_ms=1.0), takes_s=4.0 - n))
            for n in (1, last)
        ]
        both = stage(*processes, merge=merge)
        await both.run(frames=6)
        assert (bytes(both.runner.state().finalize), both.codes) == (final, codes)


async def test_it_ends_while_another_process_is_prepared(autojump_clock: MockClock) -> None:
    """The last frame does not wait for a process that is not needed any more."""
    first, second = FakeProcess(frames=works()), FakeProcess(prepare=[Act(DONE, takes_s=60.0)])
    both = stage(first, second)
    began = trio.current_time()
    await both.run(frames=3)
    assert trio.current_time() - began == pytest.approx(3 * FRAME_S)
    assert (len(second.starts), second.alive) == (1, False)


@pytest.mark.parametrize("frames", [4, 5])
async def test_it_ends_when_another_process_would_have_been_next(autojump_clock: MockClock, frames: int) -> None:
    """Which of the two comes first is a matter of chance, so it is tried often."""
    for _ in range(20):
        three = stage(*(FakeProcess(frames=works()) for _ in range(3)))
        await three.run(frames=frames)
        assert three.with_result == list(range(frames))


@pytest.mark.parametrize("after_s", [0.5, 1.5, 2.5, 5.2])
async def test_cancelled_it_ends_all_processes_at_once(autojump_clock: MockClock, after_s: float) -> None:
    """Wherever it is; what has passed on is in order."""
    first, second = FakeProcess(frames=works()), FakeProcess(prepare=[Act(DONE, takes_s=1.2)], frames=works())
    both = stage(first, second)
    began = trio.current_time()
    await both.cancelled_after(after_s, frames=20)
    assert trio.current_time() - began == pytest.approx(after_s)
    assert both.indexes == list(range(len(both.indexes)))


async def test_it_may_be_run_again(autojump_clock: MockClock) -> None:
    """As after a pause: it begins with one process again, and the figures go on."""
    first, second = FakeProcess(frames=works()), FakeProcess(frames=works())
    both = stage(first, second)
    await both.run(frames=4)
    both.entrance, both.inbox = trio.open_memory_channel(1)
    both.outbox, both.exit = trio.open_memory_channel(1)
    await both.run(frames=4)
    assert (len(first.starts), len(second.starts)) == (2, 2)
    assert both.runner.state().frames == 8


# Threads


async def test_a_plugin_alone_may_use_all_cores(autojump_clock: MockClock) -> None:
    """Its libraries have as many threads as there are cores."""
    process = FakeProcess(frames=works())
    await stage(process, cores=Cores(4)).run(frames=3)
    assert set(process.threads) == {4}


async def test_threads_follow_what_others_leave(autojump_clock: MockClock) -> None:
    """While others are at work on two of four cores it has two threads, after a second or so; then four again."""
    cores = Cores(4)
    process = FakeProcess(frames=works(takes_s=0.25))
    async with trio.open_nursery() as nursery:
        with hog(cores), hog(cores):
            nursery.start_soon(stage(process, cores=cores).run, 20)
            await trio.sleep(2.5)
    assert [process.threads[n] for n in (0, 9, 19)] == [4, 2, 4]


async def test_replicas_come_before_threads(autojump_clock: MockClock) -> None:
    """Several processes share what is left for the stage."""
    first, second = FakeProcess(frames=works()), FakeProcess(frames=works())
    await stage(first, second, cores=Cores(4)).run(frames=12)
    assert first.threads[0] == 4
    assert {first.threads[-1], second.threads[-1]} == {2}


async def test_a_decoder_counts_with_its_processor_time(autojump_clock: MockClock) -> None:
    """Half a second of it for each half second is one core."""
    cores = Cores(2)
    load = Load()
    assert cores.threads(load, 1) == 2
    for _ in range(10):
        await trio.sleep(0.5)
        cores.spent(0.5)
    assert cores.threads(load, 1) == 1
    assert cores.threads(load, 5) == 1
