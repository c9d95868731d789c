"""The whole way, from a video file to several clients that watch: nothing in it is a stand-in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.client_kit import get, post
from tests.clips import PEOPLE
from tests.web.test_realtime import over_events, over_websocket, told

PIPELINE = ["motion", "people", "tracker"]
FRAMES = 60


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Real footage as the media folder's only file where it is at hand, else the test clip."""
    if PEOPLE.exists():
        return attrs.evolve(settings, media_dir=PEOPLE.parent.resolve())
    return settings


async def _poll(server: RunningServer, job_id: str) -> dict[str, Any]:
    """What a client sees that asks again and again: it holds on until something has changed, up to the job's end."""
    etag = ""
    while True:
        answer = await get(f"{server.url}/v1/jobs/{job_id}", prefer="wait=5", if_none_match=etag)
        etag = answer.headers.get("etag", etag)
        state: dict[str, Any] = (await get(f"{server.url}/v1/jobs/{job_id}/extended")).json()
        if state["status"] not in {"queued", "running"}:
            return state


async def test_all_who_watch_a_job_see_the_same(settings: Settings) -> None:
    """Two WebSockets, an event stream and a poller on one running job: the same messages, the same final state."""
    source = PEOPLE.name if PEOPLE.exists() else "clip.mp4"
    asked = {"source": source, "plugins": PIPELINE, "options": {"max_frames": FRAMES}}
    async with open_server(settings) as server:
        submitted = await post(f"{server.url}/v1/jobs", asked)
        job_id = submitted.json()["job_id"]
        query = f"job_id={job_id}&last_event_id={submitted.headers['last-event-id']}"
        heard: dict[str, Any] = {}

        async def listen(name: str, client: Callable[..., Awaitable[Any]], *args: str) -> None:
            heard[name] = await client(server, *args)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, "first", over_websocket, query)
            nursery.start_soon(listen, "second", over_websocket, query)
            nursery.start_soon(listen, "events", over_events, query)
            nursery.start_soon(listen, "poller", _poll, job_id)
        answer = (await get(f"{server.url}/v1/jobs/{job_id}")).json()

    messages = told(heard["first"])
    assert told(heard["second"]) == messages
    assert told(heard["events"]) == messages
    assert list(answer) == ["job_id", "device_requested", "device_used", "fallback", "frames"]
    final = heard["poller"]
    assert (final["status"], final["progress"], final["frames_done"]) == ("done", 100, len(answer["frames"]))
    assert messages[-1]["payload"]["frames"] == len(answer["frames"])
    assert final["frames"] == answer["frames"]
    shown: dict[str, list[Any]] = {plugin: [] for plugin in PIPELINE}
    for message in messages:
        if message["type"] == "frame":
            shown[message["payload"]["plugin"]].append(message["payload"]["data"])
    for plugin in PIPELINE:
        assert shown[plugin] == [frame["results"][plugin] for frame in answer["frames"]]
        assert final["plugins"][plugin]["frames"] == len(answer["frames"])


async def test_the_frames_of_a_whole_video_are_all_there(settings: Settings) -> None:
    """As many FrameData as the file has frames, in order, none twice."""
    source = PEOPLE.name if PEOPLE.exists() else "clip.mp4"
    expected = 1394 if PEOPLE.exists() else 30
    async with open_server(settings) as server:
        submitted = await post(f"{server.url}/v1/jobs", {"source": source, "plugins": ["quality"]})
        job = server.url + submitted.headers["location"]
        while (await get(f"{job}/extended?limit=0")).json()["finished_at"] is None:
            await get(f"{job}?limit=0", prefer="wait=60")
        frames = (await get(job)).json()["frames"]
    assert [frame["index"] for frame in frames] == list(range(expected))
