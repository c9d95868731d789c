"""A real agent process against a small server that speaks the link: what it promises to the server holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from kinora.actors.pipeline.pipeline_link import PipelineEnded, PipelineLost
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.fleet.link import WINDOW_FRAMES, Attempt, Refused, Tell
from kinora.fleet.local_start import LocalStart, encode_start
from kinora.runtime.linux.processes import children, descendants, status_of
from kinora.settings import Settings
from kinora.settings.transfer import encode_settings
from tests.agent.link_server import SAFETY_S, LinkServer, link_server, order
from tests.clips import make_clip

FRAMES = 12
PLUGINS = '''
import subprocess
import time

from kinora.plugins import Plugin, PluginMetadata

class Counts(Plugin):
    metadata = PluginMetadata(name="counts")

    def process_frame(self, frame):
        return {"index": frame.index}

class Holds(Plugin):
    """Starts a process of its own, and holds the frame behind the first ones for ever."""

    metadata = PluginMetadata(name="holds")

    def prepare(self, context):
        subprocess.Popen(["sleep", "1000"])

    def process_frame(self, frame):
        if frame.index > 3:
            time.sleep(1000)
        return {}
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with plugins, a short clip, and one of more frames than the window has."""
    folder = tmp_path_factory.mktemp("agent")
    (folder / "plugins.py").write_text(PLUGINS, encoding="utf-8")
    make_clip(folder / "clip.avi", frames=FRAMES)
    make_clip(folder / "long.avi", frames=WINDOW_FRAMES + 40)
    return folder


def run_module(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a module of the tests in a process of its own."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2])


@asynccontextmanager
async def agent(server: LinkServer, folder: Path, *, lease_s: float = 30.0) -> AsyncIterator[subprocess.Popen[bytes]]:
    """An agent as a server on this machine starts it; at the end nothing of it is left."""
    settings = Settings(
        data_dir=folder, media_dir=folder, models_dir=folder, plugin_files=(folder / "plugins.py",), watch=True
    )
    start = LocalStart(
        server_pid=os.getpid(),
        url=server.url,
        token=None,
        certificate=None,
        name="local",
        places=2,
        settings=encode_settings(settings),
    )
    with run_module("tests.agent.short_lease", str(lease_s)) as process:
        assert process.stdin is not None
        process.stdin.write(encode_start(start))
        process.stdin.close()
        try:
            await server.until(lambda: server.socket)
            yield process
        finally:
            process.kill()


def below(process: subprocess.Popen[bytes]) -> set[int]:
    """All that an agent has started."""
    return descendants(process.pid)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a state of other processes that can only be polled."""
    with trio.fail_after(SAFETY_S):
        while not condition():  # noqa: ASYNC110 - as said
            await trio.sleep(0.02)


async def gone(pids: set[int]) -> None:
    """Wait until none of these processes runs."""
    await until(lambda: not any((status := status_of(pid)) is not None and status.running for pid in pids))


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end, and return its status."""
    await until(lambda: process.poll() is not None)
    return process.returncode


async def test_an_agent_carries_out_orders_until_it_leaves(folder: Path) -> None:
    """It tells each frame once and in order, whatever becomes of the connection, and hands back what it runs."""
    async with link_server() as server, agent(server, folder) as process:
        facts = server.hellos[0].facts
        assert {"counts", "holds", "motion"} <= facts.plugins.keys()
        assert (facts.name, facts.places, facts.shares_files) == ("local", 2, True)
        assert facts.devices[0].id == "cpu"
        await carry_out(server, order(folder / "clip.avi", "counts"))
        await keep_to_the_window(server, order(folder / "long.avi", "counts", job_id="job-2"))
        await stop_on_command(server, order(folder / "clip.avi", "holds", job_id="job-3"))
        await drop_what_is_not_kept(server, order(folder / "clip.avi", "holds", job_id="job-4"), process)
        await take_edited_plugins(server, trio.Path(folder) / "plugins.py")
        await leave(server, order(folder / "clip.avi", "holds", job_id="job-5"), process)


async def take_edited_plugins(server: LinkServer, plugins: trio.Path) -> None:
    """The server is told of other code, for the jobs that it gives the agent from then on."""
    await plugins.write_text(f"{PLUGINS}\n# edited", encoding="utf-8")
    await server.until(lambda: server.reloaded)
    before, now = server.hellos[0].facts.plugins, server.reloaded[0].plugins
    assert {name for name in before if now[name] != before[name]} == {"counts", "holds"}


async def carry_out(server: LinkServer, what: WorkOrder) -> None:
    """All frames come, then the end."""
    heard = await server.assign(what)
    await server.until(lambda: "ended" in heard.kinds)
    assert heard.frames == list(range(FRAMES))
    assert heard.events[-1] == PipelineEnded()


async def keep_to_the_window(server: LinkServer, what: WorkOrder) -> None:
    """The pipeline waits until frames are acknowledged; the next connection goes on behind those that were taken."""
    attempt = Attempt(what.job_id, 1)
    server.acknowledges = False
    heard = await server.assign(what)
    await server.until(lambda: len(heard.frames) == WINDOW_FRAMES)
    renewals = len(server.renewals)
    await server.until(lambda: len(server.renewals) > renewals)
    assert len(heard.frames) == WINDOW_FRAMES
    await server.until(lambda: server.renewals[-1].load.workers >= 2)

    await server.cut()
    await server.until(lambda: len(server.hellos) == 2)
    hello = server.hellos[1]
    assert (hello.instance, hello.server) == (server.hellos[0].instance, "run 1")
    assert [running.attempt for running in hello.running] == [attempt]
    server.acknowledges = True
    await server.acknowledge(attempt)
    await server.until(lambda: "ended" in heard.kinds)
    assert heard.frames == list(range(WINDOW_FRAMES + 40))


async def stop_on_command(server: LinkServer, what: WorkOrder) -> None:
    """A frame that a plugin holds for ever holds up no end."""
    heard = await server.assign(what)
    await server.until(lambda: heard.frames)
    await server.send(Tell(attempt=Attempt(what.job_id, 1), command="stop"))
    await server.until(lambda: "ended" in heard.kinds)
    assert heard.events[-1] == PipelineEnded()


async def drop_what_is_not_kept(server: LinkServer, what: WorkOrder, process: subprocess.Popen[bytes]) -> None:
    """A server that was started anew keeps nothing: what ran for the one before ends at once, without a word."""
    idle = below(process)
    heard = await server.assign(what)
    await server.until(lambda: heard.frames)
    busy = below(process) - idle
    server.server = "run 2"
    await server.cut()
    await server.until(lambda: len(server.hellos) == 3)
    assert {running.attempt for running in server.hellos[2].running} == {Attempt(what.job_id, 1)}
    told = heard.told
    await gone(busy)
    assert heard.told == told


async def leave(server: LinkServer, what: WorkOrder, process: subprocess.Popen[bytes]) -> None:
    """The operator's SIGTERM has it say so first, end what it runs, and end; it comes back no more."""
    heard, hellos = await server.assign(what), len(server.hellos)
    await server.until(lambda: heard.frames)
    family = below(process)
    process.terminate()
    await server.until(lambda: "lost" in heard.kinds)
    assert len(server.leaving) == 1
    assert heard.events[-1] == PipelineLost(server.leaving[0].reason, "agent 1")
    assert await ended(process) == 0
    assert len(server.hellos) == hellos
    await gone(family)


async def test_nothing_outlives_a_lease(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An agent that gets no renewals, or is stopped, begins anew; one that is refused for good says why, and ends."""
    async with link_server() as server, agent(server, folder, lease_s=2.5) as process:
        held = await server.assign(order(folder / "clip.avi", "holds"))
        await server.until(lambda: held.frames)
        family = below(process)
        server.grants = False
        await server.until(lambda: len(server.hellos) == 2)
        assert server.hellos[1].instance != server.hellos[0].instance
        assert (server.hellos[1].server, server.hellos[1].running) == (None, ())
        await gone(family - children(process.pid))
        server.grants = True
        await server.cut()

        await server.until(lambda: len(server.hellos) == 3)
        held = await server.assign(order(folder / "clip.avi", "holds", attempt=2))
        await server.until(lambda: held.frames)
        renewals = len(server.renewals)
        await server.until(lambda: len(server.renewals) > renewals + 2)  # it has told what there is
        family = below(process)
        os.kill(process.pid, signal.SIGSTOP)
        await gone(family)
        told = held.told
        os.kill(process.pid, signal.SIGCONT)
        await server.until(lambda: server.hellos[-1].instance != server.hellos[2].instance)
        assert not server.hellos[-1].running
        assert held.told == told
        await carry_out(server, order(folder / "clip.avi", "counts", attempt=3))

        server.refusal = Refused("The versions differ.", final=True)
        await server.cut()
        assert await ended(process) == 1
    assert "kinora: The versions differ." in capfd.readouterr().err
