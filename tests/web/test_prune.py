"""``POST /v1/jobs/prune``: many jobs that have ended go at once, and only those."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from kinora.actors.errors import InvalidRequest
from kinora.actors.retention.prune_request import parse_prune_request
from kinora.serve import RunningServer
from tests.actors.test_retention import store_job
from tests.client_kit import events, get, post

DAY_S = 86_400


async def prune(server: RunningServer, **asked: Any) -> Any:
    """Prune, and return what was told."""
    answer = await post(f"{server.url}/v1/jobs/prune", asked)
    assert answer.status == 200, answer.body
    return answer.json()


async def listed(server: RunningServer) -> list[str]:
    """The ids of the jobs that there are."""
    records, _ = await server.system.store.jobs()
    return [record.job_id for record in reversed(records)]


@pytest.fixture
async def jobs(server: RunningServer) -> list[str]:
    """Three jobs: 9, 8 and 7 days old, the second one failed."""
    names = ["00000000-0000-4000-8000-00000000000" + digit for digit in "123"]
    for number, name in enumerate(names):
        await store_job(server.system, name, days_ago=9 - number, status="failed" if number == 1 else "done")
    return names


async def test_old_jobs_are_deleted(server: RunningServer, jobs: list[str]) -> None:
    """The answer names them in the order of their ends, and clients are told of each."""
    async with events(f"{server.url}/v1/realtime?types=progress") as stream:
        told = await prune(server, older_than_s=7.5 * DAY_S)
        assert (told["dry_run"], told["count"], told["in_use"]) == (False, 2, 0)
        assert [(job["job_id"], job["status"]) for job in told["jobs"]] == [(jobs[0], "done"), (jobs[1], "failed")]
        assert told["bytes"] == sum(job["bytes"] for job in told["jobs"]) > 40_000
        assert await listed(server) == jobs[2:]
        heard = set()
        async for event in stream:
            if event.fields.get("data") and event.message["payload"].get("stage") == "deleted":
                heard.add(event.message["payload"]["job_id"])
            if heard == {*jobs[:2]}:
                break
    assert (await get(f"{server.url}/v1/jobs/{jobs[0]}")).status == 404


async def test_what_deletes_nothing(server: RunningServer, jobs: list[str]) -> None:
    """A dry run tells what would go, a mistake is 422, and at the address there is nothing to read."""
    told = await prune(server, older_than_s=0, status=["failed"], dry_run=True)
    assert (told["dry_run"], [job["job_id"] for job in told["jobs"]]) == (True, [jobs[1]])
    answer = await post(f"{server.url}/v1/jobs/prune", {"older_than_s": "30d"})
    assert (answer.status, answer.json()["errors"][0]["path"]) == (422, "older_than_s")
    for address in ("/v1/jobs/prune", "/v1/jobs/prune/"):
        answer = await get(f"{server.url}{address}")
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert await listed(server) == jobs


async def test_a_status_alone_means_all_of_it_and_room_is_made(server: RunningServer, jobs: list[str]) -> None:
    """However young they are; nothing goes while there is enough room, all that has ended if nothing may stay."""
    await prune(server, status=["failed", "cancelled"])
    assert await listed(server) == [jobs[0], jobs[2]]
    assert (await prune(server, keep_bytes=10**12))["count"] == 0
    assert (await prune(server, keep_bytes=0))["count"] == 2
    assert await listed(server) == []


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({}, None),
        ({"dry_run": True}, None),
        ({"older_than_s": -1}, "older_than_s"),
        ({"older_than_s": "30d"}, "older_than_s"),
        ({"older_than_s": True}, "older_than_s"),
        ({"keep_bytes": 1.5}, "keep_bytes"),
        ({"status": ["running"]}, "status"),
        ({"status": "done"}, "status"),
        ({"status": []}, "status"),
        ({"older_than_s": None}, "older_than_s"),
        ({"older_than_s": 1, "dry_run": 1}, "dry_run"),
        ({"older_than_s": 1, "days": 2}, "days"),
        ([], None),
    ],
)
def test_what_could_delete_too_much_is_refused(asked: Any, path: str | None) -> None:
    """A mistake deletes nothing; the error names its place."""
    with pytest.raises(InvalidRequest) as caught:
        parse_prune_request(asked)
    assert [error.path for error in caught.value.errors] == ([path] if path else [])


async def test_a_prune_whose_client_has_gone_stops(server: RunningServer, jobs: list[str]) -> None:
    """What is deleted is deleted as a whole; the rest stays, and the next prune works."""
    with trio.move_on_after(0.001):
        await prune(server, older_than_s=0)
    await prune(server, older_than_s=0)
    assert await listed(server) == []
