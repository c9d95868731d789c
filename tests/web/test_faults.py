"""The server towards its clients when plugins fail, parts of it are down, or clients leave."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from kinora.actors.store import store as store_module
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.client_kit import events, exchange, get, post
from tests.jobs_kit import write_plugin

PLUGINS = """
@tool("raises")
def raises(frame):
    print("about to raise")
    raise ValueError("not this one")

@tool("quiet")
def quiet(frame):
    time.sleep(0.02)
    return {"index": frame.index, "text": "x" * 100_000}
"""


@pytest.fixture(autouse=True)
def _plugins(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "plugins", PLUGINS)


async def started(server: RunningServer, *plugins: str) -> str:
    """The address of a job that has been accepted."""
    answer = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": plugins})
    assert answer.status == 202, answer.body
    return f"{server.url}{answer.headers['location']}"


async def ended(job: str) -> dict[str, Any]:
    """Wait for the end of the job and return its state."""
    with trio.fail_after(30):
        while True:
            state: dict[str, Any] = (await get(f"{job}/extended?limit=0", prefer="wait=5")).json()
            if state["finished_at"] is not None:
                return state


async def has_frames(job: str) -> None:
    """Wait until the job has a frame."""
    answer = await get(f"{job}?after=-1", prefer="wait=20")
    assert answer.json()["frames"]


async def test_a_failing_plugin_is_shown_with_its_last_error(server: RunningServer) -> None:
    """The job and the list of plugins show the number of failures, the time of the last and its traceback."""
    job = await started(server, "raises", "quiet")
    state = await ended(job)
    error = state["plugins"]["raises"]["last_error"]
    assert error["message"] == "ValueError: not this one"
    assert 'raise ValueError("not this one")' in error["traceback"]
    assert state["plugins"]["quiet"]["last_error"] is None
    plugin = (await get(f"{server.url}/v1/plugins/raises")).json()
    assert (plugin["health"], plugin["failures"], plugin["restarts"]) == ("failed", 25, 0)
    assert plugin["last_error"] == error | {"job_id": state["job_id"]}
    quiet = (await get(f"{server.url}/v1/plugins/quiet")).json()
    assert (quiet["health"], quiet["failures"], quiet["last_error"]) == ("ok", 0, None)
    listed = {plugin["name"]: plugin for plugin in (await get(f"{server.url}/v1/plugins")).json()["plugins"]}
    assert (listed["raises"]["health"], listed["raises"]["failures"]) == ("failed", 25)
    again = {entry["name"]: entry for entry in (await post(f"{server.url}/v1/plugins/reload")).json()["plugins"]}
    assert (again["raises"]["health"], again["raises"]["failures"]) == ("ok", 25)  # it may have been mended


async def test_what_plugins_print_is_read_as_text(server: RunningServer) -> None:
    """The log has one plugin's text unchanged, or all texts with names on each line; an unknown plugin is 404."""
    job = await started(server, "raises", "quiet")
    await ended(job)
    alone = await get(f"{job}/log?plugin=raises")
    assert alone.headers["content-type"] == "text/plain; charset=utf-8"
    assert alone.body.decode().splitlines() == ["about to raise"] * 25
    assert (await get(f"{job}/log")).body.decode().splitlines() == ["raises: about to raise"] * 25
    assert (await get(f"{job}/log?plugin=quiet")).body == b""
    unknown = await get(f"{job}/log?plugin=nonesuch")
    assert (unknown.status, "there are: raises, quiet" in unknown.json()["detail"]) == (404, True)
    assert (await get(f"{server.url}/v1/jobs/00000000-0000-0000-0000-000000000000/log")).status == 404


async def test_the_command_line_shows_what_plugins_print(server: RunningServer) -> None:
    """``kinora show JOB --log`` prints the same text, and with --plugin one plugin's."""
    job = await started(server, "raises", "quiet")
    await ended(job)
    command = [sys.executable, "-m", "kinora", "show", job.rpartition("/")[2], "--url", server.url, "--log"]
    for flags, line in (([], "raises: about to raise"), (["--plugin", "raises"], "about to raise")):
        shown = await trio.run_process(command + flags, capture_stdout=True)
        assert shown.stdout.decode().splitlines() == [line] * 25


async def test_with_a_full_disk_new_jobs_get_503_and_running_ones_end_well(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 503 and ``/v1/ready`` give the reason; jobs can be read; once there is room, new jobs are taken again."""
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)
    async with events(f"{server.url}/v1/realtime?types=warning") as stream:
        job = await started(server, "quiet")
        await has_frames(job)
        writer = server.system.store._writer
        assert writer is not None
        writer.execute("PRAGMA max_page_count = 1")
        async for event in stream:
            if "STORE_FAILING" in event.fields.get("data", ""):
                break
    ready = await get(f"{server.url}/v1/ready")
    assert ready.status == 503
    assert "full" in ready.json()["reasons"][0]
    refused = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["quiet"]})
    assert (refused.status, "disk is full" in refused.json()["detail"]) == (503, True)
    assert len((await get(job)).json()["frames"]) >= 1
    writer.execute("PRAGMA max_page_count = 1073741823")
    state = await ended(job)
    assert (state["status"], state["frames_done"]) == ("done", 30)
    assert (await get(f"{server.url}/v1/ready")).status == 200
    assert (await ended(await started(server, "quiet")))["status"] == "done"


async def test_without_the_inspector_ready_says_so(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the inspector fails, the job's timings are null, and the server stays ready and gives the reason."""

    def fail(*_: object) -> None:
        raise RuntimeError("fault injected")

    monkeypatch.setattr("kinora.actors.stages.inspector.PluginInspector.__init__", fail)
    state = await ended(await started(server, "quiet"))
    assert (state["status"], state["plugin_timings"]) == ("done", None)
    ready = await get(f"{server.url}/v1/ready")
    assert (ready.status, ready.json()["ready"]) == (200, True)
    assert "inspector" in ready.json()["reasons"][0]


async def test_without_realtime_rest_is_as_before(settings: Settings) -> None:
    """``/v1/realtime`` is 404; jobs are taken, run and can be read."""
    async with open_server(attrs.evolve(settings, realtime=False)) as server:
        assert (await get(f"{server.url}/v1/realtime")).status == 404
        state = await ended(await started(server, "quiet"))
        assert (state["status"], state["frames_done"]) == ("done", 30)


async def test_a_client_that_goes_away_cancels_nothing(server: RunningServer) -> None:
    """A job goes on when a client leaves that watches it, waits for news or asks for something else."""
    job = await started(server, "quiet")
    with trio.move_on_after(0.1):
        async with events(f"{server.url}/v1/realtime") as stream:
            async for _ in stream:
                pass
    with trio.move_on_after(0.1):
        await get(f"{job}?after=1000", prefer="wait=60")
    async with exchange(f"{job}/frames", headers={"accept": "application/x-ndjson"}):
        pass
    state = await ended(job)
    assert (state["status"], state["frames_done"], state["warnings"]) == ("done", 30, [])


async def test_a_cancel_whose_client_goes_away_holds_all_the_same(server: RunningServer) -> None:
    """The request has arrived, so the job ends as cancelled."""
    job = await started(server, "quiet")
    await has_frames(job)
    async with exchange(f"{job}/cancel", "POST"):
        pass
    assert (await ended(job))["status"] == "cancelled"
