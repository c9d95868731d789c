"""``/metrics`` of jobs, workers, requests and clients at work."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NoReturn

import attrs
import pytest
import trio

from kinora.runtime import loop_watch
from kinora.runtime.forking.worker_usage import WorkerKind, measure
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.system import System
from kinora.web.metrics.labels import OTHER, Labels
from tests.client_kit import Part, events, get, post, request, upload
from tests.jobs_kit import CLIP_FRAMES, write_plugin
from tests.web.test_metrics import figures, run_job
from tests.web.test_realtime import websocket

SPIN_S = 0.05
SPINNER = f"""
@tool("spinner")
def spinner(frame):
    end = time.process_time() + {SPIN_S}
    while time.process_time() < end:
        pass
    return {{}}
"""


async def test_jobs_and_frames_are_counted(server: RunningServer) -> None:
    """An ended job counts by its status, its frames once each, and the plugin's times have one entry a frame."""
    await run_job(server)
    found = await figures(server)
    assert found["kinora_jobs_accepted_total"] == found["kinora_jobs_ended_total done"] == 1
    assert found["kinora_frames_done_total"] == CLIP_FRAMES
    assert found["kinora_plugin_run_seconds_count motion"] == CLIP_FRAMES
    assert found["kinora_plugin_queue_seconds_bucket +Inf motion"] == CLIP_FRAMES
    assert found["kinora_jobs_queue_seconds_count"] == 1
    assert found["kinora_store_write_seconds_count"] >= found["kinora_store_transactions_total"] >= 1
    assert found["kinora_plugins working"] >= 5


async def test_the_queue_tells_how_long_it_makes_wait(settings: Settings, plugins_dir: Path) -> None:
    """While a job waits, its number and its age are told, and afterwards none."""
    write_plugin(plugins_dir, "hang", "@tool('hang')\ndef hang(frame):\n    time.sleep(60)")
    async with open_server(attrs.evolve(settings, max_jobs=1)) as server:
        for _ in range(2):
            assert (await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["hang"]})).status == 202
        while (found := await figures(server))["kinora_jobs_queued"] != 1:
            pass
        assert found["kinora_jobs_queued_oldest_seconds"] > 0
        assert (found["kinora_jobs_running_max"], found["kinora_jobs_queued_max"]) == (1, settings.max_queued)
        for job in (await get(f"{server.url}/v1/jobs?status=queued")).json()["jobs"]:
            await post(f"{server.url}/v1/jobs/{job['job_id']}/cancel")
        found = await figures(server)
        assert found["kinora_jobs_queued_oldest_seconds"] == found["kinora_jobs_queued"] == 0
        assert found["kinora_jobs_ended_total cancelled"] == 1


async def test_workers_tell_their_memory_and_processor_time(server: RunningServer, plugins_dir: Path) -> None:
    """A plugin's memory is told while it runs; its processor time grows with its work and outlasts its processes."""
    write_plugin(plugins_dir, "spinner", SPINNER)
    await post(f"{server.url}/v1/plugins/reload")
    options = {"max_frames": 8}
    async with events(f"{server.url}/v1/realtime?types=frame,complete") as stream:
        await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["spinner"], "options": options})
        async for event in stream:
            if event.fields.get("data") and event.message["type"] == "frame":
                break
        running = await figures(server)
        async for event in stream:
            if event.fields.get("data") and event.message["type"] == "complete":
                break
    while (ended := await figures(server))["kinora_workers"]:
        pass
    assert running["kinora_worker_processes spinner plugin"] == 1
    assert running["kinora_worker_memory_bytes spinner plugin"] > 10**6
    used = [found["kinora_worker_cpu_seconds_total spinner plugin"] for found in (running, ended)]
    assert used[0] < used[1]
    assert used[1] >= 8 * SPIN_S * 0.9
    assert ended["kinora_worker_processes spinner plugin"] == 0
    assert ended["kinora_worker_cpu_seconds_total  decoder"] > 0


def test_what_a_process_that_is_gone_uses_is_nothing() -> None:
    """A worker may end while it is measured."""
    [gone] = measure([2**22 + 1])
    assert (gone.memory_bytes, gone.cpu_s) == (0, 0.0)


def test_a_worker_is_told_by_its_program_or_plugin() -> None:
    """The stage's plugin is the label of its worker; other workers have the name of their module."""
    assert WorkerKind.of("kinora.plugins.worker:main", "job-1/motion") == WorkerKind("plugin", "motion")
    assert WorkerKind.of("kinora.plugins.worker:main", "inspect motion") == WorkerKind("plugin", "")
    assert WorkerKind.of("kinora.media.programs.decoder:main", "job-1/source") == WorkerKind("decoder", "")


def test_names_beyond_the_bound_share_a_label() -> None:
    """The first names keep their label for good; so a counter never goes over to another one."""
    labels = Labels(2)
    assert [labels.of(name) for name in ("a", "b", "c", "a", "d", "")] == ["a", "b", OTHER, "a", OTHER, ""]


@pytest.mark.one_way
async def test_requests_are_counted_by_route_and_never_by_what_clients_choose(server: RunningServer) -> None:
    """Paths, methods and job ids of a client's own are in no label: they count as the route, or as ``other``."""
    for number in range(5):
        assert (await get(f"{server.url}/made-up-{number}")).status == 404
        assert (await get(f"{server.url}/v1/jobs/made-up-{number}")).status == 404
        assert (await request(f"{server.url}/v1/health", f"MADEUP{number}")).status in {400, 405, 501}
    assert (await get(f"{server.url}/v1/health", host="made-up.example")).status == 403
    assert (await get(f"{server.url}/v1/jobs?limit=made-up")).status == 422
    text = (await get(f"{server.url}/metrics")).body
    assert b"made-up" not in text
    assert b"MADEUP" not in text
    found = await figures(server)
    assert found["kinora_http_requests_total GET other 404"] == 5
    assert found["kinora_http_requests_total GET /v1/jobs/{job_id} 404"] == 5
    assert found["kinora_http_requests_total GET other 403"] == 1
    assert found["kinora_http_requests_total GET /v1/jobs 422"] == 1
    assert found["kinora_http_request_seconds_count GET /v1/jobs/{job_id}"] == 5
    assert found["kinora_http_requests_in_progress"] >= 1
    assert found["kinora_http_failures_total"] == 0


async def test_requests_that_the_server_fails_are_counted(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of 500 counts under its route, and among the failures."""

    def broken(self: object) -> NoReturn:
        raise RuntimeError("fault injected")

    monkeypatch.setattr(System, "devices", broken)
    assert (await get(f"{server.url}/v1/devices")).status == 500
    found = await figures(server)
    assert found["kinora_http_requests_total GET /v1/devices 500"] == found["kinora_http_failures_total"] == 1


@pytest.mark.one_way
async def test_a_request_that_asked_to_wait_says_nothing_about_speed(server: RunningServer) -> None:
    """A long poll is counted as a request, and not among the times until an answer begins."""
    await run_job(server)
    [job] = (await get(f"{server.url}/v1/jobs")).json()["jobs"]
    url = f"{server.url}/v1/jobs/{job['job_id']}/extended"
    tag = (await get(url)).headers["etag"]
    assert (await get(url, prefer="wait=1", if_none_match=tag)).status in {200, 304}
    found = await figures(server)
    route = "GET /v1/jobs/{job_id}/extended"
    counted = sum(value for name, value in found.items() if name.startswith(f"kinora_http_requests_total {route}"))
    assert (counted, found[f"kinora_http_request_seconds_count {route}"]) == (2, 1)


async def test_clients_count_by_transport_and_so_do_their_bytes(server: RunningServer) -> None:
    """A WebSocket and an event stream are told apart; what they are sent is counted as bytes."""
    before = await figures(server)
    async with websocket(server) as opened, events(f"{server.url}/v1/realtime") as stream:
        await opened.get_message()
        await anext(stream)
        found = await figures(server)
        assert found["kinora_realtime_sessions_by_transport websocket"] == 1
        assert found["kinora_realtime_sessions_by_transport events"] == 1
        assert found["kinora_http_requests_total GET /v1/realtime 101"] == 1
    assert found["kinora_sent_bytes_total"] > before["kinora_sent_bytes_total"] + 1000
    assert found["kinora_received_bytes_total"] > before["kinora_received_bytes_total"]
    assert found["kinora_connections_accepted_total"] == before["kinora_connections_accepted_total"] + 3


async def test_uploads_are_counted(settings: Settings, media: Path) -> None:
    """An upload that arrived counts with its bytes; one that is too large counts as failed."""
    clip = (media / "clip.mp4").read_bytes()
    asked = Part("request", b'{"plugins": ["motion"]}')
    async with open_server(attrs.evolve(settings, max_upload_bytes=len(clip))) as server:
        assert (await upload(f"{server.url}/v1/jobs", [Part("file", clip, "clip.mp4"), asked])).status == 202
        assert (await upload(f"{server.url}/v1/jobs", [Part("file", clip + clip, "clip.mp4"), asked])).status == 413
        found = await figures(server)
    assert (found["kinora_uploads_total received"], found["kinora_uploads_total failed"]) == (1, 1)
    assert len(clip) <= found["kinora_upload_bytes_total"] <= 2 * len(clip)


async def test_the_lag_of_the_event_loop_is_measured(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a step holds up the loop, those who wait for it are counted with the time for which they did."""
    monkeypatch.setattr(loop_watch, "LOOK_S", 0.01)
    while not (await figures(server))["kinora_loop_lag_seconds_count"]:
        pass
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        pass
    await trio.lowlevel.checkpoint()
    found = await figures(server)
    slow = found["kinora_loop_lag_seconds_count"] - found["kinora_loop_lag_seconds_bucket 0.1"]
    assert slow >= 1


async def test_the_disk_and_its_floor_are_told(settings: Settings) -> None:
    """The free room is that of the data folder's disk, and the floor the operator's."""
    async with open_server(attrs.evolve(settings, min_free_bytes=10**6)) as server:
        while "kinora_disk_free_bytes" not in (found := await figures(server)):
            pass
        assert found["kinora_disk_free_bytes"] > 10**6
        assert found["kinora_disk_floor_bytes"] == 10**6
