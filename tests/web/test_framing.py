"""What RFC 9110, 9112 and 6455 ask of requests and answers, over real sockets to a whole server."""

from __future__ import annotations

import attrs
import pytest
import trio

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.connection.server import MAX_HEAD_BYTES
from tests.cli.test_cli import Served
from tests.client_kit import get, post, request
from tests.jobs_kit import ended

HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n"
CHUNKED = HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


async def answers(server: RunningServer | Served, sent: bytes) -> bytes:
    """Send this on one connection, and return all that comes until the server ends it."""
    async with await trio.open_tcp_stream("127.0.0.1", int(server.url.rpartition(":")[2])) as stream:
        await stream.send_all(sent)
        return b"".join([bytes(chunk) async for chunk in stream])


@pytest.mark.parametrize("length", [b"7", b"999999999999"])
async def test_a_body_with_two_lengths_is_the_last(shared: Served, length: bytes) -> None:
    """The chunked body counts; the connection ends after the answer, and what follows is not a request."""
    body = b"2\r\n{}\r\n0\r\n\r\n"
    head = b"POST /v1/jobs HTTP/1.1\r\n" + CHUNKED + b"Content-Length: " + length + b"\r\n\r\n"
    got = await answers(shared, head + body + b"GET /v1/health HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert got.startswith(b"HTTP/1.1 422")
    assert b"connection: close\r\n" in got.lower()
    assert got.count(b"HTTP/1.1 ") == 1


async def test_a_chunked_body_alone_keeps_the_connection(shared: Served) -> None:
    """With one length the next request is answered."""
    post_ = b"POST /v1/jobs HTTP/1.1\r\n" + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n"
    got = await answers(shared, post_ + b"GET /v1/health HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert got.count(b"HTTP/1.1 ") == 2


@pytest.mark.parametrize("earlier", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize(("more", "status"), [(0, b"200"), (1, b"431")])
async def test_a_head_beyond_the_limit_is_refused_although_it_is_complete(
    shared: Served, earlier: int, more: int, status: bytes
) -> None:
    """A head of exactly the limit is taken, one of a byte more is not, at any place in a connection."""
    one = b"GET /v1/health HTTP/1.1\r\n" + HOST
    last = one + CLOSE + b"X: %s\r\n\r\n"
    filler = b"x" * (MAX_HEAD_BYTES + more - len(last % b""))
    got = await answers(shared, (one + b"\r\n") * earlier + last % filler)
    *before, answer = got.split(b"HTTP/1.1 ")[1:]
    assert len(before) == earlier
    assert answer.startswith(status)


async def test_an_answer_without_content_does_not_describe_any(server: RunningServer) -> None:
    """204 and 304 have neither content type nor length; the answer to OPTIONS has no type."""
    answer = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["motion"]})
    url = f"{server.url}{answer.headers['location']}"
    await ended(server.system, await server.system.jobs.state(answer.json()["job_id"]))
    tag = (await get(url)).headers["etag"]
    unchanged, deleted = await get(url, if_none_match=tag), await request(url, "DELETE")
    for empty, status in ((unchanged, 304), (deleted, 204)):
        assert empty.status == status
        assert not {"content-type", "content-length", "transfer-encoding"} & set(empty.headers)
    options = await request(f"{server.url}/v1/jobs", "OPTIONS")
    assert (options.status, options.headers["content-length"]) == (200, "0")
    assert "POST" in options.headers["allow"]
    assert "content-type" not in options.headers


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://localhost/v1/health?x=1", b"localhost", b"200"),
        (b"HTTP://127.0.0.1:8000/v1/health", b"localhost", b"200"),
        (b"http://[::1]:8000/v1/health", b"evil.example", b"200"),
        (b"http://localhost", b"localhost", b"200"),
        (b"http://evil.example/v1/health", b"localhost", b"403"),
        (b"http://localhost.evil.example/v1/health", b"localhost", b"403"),
        (b"http://localhost/nothing", b"localhost", b"404"),
    ],
)
async def test_a_target_may_be_absolute(shared: Served, target: bytes, host: bytes, status: bytes) -> None:
    """Its path is served, and its host counts instead of the ``Host`` header's."""
    got = await answers(shared, b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + CLOSE + b"\r\n")
    assert got.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("version", ["8", "14", "13, 8"])
async def test_another_version_of_websocket_is_told_the_right_one(shared: Served, version: str) -> None:
    """The answer is 426 with the version that the server speaks."""
    answer = await request(f"{shared.url}/v1/realtime", headers=UPGRADE | {"sec-websocket-version": version})
    assert answer.status == 426
    assert answer.headers["sec-websocket-version"] == "13"
    assert answer.headers["upgrade"] == "websocket"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize("key", ["", "c2hvcnQ=", "not base64", "dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-key: a"])
async def test_a_key_must_be_one_of_16_bytes(shared: Served, key: str) -> None:
    """A missing, short, malformed or second key is 400."""
    head = "".join(f"{name}: {value}\r\n" for name, value in (UPGRADE | {"sec-websocket-key": key}).items())
    got = await answers(shared, b"GET /v1/realtime HTTP/1.1\r\n" + HOST + head.encode() + b"\r\n")
    assert got.startswith(b"HTTP/1.1 400")


LINES = (
    (b"GET /v1/health HTTP/1.0", b"200", b'"ok"'),
    (b"GET /v1/health HTTP/0.9", b"505", b"HTTP/1.1"),
    (b"GET /v1/health HTTP/1.2", b"505", b"HTTP/1.1"),
    (b"GET /v1/health HTTP/2.0", b"505", b"HTTP/1.1"),
    (b"OPTIONS * HTTP/1.1", b"204", b"allow: DELETE, GET, HEAD, OPTIONS, POST"),
    (b"GET * HTTP/1.1", b"400", b"starts with a slash"),
    (b"GET /%00 HTTP/1.1", b"400", b"NUL"),
)


async def test_a_request_line_gets_a_true_answer(shared: Served) -> None:
    """Other versions of HTTP are not taken for 1.1, and the server as a whole has options."""
    for line, status, says in LINES:
        got = await answers(shared, line + b"\r\n" + HOST + CLOSE + b"\r\n")
        assert got.startswith(b"HTTP/1.1 " + status), line
        assert says in got, line
        assert got.count(b"HTTP/1.1 " + status) == 1, line


async def test_the_preface_of_http2_gets_one_answer(shared: Served) -> None:
    """It looks like two requests, and is none."""
    got = await answers(shared, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 505")
    assert got.count(b"content-length") == 1


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/v1/jobs", 400, "/v1/realtime"), ("/v1/health", 400, "/v1/realtime"), ("/x", 404, "")],
)
async def test_an_upgrade_elsewhere_is_told_where_it_can_be(shared: Served, path: str, status: int, says: str) -> None:
    """The answer does not call the request bad HTTP, nor the method wrong."""
    answer = await request(shared.url + path, headers=UPGRADE)
    assert (answer.status, "allow" in answer.headers) == (status, False)
    assert says in answer.json()["detail"]


JSON = b"Content-Type: application/json\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"


UNWANTED = (
    (b"POST /v1/jobs HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n" + JSON, b"403"),
    (b"POST /v1/jobs HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n" + HOST, b"415"),
    (b"POST /v1/nothing HTTP/1.1\r\nContent-Length: 9\r\n" + HOST + JSON, b"404"),
    (b"PUT /v1/jobs HTTP/1.1\r\nContent-Length: 9\r\n" + HOST + JSON, b"405"),
    (b"POST /v1/jobs HTTP/1.1\r\nContent-Length: 99999999\r\n" + HOST + JSON, b"413"),
    (b"POST /v1/jobs HTTP/1.1\r\nContent-Length: 1000000000\r\n" + HOST + FORM, b"503"),
)


async def test_a_body_that_is_refused_is_not_asked_for(settings: Settings) -> None:
    """A client that waits for 100 gets the final status instead, and the connection ends."""
    async with open_server(attrs.evolve(settings, min_free_bytes=2**60)) as server:
        for head, status in UNWANTED:
            got = await answers(server, head + b"Expect: 100-continue\r\n\r\n")
            assert got.startswith(b"HTTP/1.1 " + status), head
            assert b"connection: close\r\n" in got.lower(), head


async def test_a_body_that_is_wanted_is_asked_for_once(shared: Served) -> None:
    """100 comes before the body and is the only one, and the connection goes on after the answer."""
    head = b"POST /v1/jobs HTTP/1.1\r\nContent-Length: 2\r\n" + HOST + JSON
    async with await trio.open_tcp_stream("127.0.0.1", int(shared.url.rpartition(":")[2])) as stream:
        await stream.send_all(head + b"Expect: 100-continue\r\n\r\n")
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += bytes(await stream.receive_some(1000))
        assert asked.startswith(b"HTTP/1.1 100")
        await stream.send_all(b"{}" + head + CLOSE + b"\r\n{}")
        rest = b"".join([bytes(chunk) async for chunk in stream])
    assert [answer[:3] for answer in rest.split(b"HTTP/1.1 ")[1:]] == [b"422", b"422"]
