"""The reading lane: its answers are the app's, byte for byte, and it takes nothing that it does not know."""

from __future__ import annotations

import attrs
import h11
import pytest
import trio
from hypercorn.config import Config
from hypothesis import given
from hypothesis import strategies as st

from kinora.actors.access.tokens import cookie_of
from kinora.actors.store.store import JobRecord, StoreFailing
from kinora.actors.store.stored_room import EndedJob
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import System
from kinora.web.access.rights import cookie_name
from kinora.web.reads import ready_answers
from kinora.web.reads.plain_heads import plain_head
from kinora.web.reads.ready_answers import KEPT_S, LIVE_S, Encoded, Made, ReadyAnswers
from tests.access_kit import make_token, revoke
from tests.jobs_kit import run_job, submit, until
from tests.lane_kit import BothWays, both_ways, get, wire

TAKEN = (
    "/v1/health",
    "/v1/ready",
    "/v1/jobs",
    "/v1/jobs?limit=1",
    "/v1/jobs?status=done&limit=2",
    "/v1/jobs/{id}",
    "/v1/jobs/{ID}",
    "/v1/jobs/{id}?after=27",
    "/v1/jobs/{id}?after=-1&limit=3",
    "/v1/jobs/{id}?limit=0",
    "/v1/jobs/{id}/extended",
    "/v1/jobs/{id}/extended?after=28",
    "/v1/jobs/{id}/frames",
    "/v1/jobs/{id}/frames?after=3&limit=2",
)
"""Targets that the lane answers; the id is a job's that has ended."""
LEFT = (
    "/",
    "/v1/health/",
    "//v1/health",
    "/v1/health?details=1",
    "/v1/health?",
    "/v1/ready?x=1",
    "/v1/heal%74h",
    "/v1/health#top",
    "/v1/jobs/",
    "/v1/jobs?limit=0",
    "/v1/jobs?limit=1&limit=2",
    "/v1/jobs?status=lost",
    "/v1/jobs?q=clip",
    "/v1/jobs/prune",
    "/v1/jobs/{id}/",
    "/v1/jobs/{id}?after=",
    "/v1/jobs/{id}?after=x",
    "/v1/jobs/{id}?after=%31",
    "/v1/jobs/{id}?after=1&unknown=2",
    "/v1/jobs/{id}?after=1;limit=1",
    "/v1/jobs/{id}?limit=-1",
    "/v1/jobs/{id}/frames/0.jpg?overlay=2",
    "/v1/jobs/{id}/frames?limit=0",
    "/v1/jobs/{id}/log",
    "/v1/jobs/../health",
    "/v1/jobs/no_such_job",
    "/v1/jobs/{id}/extended/x",
    "/v1/jobs/\xe9",
    "http://127.0.0.1/v1/health",
    "*",
)
"""Targets that it leaves to the app, or cannot answer."""
HEADERS = (
    ["Accept: text/html"],
    ["Accept: */*", "Accept-Encoding: gzip, identity;q=0", "User-Agent: me"],
    ["accept:application/json"],
    ["If-None-Match: *"],
    ['If-None-Match: W/"x", {tag}'],
    ["If-None-Match: {tag}"],
    ["If-None-Match: x"],
    ["Connection: Keep-Alive"],
    ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Cookie: a=b"],
)
"""Headers with which the lane answers for a job."""
ODD_HEADERS = (
    ["Connection: close"],
    ["Connection: upgrade", "Upgrade: h2c"],
    ["Content-Length: 0"],
    ["Content-Length: 2", "", "{}"],
    ["Transfer-Encoding: chunked", "", "0"],
    ["Expect: 100-continue"],
    ["Host: 127.0.0.1"],
    ["Accept: */*", "Accept: text/csv"],
    ["Accept: text/csv;q=2", " folded"],
    ["Cookie: a", "Cookie: b"],
    ["Origin: http://127.0.0.1"],
    ["Origin: http://elsewhere"],
    ["Sec-Fetch-Site: cross-site"],
    ["If-Match: {tag}"],
    ['If-Match: "other"'],
    ["Prefer: wait=0"],
    ["Range: bytes=0-1"],
    ["X-Forwarded-For: 10.0.0.1"],
    ["Forwarded: for=10.0.0.1"],
    ["X-Unknown: \xe9"],
    ["User-Agent: \xe9"],
    ["User-Agent:"],
    ["User-Agent: a\tb"],
    ["User Agent: a"],
    ["User-Agent : a"],
    ["User-Agent: " + "a" * 5_000],
    ["User-Agent: " + "a" * 40_000],
    ["Bad"],
)
"""Headers with which the app does."""
ODD_HEADS = (
    b"get /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"HEAD /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"OPTIONS /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/health HTTP/1.0\r\n\r\n",
    b"GET /v1/health HTTP/1.2\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/health HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET  /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/health\r\n\r\n",
    b"GET /v1/health HTTP/1.1\r\n\r\n",
    b"GET /v1/health HTTP/1.1\nHost: 127.0.0.1\n\n",
    b"\r\nGET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /v1/health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1:1:2\r\n\r\n",
    b"GET /v1/health HTTP/1.1\r\nHost: LOCALHOST:80\r\n\r\n",
    b"GET /v1/health HTTP/1.1\r\nHost: [::1]\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
)


def alike(answers: tuple[bytes, bytes], asked: object) -> bytes:
    """The answer, if both are the same."""
    assert answers[0] == answers[1], asked
    assert answers[0].startswith(b"HTTP/1.1 "), asked
    return answers[0]


async def test_both_ways_give_the_same_bytes(system: System) -> None:
    """Whatever is asked in whatever form; the lane answers what it knows, and not a byte of what it does not."""
    job_id = (await run_job(system, "motion")).job_id
    async with both_ways(system) as both:
        for target in TAKEN:
            both.taken.clear()
            asked = get(target.format(id=job_id, ID=job_id.upper()))
            assert alike(await both.ask(asked), target).startswith(b"HTTP/1.1 200 ")
            assert both.taken == [asked]
        for target in LEFT:
            both.taken.clear()
            alike(await both.ask(get(target.format(id=job_id))), target)
            assert not both.taken or target in {"/v1/jobs/no_such_job", "/v1/health?"}, target
        for target in (f"/v1/jobs/{job_id}?limit=1", f"/v1/jobs/{job_id}/frames?limit=1"):
            await headers_are_alike(both, target)
        for head in ODD_HEADS:
            alike(await both.ask(head), head)


async def headers_are_alike(both: BothWays, target: str) -> None:
    """The headers that the lane knows, and those that it leaves to the app."""
    answer = alike(await both.ask(get(target)), target)
    tag = answer.partition(b"etag: ")[2].partition(b"\r\n")[0].decode() or '"none"'
    for lines in HEADERS:
        both.taken.clear()
        alike(await both.ask(get(target, *(line.replace("{tag}", tag) for line in lines))), lines)
        assert both.taken or "text/html" in lines[0], lines
    for lines in ODD_HEADERS:
        both.taken.clear()
        alike(await both.ask(get(target, *(line.replace("{tag}", tag) for line in lines))), lines)
        assert not both.taken, lines


async def test_requests_keep_their_order(system: System) -> None:
    """Several at once, halves, and one behind the other: the answers come in the order of the requests."""
    job_id = (await run_job(system, "motion")).job_id
    health, job, page = get("/v1/health"), get(f"/v1/jobs/{job_id}?limit=1"), get("/v1/plugins")
    sequences = (
        [health, job, page, job, health],
        [health + job + page],
        [page + health, job],
        [health[:10], health[10:], job],
        [health[:-1], health[-1:] + job[:5], job[5:], page],
        [health + b"\r\n", job],
        [page, *(job[start : start + 7] for start in range(0, len(job), 7)), health],
    )
    async with both_ways(system) as both:
        for pieces in sequences:
            count = sum(b"".join(pieces).count(name) for name in (b"GET ",))
            ways = []
            for port in (both.lane_port, both.plain_port):
                async with wire(port) as client:
                    for piece in pieces:
                        await client.stream.send_all(piece)
                        await trio.testing.wait_all_tasks_blocked(0.001)
                    ways.append([await client.answer() for _ in range(count)])
            assert ways[0] == ways[1], pieces
        assert both.taken


async def test_the_lane_counts_towards_the_end_of_a_connection(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many requests a connection is closed, whichever way they were answered, and the last answer says so."""
    monkeypatch.setattr(Config, "keep_alive_max_requests", 4)
    async with both_ways(system) as both:
        for port in (both.lane_port, both.plain_port):
            async with wire(port) as client:
                answers = [
                    await client.ask(get(target))
                    for target in ("/v1/health", "/v1/plugins", "/v1/health", "/v1/health")
                ]
                assert [b"connection: close" in answer.lower() for answer in answers] == [False] * 3 + [True]
                assert await client.is_closed()


async def test_changes_are_seen_at_once(system: System) -> None:
    """An answer that is kept is given only while nothing has changed; a deleted job is gone."""
    async with both_ways(system) as both, wire(both.lane_port) as client:
        state = await submit(system, "motion")
        while not state.ended:
            list_now = await client.ask(get("/v1/jobs"))
            answer = await client.ask(get(f"/v1/jobs/{state.job_id}/extended"))
            assert state.job_id.encode() in list_now
            done = int(answer.partition(b'"frames_done":')[2].partition(b",")[0])
            assert done >= state.frames_done
            assert answer.count(b'"frame_id":"frame-') >= done
            state = await system.jobs.wait_changed(state.job_id, state)
        await system.jobs.wait_ended(state.job_id)
        assert b'"status":"done"' in await client.ask(get(f"/v1/jobs/{state.job_id}/extended"))
        assert (await client.ask(get(f"/v1/jobs/{state.job_id}"))).startswith(b"HTTP/1.1 200 ")
        await system.jobs.delete(state.job_id)
        assert (await client.ask(get(f"/v1/jobs/{state.job_id}"))).startswith(b"HTTP/1.1 404 ")
        assert state.job_id.encode() not in await client.ask(get("/v1/jobs"))
        assert len(both.taken) > 4


async def test_what_retention_deletes_is_gone_before_clients_are_told(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that asks between the deletion and the message about it gets no answer from before."""
    state, answers = await run_job(system, "motion"), list[bytes]()
    forget, asked = system.jobs._archive.forget, get(f"/v1/jobs/{state.job_id}?limit=0")
    async with both_ways(system) as both, wire(both.lane_port) as client:

        async def ask_first(job_id: str, upload: str | None) -> None:
            answers.extend([await client.ask(asked), await client.ask(get("/v1/jobs"))])
            await forget(job_id, upload)

        await until(lambda: system.jobs.may_go(state.job_id))
        assert all([(await client.ask(request))[9:12] == b"200" for request in (asked, get("/v1/jobs"))])
        monkeypatch.setattr(system.jobs._archive, "forget", ask_first)
        assert state.finished_at is not None
        job = EndedJob(
            number=1, job_id=state.job_id, status="done", ended_at=state.finished_at, upload=None, stored_bytes=1
        )
        assert await system.jobs.delete_ended([job]) == {state.job_id}
    assert answers[0][9:12] == b"404"
    assert state.job_id.encode() not in answers[1]


async def test_a_job_that_is_deleted_while_it_is_read_is_not_shown_without_frames(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of its state and that of its frames it goes: then it is missing, either way."""
    read = system.store.newest_and_page

    async def delete_first(job_id: str, *, after: int, limit: int | None) -> tuple[int, list[tuple[int, bytes]]]:
        await system.jobs.delete(job_id)
        return await read(job_id, after=after, limit=limit)

    async with both_ways(system) as both:
        for port in (both.lane_port, both.plain_port):
            for path in ("", "/frames"):
                job_id = (await run_job(system, "motion", max_frames=1)).job_id
                with monkeypatch.context() as patched:
                    patched.setattr(system.store, "newest_and_page", delete_first)
                    async with wire(port) as client:
                        answer = await client.ask(get(f"/v1/jobs/{job_id}{path}"))
                assert answer[9:12] == b"404", path


async def test_a_job_that_was_not_acknowledged_is_not_listed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though somebody has read the list while its row was on disk."""
    add, delete, lists = system.store.add_job, system.store.delete_job, list[bytes]()
    async with both_ways(system) as both, wire(both.lane_port) as client:

        async def fails(record: JobRecord) -> None:
            await add(record)
            raise StoreFailing("The disk is full.")

        async def ask_first(*job_ids: str) -> None:
            lists.append(await client.ask(get("/v1/jobs")))
            await delete(*job_ids)

        monkeypatch.setattr(system.store, "add_job", fails)
        monkeypatch.setattr(system.store, "delete_job", ask_first)
        with pytest.raises(StoreFailing):
            await submit(system, "motion")
        lists.append(await client.ask(get("/v1/jobs")))
    assert [b'"job_id"' in answer for answer in lists] == [True, False]


async def test_many_that_ask_for_the_same_share_one_read(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their requests come before the answer is there; one reads, all get it, and what was read is kept."""
    job_id, reads = (await run_job(system, "motion")).job_id, 0
    read = system.jobs.cut

    async def counted(*args: object, **named: object) -> object:
        nonlocal reads
        reads += 1
        return await read(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(system.jobs, "cut", counted)
    answers: list[bytes] = []

    async def poll(port: int) -> None:
        async with wire(port) as client:
            answers.extend([await client.ask(get(f"/v1/jobs/{job_id}")) for _ in range(2)])

    async with both_ways(system) as both, trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(poll, both.lane_port)
    assert len(answers) == 16
    assert len(set(answers)) == 1
    assert reads <= 2


async def test_an_answer_that_is_being_made_does_not_delay_a_stop(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told to come back, as by the app, and that the connection ends."""
    job_id, reading = (await run_job(system, "motion")).job_id, trio.Event()

    async def never(*_: object) -> None:
        reading.set()
        await trio.sleep_forever()

    monkeypatch.setattr(system.jobs, "cut", never)
    async with both_ways(system) as both, wire(both.lane_port) as client:
        await client.stream.send_all(get(f"/v1/jobs/{job_id}"))
        await reading.wait()
        both.servers[0].stop()
        answer = await client.answer()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nconnection: close" in answer.lower()
        assert await client.is_closed()
        assert len(both.taken) == 1


async def test_what_fails_is_answered_by_the_app(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of whatever kind ends neither the connection nor its turn at the lane."""
    job_id = (await run_job(system, "motion")).job_id

    async def fails(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("not as expected")

    async with both_ways(system) as both, wire(both.lane_port) as client:
        with monkeypatch.context() as patched:
            patched.setattr(system.jobs, "cut", fails)
            assert (await client.ask(get(f"/v1/jobs/{job_id}"))).startswith(b"HTTP/1.1 500 ")
        assert (await client.ask(get(f"/v1/jobs/{job_id}"))).startswith(b"HTTP/1.1 200 ")
        assert len(both.taken) == 2


async def test_what_is_read_counts_as_with_the_app(system: System) -> None:
    """The figures have its route, and retention knows that somebody reads the job."""
    job_id = (await run_job(system, "motion")).job_id
    async with both_ways(system) as both, wire(both.lane_port) as client:
        await until(lambda: system.jobs.may_go(job_id))
        await client.ask(get(f"/v1/jobs/{job_id}?after=27"))
        system.jobs._archive._reads.forget(job_id)
        answer = await client.ask(get(f"/v1/jobs/{job_id}?after=27"))
        assert not system.jobs.may_go(job_id)
        tag = answer.partition(b"etag: ")[2].partition(b"\r\n")[0].decode()
        await client.ask(get(f"/v1/jobs/{job_id}?after=27", f"If-None-Match: {tag}"))
        assert len(both.taken) == 3
        figures = (await client.ask(get("/metrics"))).decode()
    route = 'method="GET",route="/v1/jobs/{job_id}"'
    assert f'kinora_http_requests_total{{{route},status="200"}} 2' in figures
    assert f'kinora_http_requests_total{{{route},status="304"}} 1' in figures
    assert f"kinora_http_request_seconds_count{{{route}}} 3" in figures


async def test_tokens_are_asked_for_as_by_the_app(settings: Settings) -> None:
    """A good one lets in by header or cookie and is noted as used; without one, or once revoked, the app refuses."""
    async with open_server(attrs.evolve(settings, token=True)) as server:
        made = await make_token(server, "wall")
        right = f"Authorization: Bearer {made['token']}"
        cookie = f"Cookie: {cookie_name(server.system.tokens)}={cookie_of(made['token'])}"
        async with wire(int(server.url.rpartition(":")[2])) as client:
            for lines, status in (([right], b"200"), ([cookie], b"200"), ([], b"401")):
                ways = [await client.ask(get("/v1/jobs", *lines, *odd)) for odd in ([], ["X-Other: 1"])]
                assert ways[0] == ways[1]
                assert ways[0][9:12] == status
            used = server.system.tokens.get(made["id"])
            assert used is not None
            assert used.last_used_at is not None
            await revoke(server, made["id"])
            answers = [await client.ask(get(path, right)) for path in ("/v1/jobs", "/v1/health")]
            assert [answer[9:12] for answer in answers] == [b"401", b"200"]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for three answers, of 100 bytes together."""
    monkeypatch.setattr(ready_answers, "MAX_ANSWERS", 3)
    monkeypatch.setattr(ready_answers, "MAX_BYTES", 100)


async def kept(answers: ReadyAnswers, key: str, size: int = 1, *, live: bool = False) -> None:
    """Have an answer made and kept."""

    async def make() -> Made:
        await trio.lowlevel.checkpoint()
        return Made(Encoded({}, b"x" * size), live)

    assert await answers.make(key, lambda: 0, make) is not None


@pytest.mark.usefixtures("limits")
async def test_answers_that_are_kept_are_bounded() -> None:
    """The one that was asked for the longest ago goes first, by number or by size."""
    answers = ReadyAnswers()
    for key in "abc":
        await kept(answers, key)
    assert answers.get("a", 0) is not None
    await kept(answers, "d")
    assert [key for key in "abcd" if answers.get(key, 0)] == ["a", "c", "d"]
    await kept(answers, "e", 99)
    assert [key for key in "acde" if answers.get(key, 0)] == ["d", "e"]
    await kept(answers, "f", 101)
    assert not any(answers.get(key, 0) for key in "acdef")


async def test_answers_age(autojump_clock: trio.testing.MockClock) -> None:
    """One about a running job soon, others later; one of another version is never given."""
    answers = ReadyAnswers()
    await kept(answers, "running", live=True)
    await kept(answers, "ended")
    assert answers.get("running", 0) is not None
    assert answers.get("running", 1) is None
    await trio.sleep(LIVE_S)
    assert answers.get("running", 0) is None
    assert answers.get("ended", 0) is not None
    await trio.sleep(KEPT_S)
    assert answers.get("ended", 0) is None


async def test_an_answer_is_never_older_than_its_question(autojump_clock: trio.testing.MockClock) -> None:
    """What changes while an answer is made is in the answer of all who ask after the change."""
    answers, version, given = ReadyAnswers(), 0, []

    async def make() -> Made:
        read = version
        await trio.sleep(1)
        return Made(Encoded({}, b"%d" % read))

    async def ask() -> None:
        answer = await answers.make("key", lambda: version, make)
        assert answer is not None
        given.append(answer.ok()[-1:])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(0.1)
        nursery.start_soon(ask)
        await trio.sleep(0.1)
        version = 1
        nursery.start_soon(ask)
        nursery.start_soon(ask)
    assert given == [b"0", b"0", b"1", b"1"]


_NAMES = st.sampled_from(["Host", "host", "Accept", "Cookie", "Connection", "If-None-Match", "X-Other", "Expect", ""])
_TEXT = st.text(st.sampled_from('\x00\t\r\n !"#%&/:;=?@aGEzT\x7f\xe9'), max_size=8)
_LINE = st.builds("{}{}{}".format, _NAMES, st.sampled_from([": ", ":", " : ", ""]), _TEXT)
_START = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["GET ", "GET  ", "get ", "\r\nGET ", "HEAD ", "GET /"]),
    st.sampled_from(["/v1/jobs", "/", "*", "http://h/", "/?a=b"]),
    _TEXT,
    st.sampled_from([" HTTP/1.1", " HTTP/1.0", " HTTP/1.1 ", ""]),
)
_ENDS = st.sampled_from(["\r\n\r\n", "\n\n", "\r\n", "\r\n\r\nx", "\r\n\r\n\r\n"])


@given(_START, st.lists(_LINE, max_size=4), _ENDS)
def test_a_plain_head_is_what_h11_reads(start: str, lines: list[str], end: str) -> None:
    """What the lane takes for a request is one for h11, with the same target and headers, and without a body."""
    data = ("\r\n".join([start, *lines]) + end).encode("latin-1")
    head = plain_head(data)
    if head is None or b"host" not in head.headers:
        return
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    read = reader.next_event()
    assert isinstance(read, h11.Request)
    query = "&".join(f"{name}={value}" for name, value in head.query.items())
    assert read.target.decode().removesuffix("?") == head.path + (f"?{query}" if query else "")
    assert dict(read.headers) == head.headers
    assert isinstance(reader.next_event(), h11.EndOfMessage)
    assert reader.next_event() is h11.NEED_DATA
    assert not reader.trailing_data[0]
