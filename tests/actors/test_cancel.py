"""Cancel: in any state, a job ends at once with all its processes, and nothing else is touched."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from kinora.actors.models import JobState
from kinora.actors.store import database
from kinora.runtime.forking import workers
from kinora.settings import Settings
from kinora.system import System, open_system
from tests import jobs_kit
from tests.clips import make_clip
from tests.jobs_kit import ended, frames_of, messages_of, nothing_left_behind, run_job, write_plugin

ANSWER_LIMIT_S = 10
"""Far above what it takes, far below every deadline that would end a job's work by itself."""
FAR_TIMEOUT_MS = 60_000
LOCK_TIMEOUT_S = 60
"""The time that the store waits for another program."""
PLUGINS = """
@tool("brightness")
def brightness(frame):
    return {"mean": float(frame.image.mean())}

@tool("slow")
def slow(frame):
    time.sleep(0.02)
    return {"index": frame.index}

@tool("bulky")
def bulky(frame):
    return {"text": "x" * 100_000}

def hang():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(1000)  # native code that keeps the GIL

class HangsInPrepare(Plugin):
    metadata = PluginMetadata(name="hangs-in-prepare")
    def prepare(self, context):
        hang()
    def process_frame(self, frame):
        return {}

@tool("hangs")
def hangs(frame):
    hang()

class HangsInFinalize(Plugin):
    metadata = PluginMetadata(name="hangs-in-finalize")
    def process_frame(self, frame):
        return {}
    def finalize(self):
        hang()

@tool("dies")
def dies(frame):
    os._exit(3)

class SaysPid(Plugin):
    metadata = PluginMetadata(name="says-pid")
    def prepare(self, context):
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER: anyone
        context.warn(str(os.getpid()))
    def process_frame(self, frame):
        return {}

@tool("has-children")
def has_children(frame):
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            hang()
    hang()
"""
TRACER = """
import ctypes, sys, time
if ctypes.CDLL(None, use_errno=True).ptrace(0x4206, int(sys.argv[1]), 0, 0):  # PTRACE_SEIZE
    sys.exit(1)
print("traced", end="", flush=True)
time.sleep(1000)
"""


submit = partial(jobs_kit.submit, plugin_timeout_ms=FAR_TIMEOUT_MS)


@pytest.fixture(autouse=True)
def _plugins(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "plugins", PLUGINS)


async def until(system: System, state: JobState, reached: Callable[[JobState], bool]) -> JobState:
    """Wait until a job has reached a state."""
    with trio.fail_after(60):
        while not reached(state := await system.jobs.state(state.job_id)):
            await system.jobs._active[state.job_id].job.wait_changed()
    assert not state.ended
    return state


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that happens by itself."""
    with trio.fail_after(20):
        while not await condition():  # noqa: ASYNC110 - nothing tells when it is so
            await trio.sleep(0.005)


async def stored_as_cancelled(system: System, state: JobState) -> bool:
    """Return whether a job's end is on disk."""
    record = await system.store.job(state.job_id)
    return record is not None and record.status == "cancelled"


async def cancel(system: System, state: JobState) -> None:
    """Cancel a job, and check all that holds of every cancel."""
    with trio.fail_after(ANSWER_LIMIT_S):
        answer = await system.jobs.cancel(state.job_id)
    assert (answer.status, answer.cancelled, answer.pids) == ("cancelled", True, ())
    assert answer.cancel_ms is not None
    state = await system.jobs.state(state.job_id)
    assert (state.status, state.cancel_ms) == ("cancelled", answer.cancel_ms)
    assert [m["payload"]["status"] for m in messages_of(system, state.job_id, "complete")] == ["cancelled"]


WAYS: dict[str, tuple[str, Callable[[JobState], bool]]] = {
    "just begun": ("slow", lambda state: state.stage == "preparing"),
    "in prepare": ("hangs-in-prepare", lambda state: state.plugins["hangs-in-prepare"].status == "started"),
    "at a frame": ("hangs", lambda state: state.stage == "running"),
    "in finalize": ("hangs-in-finalize", lambda state: state.progress == 99),
    "in back-off": ("dies", lambda state: state.plugins["dies"].failures >= 3),
    "with children": ("has-children", lambda state: state.stage == "running"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_job_is_cancelled_wherever_a_plugin_of_it_is(settings: Settings, way: str) -> None:
    """Hung in native code that ignores SIGTERM, or waiting to be started again: gone with all processes."""
    plugin, reached = WAYS[way]
    async with open_system(attrs.evolve(settings, max_failures=10)) as system:
        with nothing_left_behind(system):
            state = await submit(system, "brightness", plugin)
            await cancel(system, await until(system, state, reached))


async def test_a_job_is_cancelled_while_it_decodes(system: System, media: Path) -> None:
    """The decoder is busy with large pictures, ahead of the stages."""
    make_clip(media / "large.mp4", frames=60, width=1920, height=1080)
    with nothing_left_behind(system):
        state = await submit(system, "brightness", source="large.mp4")
        await cancel(system, await until(system, state, lambda state: state.frames_done >= 3))


async def test_a_paused_job_is_cancelled(system: System) -> None:
    """Long paused, or just being paused with frames on their way."""
    with nothing_left_behind(system):
        for wait_s in (0.0, 0.3):
            state = await submit(system, "slow")
            await until(system, state, lambda state: state.frames_done >= 2)
            await system.jobs.pause(state.job_id)
            await trio.sleep(wait_s)
            await cancel(system, state)


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Nothing can be written: another program holds the database's lock."""
    other = sqlite3.connect(settings.data_dir / "kinora.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


async def test_cancel_does_not_wait_for_a_slow_store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that runs and the one that begins after it end at once; their end is stored when that is possible."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", LOCK_TIMEOUT_S)
    async with open_system(attrs.evolve(settings, max_jobs=1)) as system:
        first, second = [await submit(system, "slow", "hangs") for _ in range(2)]
        await until(system, first, lambda state: state.stage == "running")
        with locked(settings):
            await cancel(system, first)
            await until(system, second, lambda state: state.status == "running")
            await cancel(system, second)
        for state in (first, second):
            await eventually(partial(stored_as_cancelled, system, state))


async def test_cancel_does_not_wait_for_a_store_that_fails(system: System) -> None:
    """With a full disk a job that holds frames for it is cancelled as any other."""
    state = await submit(system, "slow", "bulky")
    await until(system, state, lambda state: state.frames_done >= 1)
    assert system.store._writer is not None
    system.store._writer.execute("PRAGMA max_page_count = 1")
    with trio.fail_after(20):
        await system.store.wait_failing()
    await cancel(system, state)


async def test_cancelling_one_of_ten_jobs_changes_nothing_for_the_other_nine(settings: Settings) -> None:
    """Five run and five wait: those that are left give the same frames as a job that ran alone."""
    async with open_system(attrs.evolve(settings, max_jobs=5)) as system:
        alone = [frame["results"] for frame in await frames_of(system, await run_job(system, "brightness", "slow"))]
        plugins = [("brightness", "hangs") if number == 2 else ("brightness", "slow") for number in range(10)]
        states = [await submit(system, *names) for names in plugins]
        victim = states.pop(2)
        await cancel(system, await until(system, victim, lambda state: state.stage == "running"))
        for state in states:
            finished = await ended(system, state)
            assert (finished.status, finished.warnings) == ("done", ())
            assert [frame["results"] for frame in await frames_of(system, finished)] == alone


async def test_asking_ten_times_at_once_cancels_once(system: System) -> None:
    """All who ask get the same answer, and there is one complete."""
    state = await submit(system, "hangs")
    await until(system, state, lambda state: state.stage == "running")
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(cancel, system, state)


async def test_a_process_that_cannot_be_killed_is_named(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held by a debugger that does not let go of it: the answer gives its pid, and later it is gone all the same."""
    monkeypatch.setattr(workers, "KILL_GRACE_S", 2)
    state = await submit(system, "says-pid", "hangs")
    state = await until(system, state, lambda state: bool(state.warnings))
    held = int(state.warnings[0].removeprefix("says-pid: "))
    gone = os.pidfd_open(held)
    async with trio.open_nursery() as nursery:
        command = [sys.executable, "-c", TRACER, str(held)]
        tracer = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE))
        assert await tracer.stdout.receive_some() == b"traced"
        answer = await system.jobs.cancel(state.job_id)
        assert (answer.cancelled, answer.pids) == (True, (held,))
        nursery.cancel_scope.cancel()
    with trio.fail_after(20):
        await trio.lowlevel.wait_readable(gone)
    os.close(gone)
