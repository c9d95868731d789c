"""If a part of the server is down, the rest works on, and clients are told what is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import trio

from kinora.actors.errors import Unavailable
from kinora.actors.store import frame_buffer
from kinora.actors.store import store as store_module
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.disk_kit import full_disk
from tests.jobs_kit import CLIP_FRAMES, codes_of, ended, frames_of, run_job, submit, write_plugin

PLUGINS = """
@tool("bulky")
def bulky(frame):
    time.sleep(0.01)
    return {"index": frame.index, "text": "x" * 1_000_000}

@tool("brightness")
def brightness(frame):
    return {"mean": float(frame.image.mean())}
"""


@pytest.fixture(autouse=True)
def _plugins(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "plugins", PLUGINS)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that happens by itself."""
    with trio.fail_after(20):
        while not await condition():  # noqa: ASYNC110 - nothing tells when it is so
            await trio.sleep(0.01)


async def test_without_the_inspector_jobs_run_without_timings(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the inspector cannot be made, the job has all its frames, its timings are null, and the system says why."""

    def fail(*_: object) -> None:
        raise RuntimeError("fault injected")

    monkeypatch.setattr("kinora.actors.stages.inspector.PluginInspector.__init__", fail)
    state = await run_job(system, "brightness")
    assert (state.status, state.frames_done, state.warnings) == ("done", CLIP_FRAMES, ())
    assert (state.plugin_timings, state.plugins["brightness"].version) == (None, None)
    assert (state.plugins["brightness"].run_ms, state.plugins["brightness"].frames) == (None, CLIP_FRAMES)
    assert system.ready() == []
    assert ["inspector" in reason for reason in system.degraded()] == [True]


async def test_a_job_names_the_versions_of_its_plugins(system: System) -> None:
    """They are those that the inspector gave at the job's start, and stay with the ended job."""
    state = await run_job(system, "brightness", "motion")
    known = {entry.name: entry.metadata.version for entry in system.plugins.all() if entry.metadata is not None}
    assert {name: stage.version for name, stage in state.plugins.items()} == {
        name: known[name] for name in ("brightness", "motion")
    }


async def test_without_realtime_jobs_give_the_same(settings: Settings, system: System) -> None:
    """Jobs give the same frames and the same state as with it."""
    told = await run_job(system, "brightness")
    frames = await frames_of(system, told)
    quiet_settings = attrs.evolve(settings, realtime=False, data_dir=settings.data_dir.parent / "quiet")
    async with open_system(quiet_settings) as quiet:
        assert quiet.connections is None
        untold = await run_job(quiet, "brightness")
        assert await frames_of(quiet, untold) == frames
    assert (untold.status, untold.warnings, untold.frames_done) == (told.status, told.warnings, told.frames_done)


async def test_with_a_full_disk_running_jobs_go_on_and_lose_nothing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their results wait in memory within its bound, are read from there, and are on disk once there is room."""
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)
    monkeypatch.setattr(frame_buffer, "MAX_WAITING_BYTES", 10_000_000)
    state = await submit(system, "bulky")
    while state.frames_done < 3:
        state = await system.jobs.wait_changed(state.job_id, state)
    with full_disk(system):
        with trio.fail_after(20):
            await system.store.wait_failing()
            while state.frames_done < 15 and not state.warnings:
                state = await system.jobs.wait_changed(state.job_id, state)
        assert not state.ended
        assert len(await frames_of(system, state)) >= 3
        assert codes_of(system, state.job_id) == [(None, "STORE_FAILING")]
        with trio.move_on_after(0.5):
            while True:
                state = await system.jobs.wait_changed(state.job_id, state)
        assert not state.ended
    state = await ended(system, state)
    assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
    assert [frame["index"] for frame in await frames_of(system, state)] == list(range(CLIP_FRAMES))
    assert "store: Jobs cannot be stored (database or disk is full)" in state.warnings[0]
    assert system.ready() == []


async def test_with_a_full_disk_new_jobs_are_refused_with_the_reason(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are accepted again once there is room, without a restart."""
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)
    state = await submit(system, "bulky")
    with full_disk(system):
        with trio.fail_after(20):
            await system.store.wait_failing()
        with pytest.raises(Unavailable, match="full"):
            await submit(system, "brightness")
        assert ["full" in reason for reason in system.ready()] == [True]
    with trio.fail_after(20):
        await system.store.wait_writable()
    assert (await run_job(system, "brightness")).status == "done"
    assert (await ended(system, state)).status == "done"


async def test_a_job_that_ends_while_the_disk_is_full_is_stored_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is known at once, and the next server knows it too if there was room in between."""
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)

    async def stored() -> bool:
        record = await system.store.job(state.job_id)
        return record is not None and record.status == "cancelled"

    async with open_system(settings) as system:
        state = await submit(system, "bulky")
        with full_disk(system):
            with trio.fail_after(20):
                await system.store.wait_failing()
                await system.jobs.cancel(state.job_id)
            assert (await system.jobs.state(state.job_id)).status == "cancelled"
        await eventually(stored)
    async with open_system(settings) as system:
        assert (await system.jobs.state(state.job_id)).status == "cancelled"
