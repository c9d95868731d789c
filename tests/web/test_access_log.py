"""The access log: what an operator asks about, and nothing that lets others in."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from structlog.testing import capture_logs
from trio_websocket import ConnectionClosed, open_websocket_url

from kinora.actors.access.local_token import FILE as LOCAL_TOKEN
from kinora.actors.access.tokens import cookie_of
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.web.middleware.access_log import (
    MAX_REASON,
    AnsweredRequest,
    level_of,
    reason_without_secrets,
    without_secrets,
)
from tests.access_kit import WRONG_TOKEN, make_token, owner
from tests.cli.test_cli import KINORA, LIMIT_S
from tests.client_kit import Part, get, post, request, upload
from tests.web.test_starting import free_port

JOB_ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
REDACTED = "…"


def answered(method: str, status: int) -> AnsweredRequest:
    """A request that was answered so."""
    return AnsweredRequest(method=method, path="/", status=status, bytes=0, seconds=0.0, client="")


@pytest.mark.parametrize(
    ("method", "status", "level"),
    [
        ("GET", 200, "debug"),
        ("GET", 304, "debug"),
        ("GET", 499, "debug"),
        ("POST", 202, "info"),
        ("DELETE", 204, "info"),
        ("POST", 499, "info"),
        ("GET", 401, "info"),
        ("GET", 503, "info"),
        ("GET", 500, "warning"),
    ],
)
def test_the_level_says_who_should_look(method: str, status: int, level: str) -> None:
    """What changes something or is refused is told, what the server failed at is a warning, and reading is detail."""
    assert level_of(answered(method, status)) == level


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/jobs", "/v1/jobs"),
        (f"/v1/jobs/{JOB_ID}/frames/12.jpg", f"/v1/jobs/{JOB_ID}/frames/12.jpg"),
        (f"/v1/jobs/{WRONG_TOKEN}", f"/v1/jobs/{REDACTED}"),
        ("/login/AbCdEfGhIjKlMnOpQrStUv", f"/login/{REDACTED}"),
        (f"/a;token={WRONG_TOKEN}/b", f"/{REDACTED}/b"),
        ("/" + "a/" * 1000, ("/" + "a/" * 1000)[:200]),
        ("*", "*"),
    ],
)
def test_a_path_is_shown_without_what_could_be_secret(path: str, shown: str) -> None:
    """Parts as long as a secret are left out, but for ids of jobs; and no path is long."""
    assert without_secrets(path) == shown


@pytest.mark.one_way
async def test_requests_are_logged_with_what_an_operator_asks_for(settings: Settings) -> None:
    """Writing calls and refused ones have a line with status, size, time, client and the token's name; others none."""
    with capture_logs() as lines:
        async with open_server(attrs.evolve(settings, token=True)) as server:
            made = await make_token(server, "wall", "operate")
            by_wall = {"authorization": f"Bearer {made['token']}"}
            assert (await get(f"{server.url}/v1/jobs", **by_wall)).status == 200
            assert (await post(f"{server.url}/v1/jobs/{JOB_ID}/cancel?x=y", **by_wall)).status == 404
            assert (await get(f"{server.url}/v1/jobs")).status == 401
    first, cancel, refused = [line for line in lines if line["event"] == "request"]
    assert (first["method"], first["path"], first["status"]) == ("POST", "/v1/tokens", 201)
    assert (cancel["path"], cancel["status"], cancel["token_name"]) == (f"/v1/jobs/{JOB_ID}/cancel", 404, "wall")
    assert (cancel["client"], cancel["log_level"]) == ("127.0.0.1", "info")
    assert cancel["bytes"] > 50
    assert cancel["ms"] > 0
    assert (refused["status"], "token_name" in refused) == (401, False)


async def test_behind_a_proxy_the_client_is_its_client_and_the_path_ours(settings: Settings) -> None:
    """A trusted proxy's word for the client is logged, and routes are counted without the path of the proxy."""
    proxied = attrs.evolve(settings, token=True, trusted_proxies=("127.0.0.1",), root_path="/kinora", log_level="debug")
    with capture_logs() as lines:
        async with open_server(proxied) as server:
            shown = {"x-forwarded-for": "192.0.2.7"}
            root = server.url if server.url.endswith("/kinora") else f"{server.url}/kinora"
            assert (await get(f"{root}/v1/realtime", **shown)).status == 401
            assert (await get(f"{root}/v1/jobs", **shown, **owner(server))).status == 200
            text = (await get(f"{root}/metrics", **shown, **owner(server))).body.decode()
    assert [(line["client"], line["path"]) for line in lines if line["event"] == "request"] == [
        ("192.0.2.7", "/v1/realtime"),
        ("192.0.2.7", "/v1/jobs"),
        ("192.0.2.7", "/metrics"),
    ]
    assert 'kinora_http_requests_total{method="GET",route="/v1/realtime",status="401"} 1.0' in text
    assert 'kinora_http_requests_total{method="GET",route="/v1/jobs",status="200"} 1.0' in text


@pytest.mark.one_way
async def test_all_calls_are_logged_at_debug_and_none_without_the_log(settings: Settings) -> None:
    """At ``debug`` reading has lines as well; with ``access_log`` off nothing has."""
    for changes, expected in (({"log_level": "debug"}, ["/v1/health"]), ({"access_log": False}, [])):
        with capture_logs() as lines:
            async with open_server(attrs.evolve(settings, **changes)) as server:
                await get(f"{server.url}/v1/health")
                await get(f"{server.url}/nothing")
        paths = [line["path"] for line in lines if line["event"] == "request"]
        assert paths == [*expected, *(["/nothing"] if expected else [])]


# Secrets


@contextmanager
def serving(tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """A ``kinora serve`` that logs all it can to a file: its address, its token's secret, a code to log in with."""
    (tmp_path / "kinora.toml").write_text('token = true\nlog_level = "debug"\n')
    command = [*KINORA, "serve", "--port", str(free_port()), "--data-dir", tmp_path / "data", "--media-dir", tmp_path]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            list(map(str, command)), cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, env=_env(), text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            link = next(found for line in process.stdout if (found := re.search(r"(http\S+)/login\?code=(\S+)", line)))
            yield link[1], (tmp_path / "data" / LOCAL_TOKEN).read_text().strip(), link[2]
            process.terminate()
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()


def _env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("KINORA")}


async def put_secrets_everywhere(url: str, secret: str, code: str) -> None:
    """Show a secret, right or wrong, in each place of a request where somebody may put it."""
    shown, cookie = {"authorization": f"Bearer {secret}"}, cookie_of(secret)
    for path in (f"/{secret}", f"/v1/jobs/{secret}", f"/v1/{secret}/x", f"/v1/plugins/{secret}", f"/login/{code}"):
        for method in ("GET", "POST", "DELETE"):
            await request(url + path, method, headers=shown)
    for name in ("token", "code", "access_token", "session_id", "last_event_id", "search", secret):
        for path in ("/v1/jobs", "/v1/realtime", "/v1/nothing"):
            await request(f"{url}{path}?{name}={quote(secret)}", headers={})
            await request(f"{url}{path}?{name}={code}", "HEAD", headers=shown)
    for headers in (
        {"cookie": f"kinora-x={cookie}; {secret}"},
        {"authorization": secret},
        {"authorization": f"Basic {secret}"},
        {"user-agent": secret, "referer": f"{url}/login?code={code}"},
        {"host": f"{secret}.example"},
        {"origin": f"http://{secret}"},
        {"idempotency-key": secret, **shown},
        {secret.replace("_", "-"): "x"},
    ):
        await post(f"{url}/v1/jobs", {"source": f"http://127.0.0.1/x?token={secret}", "plugins": [secret]}, **headers)
    await request(f"{url}/v1/health", secret.replace("_", "-"))
    await post(f"{url}/v1/session", {"token": secret})
    await post(f"{url}/v1/session", {"token": WRONG_TOKEN})
    await upload(f"{url}/v1/jobs", [Part("file", b"x", secret), Part("request", secret.encode())], **shown)
    await say_over_websocket(url, {"type": "auth", "payload": {"token": secret}})
    await say_over_websocket(url, {"type": secret, "payload": {"token": WRONG_TOKEN}})
    made = (await post(f"{url}/v1/tokens", {"name": "wall", "role": "view"}, **shown)).json()
    await get(f"{url}/v1/jobs", authorization=f"Bearer {made['token']}")
    await request(f"{url}/v1/tokens/{made['id']}", "DELETE", headers=shown)
    await get(f"{url}/login?code={code}")
    assert secret not in (await get(f"{url}/metrics", **shown)).body.decode()


async def say_over_websocket(url: str, message: dict[str, Any]) -> None:
    """Open a WebSocket without a header, and say this first."""
    async with open_websocket_url(f"{url.replace('http', 'ws')}/v1/realtime") as opened:
        await opened.send_message(json.dumps(message))
        with suppress(ConnectionClosed):
            await opened.get_message()
    await opened._stream.aclose()  # the library leaves it open if the server closes first


async def test_no_secret_is_ever_written(tmp_path: Path) -> None:
    """Whatever place of a request a token or a code stands in, the log at its most talkative does not have it."""
    with serving(tmp_path) as (url, secret, code):
        await put_secrets_everywhere(url, secret, code)
    written = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    assert len([line for line in lines if line["event"] == "request"]) > 50
    assert not {type(line["path"]) for line in lines if line["event"] == "request"} - {str}
    for hidden in (secret, secret.removeprefix("kin_"), cookie_of(secret), WRONG_TOKEN, code):
        for form in (hidden, hidden.lower(), hidden.replace("_", "-"), quote(hidden, safe="")):
            assert form not in written.lower() if form == hidden.lower() else form not in written
    assert "authorization" not in written.lower()
    assert "cookie" not in written.lower()


async def test_a_refused_submission_stands_in_the_log_with_its_reason(settings: Settings) -> None:
    """So that an operator can say why a job did not begin."""
    async with open_server(settings) as server:
        with capture_logs() as lines:
            answer = await post(f"{server.url}/v1/jobs", {"source": "demo:", "plugins": ["none-such"]})
    assert answer.status == 422
    [line] = [line for line in lines if line["event"] == "a request was refused"]
    assert (line["path"], line["status"], line["log_level"]) == ("/v1/jobs", 422, "info")
    assert "none-such" in line["reason"]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("plugins[1].options.min_size: must be a number", "plugins[1].options.min_size: must be a number"),
        ("rtsp://joe:secret@cam/x is not read", f"{REDACTED} is not read"),
        ("http://cam/x?key=secret is gone", f"http://cam/x{REDACTED} is gone"),
        (f"There is no {WRONG_TOKEN}.", f"There is no {REDACTED}."),
        ("a " * MAX_REASON, ("a " * MAX_REASON)[:MAX_REASON]),
    ],
)
def test_the_reason_has_no_secrets_and_an_end(reason: str, shown: str) -> None:
    """Clients put secrets where none belong."""
    assert reason_without_secrets(reason) == shown
