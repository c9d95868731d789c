"""Frames handed to a plugin together, and one by one where that fails, on the virtual clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.messages import Code
from kinora.actors.pipeline.ring_room import batch_that_fits, slots_wanted, waiting_places
from kinora.actors.stages.batching import FRUITLESS_IN_ROW
from kinora.actors.stages.inspector import PluginInspector
from kinora.actors.stages.stage_spec import StageSpec
from kinora.plugins.api import PluginMetadata
from kinora.plugins.protocol import BATCH_BYTES, Done
from tests.actors.stage_kit import (
    CRASH,
    FOUND,
    HANG,
    JOB,
    NO_DEVICE,
    PLUGIN,
    RAISED,
    Act,
    Ending,
    FakeProcess,
    Stage,
    frame,
)

BATCH = 4


def batching(*, takes: int = BATCH, **acts: Any) -> FakeProcess:
    """A process whose plugin takes several frames at once."""
    return FakeProcess(max_batch=takes, **acts)


def work_of(process: FakeProcess) -> list[str]:
    """What it was asked for, but for its preparation and the sum."""
    return [call for call in process.calls if call.startswith(("batch", "frame"))]


async def put(stage: Stage, at: dict[float, Sequence[int]]) -> None:
    """Put frames in front of the stage at these times, then no more."""
    with stage.entrance:
        for time, indexes in at.items():
            await trio.sleep_until(time)
            for index in indexes:
                await stage.entrance.send(frame(index))


async def run(stage: Stage, at: dict[float, Sequence[int]]) -> None:
    """Run the stage over frames that come at these times."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(put, stage, at)
        nursery.start_soon(stage._take)
        await stage.run_alone()
    stage.check_closed()


# Handed over together


async def test_frames_that_wait_go_together(autojump_clock: MockClock) -> None:
    """As many as the plugin takes, in order, then the rest; all is told as if they had come alone."""
    stage = Stage(batching(), max_batch=BATCH)
    await stage.run(frames=10)
    assert work_of(stage.process) == ["batch 0 1 2 3", "batch 4 5 6 7", "batch 8 9"]
    assert stage.indexes == stage.with_result == [told.index for told in stage.frames_told] == list(range(10))
    assert stage.statuses == ["started", *["running"] * 10, "completed"]
    assert stage.warned == []


async def test_a_plugin_that_takes_one_gets_one(autojump_clock: MockClock) -> None:
    """Because its metadata says so, or the prepared plugin, or the ring has no room for more."""
    for process, most in ((batching(), 1), (batching(takes=1), BATCH)):
        stage = Stage(process, max_batch=most)
        await stage.run(frames=3)
        assert work_of(process) == ["frame 0", "frame 1", "frame 2"]
        assert [at for at, _ in process.handed_over] == []
    tight = JobRing(2, 3, batch=2)
    stage = Stage(batching(), max_batch=BATCH)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run_alone)
        nursery.start_soon(stage._take)
        with stage.entrance:
            for index in range(4):
                await stage.entrance.send(frame(index, tight))
    assert work_of(stage.process) == ["batch 0 1", "batch 2 3"]
    tight.close()


async def test_the_first_of_a_batch_waits_no_longer_than_it_may(autojump_clock: MockClock) -> None:
    """The wait begins when it comes to the stage, be that while the plugin is at work."""
    process = batching(batches=[Act(FOUND, takes_s=0.5)])
    stage = Stage(process, max_batch=BATCH, batch_wait_ms=50)
    begin = trio.current_time()
    times: dict[float, Sequence[int]] = {0.0: [0], 0.04: [1], 0.06: [2], 0.5: [3], 0.56: [4], 0.58: [5]}
    await run(stage, {begin + at: indexes for at, indexes in times.items()})
    handed_over = [(round(at - begin, 3), batch) for at, batch in process.handed_over]
    assert handed_over == [(0.049, [0, 1]), (0.549, [2, 3]), (0.58, [4, 5])]


async def test_where_a_wait_would_be_in_vain_there_is_none(autojump_clock: MockClock) -> None:
    """As before a camera: its next picture comes later than a batch may wait."""
    stage = Stage(batching(), max_batch=BATCH, batch_wait_ms=20)
    begin = trio.current_time()
    await run(stage, {begin + 0.04 * index: [index] for index in range(8)})
    assert work_of(stage.process) == [f"frame {index}" for index in range(8)]
    waited = [told.queue_ms for told in stage.frames_told]
    assert waited[0] == 19
    assert set(waited[2:]) == {0}


async def test_each_frame_has_its_share_of_the_time(autojump_clock: MockClock) -> None:
    """The figures count frames, and their times add up to the plugin's."""
    inspector = PluginInspector(JOB, {PLUGIN: PluginMetadata(name=PLUGIN, max_batch=BATCH)}, trio.current_time)
    stage = Stage(batching(), max_batch=BATCH, inspector=inspector)
    await stage.run(frames=8)
    assert [told.timing_ms for told in stage.frames_told] == [4.0] * 8
    summary = inspector.run_ms(PLUGIN)
    assert summary is not None
    assert (summary.mean, summary.max) == (4.0, 4.0)
    assert inspector.collect_timings() == {PLUGIN: 8 * 4.0 + 1.0 + 1.0}
    assert stage.runner.state().frames == 8


async def test_a_batch_is_no_larger_than_its_time_allows(autojump_clock: MockClock) -> None:
    """A frame of a fifth of the time limit: two of them are done in time, four would be killed."""
    slow = Done(result=b"{}", run_ms=200.0)
    stage = Stage(batching(batches=[slow] * 9, frames=[slow] * 9), max_batch=BATCH, plugin_timeout_ms=1_000)
    await stage.run(frames=8)
    assert work_of(stage.process) == ["batch 0 1 2 3", "batch 4 5", "batch 6 7"]


async def test_results_of_earlier_plugins_that_are_too_large_together_go_one_by_one(autojump_clock: MockClock) -> None:
    """A request has a limit."""
    stage = Stage(batching(), max_batch=BATCH)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run_alone)
        nursery.start_soon(stage._take)
        with stage.entrance:
            for index in range(3):
                ticket = frame(index)
                ticket.results["large"] = bytes(BATCH_BYTES // 2)
                await stage.entrance.send(ticket)
    assert work_of(stage.process) == ["frame 0", "frame 1", "frame 2"]
    assert stage.with_result == [0, 1, 2]


async def test_frames_that_are_not_its_turn_pass_a_batch(autojump_clock: MockClock) -> None:
    """They keep their place in the order, and are not handed over."""
    stage = Stage(batching(), max_batch=BATCH, every=2)
    await stage.run(frames=8)
    assert work_of(stage.process) == ["batch 0 2", "batch 4 6"]
    assert stage.indexes == list(range(8))
    assert stage.with_result == [0, 2, 4, 6]


# One bad frame costs one frame


@pytest.mark.parametrize(
    ("ending", "code", "severity"),
    [
        (RAISED, Code.PLUGIN_ERROR, "medium"),
        (CRASH, Code.PLUGIN_CRASH, "high"),
        (HANG, Code.PLUGIN_TIMEOUT, "high"),
    ],
)
async def test_one_bad_frame_costs_one_frame(
    autojump_clock: MockClock, ending: Ending, code: Code, severity: str
) -> None:
    """Its warning names it. The batch's own failure is neither told nor counted: it is that frame's."""
    process = batching(batches=[FOUND, ending], frames=[FOUND, ending])
    stage = Stage(process, max_batch=BATCH, max_failures=2)
    await stage.run(frames=12)
    batches = ["batch 0 1 2 3", "batch 4 5 6 7", "frame 4", "frame 5", "frame 6", "frame 7", "batch 8 9 10 11"]
    assert work_of(process) == batches
    assert stage.indexes == list(range(12))
    assert stage.with_result == [index for index in range(12) if index != 5]
    assert [warned for warned in stage.warned if warned[0] != Code.STATE_LOST] == [(code, severity, "frame-000005")]
    state = stage.runner.state()
    assert (state.failures, state.status, state.health) == (1, "completed", "ok")
    assert state.restarts == len(process.starts) - 1 == (0 if ending is RAISED else 2)


async def test_a_stateful_plugin_says_where_it_began_anew(autojump_clock: MockClock) -> None:
    """After a batch that killed its process, on the first of its frames."""
    stage = Stage(batching(batches=[FOUND, CRASH]), max_batch=BATCH)
    await stage.run(frames=8)
    assert (Code.STATE_LOST, "medium", "frame-000004") in stage.warned


async def test_what_fails_as_ever_is_disabled_as_ever(autojump_clock: MockClock) -> None:
    """Three frames in a row, each alone: the batch before them does not count."""
    stage = Stage(batching(batches=[CRASH] * 9, frames=[FOUND, *[CRASH] * 9]), max_batch=BATCH, max_failures=3)
    await stage.run(frames=8)
    assert stage.with_result == [0]
    assert stage.indexes == list(range(8))
    assert (Code.PLUGIN_CRASH, "high", "frame-000001") in stage.warned
    assert stage.codes[-1] == Code.PLUGIN_DISABLED
    assert stage.runner.state().failures == 3
    assert stage.statuses[-1] == "failed"
    assert work_of(stage.process) == ["batch 0 1 2 3", "frame 0", "frame 1", "frame 2", "frame 3"]


async def test_batches_that_fail_for_no_frame_end(autojump_clock: MockClock) -> None:
    """Each is told once; after some in a row the frames come one by one, and no result is missing."""
    stage = Stage(batching(batches=[RAISED] * 99), max_batch=BATCH)
    await stage.run(frames=BATCH * (FRUITLESS_IN_ROW + 2))
    batches = [call for call in work_of(stage.process) if call.startswith("batch")]
    assert len(batches) == FRUITLESS_IN_ROW
    assert stage.with_result == list(range(BATCH * (FRUITLESS_IN_ROW + 2)))
    assert {warned[:2] for warned in stage.warned} == {(Code.PLUGIN_ERROR, "medium")}
    texts = stage.warnings.texts()
    assert any("a batch of 4 frames failed, and none of them alone" in text for text in texts)
    assert any("one by one from here on" in text for text in texts)
    assert stage.runner.state().health == "ok"


async def test_a_device_that_fails_on_a_batch_gets_the_frames_alone(autojump_clock: MockClock) -> None:
    """A batch may be too large for its memory; only if a frame fails as well is the CPU used."""
    stage = Stage(batching(batches=[NO_DEVICE]), max_batch=BATCH, device="cuda:0")
    await stage.run(frames=4)
    assert stage.with_result == [0, 1, 2, 3]
    assert stage.runner.device == "cuda:0"
    stage = Stage(batching(batches=[NO_DEVICE], frames=[NO_DEVICE]), max_batch=BATCH, device="cuda:0")
    await stage.run(frames=4)
    assert stage.with_result == [0, 1, 2, 3]
    assert stage.runner.device == "cpu"
    assert stage.codes == [Code.DEVICE_FALLBACK]


@pytest.mark.parametrize("after_s", [0.01, 0.03])
async def test_cancelled_while_it_gathers_or_works(autojump_clock: MockClock, after_s: float) -> None:
    """Nothing is left of its process."""
    stage = Stage(batching(batches=[Act(FOUND, takes_s=10)]), max_batch=BATCH)
    with trio.move_on_after(after_s):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage._take)
            nursery.start_soon(stage.run_alone)
            for index in range(2):
                await stage.entrance.send(frame(index))
            await trio.sleep_forever()
    stage.check_closed()


# In several replicas


async def test_each_replica_takes_a_batch(autojump_clock: MockClock) -> None:
    """They work at the same time, and all is told in the order of the frames, though a later batch is done first."""
    first = batching(batches=[FOUND, *[Act(FOUND, takes_s=1.0)] * 9])
    second = batching(batches=[Act(FOUND, takes_s=0.1)] * 9)
    stage = Stage(first, second, fixed_replicas=True, max_batch=BATCH, plugin_timeout_ms=10_000)
    await stage.run(frames=60)
    assert stage.indexes == stage.with_result == [told.index for told in stage.frames_told] == list(range(60))
    assert len(second.handed_over) > 1
    assert all(len(batch) <= BATCH for process in (first, second) for _, batch in process.handed_over)
    spans = [at for at, _ in second.handed_over]
    assert any(begin < at < begin + 1.0 for begin, _ in first.handed_over for at in spans)


@pytest.mark.parametrize("ending", [RAISED, CRASH, HANG])
async def test_a_batch_that_fails_in_a_replica_costs_one_frame(autojump_clock: MockClock, ending: Ending) -> None:
    """Its frames go one by one there, while others take the batches behind it."""
    first = batching(batches=[FOUND, ending], at={5: ending})
    second = batching(batches=[Act(FOUND, takes_s=0.01)] * 20, at={5: ending})
    stage = Stage(first, second, fixed_replicas=True, max_batch=BATCH, max_failures=2)
    await stage.run(frames=40)
    assert stage.indexes == list(range(40))
    assert stage.with_result == [index for index in range(40) if index != 5]
    assert [frame_id for code, _, frame_id in stage.warned if code != Code.STATE_LOST] == ["frame-000005"]
    assert stage.runner.state().failures == 1


# The room for them


def spec(max_batch: int) -> StageSpec:
    """A stage that takes so many at once."""
    return StageSpec(
        job_id=JOB,
        plugin=PLUGIN,
        options={},
        device="cpu",
        plugin_timeout_ms=1,
        prepare_timeout_ms=1,
        max_failures=1,
        max_errors=1,
        max_batch=max_batch,
    )


def test_a_batch_has_room_before_and_behind_its_stage() -> None:
    """But with ``latest``, where the newest frame counts and none gathers."""
    stages = [spec(1), spec(8), spec(1), spec(1)]
    assert waiting_places(stages, "wait") == [1, 8, 8, 1, 1]
    assert waiting_places(stages, "latest") == [1, 1, 1, 1, 1]
    assert waiting_places([], "wait") == [1]


@pytest.mark.parametrize(
    ("batches", "slots", "fits"), [([8], 16, 8), ([8], 15, 7), ([8], 1, 1), ([1, 4], 10, 4), ([1], 2, 1), ([], 4, 1)]
)
def test_batches_are_as_large_as_the_ring_allows(batches: Sequence[int], slots: int, fits: int) -> None:
    """A smaller one leaves room for those that wait."""
    stages = [spec(batch) for batch in batches]
    places = waiting_places(stages, "wait")
    assert batch_that_fits(stages, places, slots) == fits
    assert fits == 1 or slots_wanted(stages, places, fits) <= slots
