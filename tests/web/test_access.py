"""Tokens: nothing but what is listed as open answers without one, and what a token may do is what its role says."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping

import attrs
import pytest
import trio
from trio_websocket import open_websocket_url

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.access import wrong_tokens
from kinora.web.app import create_app
from tests.access_kit import WRONG_TOKEN, bearer, make_token, owner, revoke
from tests.client_kit import exchange, get, post, request
from tests.web.test_security import UPGRADE

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
FILES = frozenset({"/", "/demo", "/ui-kit", "/favicon.svg", "/assets/x.js", "/v1/health", "/v1/ready", "/login"})
"""What can be read without a token."""
PARTS = {
    "job_id": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    "index": "0",
    "event": "1",
    "schema": "detection",
    "name": "motion",
    "token_id": "0",
    "agent_id": "0",
    "webhook": "alarm",
    "_name": "x.js",
}
"""A value for each part of an address."""


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A server that needs a token on loopback too, and answers wrong ones at once."""
    monkeypatch.setattr(wrong_tokens, "LONGEST_DELAY_S", 0.0)
    return attrs.evolve(settings, token=True)


def addresses(server: RunningServer) -> Iterator[str]:
    """Every address that the app has, and some that it has not."""
    yield from (
        "/v1/nothing",
        "/nothing",
        "/v1/health/",
        "/v1/health?details=1",
        "/v1//health",
        "//v1/health",
        "/V1/HEALTH",
    )
    for rule in create_app(server.system).url_map.iter_rules():
        yield re.sub(r"<(?:\w+:)?(\w+)>", lambda part: PARTS[part[1]], rule.rule)


def is_open(method: str, path: str) -> bool:
    """Whether this call is on the list of those that need no token."""
    return (method in READING and path in FILES) or (path == "/v1/session" and method in {"POST", "DELETE"})


async def status(server: RunningServer, method: str, path: str, headers: Mapping[str, str]) -> int:
    """The status of the answer to one call, of which no more is read."""
    with trio.fail_after(60):
        async with exchange(server.url + path, method, headers=headers) as opened:
            return (await opened.head()).status_code


async def all_answers(server: RunningServer, headers: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """The status of every method of every address."""
    return {
        (method, path): await status(server, method, path, headers) for path in addresses(server) for method in METHODS
    }


async def test_without_a_good_token_only_what_is_open_answers(server: RunningServer) -> None:
    """Every method of every address is refused but those on the list, without a token as with a wrong one."""
    for token in (None, WRONG_TOKEN):
        check_only_the_open_answer(await all_answers(server, bearer(token)))


def check_only_the_open_answer(answers: Mapping[tuple[str, str], int]) -> None:
    """Check the statuses that somebody without a good token gets."""
    assert {call for call, code in answers.items() if code not in {401, 404}} <= {
        call for call in answers if is_open(*call)
    }
    assert {path for (_, path), code in answers.items() if code == 404} <= {"//v1/health", "/assets/x.js"}
    assert {code for call, code in answers.items() if is_open(*call)} <= {200, 204, 303, 400, 401, 404, 415, 422}
    assert answers["GET", "/v1/health"] == answers["GET", "/v1/ready"] == answers["GET", "/"] == 200
    assert answers["GET", "/v1/session"] == 401


async def test_a_viewer_may_read_all_and_change_nothing(server: RunningServer) -> None:
    """The role ``view`` gets 403 for calls that may change something, for tokens, sources and what agents use."""
    viewer = bearer((await make_token(server, "wall"))["token"])
    answers = await all_answers(server, viewer)
    closed = {call for call, code in answers.items() if code == 403}
    closed_paths = ("/v1/tokens", "/v1/sources/", "/v1/agents/link", "/v1/agents/files/")
    assert closed == {
        (method, path)
        for method, path in answers
        if (method not in READING or path.startswith(closed_paths)) and not is_open(method, path) and path[:2] != "//"
    }
    assert 401 not in {code for call, code in answers.items() if call != ("GET", "/login")}


async def test_an_operator_may_do_everything(server: RunningServer) -> None:
    """The role ``operate`` is refused nothing."""
    answers = await all_answers(server, owner(server))
    assert {401, 403}.isdisjoint(code for call, code in answers.items() if call != ("GET", "/login"))


async def test_the_refusals_say_what_to_do(server: RunningServer) -> None:
    """401 names the scheme and 403 the role, as problem documents."""
    missing = await get(f"{server.url}/v1/jobs")
    wrong = await get(f"{server.url}/v1/jobs", **bearer(WRONG_TOKEN))
    viewer = bearer((await make_token(server, "wall"))["token"])
    refused = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["motion"]}, **viewer)
    assert [missing.status, wrong.status, refused.status] == [401, 401, 403]
    assert missing.headers["www-authenticate"] == wrong.headers["www-authenticate"] == 'Bearer realm="kinora"'
    assert {answer.headers["content-type"] for answer in (missing, wrong, refused)} == {"application/problem+json"}
    assert "Authorization: Bearer" in missing.json()["detail"]
    assert "revoked" in wrong.json()["detail"]
    assert "operate" in refused.json()["detail"]


async def test_a_websocket_with_a_wrong_token_is_refused(server: RunningServer) -> None:
    """So is one at an address that is none."""
    for path in ("/v1/realtime", "/v1/other"):
        answer = await request(server.url + path, headers=UPGRADE | bearer(WRONG_TOKEN))
        assert answer.status == 401
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_websocket_with_a_token_is_let_in(server: RunningServer) -> None:
    """Both roles may watch."""
    url = server.url.replace("http", "ws", 1) + "/v1/realtime"
    for role in ("view", "operate"):
        made = await make_token(server, role, role)
        headers = [(b"authorization", f"Bearer {made['token']}".encode())]
        async with open_websocket_url(url, extra_headers=headers) as opened:
            assert json.loads(await opened.get_message())["type"] == "metadata"


async def test_a_token_is_told_once_and_listed_without_its_secret(server: RunningServer) -> None:
    """The list has what people need to know it by."""
    made = await make_token(server, "wall")
    assert set(made) == {"id", "name", "role", "created_at", "last_used_at", "token"}
    assert made["token"].startswith("kin_")
    await get(f"{server.url}/v1/jobs", **bearer(made["token"]))
    listed = (await get(f"{server.url}/v1/tokens", **owner(server))).json()["tokens"]
    assert [token["name"] for token in listed] == ["local", "wall"]
    assert {frozenset(token) for token in listed} == {frozenset(made) - {"token"}}
    assert listed[1]["last_used_at"] is not None
    assert (await post(f"{server.url}/v1/tokens", {"name": "wall", "role": "view"}, **owner(server))).status == 409
    assert (await revoke(server, made["id"])).status == 204
    assert (await revoke(server, made["id"])).status == 404
    assert (await get(f"{server.url}/v1/jobs", **bearer(made["token"]))).status == 401


async def test_a_browser_signs_in_and_out(server: RunningServer) -> None:
    """The cookie stands for the token, does not tell it, and only the server's own pages send it."""
    made = await make_token(server, "wall")
    answer = await post(f"{server.url}/v1/session", {"token": made["token"]})
    assert answer.json() == {"role": "view", "name": "wall", "token_needed": True}
    cookie, *flags = answer.headers["set-cookie"].split("; ")
    assert set(flags) >= {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert "Secure" not in flags
    assert made["token"] not in cookie
    assert (await get(f"{server.url}/v1/session", cookie=f"other=1; {cookie}")).json() == answer.json()
    assert (await get(f"{server.url}/v1/jobs", cookie=cookie)).status == 200
    assert (await post(f"{server.url}/v1/plugins/reload", cookie=cookie)).status == 403
    assert (await get(f"{server.url}/v1/jobs", **bearer(cookie.partition("=")[2]))).status == 401
    gone = await request(f"{server.url}/v1/session", "DELETE", headers={"cookie": cookie})
    assert gone.status == 204
    assert "Max-Age=0" in gone.headers["set-cookie"]
    await revoke(server, made["id"])
    assert (await get(f"{server.url}/v1/session", cookie=cookie)).status == 401


async def test_a_login_link_works_once(server: RunningServer) -> None:
    """It sets the cookie and leads to the page; afterwards, and with another code, a page says what to do."""
    (link,) = server.links
    assert server.token is not None
    assert server.token not in link
    assert (await request(link, "HEAD")).status == 303
    answer = await get(link, sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document")
    assert (answer.status, answer.headers["location"], answer.headers["referrer-policy"]) == (303, "/", "no-referrer")
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert server.token not in cookie
    assert (await get(f"{server.url}/v1/session", cookie=cookie)).json()["role"] == "operate"
    for used in (link, f"{server.url}/login?code=x", f"{server.url}/login"):
        refused = await get(used)
        assert refused.status == 401
        assert "set-cookie" not in refused.headers
        assert b"kinora token link" in refused.body


async def test_links_are_made_for_oneself_and_for_others(server: RunningServer) -> None:
    """An operator makes one for any token, a viewer makes none; one of a revoked token does not work."""
    made = await make_token(server, "wall")
    url = f"{server.url}/v1/session/link"
    assert (await post(url, {}, **bearer(made["token"]))).status == 403
    (own,) = (await post(url, {}, **owner(server))).json()["links"]
    (others,) = (await post(url, {"token": made["token"]}, **owner(server))).json()["links"]
    (late,) = (await post(url, {"token": made["token"]}, **owner(server))).json()["links"]
    assert (await post(url, {"token": WRONG_TOKEN}, **owner(server))).status == 422
    cookies = [(await get(link)).headers["set-cookie"].partition(";")[0] for link in (own, others)]
    roles = [(await get(f"{server.url}/v1/session", cookie=cookie)).json()["role"] for cookie in cookies]
    assert roles == ["operate", "view"]
    await revoke(server, made["id"])
    assert (await get(late)).status == 401


async def test_on_loopback_no_token_is_needed(settings: Settings) -> None:
    """Everyone may do everything, and the page is told so."""
    async with open_server(attrs.evolve(settings, token=False)) as server:
        assert server.links == ()
        assert (await get(f"{server.url}/v1/session")).json() == {
            "role": "operate",
            "name": None,
            "token_needed": False,
        }
        assert (await get(f"{server.url}/v1/tokens", **bearer(WRONG_TOKEN))).json() == {"tokens": []}
        assert not (settings.data_dir / "token").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - every address is meant
async def test_where_other_machines_reach_the_server_a_token_is_needed(settings: Settings, host: str) -> None:
    """The server works there at once, and its links have an address that another machine can use."""
    async with open_server(attrs.evolve(settings, host=host, token=False)) as server:
        assert (await get(f"{server.url}/v1/jobs")).status == 401
        assert (await get(f"{server.url}/v1/jobs", **owner(server))).status == 200
        assert not any(re.search(r"//(0\.0\.0\.0|127\.|\[::)", link) for link in server.links)
        (by_name,) = (link for link in server.links if f"//{socket.gethostname()}:" in link)
        port = by_name.rpartition(":")[2].partition("/")[0]
        for name in (
            f"{socket.gethostname()}:{port}",
            "192.0.2.7",
            "[2001:db8::7]:80",
            f"{socket.gethostname()}.local",
        ):
            assert (await get(f"{server.url}/v1/jobs", **owner(server), host=name)).status == 200
        assert (await get(f"{server.url}/v1/jobs", **owner(server), host="evil.example")).status == 403
