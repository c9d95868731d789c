"""A job whose file is cut into segments, which several agents share over real WebSockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from kinora.actors.found_events import FoundEvent
from kinora.actors.pipeline.pipeline_link import Event, FrameDone, PipelineEnded, Prepared
from kinora.fleet import agent_book
from kinora.fleet.link import Assign, Attempt, Tell
from kinora.fleet.placement import plugins_of
from kinora.serve import RunningServer
from kinora.settings import Settings
from tests.client_kit import get, post
from tests.fleet.fake_agent import FakeAgent, agent
from tests.fleet.test_joined_agents import ended, extended, frame, indexes
from tests.jobs_kit import write_plugin
from tests.media.videos import numbered, write_video

FRAMES = 121
HALF = 60
COUNT = """
@tool("count", stateless=True)
def count(frame):
    return {"index": frame.index}
"""


@pytest.fixture
def settings(settings: Settings, media: Path, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A server with a stateless plugin, and a film with a key frame every 10 frames."""
    monkeypatch.setattr(agent_book, "LOST_AFTER_S", 60.0)  # these agents renew no lease, and a busy machine is slow
    write_plugin(plugins_dir, "count", COUNT)
    options = {"g": "10", "bf": "2", "sc_threshold": "0"}
    write_video(media / "film.mp4", map(numbered, range(FRAMES)), codec="libx264", options=options)
    return settings


async def submit(server: RunningServer) -> str:
    """Submit a job in two segments; return its id."""
    request = {"source": "film.mp4", "plugins": ["count"], "options": {"segments": 2}}
    answer = await post(f"{server.url}/v1/jobs", request)
    assert answer.status == 202, answer.body
    return str(answer.json()["job_id"])


async def has_all(server: RunningServer) -> dict[str, Any]:
    """The plugins of the server, once it has started."""
    assert (await get(f"{server.url}/v1/plugins")).status == 200
    return {"plugins": plugins_of(server.system.plugins.all())}


def reported(index: int, events: set[int]) -> FrameDone:
    """A frame that is done, with an event if it is one of these."""
    found = FoundEvent(plugin="count", kind="seen", index=index, timestamp_ms=40.0 * index)
    return attrs.evolve(frame(index), events=(found,) if index in events else ())


async def events(server: RunningServer, job_id: str) -> list[tuple[int, int]]:
    """Number and frame of each event of the job."""
    found = (await get(f"{server.url}/v1/jobs/{job_id}/events")).json()["events"]
    return [(event["number"], event["index"]) for event in found]


@attrs.frozen
class Given:
    """What an agent was given to do."""

    opened: FakeAgent
    attempt: Attempt
    order: dict[str, Any]

    async def tell(self, *events: Event) -> None:
        """Tell all that comes of it."""
        await self.opened.tell(self.attempt, 1, *events)


async def assigned(opened: FakeAgent) -> Given:
    """The next order that an agent gets."""
    assign = await opened.next(Assign)
    return Given(opened, assign.attempt, json.loads(assign.order))


async def in_order(*agents: FakeAgent) -> list[Given]:
    """What each agent was given, in the order of the file."""
    return sorted([await assigned(opened) for opened in agents], key=lambda given: given.order["begin"]["start"])


async def test_two_agents_share_the_segments_of_a_job(server: RunningServer) -> None:
    """The frames come in the order of the file, whichever is first; then both have their places back."""
    has = await has_all(server)
    async with agent(server, **has) as one, agent(server, instance="two", name="south", **has) as two:
        job_id = await submit(server)
        first, second = await in_order(one, two)
        assert [first.order["spans"], second.order["spans"]] == [[[0, HALF]], [[HALF, None]]]
        await second.tell(Prepared(), *(reported(index, {70}) for index in range(HALF, FRAMES)), PipelineEnded())
        await first.tell(Prepared(), *(reported(index, {3}) for index in range(HALF)), PipelineEnded())
        state = await ended(server, job_id)
        assert (state["status"], state["frames_done"]) == ("done", FRAMES)
        pages = (await get(f"{server.url}/v1/jobs/{job_id}/extended?limit=500")).json()
        assert indexes(pages) == list(range(FRAMES))
        assert await events(server, job_id) == [(1, 3), (2, 70)]
        assert [joined.held for joined in server.system.agent_book.all()] == [[], []]


async def test_the_loss_of_one_takes_the_job_elsewhere(server: RunningServer) -> None:
    """The other one is told to stop, and the job goes on behind its last stored frame."""
    has = await has_all(server)
    async with agent(server, **has) as one, agent(server, instance="two", name="south", **has) as two:
        job_id = await submit(server)
        first, second = await in_order(one, two)
        await first.tell(Prepared(), frame(0), reported(1, {1}))
        with trio.fail_after(60):
            while (await extended(server, job_id))["frames_done"] < 2:  # noqa: ASYNC110 - as clients do
                await trio.sleep(0.02)
        book = server.system.agent_book
        book.lose(book.all()[0 if first.opened is one else 1], "It is lost.")
        assert (await second.opened.next(Tell)).command == "stop"
        await second.tell(PipelineEnded())
        rest = await assigned(second.opened)
        assert (rest.order["attempt"], rest.order["begin"]["start"]) == (2, 2)
        await rest.tell(Prepared(), *(reported(index, {2, 5}) for index in range(2, FRAMES)), PipelineEnded())
        state = await ended(server, job_id)
        assert await events(server, job_id) == [(1, 1), (2, 2), (3, 5)]
    assert (state["status"], state["frames_done"]) == ("done", FRAMES)
    assert state["warning_groups"][0]["code"] == "AGENT_LOST"
