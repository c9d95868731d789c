"""The guard: it refuses pages of other sites, in every way in which they can make a browser send a request."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from kinora.web.access.guard import refusal
from tests.cli.test_cli import Served
from tests.client_kit import get, post, request

OWN = "localhost:8000"
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


def scope(path: str = "/v1/jobs", method: str = "GET", **headers: str) -> dict[str, Any]:
    """An ASGI scope with these headers; ``sec_fetch_site`` becomes ``Sec-Fetch-Site``."""
    named = {"host": OWN} | {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return {"type": "http", "path": path, "method": method, "headers": raw}


def status_of(asked: dict[str, Any], *allowed: str) -> int | None:
    """The status of the refusal; None if the request passes."""
    problem = refusal(asked, frozenset(allowed))
    return None if problem is None else problem.status


@pytest.mark.parametrize(
    "host", ["localhost", OWN, "LOCALHOST:1", "127.0.0.1:8000", "127.9.9.9", "[::1]", "[::1]:8000", "127.0.0.1:"]
)
def test_the_names_of_this_machine_are_its_own(host: str) -> None:
    """Every way to write loopback is accepted, with any port or none."""
    assert status_of(scope(host=host)) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "192.168.1.1", "127.0.0.1.evil.example", "",
     "[::2]", "localhost@evil.example", "localhost:8000:9", "localhost::", "127.1", "2130706433",
     "localhost, evil.example"],
)  # fmt: skip
def test_another_name_is_foreign(host: str) -> None:
    """A name that only resolves to this machine is refused, as it may be DNS rebinding."""
    assert status_of(scope(host=host)) == 403


def test_a_second_host_cannot_hide_behind_the_first() -> None:
    """Two ``Host`` headers are refused, in either order."""
    asked = scope()
    asked["headers"].append((b"host", b"evil.example"))
    assert status_of(asked) == 403


def test_an_allowed_name_is_taken() -> None:
    """A name that the operator allows is accepted, another is not."""
    assert status_of(scope(host="kinora.example:443"), "kinora.example") is None
    assert status_of(scope(host="other.example"), "kinora.example") == 403


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://evil.example",
        "http://localhost:3000",
        "https://127.0.0.1:8000",
        "file://",
        "",
        "http://localhost",
    ],
)
def test_a_foreign_origin_is_refused(origin: str) -> None:
    """Only the server's own pages may send requests; ``null``, another port and another loopback name are foreign."""
    assert status_of(scope(origin=origin)) == 403


def test_the_own_origin_is_taken_and_none_too() -> None:
    """The server's own page passes, behind a TLS proxy too, and so do clients that are not browsers."""
    assert status_of(scope()) is None
    assert status_of(scope(origin=f"http://{OWN}")) is None
    assert status_of(scope(origin=f"https://{OWN}")) is None
    assert status_of(scope(host="127.0.0.1:", origin="http://127.0.0.1")) is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_a_foreign_site_is_refused(site: str) -> None:
    """A request that the browser marks as another site's is refused, as is another port of this machine (same-site)."""
    assert status_of(scope(sec_fetch_site=site)) == 403
    assert status_of(scope(sec_fetch_site="same-origin")) is None
    assert status_of(scope(sec_fetch_site="none")) is None


def test_a_link_may_open_the_start_page_and_nothing_else() -> None:
    """A link on another site may open the page; that site can neither frame nor fetch it, nor reach the API."""
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert status_of(scope("/", **link)) is None
    assert status_of(scope("/v1/jobs", **link)) == 403
    assert status_of(scope("/", "POST", **link)) == 403
    assert status_of(scope("/", **{**link, "sec_fetch_dest": "iframe"})) == 403
    assert status_of(scope("/", **{**link, "sec_fetch_mode": "no-cors"})) == 403
    assert status_of(scope("/", **link, origin="http://evil.example")) == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp", "json"])
def test_a_writing_call_takes_only_what_a_page_cannot_send_unasked(kind: str) -> None:
    """Bodies that a foreign page can send without a preflight request are 415."""
    assert status_of(scope(method="POST", content_type=kind, content_length="5")) == 415
    assert status_of(scope(method="POST", content_type=kind, transfer_encoding="chunked")) == 415


def test_a_writing_call_without_a_body_needs_no_type() -> None:
    """Calls such as cancel need no body, and JSON may give its charset."""
    assert status_of(scope(method="POST")) is None
    assert status_of(scope(method="POST", content_length="0")) is None
    assert status_of(scope(method="POST", content_type="Application/JSON; charset=utf-8", content_length="2")) is None


@pytest.mark.parametrize(
    ("referer", "status"),
    [
        (f"http://{OWN}/demo", None),
        (f"https://{OWN.upper()}", None),
        ("http://evil.example/page", 403),
        (f"http://evil.example/http://{OWN}/", 403),
        (f"http://{OWN}.evil.example/", 403),
        (f"http://{OWN}@evil.example/", 403),
        ("http://localhost:3000/", 403),
        ("about:blank", 403),
        ("", 403),
    ],
)
def test_an_old_browser_is_known_by_its_referer(referer: str, status: int | None) -> None:
    """Without Origin and Sec-Fetch-Site, a foreign Referer refuses calls that change something, and no others."""
    assert status_of(scope(method="POST", referer=referer)) == status
    assert status_of(scope(method="DELETE", referer=referer)) == status
    assert status_of(scope(referer=referer)) is None
    for known in ({"origin": f"http://{OWN}"}, {"sec_fetch_site": "same-origin"}):
        assert status_of(scope(method="POST", referer=referer, **known)) is None


async def test_refusals_are_problem_documents_on_every_way_in(shared: Served) -> None:
    """HTTP, event streams and WebSocket upgrades of foreign pages are refused with 403 before anything is done."""
    for headers in ({"host": "evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        for path in ("/v1/jobs", "/v1/realtime", "/", "/openapi.json"):
            answer = await request(shared.url + path, headers=headers)
            assert answer.status == 403
            assert answer.headers["content-type"] == "application/problem+json"
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        answer = await request(f"{shared.url}/v1/realtime", headers=UPGRADE | headers)
        assert answer.status == 403
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_foreign_form_cannot_cancel(shared: Served) -> None:
    """A form on another site's page is refused, and an unknown media type is 415."""
    url = f"{shared.url}/v1/jobs/some-job/cancel"
    assert (await post(url, origin="http://evil.example")).status == 403
    plain = await request(url, "POST", headers={"content-type": "text/plain"}, body=b"{}")
    assert plain.status == 415
    assert plain.json()["detail"]


async def test_a_refused_client_is_not_left_waiting_for_its_body(shared: Served) -> None:
    """A refusal is sent while the body is still arriving."""
    port = int(shared.url.rpartition(":")[2])
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(
            b"POST /v1/jobs HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 1000000\r\n\r\n" + bytes(70_000)
        )
        assert b"403" in bytes(await stream.receive_some(20))


async def test_the_target_must_be_a_path(shared: Served) -> None:
    """Targets that are not paths are 400: they neither pass the guard nor cause a server error."""
    port = int(shared.url.rpartition(":")[2])
    for target in (b"?x", b"http://[", b"http://a@localhost/", b"ftp://localhost/", b"x", b"/%00"):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"OPTIONS " + target + b" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            assert b"HTTP/1.1 400" in bytes(await stream.receive_some(2000))


async def test_answers_tell_browsers_to_keep_them_to_themselves(shared: Served) -> None:
    """Every answer has the headers against sniffing, framing and embedding."""
    for path in ("/", "/v1/jobs", "/nothing"):
        headers = (await get(shared.url + path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
