"""The server's log."""

from __future__ import annotations

import os
import traceback
import uuid
from typing import NoReturn

import attrs
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from kinora.actors.realtime.client_session import ClientSession
from kinora.cli.process.root_warning import warn_of_root
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import System
from kinora.web.connection import stack
from tests.client_kit import get
from tests.web.test_realtime import close_code, websocket


def broken(self: object) -> NoReturn:
    """A method that raises an unexpected error."""
    raise RuntimeError("fault injected")


async def test_a_server_on_other_libraries_says_so_and_serves(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries that do not fit the connection layer cause a warning at the start, and requests are still answered."""
    monkeypatch.setattr(stack, "HYPERCORN", "9.9.9")
    with capture_logs() as lines:
        async with open_server(settings) as server:
            assert (await get(f"{server.url}/v1/health")).status == 200
    assert [(line["log_level"], line["event"]) for line in lines] == [("warning", "the connection layer may not work")]
    assert "Kinora needs 9.9.9:" in lines[0]["reason"]


@pytest.mark.parametrize(("uid", "lines_of_it"), [(0, 1), (1000, 0)])
def test_a_server_of_root_says_so(monkeypatch: pytest.MonkeyPatch, uid: int, lines_of_it: int) -> None:
    """Plugins have the rights of the server's account, so its operator is advised to give it one of its own."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with capture_logs() as lines:
        warn_of_root()
    assert [line["log_level"] for line in lines] == ["warning"] * lines_of_it


@pytest.mark.one_way
async def test_a_request_that_fails_is_logged_with_its_traceback(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told that the server failed; the log has the error, its traceback and the path."""
    monkeypatch.setattr(System, "ready", broken)
    with capture_logs() as lines:
        async with open_server(attrs.evolve(settings, access_log=False)) as server:
            answer = await get(f"{server.url}/v1/ready")
    assert answer.status == 500
    assert b"fault injected" not in answer.body
    [line] = lines
    assert (line["log_level"], line["path"]) == ("error", "/v1/ready")
    assert "in broken" in "".join(traceback.format_exception(line["exc_info"]))


@pytest.mark.one_way
async def test_what_a_session_logs_has_its_id(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's lines in the log have its id, so that clients can be told apart; lines of requests have none."""
    session_id = str(uuid.uuid4())
    monkeypatch.setattr(ClientSession, "run", broken)
    with capture_logs(processors=[merge_contextvars]) as lines:
        async with open_server(attrs.evolve(settings, access_log=False)) as server:
            async with websocket(server, f"session_id={session_id}") as opened:
                await close_code(opened)
            monkeypatch.setattr(System, "ready", broken)
            await get(f"{server.url}/v1/ready")
    assert [(line["path"], line.get("session_id")) for line in lines] == [
        ("/v1/realtime", session_id),
        ("/v1/ready", None),
    ]
