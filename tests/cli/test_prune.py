"""``kinora jobs prune`` deletes what is asked for, and ``kinora jobs`` lists as it always did."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click
import pytest
import trio

from kinora.cli.exits import Misuse
from kinora.cli.flags.amounts import Age, Size, size_text
from kinora.cli.main import cli
from kinora.serve import RunningServer
from tests.actors.test_retention import store_job

JOBS = ["00000000-0000-4000-8000-00000000000" + digit for digit in "123"]


async def kinora(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command against the server."""
    env = {**os.environ, "KINORA_URL": server.url}
    command = [sys.executable, "-m", "kinora", *arguments]
    return await trio.run_process(command, env=env, capture_stdout=True, capture_stderr=True, check=False)


async def left(server: RunningServer) -> list[str]:
    """The jobs that there are, the oldest first."""
    return [record.job_id for record in reversed((await server.system.store.jobs())[0])]


async def test_jobs_are_pruned(server: RunningServer) -> None:
    """A dry run tells what the real one then deletes, in the order of the ends."""
    for number, job in enumerate(JOBS):
        await store_job(server.system, job, days_ago=30 - 10 * number, status="failed" if number else "done")
    told = await kinora(server, "jobs", "prune", "--older-than", "15d", "--dry-run")
    assert told.returncode == 0, told.stderr
    rows = [line.split("\t") for line in told.stdout.decode().splitlines()]
    assert [row[:2] for row in rows] == [["job_id", "status"], [JOBS[0], "done"], [JOBS[1], "failed"]]
    assert told.stderr.startswith(b"2 jobs would be deleted, which would give back at least 4")
    assert await left(server) == JOBS
    done = await kinora(server, "jobs", "prune", "--older-than", "15d", "--status", "failed", "--json")
    assert [job["job_id"] for job in json.loads(done.stdout)["jobs"]] == JOBS[1:2]
    assert await left(server) == [JOBS[0], JOBS[2]]
    last = await kinora(server, "jobs", "prune", "--keep-bytes", "0")
    assert last.stderr.startswith(b"2 jobs deleted, which gives back at least ")
    assert await left(server) == []


def test_a_prune_of_nothing_in_particular_is_refused() -> None:
    """It says what to write, and asks no server."""
    with pytest.raises(Misuse, match="--older-than, --keep-bytes or --status"):
        cli.main(["jobs", "prune", "--url", "http://127.0.0.1:1"], standalone_mode=False)


def test_ages() -> None:
    """A number without a unit could mean anything, so it is refused."""
    convert = Age().convert
    assert [convert(text, None, None) for text in ("90s", "1.5m", "12h", "30d", "2w")] == [
        90.0,
        90.0,
        43_200.0,
        2_592_000.0,
        1_209_600.0,
    ]
    for wrong in ("30", "d", "-1d", "30 days", "1d12h", ""):
        with pytest.raises(click.BadParameter, match="30d"):
            convert(wrong, None, None)


def test_sizes() -> None:
    """As ``dd`` reads them."""
    convert = Size().convert
    sizes = {"0": 0, "1500": 1500, "7B": 7, "1K": 1024, "2M": 2 * 2**20, "1.5G": 3 * 2**29, "1GiB": 2**30, "1GB": 10**9}
    assert {text: convert(text, None, None) for text in sizes} == sizes
    assert convert("10g", None, None) == 10 * 2**30
    for wrong in ("G", "-1", "10 G", "10X", "1Gi", "", "9" * 400 + "T"):
        with pytest.raises(click.BadParameter, match="10G"):
            convert(wrong, None, None)


def test_sizes_are_shown_in_words() -> None:
    """With one decimal, from kilobytes on."""
    shown = [size_text(size) for size in (0, 999, 1000, 3_449_000_000, 2 * 10**12)]
    assert shown == ["0 bytes", "999 bytes", "1.0 kB", "3.4 GB", "2.0 TB"]
