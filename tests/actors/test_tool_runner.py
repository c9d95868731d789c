"""What a stage makes of its plugin's process: time-outs, restarts, the breaker, the CPU, on the virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import pairwise

import msgspec
import pytest
import trio
from trio.testing import MockClock

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.messages import Code, PartialResultPayload, PluginStatusPayload, WarningPayload
from kinora.actors.models import StageError, StageState, TimingSummary
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.stages.inspector import Inspector, NullInspector, PluginInspector
from kinora.actors.stages.plugin_process import PluginDied
from kinora.actors.stages.replica import FINALIZE_TIMEOUT_MS
from kinora.plugins.api import PluginMetadata
from kinora.plugins.protocol import Done, Partial, Raised, Warned
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

GPU = "cuda:0"


@pytest.fixture(params=["without an inspector", "with an inspector"])
def inspector(request: pytest.FixtureRequest) -> Inspector:
    """None, or one on the virtual clock: the policy is the same."""
    if request.param == "without an inspector":
        return NullInspector()
    return PluginInspector(JOB, {PLUGIN: PluginMetadata(name=PLUGIN)}, trio.current_time)


def intervals(times: list[float]) -> list[float]:
    """Seconds from each to the next, to the millisecond."""
    return [round(later - earlier, 3) for earlier, later in pairwise(times)]


def lifetimes(process: FakeProcess) -> list[float]:
    """How long each of its processes has lived, to the millisecond."""
    return [round(end - start, 3) for start, end in zip(process.starts, process.ends, strict=True)]


# All is well


async def test_frames_go_through_in_order_and_are_told(autojump_clock: MockClock, inspector: Inspector) -> None:
    """Prepared once, each frame looked at once, its result in its ticket and told, then summed up."""
    stage = Stage(FakeProcess(finalize=Done(result=b'{"total": 3}', run_ms=1.0)), inspector=inspector)
    await stage.run(frames=3)
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 1", "frame 2", "finalize"]
    assert [(ticket.index, ticket.results) for ticket in stage.passed_on] == [(n, {PLUGIN: RESULT}) for n in range(3)]
    assert stage.statuses == ["started", "running", "running", "running", "completed"]
    assert set(stage.healths) == {"ok"}
    assert [frame.index for frame in stage.frames_told] == [0, 1, 2]
    assert stage.warned == []


async def test_a_result_is_told_with_all_that_belongs_to_it(autojump_clock: MockClock) -> None:
    """The frame, the device, the plugin's own time, how long the frame waited, and where its picture is."""
    stage = Stage(FakeProcess(prepare=[Act(DONE, takes_s=0.75)]))
    await stage.run(frames=1)
    (told,) = stage.frames_told
    assert (told.job_id, told.plugin, told.frame_id, told.data) == (JOB, PLUGIN, "frame-000000", msgspec.Raw(RESULT))
    assert (told.device_used, told.timing_ms, told.queue_ms) == ("cpu", 4.0, 750.0)
    assert told.image_url == "/v1/jobs/job-1/frames/0.jpg"


async def test_frames_out_of_turn_pass_untouched(autojump_clock: MockClock, inspector: Inspector) -> None:
    """Nothing is told of them, they do not count, and a plugin that died is not started for them."""
    stage = Stage(FakeProcess(frames=[FOUND, CRASH]), inspector=inspector, every=3)
    await stage.run(frames=8)
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 3", "prepare cpu", "frame 6", "finalize"]
    assert [ticket.index for ticket in stage.passed_on] == list(range(8))
    assert [ticket.index for ticket in stage.passed_on if ticket.results] == [0, 6]
    assert [(told.index, told.every) for told in stage.frames_told] == [(0, 3), (6, 3)]
    assert stage.statuses == ["started", "running", "running", "completed"]
    assert (stage.runner.state().frames, stage.runner.state().every) == (2, 3)
    assert len(stage.warned) == 2  # of the death, and of what was forgotten by it


async def test_a_frame_that_passes_on_begins_to_wait_anew(autojump_clock: MockClock) -> None:
    """What it has waited for one stage is not what it waits for the next one."""
    stage = Stage(FakeProcess(frames=[Act(FOUND, takes_s=0.5)]))
    began = trio.current_time()
    await stage.run(frames=1)
    assert [ticket.queued_at - began for ticket in stage.passed_on] == [0.5]


async def test_nothing_found_is_no_result(autojump_clock: MockClock) -> None:
    """A frame on which the plugin has nothing to say passes on without a result, and counts as looked at."""
    stage = Stage(FakeProcess(frames=[DONE]))
    await stage.run(frames=2)
    assert stage.with_result == [1]
    assert (stage.runner.state().frames, stage.warned) == (2, [])


async def test_what_it_sums_up_is_told_and_kept(autojump_clock: MockClock) -> None:
    """The result of finalize is a partial result, and stays in the stage's state."""
    stage = Stage(FakeProcess(finalize=Done(result=b'{"total": 3}', run_ms=1.0)))
    await stage.run()
    assert [p.result for p in stage.told if isinstance(p, PartialResultPayload)] == [msgspec.Raw(b'{"total": 3}')]
    assert stage.runner.state().finalize == msgspec.Raw(b'{"total": 3}')


async def test_notes_are_told_before_the_answer(autojump_clock: MockClock) -> None:
    """A warning and a partial result of the plugin's own come at once, with the frame it is at."""
    notes = (Warned(message="halfway", severity="high"), Partial(result=b'{"so": "far"}'))
    stage = Stage(FakeProcess(prepare=[Act(DONE, notes[:1])], frames=[Act(FOUND, notes)]))
    await stage.run(frames=1)
    assert [type(payload).__name__ for payload in stage.told] == [
        "PluginStatusPayload",
        "WarningPayload",  # the first time it occurred it was in prepare
        "PartialResultPayload",
        "FramePayload",
        "PluginStatusPayload",
        "PluginStatusPayload",
    ]
    assert stage.warned == [(Code.PLUGIN_WARNING, "high", None)]
    assert stage.warnings.count(PLUGIN) == 2


async def test_it_is_ready_once_it_is_prepared_or_given_up(autojump_clock: MockClock) -> None:
    """Whoever starts the stage waits for prepare, with all its attempts."""
    for prepare, ready_after_s in (([Act(DONE, takes_s=3.0)], 3.0), ([CRASH] * 3, 0.1 + 0.2)):
        stage = Stage(FakeProcess(prepare=prepare))
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            await nursery.start(stage.run)
            assert trio.current_time() - began == pytest.approx(ready_after_s)


# Restarts and the breaker


@pytest.mark.parametrize(("in_prepare", "at_frames"), [(8, 0), (0, 8)], ids=["in prepare", "at frames"])
async def test_a_process_that_keeps_dying_is_started_again_more_and_more_slowly(
    autojump_clock: MockClock, inspector: Inspector, in_prepare: int, at_frames: int
) -> None:
    """After 0.1 s, twice that each time, up to 2 s; preparing it well in between is no success."""
    process = FakeProcess(prepare=[CRASH] * in_prepare, frames=[CRASH] * at_frames)
    stage = Stage(process, max_failures=8, inspector=inspector)
    await stage.run(frames=10)
    assert intervals(stage.process.starts) == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert stage.runner.state().restarts == 7
    assert stage.statuses[-1] == "failed"


@pytest.mark.parametrize("ending", [CRASH, HANG], ids=["dies", "hangs"])
async def test_after_max_failures_in_a_row_it_is_disabled(
    autojump_clock: MockClock, inspector: Inspector, ending: Ending
) -> None:
    """Deaths and time-outs alike: it says so once, all frames pass on, and it is started no more."""
    stage = Stage(FakeProcess(frames=[ending] * 9), max_failures=3, inspector=inspector)
    await stage.run(frames=6)
    assert stage.process.calls == [f"{call} {at}" for n in range(3) for call, at in (("prepare", "cpu"), ("frame", n))]
    assert stage.indexes == [0, 1, 2, 3, 4, 5]
    assert stage.with_result == []
    assert stage.statuses == ["started", "failed"]
    assert stage.codes[-1] == Code.PLUGIN_DISABLED
    state = stage.runner.state()
    assert (state.status, state.health, state.failures, state.restarts, state.frames) == ("failed", "failed", 3, 2, 0)
    assert stage.record.health == "failed"


async def test_the_end_of_the_fork_server_is_not_held_against_it(autojump_clock: MockClock) -> None:
    """However often: the frame is lost and that is told, but no failure counts, and each time it is started again."""
    gone = PluginDied(Code.PLUGIN_CRASH, "its process ended with the fork server", blameless=True)
    stage = Stage(FakeProcess(prepare=[DONE, gone], frames=[FOUND, gone, gone, FOUND, gone]), max_failures=1)
    await stage.run(frames=6)
    assert stage.with_result == [0, 3, 5]
    assert stage.statuses == ["started", *["running"] * 3, "completed"]
    crashes = [group.count for group in stage.warnings.groups() if group.code == Code.PLUGIN_CRASH]
    assert (sum(crashes), set(stage.codes)) == (4, {Code.PLUGIN_CRASH, Code.STATE_LOST})
    state = stage.runner.state()
    assert (state.failures, state.restarts, state.last_error) == (0, 4, None)
    assert (stage.record.failures, stage.record.last_error) == (0, None)


async def test_a_new_process_begins_with_the_ring_of_its_frame(autojump_clock: MockClock) -> None:
    """The source may have gone over to another one since the last process was started."""
    stage = Stage(FakeProcess(frames=[FOUND, CRASH]))
    with closing(JobRing(2, 3)) as other:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.run_alone)
            with stage.entrance:
                for ticket in (frame(0), frame(1, other), frame(2, other)):
                    await stage.entrance.send(ticket)
                    await stage.exit.receive()
    assert stage.process.rings == [RING, other]


async def test_it_is_disabled_by_its_last_frame_too(autojump_clock: MockClock) -> None:
    """There is no later frame that would have to bring it out."""
    stage = Stage(FakeProcess(frames=[FOUND, CRASH]), max_failures=1)
    await stage.run(frames=2)
    assert stage.statuses == ["started", "running", "failed"]
    assert stage.codes == [Code.PLUGIN_CRASH, Code.PLUGIN_DISABLED]


async def test_a_success_in_between_saves_it(autojump_clock: MockClock, inspector: Inspector) -> None:
    """Two deaths, a success, two deaths: with three in a row allowed it goes on, and the back-off begins anew."""
    stage = Stage(FakeProcess(frames=[CRASH, CRASH, FOUND, CRASH, CRASH]), max_failures=3, inspector=inspector)
    await stage.run(frames=7)
    assert stage.with_result == [2, 5, 6]
    assert intervals(stage.process.starts) == [0.1, 0.2, 0.1, 0.2]
    assert stage.statuses[-1] == "completed"
    assert Code.PLUGIN_DISABLED not in stage.codes
    assert stage.runner.state().health == "ok"


async def test_the_frame_it_died_on_is_not_tried_again(autojump_clock: MockClock, inspector: Inspector) -> None:
    """It passes on without a result, and the new process begins with the next one."""
    stage = Stage(FakeProcess(frames=[FOUND, CRASH]), inspector=inspector)
    await stage.run(frames=3)
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 1", "prepare cpu", "frame 2", "finalize"]
    assert (stage.indexes, stage.with_result) == ([0, 1, 2], [0, 2])
    assert stage.warned == [
        (Code.PLUGIN_CRASH, "high", "frame-000001"),
        (Code.STATE_LOST, "medium", "frame-000002"),
    ]
    assert stage.healths == ["ok", "ok", "ok", "ok"]


async def test_the_start_of_its_process_is_not_the_plugins_time(autojump_clock: MockClock) -> None:
    """A fork server that is slow, or hangs for a while, is held against no plugin."""
    hung = PluginDied(Code.PLUGIN_CRASH, "the fork server hangs", blameless=True)
    starts = [*[Act(hung, takes_s=20.0)] * 4, Act(DONE, takes_s=20.0)]
    stage = Stage(FakeProcess(start=starts), max_failures=1)
    await stage.run(frames=2)
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 1", "finalize"]
    assert (stage.with_result, stage.runner.state().failures) == ([0, 1], 0)


async def test_only_a_plugin_that_has_seen_frames_begins_anew(autojump_clock: MockClock) -> None:
    """A process that dies before the first frame has nothing to forget."""
    stage = Stage(FakeProcess(prepare=[CRASH, DONE]))
    await stage.run(frames=2)
    assert [code for code, *_ in stage.warned] == [Code.PLUGIN_CRASH]


async def test_a_stateless_plugin_loses_nothing(autojump_clock: MockClock) -> None:
    """Its results do not depend on earlier frames, so nothing is said when it begins anew."""
    metadata = PluginMetadata(name=PLUGIN, stateless=True)
    stage = Stage(
        FakeProcess(frames=[FOUND, CRASH]), inspector=PluginInspector(JOB, {PLUGIN: metadata}, trio.current_time)
    )
    await stage.run(frames=3)
    assert [code for code, *_ in stage.warned] == [Code.PLUGIN_CRASH]


async def test_what_an_earlier_server_has_seen_counts_on(autojump_clock: MockClock, inspector: Inspector) -> None:
    """Frames, failures, restarts, output and the last error; the plugin begins anew at the first frame."""
    stage = Stage(FakeProcess(frames=[RAISED]), inspector=inspector)
    error = StageError(message="old", code="PLUGIN_ERROR", traceback=None, frame_id=None, at="2026")
    past = StageState(frames=7, failures=2, restarts=1, finalize=msgspec.Raw(b"null"), last_error=error)
    stage.runner.restore(past, "printed\n")
    assert (stage.runner.state().last_error, stage.runner.log) == (error, "printed\n")
    await stage.run(frames=2)
    state = stage.runner.state()
    assert (state.frames, state.failures, state.restarts) == (9, 3, 1)
    assert stage.warned[0] == (Code.STATE_LOST, "medium", "frame-000000")


async def test_a_plugin_that_an_earlier_server_has_disabled_stays_so(autojump_clock: MockClock) -> None:
    """It is not prepared again, and the frames pass."""
    stage = Stage(FakeProcess())
    stage.runner.restore(StageState(status="failed", frames=7, failures=3, finalize=msgspec.Raw(b"null")), "")
    await stage.run(frames=2)
    assert (stage.process.calls, stage.indexes, stage.warned) == ([], [0, 1], [])
    assert stage.runner.state().status == "failed"


async def test_it_is_degraded_until_it_works_again(autojump_clock: MockClock) -> None:
    """Between a death and the next success the state says so."""
    stage = Stage(FakeProcess(prepare=[DONE, Act(DONE, takes_s=2.0)], frames=[CRASH]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run, 2)
        await trio.sleep(1.0)
        assert stage.runner.state().health == "degraded"
    assert stage.runner.state().health == "ok"


NAN = Done(result=RESULT, run_ms=1.0, fault="a is NaN or infinite and became null")
NO_DICT = Done(result=None, run_ms=1.0, fault="a result must be a dict or None, not str")


@pytest.mark.parametrize(
    ("frames", "finalize", "health", "failures"),
    [
        ([RAISED, RAISED, RAISED], DONE, "failed", 3),
        ([CRASH, CRASH, RAISED], DONE, "failed", 3),
        ([NO_DICT, NO_DICT, NO_DICT], DONE, "failed", 3),
        ([NAN, NAN, NAN], DONE, "degraded", 3),
        ([RAISED, NAN, RAISED], DONE, "degraded", 3),
        ([DONE, FOUND, RAISED], DONE, "degraded", 1),
        ([FOUND, FOUND, NO_DICT], DONE, "degraded", 1),
        ([RAISED, CRASH, FOUND], DONE, "ok", 2),
        ([DONE, DONE, DONE], DONE, "ok", 0),
        ([FOUND, FOUND, FOUND], RAISED, "degraded", 1),
        ([FOUND, FOUND, FOUND], NAN, "degraded", 1),
    ],
)
async def test_its_health_says_how_it_did(
    autojump_clock: MockClock, frames: list[Ending], finalize: Ending, health: str, failures: int
) -> None:
    """Failed if it failed on every frame, degraded if something was wrong with the last or the sum; all is counted."""
    stage = Stage(FakeProcess(frames=frames, finalize=finalize), max_errors=9)
    await stage.run(frames=3)
    state = stage.runner.state()
    assert (state.status, state.health, state.failures) == ("completed", health, failures)
    assert (stage.healths[-1], stage.record.health, stage.record.failures) == (health, health, failures)
    assert (state.last_error is None) == (failures == 0)


async def test_health_goes_on_after_an_earlier_server(autojump_clock: MockClock) -> None:
    """It is degraded until the next frame goes well, and has not failed on every frame if it had done some."""
    stage = Stage(FakeProcess(frames=[RAISED]))
    past = StageState(status="running", frames=3, failures=2, health="degraded", finalize=msgspec.Raw(b"null"))
    stage.runner.restore(past, "")
    assert stage.runner.state().health == "degraded"
    await stage.run(frames=1)
    assert (stage.runner.state().status, stage.runner.state().health) == ("completed", "degraded")


async def test_exceptions_in_a_row_disable_it_without_a_restart(
    autojump_clock: MockClock, inspector: Inspector
) -> None:
    """Its process is sound and stays; the last exception is told before the end of its work."""
    stage = Stage(FakeProcess(frames=[RAISED] * 9), max_errors=4, max_failures=1, inspector=inspector)
    await stage.run(frames=6)
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 1", "frame 2", "frame 3"]
    assert (stage.indexes, stage.with_result) == ([0, 1, 2, 3, 4, 5], [])
    assert stage.statuses == ["started", "running", "running", "running", "failed"]
    assert stage.warned == [
        (Code.PLUGIN_ERROR, "medium", "frame-000000"),
        (Code.PLUGIN_DISABLED, "high", "frame-000003"),
    ]
    state = stage.runner.state()
    assert (state.failures, state.restarts, state.frames, state.health) == (4, 0, 4, "failed")


async def test_a_success_between_exceptions_saves_it(autojump_clock: MockClock, inspector: Inspector) -> None:
    """Only those in a row count."""
    frames: list[Ending] = [RAISED, RAISED, FOUND, RAISED, RAISED, DONE, RAISED, RAISED]
    stage = Stage(FakeProcess(frames=frames), max_errors=3, inspector=inspector)
    await stage.run(frames=9)
    assert stage.with_result == [2, 8]
    assert stage.statuses[-1] == "completed"
    assert Code.PLUGIN_DISABLED not in stage.codes
    assert stage.runner.state().failures == 6


async def test_deaths_and_exceptions_are_counted_apart(autojump_clock: MockClock) -> None:
    """Two of each leave it at work where three of one kind would not."""
    stage = Stage(FakeProcess(frames=[RAISED, CRASH, RAISED, CRASH]), max_failures=3, max_errors=3)
    await stage.run(frames=5)
    assert stage.with_result == [4]
    assert stage.runner.state().failures == 4


async def test_a_plugin_that_raises_in_prepare_is_tried_again_like_a_crash(autojump_clock: MockClock) -> None:
    """In a new process each time, until it is given up; the frames pass on."""
    stage = Stage(FakeProcess(prepare=[RAISED] * 9), max_failures=3, max_errors=1)
    await stage.run(frames=2)
    assert stage.process.calls == ["prepare cpu"] * 3
    assert intervals(stage.process.starts) == [0.1, 0.2]
    assert stage.statuses == ["started", "failed"]
    assert stage.warned == [(Code.PLUGIN_ERROR, "high", None), (Code.PLUGIN_DISABLED, "high", None)]
    assert stage.warnings.texts() == (
        f"{PLUGIN}: prepare: ValueError: not this one (3 times)",
        f"{PLUGIN}: failed 3 times, the last ones in a row; this job goes on without it",
    )


async def test_a_plugin_that_was_given_up_in_prepare_lets_all_frames_pass(autojump_clock: MockClock) -> None:
    """At once, and it is not asked to sum up."""
    stage = Stage(FakeProcess(prepare=[CRASH]), max_failures=1)
    began = trio.current_time()
    await stage.run(frames=50)
    assert stage.indexes == list(range(50))
    assert trio.current_time() == began
    assert stage.process.calls == ["prepare cpu"]


# Time-outs


async def test_a_frame_that_takes_too_long_ends_the_process_at_its_deadline(
    autojump_clock: MockClock, inspector: Inspector
) -> None:
    """To the millisecond; the frame passes on and the next process takes the next one."""
    stage = Stage(FakeProcess(frames=[HANG]), plugin_timeout_ms=250, inspector=inspector)
    await stage.run(frames=2)
    assert lifetimes(stage.process) == [0.25, 0.0]
    assert intervals(stage.process.starts) == [0.35]
    assert stage.with_result == [1]
    assert stage.warned == [(Code.PLUGIN_TIMEOUT, "high", "frame-000000")]
    assert stage.warnings.texts() == (f"{PLUGIN}: no answer within 250 ms; its process was killed",)


async def test_a_prepare_that_takes_too_long_has_a_deadline_of_its_own(
    autojump_clock: MockClock, inspector: Inspector
) -> None:
    """The one for prepare, not the one for frames."""
    stage = Stage(FakeProcess(prepare=[HANG]), plugin_timeout_ms=250, prepare_timeout_ms=1500, inspector=inspector)
    await stage.run(frames=1)
    assert lifetimes(stage.process) == [1.5, 0.0]
    assert stage.warned == [(Code.PLUGIN_TIMEOUT, "high", None)]
    assert stage.with_result == [0]


async def test_just_in_time_is_in_time(autojump_clock: MockClock) -> None:
    """Answers shortly before the deadlines are answers."""
    process = FakeProcess(prepare=[Act(DONE, takes_s=1.499)], frames=[Act(FOUND, takes_s=0.249)])
    stage = Stage(process, plugin_timeout_ms=250, prepare_timeout_ms=1500)
    await stage.run(frames=1)
    assert (stage.with_result, stage.warned) == ([0], [])


async def test_each_frame_has_the_whole_time(autojump_clock: MockClock) -> None:
    """A plugin that needs most of its time for each of many frames is not too slow."""
    stage = Stage(FakeProcess(frames=[Act(FOUND, takes_s=0.2)] * 10), plugin_timeout_ms=250)
    await stage.run(frames=10)
    assert (len(stage.with_result), stage.warned) == (10, [])


# The device


async def test_no_device_in_prepare(autojump_clock: MockClock, inspector: Inspector) -> None:
    """It begins anew on the CPU at once, which is no failure of the plugin, and costs no frame."""
    stage = Stage(FakeProcess(prepare=[NO_DEVICE]), device=GPU, max_failures=1, max_errors=1, inspector=inspector)
    await stage.run(frames=2)
    assert stage.process.calls == [f"prepare {GPU}", "prepare cpu", "frame 0", "frame 1", "finalize"]
    assert intervals(stage.process.starts) == [0.0]
    assert stage.with_result == [0, 1]
    assert stage.warned == [(Code.DEVICE_FALLBACK, "medium", None)]
    assert stage.runner.fallback_reason == f"{GPU} failed: {NO_DEVICE.message}"
    state = stage.runner.state()
    assert (state.device_used, state.failures, state.restarts, state.health) == ("cpu", 0, 0, "ok")
    assert {frame.device_used for frame in stage.frames_told} == {"cpu"}


async def test_no_device_at_a_frame(autojump_clock: MockClock, inspector: Inspector) -> None:
    """That very frame is looked at once more, on the CPU, and so are all later ones."""
    stage = Stage(FakeProcess(frames=[FOUND, NO_DEVICE]), device=GPU, max_failures=1, max_errors=1, inspector=inspector)
    await stage.run(frames=3)
    assert stage.process.calls == [
        *(f"prepare {GPU}", "frame 0", "frame 1"),
        *("prepare cpu", "frame 1", "frame 2", "finalize"),
    ]
    assert stage.with_result == [0, 1, 2]
    assert [frame.device_used for frame in stage.frames_told] == [GPU, "cpu", "cpu"]
    assert stage.warned == [
        (Code.DEVICE_FALLBACK, "medium", "frame-000001"),
        (Code.STATE_LOST, "medium", "frame-000001"),
    ]
    assert stage.statuses == ["started", "running", "running", "running", "completed"]
    state = stage.runner.state()
    assert (state.frames, state.failures, state.restarts, stage.record.failures) == (3, 0, 0, 0)


async def test_exceptions_before_it_lost_its_device_are_no_restarts(autojump_clock: MockClock) -> None:
    """A process on the CPU in place of a sound one is no restart, whatever has failed before."""
    stage = Stage(FakeProcess(frames=[RAISED, NO_DEVICE]), device=GPU)
    await stage.run(frames=2)
    assert stage.with_result == [1]
    assert (stage.runner.state().restarts, stage.record.restarts) == (0, 0)


async def test_from_the_cpu_there_is_no_way_to_fall(autojump_clock: MockClock, inspector: Inspector) -> None:
    """A device error on the CPU is the plugin's own, before and after the one fallback."""
    stage = Stage(FakeProcess(frames=[NO_DEVICE] * 9), device=GPU, max_errors=3, inspector=inspector)
    await stage.run(frames=5)
    assert stage.process.calls == [
        *(f"prepare {GPU}", "frame 0"),
        *("prepare cpu", "frame 0", "frame 1", "frame 2"),
    ]
    assert stage.codes == [Code.DEVICE_FALLBACK, Code.PLUGIN_ERROR, Code.PLUGIN_DISABLED]
    assert stage.indexes == [0, 1, 2, 3, 4]


async def test_an_exception_on_the_device_is_no_reason_to_leave_it(autojump_clock: MockClock) -> None:
    """Nor is a death: the plugin goes on where it was."""
    stage = Stage(FakeProcess(frames=[RAISED, CRASH]), device=GPU)
    await stage.run(frames=3)
    assert stage.process.calls.count("prepare cpu") == 0
    assert (stage.runner.device, stage.runner.fallback_reason) == (GPU, None)


async def test_a_plugin_that_dies_on_the_cpu_as_well_is_given_up(autojump_clock: MockClock) -> None:
    """The frame it fell back on passes on without a result, and so do the others."""
    stage = Stage(FakeProcess(prepare=[DONE, *[CRASH] * 9], frames=[NO_DEVICE]), device=GPU, max_failures=2)
    await stage.run(frames=3)
    assert stage.process.calls == [f"prepare {GPU}", "frame 0", "prepare cpu", "prepare cpu"]
    assert (stage.indexes, stage.with_result) == ([0, 1, 2], [])
    assert stage.statuses == ["started", "failed"]


async def test_a_frame_that_kills_it_on_the_cpu_is_tried_no_third_time(autojump_clock: MockClock) -> None:
    """One try on the device, one on the CPU."""
    stage = Stage(FakeProcess(frames=[NO_DEVICE, CRASH]), device=GPU)
    await stage.run(frames=2)
    assert [call for call in stage.process.calls if call == "frame 0"] == ["frame 0"] * 2
    assert stage.with_result == [1]
    assert stage.codes == [Code.DEVICE_FALLBACK, Code.PLUGIN_CRASH]


async def test_the_next_stage_waits_for_the_cool_down(autojump_clock: MockClock) -> None:
    """A device that has failed is left alone by this plugin for its cool-down, to the second, and then tried again."""
    health = DeviceHealth(60.0)
    await Stage(FakeProcess(prepare=[NO_DEVICE]), device=GPU, device_health=health).run()
    begun = {}
    for wait_s in (0.0, 59.9, 0.1):
        await trio.sleep(wait_s)
        stage = Stage(FakeProcess(), device=GPU, device_health=health)
        await stage.run(frames=1)
        begun[wait_s] = stage.process.calls[0], stage.codes, stage.warned[:1]
    on_cpu = ("prepare cpu", [Code.DEVICE_FALLBACK], [(Code.DEVICE_FALLBACK, "medium", None)])
    assert begun == {0.0: on_cpu, 59.9: on_cpu, 0.1: (f"prepare {GPU}", [], [])}


async def test_a_stage_that_begins_on_the_cpu_says_why(autojump_clock: MockClock) -> None:
    """The reason names the device, how long ago it failed, and with what."""
    health = DeviceHealth(60.0)
    health.note_failure(PLUGIN, GPU, "out of memory")
    await trio.sleep(10)
    stage = Stage(FakeProcess(), device=GPU, device_health=health)
    await stage.run()
    reason = f"{GPU} failed under this plugin 10 s ago and is tried again 60 s after the failure: out of memory"
    assert stage.runner.fallback_reason == reason
    assert stage.warnings.texts() == (f"{PLUGIN}: runs on the CPU from here on, because {reason}",)


# Finalize


@pytest.mark.parametrize(("prepare_timeout_ms", "limit_s"), [(5_000, 5.0), (3_600_000, FINALIZE_TIMEOUT_MS / 1000)])
async def test_summing_up_has_its_time(
    autojump_clock: MockClock, inspector: Inspector, prepare_timeout_ms: int, limit_s: float
) -> None:
    """What prepare gets, and never more than 30 s; then its process is ended, and its frames are done."""
    stage = Stage(FakeProcess(finalize=HANG), prepare_timeout_ms=prepare_timeout_ms, inspector=inspector)
    await stage.run(frames=1)
    assert lifetimes(stage.process) == [limit_s]
    assert stage.warned == [(Code.PLUGIN_TIMEOUT, "high", None)]
    assert stage.statuses == ["started", "running", "completed"]


async def test_a_plugin_that_raises_as_it_sums_up_has_done_its_frames(autojump_clock: MockClock) -> None:
    """A warning that says where, and completed."""
    stage = Stage(FakeProcess(finalize=RAISED))
    await stage.run(frames=1)
    assert stage.warnings.texts() == (f"{PLUGIN}: finalize: ValueError: not this one",)
    assert stage.warned == [(Code.PLUGIN_ERROR, "medium", None)]
    assert stage.statuses[-1] == "completed"
    assert stage.runner.state().finalize == msgspec.Raw(b"null")


@pytest.mark.parametrize("ending", [CRASH, HANG, RAISED], ids=["dies", "hangs", "raises"])
async def test_whatever_it_does_as_it_sums_up_it_is_not_given_up(autojump_clock: MockClock, ending: Ending) -> None:
    """There is nothing to go on without: where one failure is too many it has completed all the same, and only that."""
    stage = Stage(FakeProcess(finalize=ending), max_failures=1, max_errors=1)
    await stage.run(frames=1)
    assert stage.statuses == ["started", "running", "completed"]
    assert Code.PLUGIN_DISABLED not in stage.codes
    assert len(stage.warned) == 1


async def test_a_sum_that_is_no_json_is_warned_of(autojump_clock: MockClock) -> None:
    """It says that it was finalize."""
    stage = Stage(FakeProcess(finalize=Done(result=None, run_ms=1.0, fault="value is NaN")))
    await stage.run()
    assert stage.warnings.texts() == (f"{PLUGIN}: finalize: value is NaN",)
    assert stage.warned == [(Code.PLUGIN_BAD_RESULT, "medium", None)]


async def test_a_plugin_that_died_on_the_last_frame_is_not_started_to_sum_up(autojump_clock: MockClock) -> None:
    """What it has seen is gone with its process."""
    stage = Stage(FakeProcess(frames=[FOUND, CRASH]))
    await stage.run(frames=2)
    assert stage.process.calls == ["prepare cpu", "frame 0", "frame 1"]
    assert stage.statuses[-1] == "completed"


# What it says of itself


@pytest.mark.parametrize(
    ("ending", "code", "severity"),
    [
        (RAISED, Code.PLUGIN_ERROR, "medium"),
        (CRASH, Code.PLUGIN_CRASH, "high"),
        (PluginDied(Code.PLUGIN_MEMORY, "used too much"), Code.PLUGIN_MEMORY, "high"),
        (HANG, Code.PLUGIN_TIMEOUT, "high"),
        (Done(result=RESULT, run_ms=1.0, fault="value is NaN"), Code.PLUGIN_BAD_RESULT, "medium"),
    ],
    ids=["raises", "dies", "too large", "hangs", "no JSON"],
)
async def test_each_failure_has_its_code_and_severity(
    autojump_clock: MockClock, ending: Ending, code: Code, severity: str
) -> None:
    """And the frame that it was about."""
    stage = Stage(FakeProcess(frames=[FOUND, ending]))
    await stage.run(frames=3)
    again = [] if isinstance(ending, Raised | Done) else [(Code.STATE_LOST, "medium", "frame-000002")]
    assert stage.warned == [(code, severity, "frame-000001"), *again]


async def test_a_plugin_over_its_budget_is_degraded(autojump_clock: MockClock) -> None:
    """The first frame beyond the budget is warned of with its time; health stays degraded to the end."""
    inspector = PluginInspector(JOB, {PLUGIN: PluginMetadata(name=PLUGIN, latency_budget_ms=3)}, trio.current_time)
    stage = Stage(FakeProcess(frames=[DONE]), inspector=inspector)
    await stage.run(frames=3)
    assert stage.warned == [(Code.PLUGIN_SLOW, "low", "frame-000001")]
    assert stage.warnings.texts() == (f"{PLUGIN}: a frame took 4.0 ms, more than its latency budget",)
    assert stage.healths == ["ok", "ok", "degraded", "degraded", "degraded"]


async def test_its_times_are_in_its_state(autojump_clock: MockClock) -> None:
    """The plugin's own figure for frames, how long they waited, and prepare and finalize in the total only."""
    inspector = PluginInspector(JOB, {PLUGIN: PluginMetadata(name=PLUGIN)}, trio.current_time)
    stage = Stage(FakeProcess(prepare=[Act(DONE, takes_s=2.0)]), inspector=inspector)
    await stage.run(frames=1)
    state = stage.runner.state()
    assert state.run_ms == TimingSummary(last=4.0, mean=4.0, p50=4.0, p95=4.0, max=4.0)
    assert state.queue_ms == TimingSummary(last=2000.0, mean=2000.0, p50=2000.0, p95=2000.0, max=2000.0)
    assert inspector.collect_timings() == {PLUGIN: 1.0 + 4.0 + 1.0}


async def test_a_time_out_counts_with_the_time_it_took(autojump_clock: MockClock) -> None:
    """There is no figure of the plugin's own then."""
    inspector = PluginInspector(JOB, {PLUGIN: PluginMetadata(name=PLUGIN)}, trio.current_time)
    stage = Stage(FakeProcess(frames=[HANG]), plugin_timeout_ms=250, inspector=inspector)
    await stage.run(frames=1)
    assert inspector.collect_timings()[PLUGIN] == 1.0 + 250.0


async def test_before_it_begins_it_waits(autojump_clock: MockClock) -> None:
    """The state of a stage whose job is queued."""
    await trio.lowlevel.checkpoint()
    state = Stage(FakeProcess(), device=GPU).runner.state()
    assert (state.status, state.frames, state.failures, state.restarts, state.health) == ("waiting", 0, 0, 0, "ok")
    assert (state.device_used, state.options, state.finalize) == (GPU, {"size": 3}, msgspec.Raw(b"null"))


async def test_statuses_say_how_far_it_is(autojump_clock: MockClock) -> None:
    """Each with the frames and warnings so far, and the time of the last frame."""
    stage = Stage(FakeProcess(frames=[FOUND, RAISED]))
    await stage.run(frames=2)
    told = [payload for payload in stage.told if isinstance(payload, PluginStatusPayload)]
    assert [(p.status, p.timing_ms, p.frames_processed, p.warnings_count) for p in told] == [
        ("started", None, 0, 0),
        ("running", 4.0, 1, 0),
        ("running", 2.0, 2, 1),
        ("completed", None, 2, 1),
    ]


async def test_the_last_error_stays_where_it_can_be_read(autojump_clock: MockClock) -> None:
    """In the stage's state and in the plugin's record: what, on which frame, in which job, and what it printed last."""
    stage = Stage(FakeProcess(frames=[RAISED, CRASH], last_words=b"out of cheese\n"))
    await stage.run(frames=3)
    error = stage.runner.state().last_error
    assert error is not None
    assert (error.message, error.code, error.frame_id) == (CRASH.message, Code.PLUGIN_CRASH, "frame-000001")
    assert error.traceback == "out of cheese\n"
    assert (stage.record.last_error, stage.record.last_job) == (error, JOB)
    assert (stage.record.failures, stage.record.restarts) == (2, 1)
    assert stage.runner.log == f"out of cheese\n[{CRASH.message}]\nout of cheese\n"


async def test_the_first_error_of_each_kind_is_kept(autojump_clock: MockClock) -> None:
    """Of errors that come from the same lines, whatever they say; a later server goes on with them."""
    there, elsewhere = ('Traceback\n  File "a.py", line 3, in f\n', 'Traceback\n  File "a.py", line 9, in g\n')
    raised = [
        Raised(message=f"ValueError: {n}", traceback=t, run_ms=1.0) for n, t in enumerate([there, there, elsewhere])
    ]
    stage = Stage(FakeProcess(frames=[*raised, CRASH], last_words=b"out of cheese\n"), max_errors=9)
    await stage.run(frames=5)
    errors = stage.runner.state().errors
    assert [(error.message, error.traceback) for error in errors] == [
        ("ValueError: 0", there),
        ("ValueError: 2", elsewhere),
        (CRASH.message, "out of cheese\n"),
    ]
    later = Stage(FakeProcess(frames=raised))
    later.runner.restore(stage.runner.state(), "")
    await later.run(frames=3)
    assert later.runner.state().errors == errors


async def test_many_repeats_are_told_now_and_then(autojump_clock: MockClock) -> None:
    """The first and the tenth, while all are counted."""
    stage = Stage(FakeProcess(frames=[RAISED] * 12), max_errors=99)
    await stage.run(frames=12)
    told = [payload.count for payload in stage.told if isinstance(payload, WarningPayload)]
    assert (told, stage.warnings.count(PLUGIN)) == ([1, 10], 12)


# Cancelled

MOMENTS: dict[str, tuple[Callable[[], FakeProcess], int]] = {
    "in prepare": (lambda: FakeProcess(prepare=[HANG]), 0),
    "at the first frame": (lambda: FakeProcess(frames=[HANG]), 0),
    "at a later frame": (lambda: FakeProcess(frames=[FOUND, FOUND, HANG]), 2),
    "before a restart": (lambda: FakeProcess(frames=[FOUND, Act(CRASH, takes_s=0.95)]), 2),
    "in the second prepare": (lambda: FakeProcess(prepare=[DONE, HANG], frames=[CRASH]), 1),
    "on the CPU": (lambda: FakeProcess(frames=[FOUND, NO_DEVICE, HANG]), 1),
    "as it sums up": (lambda: FakeProcess(finalize=HANG), 4),
}
"""The process that is there after a second, and how many of four frames have passed on by then."""


@pytest.mark.parametrize("moment", MOMENTS)
async def test_cancelled_it_ends_its_process_at_once(
    autojump_clock: MockClock, inspector: Inspector, moment: str
) -> None:
    """Once, wherever it is; what had passed on is in order, and it says nothing more."""
    make, passed_on = MOMENTS[moment]
    stage = Stage(make(), device=GPU, inspector=inspector, plugin_timeout_ms=10_000)
    began = trio.current_time()
    await stage.cancelled_after(1.0, frames=4)
    assert trio.current_time() - began == pytest.approx(1.0)
    assert stage.indexes == list(range(passed_on))
    assert {"completed", "failed"}.isdisjoint(stage.statuses)
    assert {Code.PLUGIN_TIMEOUT, Code.PLUGIN_DISABLED}.isdisjoint(stage.codes)


async def test_cancelled_while_it_tells(autojump_clock: MockClock) -> None:
    """Where nobody takes what it tells it can be cancelled all the same."""
    for takes_s, told in ((5.0, 0), (0.6, 1), (0.4, 2)):  # it is at its first status, the frame's result, the second
        stage = Stage(FakeProcess(), tell_takes_s=takes_s)
        await stage.cancelled_after(1.1, frames=1)
        assert len(stage.told) == told


async def test_cancelled_while_the_next_stage_is_busy(autojump_clock: MockClock) -> None:
    """The frame that it wanted to pass on is not passed on, and its process is gone."""
    stage = Stage(FakeProcess())
    stage.outbox.send_nowait(frame(0))
    stage.entrance.send_nowait(frame(1))
    with trio.move_on_after(1.0) as scope:
        await stage.run_alone()
    assert scope.cancelled_caught
    stage.check_closed()
    assert [ticket.index async for ticket in stage.exit] == [0]


async def test_when_it_has_ended_its_neighbours_learn_it(autojump_clock: MockClock) -> None:
    """Who puts frames in front of it gets an error, and who waits for its frames the end: none is lost unseen."""
    stage = Stage(FakeProcess(frames=[FOUND, HANG]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run_alone)
        await stage.entrance.send(frame(0))
        assert (await stage.exit.receive()).index == 0
        await stage.entrance.send(frame(1))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    stage.check_closed()
    with pytest.raises(trio.BrokenResourceError):
        await stage.entrance.send(frame(2))
    with pytest.raises(trio.EndOfChannel):
        await stage.exit.receive()


# Those who are told are slow


async def test_what_a_plugin_says_may_wait_to_be_heard(autojump_clock: MockClock, inspector: Inspector) -> None:
    """While nobody takes its notes, as when the disk is full, its time stands still: it is not at fault."""
    notes = (Warned(message="halfway", severity="low"), Partial(result=b"{}"))
    process = FakeProcess(
        prepare=[Act(DONE, notes, 1.0)], frames=[Act(FOUND, notes, 0.2)] * 3, finalize=Act(DONE, notes, 1.0)
    )
    stage = Stage(process, tell_takes_s=60.0, plugin_timeout_ms=250, prepare_timeout_ms=1_500, inspector=inspector)
    await stage.run(frames=3)
    assert stage.with_result == [0, 1, 2]
    assert set(stage.codes) == {Code.PLUGIN_WARNING}
    assert len(stage.process.starts) == 1


async def test_a_plugin_that_has_been_heard_has_the_rest_of_its_time(autojump_clock: MockClock) -> None:
    """Notes buy it nothing: what it had used before still counts."""
    note = Partial(result=b"{}")
    stage = Stage(FakeProcess(frames=[Act(HANG, (note, note))]), tell_takes_s=60.0, plugin_timeout_ms=250)
    await stage.run(frames=1)
    assert lifetimes(stage.process) == [60.0 + 60.0 + 0.25]
    assert stage.codes == [Code.PLUGIN_TIMEOUT]
