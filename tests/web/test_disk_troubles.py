"""The server's answers when the disk is full, its files are gone, or its store crashes: 503 with the reason."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from kinora.actors.store import store as store_module
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.client_kit import Part, get, post, upload
from tests.jobs_kit import write_plugin

MB = 2**20
SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""
SLOW = """
@tool("slow")
def slow(frame):
    time.sleep(0.02)
    return {"index": frame.index}
"""


@pytest.fixture(autouse=True)
def _prepared(plugins_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plugin(plugins_dir, "slow", SLOW)
    monkeypatch.setattr(store_module, "WATCH_S", 0.05)


async def submitted(server: RunningServer) -> str:
    """The address of an accepted job."""
    answer = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["slow"]})
    assert answer.status == 202, answer.body
    return f"{server.url}{answer.headers['location']}"


async def ended(job: str) -> dict[str, Any]:
    """Wait for the end of the job and return its state."""
    while True:
        state: dict[str, Any] = (await get(f"{job}/extended?limit=0", prefer="wait=5")).json()
        if state["finished_at"] is not None:
            return state


async def readiness(server: RunningServer, status: int) -> str:
    """Wait until ``/v1/ready`` has this status, and return its reasons."""
    while (answer := await get(f"{server.url}/v1/ready")).status != status:
        pass
    return " ".join(answer.json()["reasons"])


async def test_jobs_wait_for_a_store_that_crashed(server: RunningServer) -> None:
    """Running and queued jobs end as done with all their frames."""
    with trio.fail_after(SAFETY_S), capture_logs():  # to show the crash as the tests' log does takes a second
        jobs = [await submitted(server) for _ in range(4)]
        assert (await get(f"{jobs[0]}?after=-1", prefer="wait=20")).json()["frames"]
        store = server.system.store
        assert store._writer is not None
        writer, store._writer = store._writer, None
        await trio.to_thread.run_sync(writer.close)
        for job in jobs:
            state = await ended(job)
            assert (state["status"], state["error"], state["frames_done"]) == ("done", None, 30)
            assert len((await get(job)).json()["frames"]) == 30


async def test_ready_is_false_while_the_disk_has_too_little_room(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``/v1/ready`` and ``/metrics`` say what a submission would be told, and true again with room."""
    free = 400 * MB
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(total=free, used=0, free=free))
    with trio.fail_after(SAFETY_S):
        async with open_server(attrs.evolve(settings, min_free_bytes=200 * MB)) as server:
            assert b"kinora_ready 1.0" in (await get(f"{server.url}/metrics")).body
            free = 150 * MB
            assert "150 MB" in await readiness(server, 503)
            assert b"kinora_ready 0.0" in (await get(f"{server.url}/metrics")).body
            refused = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["slow"]})
            assert refused.status == 503
            free = 400 * MB
            await readiness(server, 200)


async def test_a_data_folder_that_vanishes_is_noticed(settings: Settings) -> None:
    """Ready is false with the reason; nothing is acknowledged, nothing answers 500, and stored jobs are read."""
    with trio.fail_after(SAFETY_S):
        async with open_server(settings) as server:
            job = await submitted(server)
            await ended(job)
            settings.data_dir.rename(settings.data_dir.with_name("away"))
            assert "was removed or replaced under the running server: restart it" in await readiness(server, 503)
            refused = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["slow"]})
            assert (refused.status, "restart it" in refused.json()["detail"]) == (503, True)
            parts = [Part("file", b"x", "a.mp4"), Part("request", b'{"plugins": ["slow"]}')]
            assert (await upload(f"{server.url}/v1/jobs", parts)).status == 503
            assert (await get(f"{job}/annotated.mp4")).status == 503
            assert len((await get(job)).json()["frames"]) == 30
            assert (await get(f"{server.url}/v1/jobs")).status == 200
