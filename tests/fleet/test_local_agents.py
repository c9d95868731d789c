"""Agents that a server starts on its own machine: they find it, are kept running, and end with it."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import attrs
import pytest
import trio

from kinora.actors.requests.standing_job import StandingJob
from kinora.fleet import agent_book
from kinora.fleet.local_agents import core_shares, spread
from kinora.fleet.local_start import LocalStart
from kinora.media.live.placed_camera import PlacedCamera
from kinora.runtime.linux.machine import cores
from kinora.runtime.linux.processes import descendants, status_of
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.settings.transfer import decode_settings, encode_settings
from tests.authority import Authority
from tests.clips import make_clip
from tests.jobs_kit import CLIP_FRAMES, ended, frames_of, some_frames, submit, write_plugin

SAFETY_S = 60.0
TOKEN = "kin_" + "a" * 43


async def until(condition: Callable[[], object]) -> None:
    """Wait for a state of other processes that can only be polled."""
    with trio.fail_after(SAFETY_S):
        while not condition():  # noqa: ASYNC110 - as said
            await trio.sleep(0.02)


def run(pids: set[int]) -> bool:
    """Whether any of these processes runs."""
    return any((status := status_of(pid)) is not None and status.running for pid in pids)


def test_jobs_are_spread_over_the_agents() -> None:
    """Each has a place, and together they have those of the server."""
    assert spread(5, 2) == [3, 2]
    assert spread(2, 3) == [1, 1, 1]
    assert spread(8, 4) == [2, 2, 2, 2]
    assert spread(2, 0) == []


def test_the_cores_are_divided_between_the_agents() -> None:
    """None is offered twice, but each place has a core, as jobs ask for one."""
    assert core_shares(8, [1, 1]) == [4.0, 4.0]
    assert core_shares(2, [1, 1]) == [1.0, 1.0]
    assert core_shares(6, [3, 2, 1, 1]) == [3.0, 2.0, 1.5, 1.5]
    assert core_shares(2, []) == []


def test_the_settings_come_over_whole(tmp_path: Path) -> None:
    """All but the standing jobs: these are the server's."""
    camera = PlacedCamera(url="rtsp://10.0.0.7/live", user="viewer", password_file=tmp_path / "password")
    settings = Settings(data_dir=tmp_path, cameras={"front": camera}, plugin_files=(tmp_path / "a.py",), keep_days=1.5)
    served = attrs.evolve(settings, jobs={"door": StandingJob(source="camera:front", plugins=("motion",))})
    assert decode_settings(encode_settings(served)) == settings


def test_the_start_of_an_agent_shows_no_token() -> None:
    """Wherever it is printed."""
    start = LocalStart(
        server_pid=1, url="http://a", token=TOKEN, certificate=None, name="local", places=1, settings=b""
    )
    assert TOKEN not in f"{start} {start!r}"


SLOW = """
    class Slow(Plugin):
        metadata = PluginMetadata(name="slow")

        def process_frame(self, frame):
            time.sleep(0.1)
            return {"events": [{"kind": "seen"}]}
"""
COUNTS = """
    class Counts(Plugin):
        metadata = PluginMetadata(name="counts")
        seen = 0

        def process_frame(self, frame):
            self.seen += 1
            time.sleep(0.02)  # far less than a stop leaves for each of the frames inside
            return {}

        def save_state(self):
            return b"%d" % self.seen

        def load_state(self, data):
            self.seen = int(data)
"""


async def test_agents_find_their_server_and_run_its_jobs(
    settings: Settings, tmp_path: Path, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a certificate that nobody vouches for, with tokens and another path; one that is killed costs no frame.

    At a stop of the server what the plugins in them know is stored.
    """
    monkeypatch.setattr(agent_book, "LOST_AFTER_S", 600.0)  # the server sees the end of what it has started
    write_plugin(plugins_dir, "slow", SLOW)
    write_plugin(plugins_dir, "counts", COUNTS)
    make_clip(settings.media_dir / "long.avi", frames=1000)
    certificate = Authority(tmp_path).give("server.pem")
    changed = attrs.evolve(settings, tls_cert=certificate, token=True, root_path="/kinora", agents=1, max_jobs=3)
    async with open_server(changed) as server:
        system = server.system
        running = await some_frames(system, await submit(system, {"name": "slow"}))
        (agent,) = system.agent_book.all()
        assert (agent.facts.name, agent.facts.places, agent.facts.shares_files) == ("local-1", 3, True)
        assert agent.facts.cpus == max(3, cores())
        assert running.agent == agent.id
        family = {agent.facts.pid} | descendants(agent.facts.pid)
        os.kill(agent.facts.pid, signal.SIGKILL)
        await until(lambda: not run(family))
        done = await ended(system, running)
        assert (done.status, done.frames_done, done.error) == ("done", CLIP_FRAMES, None)
        assert [frame["index"] for frame in await frames_of(system, done)] == list(range(CLIP_FRAMES))
        events = (await system.jobs.events(done.job_id)).events
        assert [(event.number, event.kind) for event in events] == [(n + 1, "seen") for n in range(CLIP_FRAMES)]
        (other,) = system.agent_book.all()
        family = {other.facts.pid} | descendants(other.facts.pid)
        assert len(family) >= 2
        unended = await some_frames(system, await submit(system, "counts", source="long.avi"))
        while unended.frames_done < 3:
            unended = await system.jobs.wait_changed(unended.job_id, unended)
    await until(lambda: not run(family))
    last, states = stored(settings, unended.job_id)
    assert states == {"counts": (last, b"%d" % (last + 1))}
    assert last >= 2


def stored(settings: Settings, job_id: str) -> tuple[int, dict[str, tuple[int, bytes]]]:
    """The last stored frame of a job, and plugin → the frame of its stored state, and the state."""
    with closing(sqlite3.connect(settings.data_dir / "kinora.db")) as database:
        [(last,)] = database.execute(
            "SELECT max(frame_index) FROM frames JOIN jobs ON number = job WHERE job_id = ?", [job_id]
        )
        states = database.execute(
            "SELECT plugin, frame_index, data FROM states JOIN jobs ON number = job WHERE job_id = ?", [job_id]
        )
        return last, {plugin: (index, state) for plugin, index, state in states}
