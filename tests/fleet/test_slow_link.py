"""An agent behind a link that is slow, narrow, and breaks: its frames come once and in order."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from kinora.actors.models import JobState
from kinora.fleet import agent_book
from kinora.fleet.link import WINDOW_FRAMES
from kinora.serve import RunningServer
from kinora.settings import Settings
from tests.client_kit import post
from tests.clips import make_clip
from tests.fleet.real_agents import LOST_AFTER_S, SHORT_LEASE_S, RealAgent, check_gone, joined, real_agents, until
from tests.fleet.slow_link import SlowLink, slow_link
from tests.jobs_kit import CLIP_FRAMES, codes_of, ended, frames_of, some_frames, submit, write_plugin

DELAY_S = 0.15
"""In each direction."""
NARROW_BYTES_PER_S = 80 * 2**10
LONG_FRAMES = WINDOW_FRAMES + 200
RENEWALS = 2
"""That must come through the narrow link."""
DARK_S = 1.0
"""The time for which nothing comes through: less than the silence after which an agent connects anew."""
INSIDE_FRAMES = 64
"""More than a pipeline has in its parts, beside those that wait for the server."""
PLUGINS = """
class Talks(Plugin):
    metadata = PluginMetadata(name="talks")

    def process_frame(self, frame):
        with open(__file__ + ".frames", "ab") as file:
            file.write(b".")
        return {"index": frame.index, "text": "x" * 8000}

class Dawdles(Plugin):
    metadata = PluginMetadata(name="dawdles")

    def process_frame(self, frame):
        time.sleep(0.1)
        return {"index": frame.index}

class Waits(Plugin):
    metadata = PluginMetadata(name="waits", stateless=True)

    def process_frame(self, frame):
        while frame.index > 10 and not os.path.exists(__file__ + ".go"):
            time.sleep(0.02)
        return {"index": frame.index}
"""


@pytest.fixture
def settings(settings: Settings, media: Path, plugins_dir: Path) -> Settings:
    """A server with a long clip and the plugins of these tests."""
    make_clip(media / "long.avi", frames=LONG_FRAMES, width=64, height=80)
    write_plugin(plugins_dir, "plugins", PLUGINS)
    return settings


async def test_an_agent_behind_a_slow_link(
    server: RunningServer, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a delay, nor a narrow way, nor a break loses or doubles a frame; a long break has the job move."""
    monkeypatch.setattr(agent_book, "LOST_AFTER_S", LOST_AFTER_S)
    async with slow_link(server.url) as link, real_agents(server, {"far": link.url}) as agents:
        agent = agents["far"]
        link.delay_s = DELAY_S
        await cancel(server, agent)
        await break_and_come_back(server, link, agent)
        link.delay_s = 0.0
        await keep_to_the_window(server, link, agent, plugins_dir / "plugins.py.frames")
        await stay_away(server, link, agent, plugins_dir / "plugins.py.go")


async def cancel(server: RunningServer, agent: RealAgent) -> None:
    """The agent's word is waited for, which takes the way to it and back, and no lease."""
    job = await some_frames(server.system, await submit(server.system, "dawdles"))
    workers = agent.workers()
    began = trio.current_time()
    answer = (await post(f"{server.url}/v1/jobs/{job.job_id}/cancel")).json()
    took = trio.current_time() - began
    assert answer["cancelled"]
    assert 2 * DELAY_S <= took < SHORT_LEASE_S
    assert agent.joined.lost is None
    assert len(workers) >= 2
    await check_gone(workers)


async def break_and_come_back(server: RunningServer, link: SlowLink, agent: RealAgent) -> None:
    """Within the lease, twice: once with an end of the connection, and once without a word."""
    job = await some_frames(server.system, await submit(server.system, "dawdles"))
    assert job.agent == agent.joined.id
    link.cut()
    await until(lambda: agent.joined.line is None)
    link.mend()
    await until(lambda: agent.joined.line is not None)
    link.darken()
    await until(lambda: server.system.agent_book.lease_left_s(agent.joined) < LOST_AFTER_S - DARK_S)
    link.mend()
    await check_frames(server, job, CLIP_FRAMES)
    assert codes_of(server.system, job.job_id) == []
    assert agent.joined.lost is None


async def keep_to_the_window(server: RunningServer, link: SlowLink, agent: RealAgent, progress: Path) -> None:
    """The plugins wait where the link is too narrow for their results, and the lease is renewed all the same."""
    link.bytes_per_s = NARROW_BYTES_PER_S
    told = agent.joined.figures.frames
    job = await submit(server.system, "talks", source="long.avi")
    ahead, kept, granted = [0], [0], set[float]()

    def is_renewed() -> bool:
        """Note how far the plugin is ahead, what the server keeps, and each grant once the window is full."""
        ahead.append(size_of(progress) - (agent.joined.figures.frames - told))
        kept.append(sum(assigned.told - assigned.acknowledged for assigned in agent.joined.assigned.values()))
        if max(ahead) >= WINDOW_FRAMES:
            granted.add(agent.joined.granted_s)
        return len(granted) > RENEWALS or agent.joined.lost is not None

    await until(is_renewed)
    assert agent.joined.lost is None
    assert agent.joined.figures.frames - told < LONG_FRAMES
    link.bytes_per_s = None
    await check_frames(server, job, LONG_FRAMES)
    assert WINDOW_FRAMES <= max(ahead) < WINDOW_FRAMES + INSIDE_FRAMES
    assert max(kept) <= WINDOW_FRAMES
    assert size_of(progress) == LONG_FRAMES
    assert codes_of(server.system, job.job_id) == []
    assert agent.joined.lost is None


async def stay_away(server: RunningServer, link: SlowLink, agent: RealAgent, go: Path) -> None:
    """For longer than the lease: the job goes on in the server, and the agent begins anew, without a process of it."""
    job = await some_frames(server.system, await submit(server.system, "waits"))
    workers = agent.workers()
    assert workers
    link.cut()
    await until(lambda: agent.joined.lost)
    await check_gone(workers)
    await trio.Path(go).touch()
    await check_frames(server, job, CLIP_FRAMES)
    assert codes_of(server.system, job.job_id) == [(None, "AGENT_LOST")]
    link.mend()
    again = await joined(server, "far")
    assert (again.id, again.busy) == ("far-2", False)
    assert again.instance != agent.joined.instance


def size_of(path: Path) -> int:
    """The size of a file; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


async def check_frames(server: RunningServer, job: JobState, frames: int) -> None:
    """The job ends well, with each frame once and in order."""
    done = await ended(server.system, job)
    assert (done.status, done.frames_done, done.error) == ("done", frames, None)
    assert [frame["index"] for frame in await frames_of(server.system, done)] == list(range(frames))
