"""A server that is stopped for a while, alone or with all its processes: what was healthy before is so after it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from kinora.client import KinoraClient
from kinora.runtime.linux.processes import children, descendants, status_of
from kinora.settings import Settings
from tests.cli.test_cli import Served, serving
from tests.jobs_kit import write_plugin

STOPS = 2
TIMEOUT_MS = 1_000
STOPPED_S = 1.3
"""Longer than the plugin's time limit."""
PLENTY_S = 60.0
CANCEL_S = 5.0
GRACE_S = Settings().shutdown_grace_s

SLOW = """
@tool(name="slow")
def slow(frame: Frame) -> dict[str, int]:
    time.sleep(0.4)
    return {"pid": os.getpid()}
"""


def signal_all(pids: list[int], number: int) -> None:
    """Send each process a signal, in this order."""
    for pid in pids:
        os.kill(pid, number)


async def stop_for_a_while(served: Served, *, workers: bool) -> None:
    """Stop the server, with or without its workers, beyond the plugin's time limit."""
    pids = [served.process.pid, *(descendants(served.process.pid) if workers else ())]
    signal_all(pids, signal.SIGSTOP)
    await trio.sleep(STOPPED_S)
    signal_all(pids, signal.SIGCONT)


async def until_frames(client: KinoraClient, job_id: str, count: int) -> None:
    """Wait until the job has so many frames."""
    while (await client.extended(job_id, limit=0))["frames_done"] < count:  # noqa: ASYNC110 - as in a client
        await trio.sleep(0.05)


@pytest.mark.parametrize("workers", [False, True], ids=["alone", "with its workers"])
async def test_no_healthy_worker_is_killed(tmp_path: Path, media: Path, plugins_dir: Path, workers: bool) -> None:
    """A plugin that answers in time is not taken for hung because its server stood still: one process does it all."""
    write_plugin(plugins_dir, "slow", SLOW)
    options = {"plugin_timeout_ms": TIMEOUT_MS, "max_frames": STOPS + 2}
    with serving(tmp_path, media, KINORA_PLUGINS_DIR=str(plugins_dir)) as served, trio.fail_after(PLENTY_S):
        client = KinoraClient(served.url)
        job = await client.submit({"source": "clip.mp4", "plugins": ["slow"], "options": options})
        for number in range(STOPS):
            await until_frames(client, job.job_id, number + 1)
            await stop_for_a_while(served, workers=workers)
        await until_frames(client, job.job_id, options["max_frames"])
        state = await client.extended(job.job_id)
    assert state["warnings"] == []
    assert len({frame["results"]["slow"]["pid"] for frame in state["frames"]}) == 1


async def test_cancel_and_sigterm_keep_their_limits_with_a_stopped_fork_server(
    tmp_path: Path, media: Path, plugins_dir: Path
) -> None:
    """A job is cancelled for good within 5 s, and the server ends within its grace and 2 s, with all its processes."""
    write_plugin(plugins_dir, "slow", SLOW)
    with serving(tmp_path, media, KINORA_PLUGINS_DIR=str(plugins_dir)) as served, trio.fail_after(PLENTY_S):
        client = KinoraClient(served.url)
        jobs = [(await client.submit({"source": "clip.mp4", "plugins": ["slow"]})).job_id for _ in range(2)]
        for job in jobs:
            await until_frames(client, job, 1)
        (fork_server,) = children(served.process.pid)
        family = [fork_server, *descendants(fork_server)]
        os.kill(fork_server, signal.SIGSTOP)
        with trio.fail_after(CANCEL_S):
            assert (await client.cancel(jobs[0]))["cancelled"]
        served.process.send_signal(signal.SIGTERM)
        with trio.fail_after(GRACE_S + 2):
            assert await trio.to_thread.run_sync(served.process.wait, abandon_on_cancel=True) == 0
    assert not [pid for pid in family if (status := status_of(pid)) is not None and status.running]
