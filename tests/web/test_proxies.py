"""Behind a reverse proxy: who the client is, by which name and scheme it came, and the path under which it sees us."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import attrs
import pytest
from structlog.testing import capture_logs

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings, SettingsError, load_settings
from kinora.web.middleware.proxies import MAX_HOPS, as_told
from kinora.web.paths import UI_PAGES
from tests.client_kit import events, get, post
from tests.web.test_realtime import websocket

TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "127.0.0.1", "fd00::/8")))
ROOT = "/kinora"
BODY = {"source": "clip.mp4", "plugins": ["motion"]}


def scope(headers: Mapping[str, str], peer: str = "127.0.0.1", kind: str = "http") -> dict[str, Any]:
    """A request from ``peer``, as the ASGI server tells it."""
    named = [(name.lower().encode(), value.encode()) for name, value in {"Host": "inner:8000", **headers}.items()]
    scheme = "http" if kind == "http" else "ws"
    return {"type": kind, "client": (peer, 4711), "scheme": scheme, "headers": named, "path": "/"}


def host(told: Mapping[str, Any]) -> str:
    """Its only ``Host``."""
    [value] = [value for name, value in told["headers"] if name == b"host"]
    return str(value.decode())


@pytest.mark.parametrize("said", ["a" * 30_000, 'for="' + "a" * 30_000, '"' * 30_000, "for=" * 7_000, "=" * 30_000])
def test_a_header_of_a_client_costs_no_more_than_its_length(said: str) -> None:
    """A proxy passes on what its client wrote, and the event loop reads it: the time is not that of its square."""
    before = time.process_time()
    as_told(scope({"Forwarded": said}), TRUSTED)
    assert time.process_time() - before < 1


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.1.1.1, 10.2.2.2", "192.0.2.7"),
        ("10.9.9.9, 192.0.2.7, 10.2.2.2", "192.0.2.7"),  # what a client wrote itself comes first
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),
        ("192.0.2.7:1234", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443, fd00::2", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, ::ffff:10.1.1.1", "192.0.2.7"),
        ("192.0.2.7, rubbish, 10.1.1.1", "10.1.1.1"),
        ("unknown", "127.0.0.1"),
        ("", "127.0.0.1"),
        (",,", "127.0.0.1"),
        ("192.0.2.7" + ", 10.0.0.1" * MAX_HOPS, "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(said: str, client: str) -> None:
    """Going back from the proxy, trusted addresses are passed over, and nothing in front of another is believed."""
    assert as_told(scope({"X-Forwarded-For": said}), TRUSTED)["client"][0] == client


def test_several_headers_are_one_list() -> None:
    """A proxy may add a header of its own instead of lengthening the one that came."""
    asked = scope({})
    asked["headers"] += [(b"x-forwarded-for", b"192.0.2.7"), (b"x-forwarded-for", b"10.1.1.1")]
    assert as_told(asked, TRUSTED)["client"][0] == "192.0.2.7"


@pytest.mark.parametrize(
    ("headers", "scheme", "name"),
    [
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "cam.example"}, "https", "cam.example"),
        ({"X-Forwarded-Proto": "HTTPS"}, "https", "inner:8000"),
        ({"X-Forwarded-Proto": "http, https"}, "https", "inner:8000"),
        ({"X-Forwarded-Proto": "gopher"}, "http", "inner:8000"),
        ({"X-Forwarded-Host": "first.example, cam.example:8443"}, "http", "cam.example:8443"),
        ({"X-Forwarded-Proto": "https", "Host": "cam.example:443"}, "https", "cam.example"),
        ({"Host": "cam.example:80"}, "http", "cam.example"),
        ({"X-Forwarded-Proto": "https", "Host": "cam.example:80"}, "https", "cam.example:80"),
    ],
)
def test_scheme_and_host_are_those_that_the_client_used(headers: dict[str, str], scheme: str, name: str) -> None:
    """The proxy's word counts, the last one of several; a port that browsers leave out of ``Origin`` is left out."""
    told = as_told(scope(headers), TRUSTED)
    assert (told["scheme"], host(told)) == (scheme, name)
    assert as_told(scope(headers, kind="websocket"), TRUSTED)["scheme"] == {"http": "ws", "https": "wss"}[scheme]


@pytest.mark.parametrize(
    ("said", "client", "scheme", "name"),
    [
        ("for=192.0.2.7;proto=https;host=cam.example", "192.0.2.7", "https", "cam.example"),
        ('For="[2001:db8::1]:4711"; Proto=https, for=10.1.1.1', "2001:db8::1", "http", "inner:8000"),
        ('for=192.0.2.7, for=10.1.1.1;host="cam.example:8443"', "192.0.2.7", "http", "cam.example:8443"),
        ("for=_hidden, for=10.1.1.1", "10.1.1.1", "http", "inner:8000"),
        ('for="unclosed by the client, for=192.0.2.7', "192.0.2.7", "http", "inner:8000"),
        ('"' * 20_001, "127.0.0.1", "http", "inner:8000"),
    ],
)
def test_the_standard_header_says_the_same(said: str, client: str, scheme: str, name: str) -> None:
    """``Forwarded`` of RFC 7239 is understood, and what is broken in it is not believed."""
    told = as_told(scope({"Forwarded": said}), TRUSTED)
    assert (told["client"][0], told["scheme"], host(told)) == (client, scheme, name)


def test_one_kind_of_header_is_believed() -> None:
    """A proxy that sets X-Forwarded-For may pass on a ``Forwarded`` that the client made up."""
    both = {"X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.66;proto=https;host=evil.example"}
    told = as_told(scope(both), TRUSTED)
    assert (told["client"][0], told["scheme"], host(told)) == ("192.0.2.7", "http", "inner:8000")


@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.2", "::1", ""])
def test_others_are_not_believed(peer: str) -> None:
    """Whoever is not listed may say what it likes."""
    asked = scope({"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https", "Forwarded": "for=10.0.0.1"}, peer)
    assert as_told(asked, TRUSTED) is asked
    nobody = {**asked, "client": None}
    assert as_told(nobody, TRUSTED) is nobody


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("trusted_proxies", "localhost", "'localhost' is not an address or a network"),
        ("trusted_proxies", "10.0.0.1/8", "write it as 127.0.0.1 or 10.0.0.0/8"),
        ("root_path", "kinora", "'kinora' is not the beginning of a path: write it as /kinora"),
        ("root_path", "/a//b", "write it as /kinora"),
        ("root_path", "/..", "write it as /kinora"),
        ("root_path", "/a b", "write it as /kinora"),
    ],
)
def test_wrong_settings_are_said(name: str, value: str, said: str) -> None:
    """A setting that cannot be meant is refused in a sentence."""
    with pytest.raises(SettingsError, match=said):
        load_settings({name: value}, {})


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("/", ""), ("/kinora/", ROOT), ("/a/b.c", "/a/b.c")])
def test_the_last_slash_of_the_path_does_not_count(given: str, kept: str) -> None:
    """``/kinora/`` is ``/kinora``, and ``/`` is nothing."""
    assert load_settings({"root_path": given}, {}).root_path == kept


@asynccontextmanager
async def proxied(settings: Settings, **more: Any) -> AsyncIterator[RunningServer]:
    """A server that takes this test for its proxy."""
    told = attrs.evolve(settings, trusted_proxies=("127.0.0.1",), allowed_hosts=("cam.example",), **more)
    async with open_server(told) as running:
        yield running


async def test_a_page_behind_a_proxy_with_tls_may_use_the_server(settings: Settings) -> None:
    """With the proxy's word about the name, the page's own Origin fits; another name or another page is refused."""
    outer = {"x_forwarded_host": "cam.example:8443", "x_forwarded_proto": "https"}
    async with proxied(settings) as server:
        jobs = f"{server.url}/v1/jobs"
        assert (await post(jobs, BODY, **outer, origin="https://cam.example:8443")).status == 202
        assert (await post(jobs, BODY, **outer, origin="https://evil.example")).status == 403
        assert (await get(jobs, x_forwarded_host="evil.example")).status == 403
    async with open_server(attrs.evolve(settings, allowed_hosts=("cam.example",))) as server:
        refused = await post(f"{server.url}/v1/jobs", BODY, **outer, origin="https://cam.example:8443")
        assert refused.status == 403  # no proxy is trusted here


async def test_the_log_names_the_client_and_not_the_proxy(settings: Settings) -> None:
    """The access log has the address of the proxy's client, and the path without that of the proxy."""
    with capture_logs() as lines:
        async with proxied(settings, root_path=ROOT) as server:
            await post(f"{server.url}{ROOT}/v1/jobs", BODY, x_forwarded_for="192.0.2.7, 127.0.0.1")
    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["client"], line["path"]) == ("192.0.2.7", "/v1/jobs")


@pytest.mark.parametrize(("token", "warned"), [(False, True), (True, False)])
async def test_a_proxy_that_lets_everybody_in_is_warned_of(settings: Settings, token: bool, warned: bool) -> None:
    """On loopback no token is needed, and behind a proxy all clients come from there: the log says what to do."""
    with capture_logs() as lines:
        async with proxied(settings, token=token):
            pass
    assert any("--token" in line["event"] for line in lines) is warned


@pytest.mark.parametrize("prefix", ["", ROOT], ids=["the proxy takes the path off", "the proxy leaves it"])
async def test_every_address_that_is_told_has_the_path(settings: Settings, prefix: str) -> None:
    """Under a path all calls work, with or without it in front, and each address in an answer begins with it."""
    async with proxied(settings, root_path=ROOT, token=True) as server:
        base = server.url + prefix
        bearer = {"authorization": f"Bearer {server.token}"}
        document = (await get(f"{base}/openapi.json", **bearer)).json()
        assert document["servers"] == [{"url": ROOT}]
        submitted = await post(f"{base}/v1/jobs", BODY, **bearer)
        assert submitted.headers["location"] == f"{ROOT}/v1/jobs/{submitted.json()['job_id']}"
        last = submitted.headers["last-event-id"]
        async with events(f"{base}/v1/realtime?types=frame", last_event_id=last, **bearer) as stream:
            async for event in stream:
                if "data" in event.fields and event.message["type"] == "frame":
                    image_url = event.message["payload"]["image_url"]
                    break
        assert image_url == f"{ROOT}/v1/jobs/{submitted.json()['job_id']}/frames/0.jpg"
        assert (await get(server.url + image_url, **bearer)).status == 200
        assert (await get(f"{base}/v1/nothing", **bearer)).status == 404
        signed_in = await post(f"{base}/v1/session", {"token": server.token}, x_forwarded_proto="https")
        assert "; Path=/kinora;" in signed_in.headers["set-cookie"] + ";"
        assert "Secure" in signed_in.headers["set-cookie"]
        code = server.links[0].rpartition("=")[2]
        entered = await get(f"{base}/login?code={code}")
        assert (entered.status, entered.headers["location"]) == (303, f"{ROOT}/")


@pytest.mark.parametrize("prefix", ["", ROOT], ids=["the proxy takes the path off", "the proxy leaves it"])
async def test_pages_under_a_path_name_nothing_outside_of_it(settings: Settings, prefix: str) -> None:
    """The pages' links are relative, and what they load is there; without the last slash a browser is sent to it."""
    async with proxied(settings, root_path=ROOT) as server:
        for path in (*UI_PAGES, "/docs"):
            page = (await get(f"{server.url}{prefix}{path}")).body.decode()
            links = [part.partition('"')[0] for part in page.replace('src="', 'href="').split('href="')[1:]]
            assert links
            for link in links:
                assert not link.startswith("/")
                assert (await get(f"{server.url}{prefix}/{link.removeprefix('./')}")).status == 200
        moved = await get(f"{server.url}{ROOT}")
        assert (moved.status, moved.headers["location"]) == (307, f"{ROOT}/")
        async with websocket(server_at(server, prefix)) as opened:
            await opened.get_message()


def server_at(server: RunningServer, prefix: str) -> RunningServer:
    """The same server at another address."""
    return attrs.evolve(server, url=server.url + prefix)
