"""An orderly stop stores what the plugins know after the last frame."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import cv2
import msgspec
import numpy as np
import pytest
import trio

from kinora.actors.frames import marks
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.client_kit import get, post
from tests.jobs_kit import SAFETY_S, submit, write_plugin
from tests.live_http import live_server
from tests.media.videos import Image
from tests.media_server import MediaServer

PACE_S = 0.02
COUNTS = """
class Counts(Plugin):
    metadata = PluginMetadata(name="counts")
    seen = 0

    def process_frame(self, frame):
        self.seen += 1
        return {"seen": self.seen}

    def save_state(self):
        SLOWLY
        return b"%d" % self.seen

    def load_state(self, data):
        self.seen = int(data)
"""
COUNTS_DEARLY = COUNTS.replace("counts", "counts-dearly").replace("SLOWLY", "time.sleep(0.01)")
BRAKE = """
@tool("brake", stateless=True)
def brake(frame):
    while frame.index == STOP and not os.path.exists(GO):
        time.sleep(0.01)
"""
STOP = 5
PLUGINS = ("counts", "counts-dearly", "motion", "tracker")


@pytest.fixture(autouse=True)
def go(tmp_path: Path, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that lets ``brake`` go on at ``STOP``. There is no mark but that on the first frame."""
    path = tmp_path / "go"
    monkeypatch.setattr(marks, "MARK_EVERY_S", 600.0)
    write_plugin(plugins_dir, "counts", COUNTS.replace("SLOWLY", "pass"))
    write_plugin(plugins_dir, "counts-dearly", COUNTS_DEARLY)
    write_plugin(plugins_dir, "brake", BRAKE.replace("GO", repr(str(path))).replace("STOP", str(STOP)))
    return path


def passing() -> Iterator[Image]:
    """Something that passes again and again."""
    for number in count():
        image = np.full((96, 160, 3), 40, np.uint8)
        at = 4 * number % 130
        cv2.rectangle(image, (at, 16), (at + 26, 42), (30, 230, 90), -1)
        yield image


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[MediaServer]:
    """A camera without an end."""
    never = threading.Event()
    with live_server(tmp_path, passing, lambda: not never.wait(PACE_S)) as running:
        yield running


@asynccontextmanager
async def serving(settings: Settings, plugins_dir: Path, host: str) -> AsyncIterator[str]:
    """A real server; it is asked to stop at the end."""
    log = settings.data_dir.parent / "log"
    with log.open("wb") as output:
        more = {"KINORA_LOG_FORMAT": "json", "KINORA_PLUGINS_DIR": str(plugins_dir), "KINORA_URL_HOSTS": host}
        command = [sys.executable, "-m", "kinora", "serve", "--port", "0", "--data-dir", str(settings.data_dir)]
        process = await trio.lowlevel.open_process(command, env={**os.environ, **more}, stdout=output, stderr=output)
    try:
        while not (lines := [line for line in log.read_bytes().splitlines() if b'"serving"' in line]):  # noqa: ASYNC110
            await trio.sleep(0.02)
        yield str(msgspec.json.decode(lines[0])["url"])
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def frames_from(url: str, job_id: str, at_least: int) -> list[dict[str, Any]]:
    """The frames of a job once there are so many."""
    while (await get(f"{url}/v1/jobs/{job_id}/extended")).json()["frames_done"] < at_least:  # noqa: ASYNC110 - over HTTP
        await trio.sleep(0.02)
    frames: list[dict[str, Any]] = (await get(f"{url}/v1/jobs/{job_id}/frames")).json()["frames"]
    return frames


def stored(settings: Settings) -> tuple[int, dict[str, int]]:
    """The last stored frame, and plugin → the frame of its stored state."""
    with closing(sqlite3.connect(settings.data_dir / "kinora.db")) as database:
        [(last,)] = database.execute("SELECT max(frame_index) FROM frames")
        return last, dict(database.execute("SELECT plugin, frame_index FROM states"))


async def test_a_live_job_goes_on_as_if_the_server_had_not_stopped(
    settings: Settings, plugins_dir: Path, stream: MediaServer
) -> None:
    """Its pictures cannot be seen again, so the states must be those after the last one."""
    with trio.fail_after(SAFETY_S):
        async with serving(settings, plugins_dir, stream.host) as url:
            request = {"source": stream.url("api/stream.mjpeg"), "plugins": list(PLUGINS)}
            job_id = (await post(f"{url}/v1/jobs", request)).json()["job_id"]
            await frames_from(url, job_id, 20)
        last, states = stored(settings)
        assert states == dict.fromkeys(PLUGINS, last)
        async with serving(settings, plugins_dir, stream.host) as url:
            before = await frames_from(url, job_id, 20)
            await post(f"{url}/v1/jobs/{job_id}/resume", {})
            found = await frames_from(url, job_id, len(before) + 10)
    for plugin in ("counts", "counts-dearly"):
        assert [frame["results"][plugin]["seen"] for frame in found] == list(range(1, len(found) + 1))


async def begun(system: System, *plugins: str) -> str:
    """A job that waits at ``STOP``, with all frames before it stored."""
    state = await submit(system, *plugins, "brake")
    while state.frames_done < STOP:
        state = await system.jobs.wait_changed(state.job_id, state)
    return state.job_id


async def test_a_paused_job_has_its_states_stored_at_the_stop(settings: Settings, go: Path) -> None:
    """With the last frame that it has let in."""
    with trio.fail_after(SAFETY_S):
        async with open_system(settings) as system:
            await system.jobs.pause(await begun(system, *PLUGINS))
            await trio.Path(go).touch()
        last, states = stored(settings)
    assert states == dict.fromkeys(PLUGINS, last)
    assert last >= STOP


async def test_a_long_pause_stores_the_states(settings: Settings, go: Path) -> None:
    """Before the workers end."""
    with trio.fail_after(SAFETY_S):
        async with open_system(attrs.evolve(settings, paused_keep_s=0.0)) as system:
            job_id = await begun(system, *PLUGINS)
            await trio.Path(go).touch()
            await system.jobs.pause(job_id)
            while system.fork_server._workers:  # noqa: ASYNC110 - nothing tells
                await trio.sleep(0.01)
            marked = await system.store.states(job_id)
            frames = await system.store.frames(job_id, after=None, limit=1000)
    assert marked is not None
    assert marked[0] == frames[-1][0] >= STOP
    assert marked[1]["counts"] == b"%d" % len(frames)


async def test_a_plugin_that_hangs_leaves_the_last_mark(settings: Settings) -> None:
    """The stop waits for it no longer than it says, and the mark is not newer than the frames."""
    with trio.fail_after(SAFETY_S):
        async with open_system(settings) as system:
            await begun(system, "counts")
        assert stored(settings) == (STOP - 1, {"counts": 0})
