"""Jobs on a real server whose pipelines are those of agents that speak the link over real WebSockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from kinora.actors.models import FrameData
from kinora.actors.pipeline.pipeline_link import FrameDone, PipelineEnded, Prepared
from kinora.fleet import agent_book
from kinora.fleet.events import decode_count
from kinora.fleet.link import Acknowledged, Answer, Ask, Assign, Device, Running, Tell, Welcome
from kinora.fleet.placement import plugins_of
from kinora.serve import RunningServer
from kinora.settings import Settings
from tests.client_kit import get, post
from tests.fleet.fake_agent import agent, connection
from tests.fleet.kit import hello
from tests.jobs_kit import CLIP_FRAMES, until, write_plugin

COUNT = """
@tool("count")
def count(frame):
    return {"index": frame.index}
"""


@pytest.fixture
def settings(settings: Settings, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A server with the plugin of these tests."""
    monkeypatch.setattr(agent_book, "LOST_AFTER_S", 60.0)  # these agents renew no lease, and a busy machine is slow
    write_plugin(plugins_dir, "count", COUNT)
    return settings


def frame(index: int) -> FrameDone:
    """A frame that is done."""
    results = {"count": msgspec.Raw(b'{"index":%d}' % index)}
    data = FrameData(
        frame_id=f"frame-{index:06}", index=index, timestamp_ms=40.0 * index, width=8, height=8, results=results
    ).encode()
    return FrameDone(index, data)


async def submit(server: RunningServer, **wishes: Any) -> str:
    """Submit a job; return its id."""
    answer = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["count"], **wishes})
    assert answer.status == 202, answer.body
    return str(answer.json()["job_id"])


async def extended(server: RunningServer, job_id: str) -> dict[str, Any]:
    """The job as clients see it."""
    state: dict[str, Any] = (await get(f"{server.url}/v1/jobs/{job_id}/extended")).json()
    return state


async def ended(server: RunningServer, job_id: str) -> dict[str, Any]:
    """The job once it has ended."""
    with trio.fail_after(60):
        while (state := await extended(server, job_id))["status"] in {"queued", "running"}:  # noqa: ASYNC110 - as clients do
            await trio.sleep(0.02)
    return state


def indexes(state: dict[str, Any]) -> list[int]:
    """The indexes of a job's frames."""
    return [frame["index"] for frame in state["frames"]]


async def test_a_server_does_not_tell_of_its_own_devices_where_agents_have_others(server: RunningServer) -> None:
    """The place where a job runs tells when it lacks the device; without agents that is known at once."""
    alone = await submit(server, device_requested="cuda:77")
    assert [group["code"] for group in (await ended(server, alone))["warning_groups"]] == ["DEVICE_FALLBACK"]
    gpu = Device(id="cuda:77", kind="cuda", name="GPU", available=True)
    has: dict[str, Any] = {"plugins": plugins_of(server.system.plugins.all()), "devices": (gpu,)}
    async with agent(server, **has) as first:
        job_id = await submit(server, device_requested="cuda:77")
        attempt = (await first.next(Assign)).attempt
        state = await extended(server, job_id)
        assert (state["agent"], state["warning_groups"], state["fallback"]) == ("north-1", [], False)
        await first.tell(attempt, 1, Prepared(), PipelineEnded())
        assert (await ended(server, job_id))["warning_groups"] == []


async def test_a_link_that_breaks_loses_and_doubles_nothing(server: RunningServer) -> None:
    """What was told and lost is told again, what was told twice is taken once; another agent's claim is refused."""
    has: dict[str, Any] = {"plugins": plugins_of(server.system.plugins.all())}
    async with agent(server, **has) as first:
        job_id = await submit(server)
        assign = await first.next(Assign)
        order = json.loads(assign.order)
        assert (order["job_id"], order["attempt"], order["request"]["source"]) == (job_id, 1, "clip.mp4")
        attempt = assign.attempt
        await first.tell(attempt, 1, Prepared(), frame(0), frame(1))
        while (await first.next(Acknowledged)).upto < 3:
            pass
        assert (await extended(server, job_id))["agent"] == "north-1"
        source = await get(f"{server.url}/v1/agents/files/{job_id}")
        assert (source.status, source.body) == (200, (server.system.settings.media_dir / "clip.mp4").read_bytes())
        async with connection(server) as thief:
            await thief.send(hello("two", Running(attempt=attempt, told=9), name="south", **has))
            assert (await thief.next(Welcome)).running == ()
            await thief.tell(attempt, 4, frame(2), frame(7))
            await thief.renew()
            assert server.system.agent_book.all()[1].figures.refused_events == 2
        await first.tell(attempt, 4, frame(2))
    async with connection(server) as again:
        await again.send(hello("one", Running(attempt=attempt, told=5), **has))
        welcome = await again.next(Welcome)
        (goes_on,) = welcome.running
        assert goes_on.told in {3, 4}
        await again.tell(attempt, 2, frame(0), frame(1), frame(2), frame(3))
        await again.send(Ask(id=8, attempt=attempt, what="count_before", index=2))
        assert decode_count((await again.next(Answer)).value) == 2
        await again.tell(attempt, 6, PipelineEnded())
        while (await again.next(Acknowledged)).upto < 6:
            pass
    state = await ended(server, job_id)
    assert (await get(f"{server.url}/v1/agents/files/{job_id}")).status == 404
    assert (state["status"], state["frames_done"], indexes(state)) == ("done", 4, [0, 1, 2, 3])
    assert state["warnings"] == []


async def test_the_job_of_a_lost_agent_goes_on_elsewhere(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its last stored frame, each frame once; what the lost one tells then is refused."""
    has: dict[str, Any] = {"plugins": plugins_of(server.system.plugins.all())}
    async with agent(server, **has) as lost:
        job_id = await submit(server)
        attempt = (await lost.next(Assign)).attempt
        await lost.tell(attempt, 1, Prepared(), frame(0), frame(1))
        while (await lost.next(Acknowledged)).upto < 3:
            pass
        monkeypatch.setattr(agent_book, "LOST_AFTER_S", 0.0)
        state = await ended(server, job_id)
        monkeypatch.undo()
    assert state["status"] == "done"
    assert indexes(state) == list(range(CLIP_FRAMES))
    assert state["warning_groups"][0]["code"] == "AGENT_LOST"
    async with connection(server) as back:
        await back.send(hello("one", Running(attempt=attempt, told=3), **has))
        assert (await back.next(Welcome)).running == ()


async def test_a_cancel_waits_for_the_agents_word(server: RunningServer) -> None:
    """The agent is told to stop; pausing and watching are told as well."""
    has: dict[str, Any] = {"plugins": plugins_of(server.system.plugins.all())}
    async with agent(server, **has) as opened, trio.open_nursery() as nursery:
        job_id = await submit(server)
        attempt = (await opened.next(Assign)).attempt
        await opened.tell(attempt, 1, Prepared())
        await until(lambda: server.system.jobs.statistics().queued == 0)
        assert (await post(f"{server.url}/v1/jobs/{job_id}/pause")).status == 200
        assert (await opened.next(Tell)).command == "pause"
        answers: list[Any] = []

        async def cancel() -> None:
            answers.append((await post(f"{server.url}/v1/jobs/{job_id}/cancel")).json())

        nursery.start_soon(cancel)
        assert (await opened.next(Tell)).command == "stop"
        assert answers == []
        await opened.tell(attempt, 2, PipelineEnded())
    assert answers[0]["cancelled"]
