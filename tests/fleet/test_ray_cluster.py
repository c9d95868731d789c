"""A server whose agents Ray starts, in a cluster of three nodes that are simulated on this machine.

One test, as the cluster takes ten seconds to start.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio

from kinora.actors.models import JobState
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import System
from tests.clips import make_clip
from tests.jobs_kit import SAFETY_S, ended, frames_of, submit, write_plugin

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray has no wheel for this Python, so kinora[ray] installs nothing"
)
FRAMES = 120
FEW = 20
LIMIT_S = 2 * SAFETY_S
SLOW = """
@tool
def slow(frame: Frame) -> dict[str, int]:
    time.sleep(0.05)
    return {"index": frame.index}
"""


class Nodes:
    """The cluster, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = self._line()

    async def order(self, order: str) -> str:
        """Have something done; return what is answered."""
        return await trio.to_thread.run_sync(self._order, order)

    def _order(self, order: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def cluster(plugins_dir: Path) -> Iterator[Nodes]:
    """Run a cluster during the block, whose agents have these plugins."""
    command = [sys.executable, "-m", "tests.fleet.ray_nodes"]
    ours = {**os.environ, "KINORA_PLUGINS_DIR": str(plugins_dir)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ours) as process:
        yield Nodes(process)


async def state_of(system: System, job: JobState, true: Callable[[JobState], object]) -> JobState:
    """Wait until this is true of a job, and return its state."""
    with trio.fail_after(SAFETY_S):
        while not true(state := await system.jobs.state(job.job_id)):  # noqa: ASYNC110 - nothing tells of reasons
            assert not state.ended, state.error
            await trio.sleep(0.05)
    return state


def waits_for(words: str) -> Callable[[JobState], bool]:
    """True of a job in line that says that it waits for this."""
    return lambda state: state.status == "queued" and words in (state.waiting_for or "")


async def runs(system: System, job: JobState, not_with: str | None = None) -> str:
    """Wait until a job runs with an agent, another one than before; return it."""
    state = await state_of(system, job, lambda state: state.agent not in {None, not_with} and state.status == "running")
    return str(state.agent)


async def node_of(nodes: Nodes, system: System, agent: str) -> str:
    """The node on which an agent runs."""
    (pid,) = [joined.facts.pid for joined in system.agent_book.all() if joined.id == agent]
    return await nodes.order(f"whose {pid}")


async def ends_right(system: System, job: JobState, frames_total: int) -> None:
    """Wait for the end of a job: each frame is there once, with its own result."""
    state = await ended(system, job)
    frames = await frames_of(system, state)
    assert (state.status, state.error) == ("done", None)
    assert [frame["results"]["slow"]["index"] for frame in frames] == list(range(frames_total))


async def test_jobs_live_with_what_becomes_of_a_ray_cluster(settings: Settings, plugins_dir: Path) -> None:
    """They run where their resources are, say what they wait for, move when a node is lost, and outlive the cluster."""
    make_clip(settings.media_dir / "long.avi", frames=FRAMES)
    write_plugin(plugins_dir, "slow", SLOW)
    with trio.fail_after(LIMIT_S), cluster(plugins_dir) as nodes:
        chosen = attrs.evolve(settings, engine="ray", ray_address=nodes.address, agent_idle_s=3600.0)
        async with open_server(chosen) as server:
            await lives_with(nodes, server.system)


async def lives_with(nodes: Nodes, system: System) -> None:
    """What becomes of jobs while the cluster loses a node, then itself, and is there again."""
    job = partial(submit, system, "slow", source="long.avi")

    large, impossible = await job(cpus=2.0, max_frames=FEW), await job(cpus=9.0)
    assert await node_of(nodes, system, await runs(system, large)) == "large"
    await state_of(system, impossible, waits_for("No node of the Ray cluster has 9 CPUs: the most that one has is 2"))
    await system.jobs.cancel(impossible.job_id)

    moved = await job(resources={"card": 1.0})  # the large node has one too, and no core left
    agent = await runs(system, moved)
    assert await node_of(nodes, system, agent) == "small"
    await ends_right(system, large, FEW)
    await nodes.order("lose small")
    agent = await runs(system, moved, not_with=agent)
    assert await node_of(nodes, system, agent) == "large"
    assert [told for told in (await system.jobs.state(moved.job_id)).warning_groups if told.code == "AGENT_LOST"]

    await nodes.order("lose head")
    assert await frames_of(system, large)
    await state_of(system, moved, lambda state: state.status == "queued" and state.waiting_for)
    await nodes.order("begin head small")
    await ends_right(system, moved, FRAMES)
