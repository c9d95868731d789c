"""``/v1/health``: that the server is alive and, if it is asked for, what it uses and will delete by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from kinora.actors.retention import usage as usage_module
from kinora.actors.retention.usage import due_at
from kinora.runtime.actor import ActorGone
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.system import make_system
from tests.actors.test_retention import MB, store_job
from tests.client_kit import get

JOBS = ["00000000-0000-4000-8000-00000000000" + digit for digit in "12"]


async def details(server: RunningServer) -> Any:
    """The details now."""
    answer = await get(f"{server.url}/v1/health?details=1")
    assert answer.status == 200, answer.body
    return answer.json()["details"]


async def test_without_details_it_is_short(server: RunningServer) -> None:
    """What probes read stays as it was."""
    for query in ("", "?details=0", "?details="):
        assert (await get(f"{server.url}/v1/health{query}")).json() == {"status": "ok"}
    assert (await get(f"{server.url}/v1/health?details=2")).status == 422


async def test_it_tells_what_the_disk_loses(server: RunningServer, settings: Settings) -> None:
    """Database and uploads are what their files take, jobs are counted by status; without limits nothing goes next."""
    await store_job(server.system, JOBS[0], days_ago=2, upload="a" * 32)
    await store_job(server.system, JOBS[1], status="failed")
    told = await details(server)
    assert told["upload_bytes"] == MB
    files = (settings.data_dir / name for name in ("kinora.db", "kinora.db-wal"))
    assert told["database_bytes"] == sum(file.stat().st_blocks * 512 for file in files)
    assert 20_000 < told["kept_bytes"] - told["upload_bytes"] <= 2 * told["database_bytes"]  # the log comes on top
    assert told["disk_free_bytes"] > 0
    expected = dict.fromkeys(("queued", "running", "paused", "cancelled", "interrupted"), 0) | {"done": 1, "failed": 1}
    assert told["jobs"] == expected
    assert told["oldest_end"] is not None
    assert [told[name] for name in ("keep_days", "keep_bytes", "next_job", "next_at")] == [None] * 4


async def test_it_tells_what_goes_next_and_when(settings: Settings) -> None:
    """The job that ended first, so many days after its end; for its size it may go at any time."""
    async with open_server(attrs.evolve(settings, keep_days=30, keep_bytes=10**9)) as server:
        await store_job(server.system, JOBS[0], days_ago=2)
        await store_job(server.system, JOBS[1], days_ago=1)
        told = await details(server)
    assert (told["keep_days"], told["keep_bytes"], told["next_job"]) == (30, 10**9, JOBS[0])
    assert datetime.fromisoformat(told["next_at"]) - datetime.fromisoformat(told["oldest_end"]) == timedelta(days=30)


async def test_figures_are_shared_for_a_while(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many who ask at once cost one look; later the figures are new."""
    first = await details(server)
    await store_job(server.system, JOBS[0])
    assert await details(server) == first
    monkeypatch.setattr(usage_module, "USAGE_AGE_S", 0.0)
    assert (await details(server))["jobs"]["done"] == 1


async def test_details_of_a_store_that_does_not_run_are_refused(settings: Settings) -> None:
    """As in the start; without details the answer is there all the same."""
    with make_system(settings) as system, pytest.raises(ActorGone):
        await system.usage.get()


def test_no_day_is_too_late() -> None:
    """A million days are for ever."""
    assert due_at("2026-11-01T00:00:00.000Z", 0) is None
    assert due_at("2026-11-01T00:00:00.000Z", 1.5) == "2026-11-02T12:00:00.000Z"
    assert due_at("2026-11-01T00:00:00.000Z", 1e9) is None
