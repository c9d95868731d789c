"""Conditions, media types and other wishes of clients, over real sockets to a whole server."""

from __future__ import annotations

import uuid

import trio

from kinora.serve import RunningServer
from tests.client_kit import Answer, get, post, request
from tests.jobs_kit import run_job

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv; charset=utf-8; header=present"
ACCEPTED: dict[str, str | None] = {
    "": JSON,
    "*/*": JSON,
    "*": JSON,
    "application/json": JSON,
    "application/*": JSON,
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": JSON,
    "text/csv;q=0, */*": JSON,
    "application/json;q=0, application/*": NDJSON,
    "application/x-ndjson": NDJSON,
    "text/csv": CSV,
    "TEXT/CSV; charset=utf-8": CSV,
    "text/*": CSV,
    "application/json;q=0.5, text/csv": CSV,
    "*/*;q=0.1, text/csv;q=0.2": CSV,
    "image/png": None,
    "text/csv;q=0": None,
    "*/*;q=0": None,
    "rubbish": None,
}


async def test_frames_come_in_the_type_that_the_client_likes_best(server: RunningServer) -> None:
    """Ranges, parameters and qualities count; if no type is accepted the answer is 406 and names them all."""
    state = await run_job(server.system, "motion")
    url = f"{server.url}/v1/jobs/{state.job_id}/frames"
    assert (await get(url)).headers["vary"] == "Accept"
    for accept, expected in ACCEPTED.items():
        answer = await get(url, accept=accept)
        assert answer.headers["vary"] == "Accept", accept
        if expected is None:
            assert answer.status == 406, accept
            assert all(kind in answer.json()["detail"] for kind in (JSON, NDJSON, "text/csv"))
        else:
            assert (answer.status, answer.headers["content-type"]) == (200, expected), accept
    table = await get(url, accept="text/csv")
    assert table.headers["content-disposition"] == f'attachment; filename="clip-{state.job_id[:8]}.csv"'


async def test_conditions_are_compared_as_they_should_be(server: RunningServer) -> None:
    """``If-None-Match`` takes weak tags and ``If-Match`` does not; what has no quotes is no tag."""
    state = await run_job(server.system, "motion")
    job = f"{server.url}/v1/jobs/{state.job_id}"
    for url in (job, f"{job}/extended", f"{job}/frames/3.jpg"):
        tag = (await get(url)).headers["etag"]
        bare = tag.strip('"')
        known = {tag: 304, f"W/{tag}": 304, f'"x", W/{tag}': 304, "*": 304, bare: 200, f"w/{tag}": 200, '"x"': 200}
        for given, status in known.items():
            assert (await get(url, if_none_match=given)).status == status, (url, given)
        for given, status in {tag: 200, f'"x", {tag}': 200, "*": 200, bare: 200, f"W/{tag}": 412, '"x"': 412}.items():
            assert (await get(url, if_match=given)).status == status, (url, given)
    refused = await request(job, "DELETE", headers={"if-match": '"x"'})
    assert refused.status == 412
    tag = (await get(job)).headers["etag"]
    assert tag in refused.json()["detail"]
    assert (await request(job, "DELETE", headers={"if-match": tag})).status == 204
    assert (await request(job, "DELETE", headers={"if-match": tag})).status == 404


async def test_an_applied_preference_is_named(server: RunningServer) -> None:
    """The answer tells for how long the server would have waited, and names no preference that it does not know."""
    state = await run_job(server.system, "motion")
    url = f"{server.url}/v1/jobs/{state.job_id}"
    tag = (await get(url)).headers["etag"]
    for prefer, applied in {"wait=2": "wait=2", "respond-async, wait=900": "wait=60", "respond-async": None}.items():
        for known in ('"other"', tag):
            answer = await get(url, prefer=prefer, if_none_match=known)
            assert answer.headers.get("preference-applied") == applied, (prefer, answer.status)


async def test_addresses_and_numbers_have_one_meaning(server: RunningServer) -> None:
    """Job ids may be in upper case, one slash may end an address, and only ASCII digits make numbers."""
    state = await run_job(server.system, "motion")
    job_id = state.job_id
    statuses = {
        f"/v1/jobs/{job_id.upper()}": 200,
        f"/v1/jobs/{job_id.upper()}/frames?limit=1": 200,
        f"/v1/jobs/{str(uuid.uuid4()).upper()}": 404,
        f"/v1/jobs/{job_id.replace('-', '')}": 404,
        "/v1/health/": 200,
        "/v1/health//": 404,
        "//v1/health": 404,
        "/v1//health": 404,
        "/v1/jobs?limit=1_0": 422,
        "/v1/jobs?limit=%D9%A1": 422,
    }
    for number, status in {"10": 200, "0.5": 200, "1e1": 200, "1_0": 422, "%D9%A1": 422, "%201": 422}.items():
        statuses[f"/v1/realtime?max_fps={number}"] = status
    for path, status in statuses.items():
        assert (await request(server.url + path, "HEAD")).status == status, path
    assert (await get(f"{server.url}/v1/jobs/{job_id.upper()}")).json()["job_id"] == job_id


async def test_reload_is_no_plugin(server: RunningServer) -> None:
    """Its address tells truly that it takes POST only."""
    url = f"{server.url}/v1/plugins/reload"
    assert set((await request(url, "OPTIONS")).headers["allow"].split(", ")) == {"OPTIONS", "POST"}
    got = await get(url)
    assert (got.status, got.headers["allow"]) == (405, "OPTIONS, POST")
    assert (await get(f"{server.url}/v1/plugins/motion")).status == 200
    assert (await get(f"{server.url}/v1/plugins/reloaded")).status == 404


async def test_a_second_idempotency_key_is_refused(server: RunningServer) -> None:
    """Only one could count."""
    body = b'{"source": "clip.mp4", "plugins": ["motion"]}'
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    keys = b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with await trio.open_tcp_stream("127.0.0.1", int(server.url.rpartition(":")[2])) as stream:
        await stream.send_all(head + keys + body)
        got = b"".join([bytes(chunk) async for chunk in stream])
    assert got.startswith(b"HTTP/1.1 400")


async def test_a_copy_of_a_request_in_progress_is_told_when_to_come_again(server: RunningServer) -> None:
    """Of requests with one key at a time, one gets a job and the others this job or 409 with Retry-After."""
    refused: list[Answer] = []
    job_ids: set[str] = set()

    async def send(key: str) -> None:
        job = {"source": "clip.mp4", "plugins": ["motion"]}
        answer = await post(f"{server.url}/v1/jobs", job, idempotency_key=key)
        if answer.status == 202:
            job_ids.add(answer.json()["job_id"])
        else:
            refused.append(answer)

    rounds = 0
    while not refused:
        rounds += 1
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(send, f"key {rounds}")
        assert len(job_ids) == rounds
    assert {(answer.status, answer.headers["retry-after"]) for answer in refused} == {(409, "1")}
