"""``/metrics`` of a working server, as Prometheus reads it."""

from __future__ import annotations

import time
from pathlib import Path

import attrs
import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from kinora.actors.realtime.connection_manager import ConnectionManager
from kinora.runtime import loop_watch
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.connection import server as server_module
from tests.client_kit import Exchange, events, get, post
from tests.jobs_kit import CLIP_FRAMES, write_plugin


async def figures(server: RunningServer) -> dict[str, float]:
    """Each sample by its name and, if it has a label, the label's value: ``kinora_actor_up store``."""
    answer = await get(f"{server.url}/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.body)


def samples(text: bytes) -> dict[str, float]:
    """The samples in the body of an answer, as ``figures`` returns them."""
    families = text_string_to_metric_families(text.decode())
    found = [sample for family in families for sample in family.samples]
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in found}


async def whole_body(opened: Exchange) -> bytes:
    """The body of the answer."""
    assert (await opened.head()).status_code == 200
    pieces = []
    while (piece := await opened.piece()) is not None:
        pieces.append(piece)
    return b"".join(pieces)


async def run_job(server: RunningServer) -> None:
    """Run a job and wait for its end in the realtime stream."""
    async with events(f"{server.url}/v1/realtime?types=complete") as stream:
        answer = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["motion"]})
        assert answer.status == 202
        async for event in stream:
            if event.fields.get("data") and event.message["type"] == "complete":
                return


async def test_figures_of_the_process_are_there(server: RunningServer) -> None:
    """Memory, open files and garbage collection have the names that dashboards expect."""
    found = await figures(server)
    assert found["process_resident_memory_bytes"] > 0
    assert found["process_open_fds"] > 0
    assert found["python_gc_collections_total 0"] >= 0


async def test_stalls_of_the_event_loop_are_counted(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that holds up the event loop is counted, and its duration is there while it is the longest."""
    found = await figures(server)
    assert (found["kinora_loop_stalls_total"], found["kinora_loop_longest_stall_seconds"]) == (0, 0)
    monkeypatch.setattr(loop_watch, "STALL_S", 0.05)
    await trio.lowlevel.checkpoint()
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        pass
    found = await figures(server)
    assert found["kinora_loop_stalls_total"] >= 1
    assert found["kinora_loop_longest_stall_seconds"] > 0.05


async def test_the_store_counts_what_it_writes(server: RunningServer) -> None:
    """Each frame is counted once, transactions are fewer, and at a job's end no frame waits."""
    assert (await figures(server))["kinora_store_frames_total"] == 0
    await run_job(server)
    found = await figures(server)
    assert found["kinora_store_frames_total"] == CLIP_FRAMES
    assert found["kinora_store_transactions_total"] >= 1
    assert found["kinora_store_waiting_frames"] == 0
    assert 1 <= found["kinora_store_waiting_frames_peak"] <= found["kinora_store_waiting_frames_max"]
    assert found["kinora_store_failing"] == 0


async def test_workers_are_counted(server: RunningServer) -> None:
    """Running and started workers are counted: a job has a decoder and a plugin, and both have gone at its end."""
    before = await figures(server)
    await run_job(server)
    after = await figures(server)
    assert after["kinora_workers_started_total"] >= before["kinora_workers_started_total"] + 2
    assert after["kinora_workers"] == before["kinora_workers"]


async def test_jobs_are_counted_by_their_stage(server: RunningServer, plugins_dir: Path) -> None:
    """A running job is counted in one stage, an ended one in none."""
    write_plugin(plugins_dir, "slow", "@tool('slow')\ndef slow(frame):\n    time.sleep(0.2)\n    return {}")
    await post(f"{server.url}/v1/plugins/reload")
    async with events(f"{server.url}/v1/realtime?types=frame") as stream:
        answer = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["slow"]})
        async for event in stream:
            if event.fields.get("data") and event.message["type"] == "frame":
                break
    found = await figures(server)
    assert found["kinora_jobs running"] == 1
    assert sum(value for name, value in found.items() if name.startswith("kinora_jobs ")) == 1
    await post(f"{server.url}{answer.headers['location']}/cancel")
    found = await figures(server)
    assert sum(value for name, value in found.items() if name.startswith("kinora_jobs ")) == 0


async def test_realtime_clients_and_messages_are_counted(server: RunningServer) -> None:
    """Connected clients are counted, as are the messages published and those kept for reconnects."""
    async with events(f"{server.url}/v1/realtime") as stream:
        await anext(stream)
        await anext(stream)
        found = await figures(server)
        assert found["kinora_realtime_sessions"] == found["kinora_realtime_subscribers"] == 1
        assert found["kinora_realtime_sessions_max"] == server.system.settings.max_connections
    await run_job(server)
    found = await figures(server)
    assert found["kinora_realtime_messages_total"] > CLIP_FRAMES
    assert found["kinora_realtime_log_messages"] == found["kinora_realtime_messages_total"]
    assert found["kinora_realtime_log_bytes"] > found["kinora_realtime_log_messages"]
    assert found["kinora_realtime_waiting_messages"] == found["kinora_realtime_waiting_bytes"] == 0


async def test_without_realtime_there_are_no_realtime_clients(settings: Settings) -> None:
    """The number of sessions is 0, so that a dashboard works without knowing the server's settings."""
    async with open_server(attrs.evolve(settings, realtime=False)) as server:
        assert (await figures(server))["kinora_realtime_sessions"] == 0


async def test_connections_are_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open connections are counted, and those refused at the limit."""
    monkeypatch.setattr(server_module, "REST_RESERVE", 1)
    async with open_server(attrs.evolve(settings, max_connections=1)) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as one, await trio.open_tcp_stream(host, int(port)):
            async with await trio.open_tcp_stream(host, int(port)) as refused:
                assert (await refused.receive_some(100)).startswith(b"HTTP/1.1 503")
            opened = Exchange(one)
            await opened.send("GET", "/metrics", {"host": host, "connection": "close"}, b"")
            found = samples(await whole_body(opened))
        assert found["kinora_connections"] == found["kinora_connections_peak"] == found["kinora_connections_max"] == 2
        assert found["kinora_connections_refused_total"] == 1


async def test_actors_that_crash_are_counted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each actor has its own figures: one that was given up is down, and its restarts are counted."""
    given_up = trio.Event()
    crashes = 0

    async def crash(self: object, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        nonlocal crashes
        await trio.lowlevel.checkpoint()
        task_status.started()
        crashes += 1
        if crashes == 4:
            given_up.set()
        raise RuntimeError("fault injected")

    monkeypatch.setattr(ConnectionManager, "run", crash)
    async with open_server(settings) as server:
        await given_up.wait()
        found = await figures(server)
        assert (found["kinora_actor_up realtime"], found["kinora_actor_restarts_total realtime"]) == (0, 3)
        assert (found["kinora_actor_up store"], found["kinora_actor_restarts_total store"]) == (1, 0)
        assert found["kinora_ready"] == 1
