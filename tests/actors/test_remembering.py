"""Plugins that remember: after a kill or a restart, all frames are those of an undisturbed run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import cv2
import msgspec
import numpy as np
import pytest
import trio

from kinora.actors.frames import marks
from kinora.actors.models import JobState
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.client_kit import get, post
from tests.jobs_kit import SAFETY_S, codes_of, ended, frames_of, submit, write_plugin

FRAMES, STOP, CUT = 36, 18, 24
"""How long the clip is, the frame at which a job waits, and the one at which another scene begins."""
PLUGINS = ("brake", "motion", "scenes", "tracker")
BRAKE = """
@tool("brake", stateless=True)
def brake(frame):
    while frame.index == STOP and not os.path.exists(GO):
        time.sleep(0.01)
"""
COUNTS = """
class Counts(Plugin):
    metadata = PluginMetadata(name="counts")
    seen = 0

    def process_frame(self, frame):
        self.seen += 1
        while frame.index == STOP and not os.path.exists(GO):
            time.sleep(0.01)
        return {"seen": self.seen}

    def save_state(self):
        return b"%d" % self.seen

    def load_state(self, data):
        self.seen = int(data)
"""
FORGETS = COUNTS.replace("counts", "forgets").replace("save_state", "save").replace("load_state", "load")
REFUSES = COUNTS.replace("counts", "refuses").replace("int(data)", "int(data + b'?')")
FIRST = """
class First(Plugin):
    metadata = PluginMetadata(name="first")
    seen = 0

    def process_frame(self, frame):
        self.seen += 1
        if not os.path.exists(GO):
            open(GO, "x").close()
            os.kill(os.getpid(), 9)
        return {"seen": self.seen}

    def save_state(self):
        return b"%d" % self.seen

    def load_state(self, data):
        self.seen = int(data)
"""
_undisturbed: dict[tuple[str, ...], list[dict[str, Any]]] = {}


def draw_clip(path: Path) -> Path:
    """Two things that pass each other before a restless ground, and a cut."""
    noise = np.random.default_rng(2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (160, 96))
    for index in range(FRAMES):
        image = np.full((96, 160, 3), 40 if index < CUT else 190, np.uint8)
        image += noise.integers(0, 8, image.shape, dtype=np.uint8)
        cv2.rectangle(image, (4 * index, 16), (4 * index + 26, 42), (30, 230, 90), -1)
        cv2.rectangle(image, (136 - 3 * index, 52), (156 - 3 * index, 84), (230, 40, 120), -1)
        writer.write(image)
    writer.release()
    return path


@pytest.fixture
def go(tmp_path: Path, media: Path, plugins_dir: Path) -> Path:
    """The file that lets a job go on at ``STOP``; the plugins and the clip are there."""
    draw_clip(media / "drawn.mp4")
    path = tmp_path / "go"
    for name, text in (
        ("brake", BRAKE),
        ("counts", COUNTS),
        ("forgets", FORGETS),
        ("refuses", REFUSES),
        ("first", FIRST),
    ):
        write_plugin(plugins_dir, name, text.replace("GO", repr(str(path))).replace("STOP", str(STOP)))
    return path


async def begun(system: System, *plugins: str) -> JobState:
    """A job that waits at ``STOP``, with all frames before it stored."""
    state = await submit(system, *plugins, source="drawn.mp4")
    while state.frames_done < STOP:
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


async def finished(system: System, state: JobState) -> list[dict[str, Any]]:
    """Its frames, once it has ended well."""
    state = await ended(system, await system.jobs.state(state.job_id))
    assert (state.status, state.frames_done) == ("done", FRAMES)
    return await frames_of(system, state)


async def undisturbed(system: System, go: Path, *plugins: str) -> list[dict[str, Any]]:
    """The frames of a job that nothing happened to; it runs once for all tests."""
    if plugins in _undisturbed:
        return _undisturbed[plugins]
    await trio.Path(go).touch()
    frames = await finished(system, await submit(system, *plugins, source="drawn.mp4"))
    await trio.Path(go).unlink()
    ids = [found["track_id"] for frame in frames for found in frame["results"].get("tracker", {}).get("detections", [])]
    assert "tracker" not in plugins or len(set(ids)) >= 2
    return _undisturbed.setdefault(plugins, frames)


def kill_workers(system: System, state: JobState, *plugins: str) -> None:
    """Kill the processes of some plugins."""
    names = {f"{state.job_id}/{plugin}" for plugin in plugins}
    workers = [worker for worker in system.fork_server._workers.values() if worker.name in names]
    assert len(workers) == len(plugins)
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)


async def test_killed_workers_of_trackers_change_nothing(system: System, go: Path) -> None:
    """Each goes on with what it knew, and the client hears of the deaths alone."""
    with trio.fail_after(SAFETY_S):
        expected = await undisturbed(system, go, *PLUGINS)
        state = await begun(system, *PLUGINS)
        kill_workers(system, state, "motion", "scenes", "tracker")
        await trio.Path(go).touch()
        assert await finished(system, state) == expected
    assert sorted(codes_of(system, state.job_id)) == [(name, "PLUGIN_CRASH") for name in sorted(PLUGINS[1:])]


async def test_a_worker_killed_in_the_middle_of_a_frame_sees_it_again(system: System, go: Path) -> None:
    """What was no fault of the plugin's costs no result."""
    with trio.fail_after(SAFETY_S):
        state = await begun(system, "counts")
        kill_workers(system, state, "counts")
        await trio.Path(go).touch()
        found = await finished(system, state)
    assert [frame["results"]["counts"]["seen"] for frame in found] == list(range(1, FRAMES + 1))
    assert codes_of(system, state.job_id) == [("counts", "PLUGIN_CRASH")]


async def test_a_worker_killed_in_its_first_frame_sees_it_again(system: System, go: Path) -> None:
    """It knew nothing yet, so that a new process knows as much as it did."""
    with trio.fail_after(SAFETY_S):
        state = await submit(system, "first", source="drawn.mp4")
        found = await finished(system, state)
    assert [frame["results"]["first"]["seen"] for frame in found] == list(range(1, FRAMES + 1))
    assert codes_of(system, state.job_id) == [("first", "PLUGIN_CRASH")]


async def test_who_cannot_take_up_its_state_begins_anew_and_says_so(system: System, go: Path) -> None:
    """The reason is told, if there is one."""
    with trio.fail_after(SAFETY_S):
        state = await begun(system, "brake", "forgets", "refuses")
        kill_workers(system, state, "forgets", "refuses")
        await trio.Path(go).touch()
        found = await finished(system, state)
    assert {plugin for plugin, code in codes_of(system, state.job_id) if code == "STATE_LOST"} == {"forgets", "refuses"}
    last = found[-1]["results"]
    assert last["refuses"] == {"seen": FRAMES - STOP}
    assert last["forgets"]["seen"] < FRAMES
    groups = {group.plugin: group for group in (await system.jobs.state(state.job_id)).warning_groups}
    lost = [group for group in groups.values() if group.code == "STATE_LOST"]
    assert any("load_state: ValueError: invalid literal" in group.message for group in lost)


@pytest.mark.parametrize("mark_every_s", [0.0, 600.0])
async def test_an_orderly_restart_changes_nothing(
    settings: Settings, go: Path, monkeypatch: pytest.MonkeyPatch, mark_every_s: float
) -> None:
    """Wherever the last mark was: on the newest frame, or on the first."""
    monkeypatch.setattr(marks, "MARK_EVERY_S", mark_every_s)
    with trio.fail_after(SAFETY_S):
        async with open_system(settings) as system:
            expected = await undisturbed(system, go, *PLUGINS)
            state = await begun(system, *PLUGINS, "forgets")
        await trio.Path(go).touch()
        async with open_system(settings) as system:
            found = await finished(system, state)
            assert {code for _, code in codes_of(system, state.job_id)} == {"STATE_LOST"}
            told = (await system.jobs.state(state.job_id)).warning_groups
    assert [(group.plugin, group.code) for group in told] == [("forgets", "STATE_LOST")]
    for frame in found:
        del frame["results"]["forgets"]
    assert found == expected


async def test_a_long_pause_changes_nothing(settings: Settings, go: Path) -> None:
    """The workers end meanwhile."""
    with trio.fail_after(SAFETY_S):
        async with open_system(attrs.evolve(settings, paused_keep_s=0.0)) as system:
            expected = await undisturbed(system, go, *PLUGINS)
            state = await begun(system, *PLUGINS)
            await system.jobs.pause(state.job_id)
            await trio.Path(go).touch()
            while system.fork_server._workers:  # noqa: ASYNC110 - nothing tells
                await trio.sleep(0.01)
            await system.jobs.resume(state.job_id)
            assert await finished(system, state) == expected
    assert not state.warning_groups


@asynccontextmanager
async def serving(folder: Path, plugins_dir: Path) -> AsyncIterator[str]:
    """A real server on the folder; it is killed at the end."""
    command = [sys.executable, "-m", "kinora", "serve", "--port", "0", "--data-dir", "data", "--media-dir", "media"]
    (folder / "log").unlink(missing_ok=True)
    with (folder / "log").open("wb") as log:
        more = {**os.environ, "KINORA_LOG_FORMAT": "json", "KINORA_PLUGINS_DIR": str(plugins_dir)}
        process = await trio.lowlevel.open_process(command, cwd=folder, env=more, stdout=log, stderr=log)
    try:
        while (url := _announced(folder / "log")) is None:  # noqa: ASYNC110 - another process writes the log
            await trio.sleep(0.02)
        yield url
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def _announced(log: Path) -> str | None:
    for line in log.read_bytes().splitlines():
        if b'"serving"' in line:
            return str(msgspec.json.decode(line)["url"])
    return None


async def frames_until(url: str, job_id: str, reached: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The frames of a job once its state is so."""
    while not reached((await get(f"{url}/v1/jobs/{job_id}/extended")).json()):  # noqa: ASYNC110 - over HTTP
        await trio.sleep(0.02)
    frames: list[dict[str, Any]] = (await get(f"{url}/v1/jobs/{job_id}/frames")).json()["frames"]
    return frames


async def test_a_killed_server_changes_nothing(tmp_path: Path, go: Path, plugins_dir: Path, settings: Settings) -> None:
    """Nothing but the newest mark, which was stored with its frame, is left of what the plugins knew."""
    with trio.fail_after(SAFETY_S):
        async with open_system(attrs.evolve(settings, data_dir=tmp_path / "other")) as system:
            expected = await undisturbed(system, go, *PLUGINS)
        async with serving(tmp_path, plugins_dir) as url:
            request = {"source": "drawn.mp4", "plugins": list(PLUGINS)}
            job_id = (await post(f"{url}/v1/jobs", request)).json()["job_id"]
            await frames_until(url, job_id, lambda state: bool(state["frames_done"] == STOP))
        await trio.Path(go).touch()
        async with serving(tmp_path, plugins_dir) as url:
            found = await frames_until(url, job_id, lambda state: bool(state["status"] == "done"))
            state = (await get(f"{url}/v1/jobs/{job_id}/extended")).json()
    assert found == expected
    assert not state["warnings"]
