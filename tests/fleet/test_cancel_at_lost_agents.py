"""A cancel is answered although its agent says nothing any more, and everything is gone then."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from kinora.actors.models import JobState
from kinora.fleet import agent_book
from kinora.serve import RunningServer
from kinora.settings import Settings
from kinora.system import System
from tests.client_kit import post
from tests.fleet.real_agents import (
    BUSY_S,
    LOST_AFTER_S,
    SHORT_LEASE_S,
    RealAgent,
    check_gone,
    joined,
    real_agents,
    run,
)
from tests.fleet.slow_link import slow_link
from tests.jobs_kit import some_frames, submit, write_plugin

ANSWERED_S = SHORT_LEASE_S + 1.0
HOLDS = '''
class Holds(Plugin):
    """Starts a process in a session of its own, and holds the frame behind the first ones for ever."""

    metadata = PluginMetadata(name="holds")

    def prepare(self, context):
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(1e9)

    def process_frame(self, frame):
        if frame.index > 3:
            time.sleep(1e9)
        return {}
'''


@pytest.fixture
def settings(settings: Settings, plugins_dir: Path) -> Settings:
    """A server with the plugin of these tests."""
    write_plugin(plugins_dir, "holds", HOLDS)
    return settings


async def test_a_cancel_is_answered_without_a_word_of_the_agent(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is stopped, killed, or its link says nothing any more: within the lease and a second."""
    monkeypatch.setattr(agent_book, "LOST_AFTER_S", LOST_AFTER_S)
    async with (
        slow_link(server.url) as link,
        real_agents(server, {"stopped": server.url, "killed": server.url, "cut": link.url}) as agents,
    ):
        jobs = await jobs_at(server.system, list(agents.values()))
        families = {name: agent.workers() for name, agent in agents.items()}
        assert all(len(family) >= 3 for family in families.values())

        os.kill(agents["stopped"].process.pid, signal.SIGSTOP)
        agents["killed"].process.kill()
        link.darken()
        async with trio.open_nursery() as nursery:
            for name, agent in agents.items():
                nursery.start_soon(check_cancel, server, jobs[agent.joined.id], families[name])

        os.kill(agents["stopped"].process.pid, signal.SIGCONT)
        link.mend()
        for name in ("stopped", "cut"):
            again = await joined(server, name)
            assert again.instance != agents[name].joined.instance
            assert not again.busy
            assert not run(families[name])


async def jobs_at(system: System, agents: list[RealAgent]) -> dict[str, JobState]:
    """A job at each agent, in the midst of a frame."""
    states = [await some_frames(system, await submit(system, "holds")) for _ in agents]
    jobs = {state.agent: state for state in states if state.agent is not None}
    assert jobs.keys() == {agent.joined.id for agent in agents}
    return jobs


async def check_cancel(server: RunningServer, job: JobState, family: set[int]) -> None:
    """The answer comes in time, and nothing of the job runs then."""
    began = trio.current_time()
    answer = (await post(f"{server.url}/v1/jobs/{job.job_id}/cancel")).json()
    took = trio.current_time() - began
    await check_gone(family)
    assert (answer["status"], answer["cancelled"]) == ("cancelled", True)
    assert took < ANSWERED_S + BUSY_S, (job.agent, took)
