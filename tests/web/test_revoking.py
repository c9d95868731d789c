"""A revoked token lets nothing in, and all that runs for it ends at once."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import h11
import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.access_kit import bearer, close_of, make_token, owner, revoke
from tests.client_kit import Exchange, exchange, get, post, request
from tests.jobs_kit import run_job, write_plugin

BIG = 500_000
"""The characters of a frame's result; those of all frames are more than any buffer on the way takes."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A server that needs a token on loopback too."""
    return attrs.evolve(settings, token=True)


def websocket_url(server: RunningServer) -> str:
    """The address of the WebSocket."""
    return server.url.replace("http", "ws", 1) + "/v1/realtime"


@asynccontextmanager
async def watching(server: RunningServer, token: str) -> AsyncIterator[WebSocketConnection]:
    """A WebSocket that a token has let in."""
    headers = [(b"authorization", f"Bearer {token}".encode())]
    async with open_websocket_url(websocket_url(server), extra_headers=headers) as opened:
        await opened.get_message()
        yield opened
    await opened._stream.aclose()  # the library leaves it open if the server closes first


async def is_cut(opened: Exchange) -> bool:
    """Whether the connection ends before the answer does."""
    try:
        while await opened.piece() is not None:
            pass
    except (h11.RemoteProtocolError, trio.BrokenResourceError):
        return True
    return False


async def test_its_websockets_end_and_those_of_others_do_not(server: RunningServer) -> None:
    """The goodbye says why."""
    made, other = [await make_token(server, name) for name in ("wall", "other")]
    async with (
        watching(server, made["token"]) as first,
        watching(server, made["token"]) as second,
        watching(server, other["token"]) as third,
    ):
        await revoke(server, made["id"])
        for opened in (first, second):
            code, reason = await close_of(opened)
            assert code == 1008
            assert "revoked" in reason
        await third.send_message('{"type": "ping"}')
        with trio.fail_after(60):
            while json.loads(await third.get_message())["type"] != "pong":
                pass


async def test_its_event_stream_ends(server: RunningServer) -> None:
    """The stream is cut; the browser's next attempt gets 401, after which it makes no other."""
    made = await make_token(server, "wall")
    url, headers = f"{server.url}/v1/realtime", bearer(made["token"])
    with trio.fail_after(60):
        async with exchange(url, headers=headers) as opened:
            assert (await opened.head()).status_code == 200
            await opened.piece()
            await revoke(server, made["id"])
            assert await is_cut(opened)
        assert (await get(url, **headers)).status == 401


async def test_its_long_poll_is_answered(server: RunningServer) -> None:
    """A request that waits is refused as one that would come now."""
    made = await make_token(server, "wall")
    submitted = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["motion"]}, **owner(server))
    job = f"{server.url}{submitted.headers['location']}"
    await request(f"{job}/pause", "POST", headers=owner(server))
    tag = (await get(job, **bearer(made["token"]))).headers["etag"]
    with trio.fail_after(60):
        async with exchange(job, headers=bearer(made["token"]) | {"prefer": "wait=60", "if-none-match": tag}) as opened:
            while not server.system.tokens._in_use:  # noqa: ASYNC110 - nobody tells when the request has come
                await trio.lowlevel.checkpoint()
            await revoke(server, made["id"])
            assert (await opened.head()).status_code == 401


async def test_its_download_ends_in_the_middle(server: RunningServer, plugins_dir: Path) -> None:
    """The client notices that it does not have all."""
    write_plugin(plugins_dir, "big", f"@tool('big')\ndef big(frame):\n    return {{'text': 'x' * {BIG}}}\n")
    await server.system.plugins.reload()
    state = await run_job(server.system, "big")
    made = await make_token(server, "wall")
    frames = f"{server.url}/v1/jobs/{state.job_id}/frames"
    with trio.fail_after(60):
        async with exchange(frames, headers=bearer(made["token"]) | {"accept": "application/x-ndjson"}) as opened:
            assert (await opened.head()).status_code == 200
            await revoke(server, made["id"])
            assert await is_cut(opened)


async def test_a_token_can_revoke_itself(server: RunningServer) -> None:
    """The answer to that call still comes."""
    made = await make_token(server, "second", "operate")
    url = f"{server.url}/v1/tokens/{made['id']}"
    assert (await request(url, "DELETE", headers=bearer(made["token"]))).status == 204
    assert (await request(url, "DELETE", headers=bearer(made["token"]))).status == 401


async def test_a_restart_keeps_tokens_and_what_was_revoked(settings: Settings) -> None:
    """The file of the local token is the server's own user's, and has it still; so does a browser's cookie."""
    async with open_server(settings) as server:
        kept, gone = [await make_token(server, name) for name in ("kept", "gone")]
        cookie = (
            (await post(f"{server.url}/v1/session", {"token": kept["token"]})).headers["set-cookie"].partition(";")[0]
        )
        await get(f"{server.url}/v1/jobs", **bearer(kept["token"]))
        await revoke(server, gone["id"])
        local = server.token
        (link,) = server.links
    file = settings.data_dir / "token"
    assert file.read_text().strip() == local
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with open_server(settings) as server:
        assert server.token == local
        answers = [await get(f"{server.url}/v1/jobs", **bearer(token["token"])) for token in (kept, gone)]
        assert [answer.status for answer in answers] == [200, 401]
        assert (await get(f"{server.url}/v1/session", cookie=cookie)).status == 200
        listed = (await get(f"{server.url}/v1/tokens", **owner(server))).json()["tokens"]
        assert [token["last_used_at"] is None for token in listed] == [False, False]
        assert (await get(f"{server.url}/login?{link.partition('?')[2]}")).status == 401


async def test_a_lost_file_gets_a_new_token(settings: Settings) -> None:
    """The old local token ends, as nothing on this machine could use it."""
    async with open_server(settings) as server:
        old = server.token
    (settings.data_dir / "token").unlink()
    async with open_server(settings) as server:
        assert server.token != old
        assert (await get(f"{server.url}/v1/jobs", **bearer(old))).status == 401
        assert (await get(f"{server.url}/v1/jobs", **owner(server))).status == 200


async def test_tokens_stand_in_no_log_and_no_file_but_their_own(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither does a link's code, and no answer tells a token but the one to its making."""
    answers: list[Any] = []
    async with open_server(settings) as server:
        made = await make_token(server, "wall")
        async with watching(server, made["token"]):
            answers += [
                await get(f"{server.url}{path}", **owner(server)) for path in ("/v1/tokens", "/metrics", "/v1/session")
            ]
            answers.append(await post(f"{server.url}/v1/session", {"token": made["token"]}))
            answers.append(await get(server.links[0]))
            answers.append(await get(f"{server.url}/v1/jobs", **bearer(made["token"] + "x")))
            await revoke(server, made["id"])
        secrets = [made["token"], server.token or "", server.links[0].partition("=")[2]]
    told = "".join(capfd.readouterr()) + "".join(repr(answer) for answer in answers)
    stored = b"".join(file.read_bytes() for file in settings.data_dir.glob("kinora.db*"))
    for secret in secrets:
        assert secret not in told
        assert secret.encode() not in stored
