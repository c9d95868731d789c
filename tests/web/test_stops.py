"""A polite stop: what still waits is told so at once, and a client that does nothing cannot hold it up."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.client_kit import Answer, request
from tests.jobs_kit import submit, write_plugin
from tests.web.test_connection_layer import lifespan, read_all, running
from tests.web.test_upload_room import BODY, MB, arrived, sending

GRACE_S = 60.0
"""Far longer than a stop takes, on any machine, if it is not held up."""
SETTLED_S = 0.05
HANGS = """
@tool("hangs")
def hangs(frame):
    time.sleep(1000)
"""
HANGS_ON_IMPORT = """
open(os.environ["HANGS_PIPE"], "w").close()
time.sleep(1000)
"""


@attrs.define
class Stopped:
    """The answers that came of requests under way at a stop."""

    answers: dict[str, Answer] = attrs.field(factory=dict)

    async def ask(self, name: str, *args: Any, **more: Any) -> None:
        """Send a request and keep its answer."""
        self.answers[name] = await request(*args, **more)

    async def poll(self, name: str, url: str) -> None:
        """Ask for changes again and again; keep the last answer that the server gives."""
        while name not in self.answers or "connection" not in self.answers[name].headers:
            await self.ask(name, url, headers={"prefer": "wait=60"})


@asynccontextmanager
async def stopping(settings: Settings) -> AsyncIterator[tuple[RunningServer, trio.Nursery, Stopped]]:
    """A server that stops at the end of the block, in much less than its grace, and tasks that outlive it."""
    stopped = Stopped()
    async with trio.open_nursery() as nursery:
        async with open_server(attrs.evolve(settings, shutdown_grace_s=GRACE_S)) as server:
            yield server, nursery, stopped
            await trio.testing.wait_all_tasks_blocked(SETTLED_S)
            began = trio.current_time()
        assert trio.current_time() - began < GRACE_S / 2


async def test_long_polls_are_answered_with_the_state(settings: Settings, plugins_dir: Path) -> None:
    """At a stop ``Prefer: wait`` waits no longer: the answer is the job as it is."""
    write_plugin(plugins_dir, "hangs", HANGS)
    async with stopping(settings) as (server, nursery, stopped):
        state = await submit(server.system, "hangs")
        while state.status != "running":
            state = await server.system.jobs.wait_changed(state.job_id, state)
        url = f"{server.url}/v1/jobs/{state.job_id}/extended"
        nursery.start_soon(stopped.poll, "poll", url)
    answer = stopped.answers["poll"]
    assert (answer.status, answer.json()["status"]) == (200, "running")


async def test_what_cannot_be_answered_in_time_is_refused(
    settings: Settings, plugins_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request whose answer has not begun, whatever it waits for, gets 503 at a stop."""
    os.mkfifo(pipe := tmp_path / "pipe")
    monkeypatch.setenv("HANGS_PIPE", str(pipe))
    async with stopping(attrs.evolve(settings, worker_env=("HANGS_PIPE",))) as (server, nursery, stopped):
        write_plugin(plugins_dir, "hangs", HANGS_ON_IMPORT)
        nursery.start_soon(stopped.ask, "reload", f"{server.url}/v1/plugins/reload", "POST")
        await trio.to_thread.run_sync(pipe.read_text)
    answer = stopped.answers["reload"]
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (answer.headers["connection"], answer.headers["x-content-type-options"]) == ("close", "nosniff")
    assert "stopping" in answer.json()["detail"]


async def test_an_upload_is_refused_and_leaves_nothing(settings: Settings) -> None:
    """An upload that is under way at a stop is told 503, and its file is gone."""
    heads = []

    async def upload(server: RunningServer, task_status: trio.TaskStatus[None]) -> None:
        async with sending(server, len(BODY), BODY[:MB]) as opened:
            await arrived(server, files=1)
            task_status.started()
            heads.append(await opened.answer())

    async with stopping(settings) as (server, nursery, _):
        await nursery.start(upload, server)
    [head] = heads
    assert (head.status_code, dict(head.headers)[b"connection"]) == (503, b"close")
    assert not [*server.system.uploads.iterdir()]


async def test_a_client_that_reads_nothing_is_cut_off() -> None:
    """At a stop, an endless answer that nobody reads ends long before the grace does."""
    async with running(endless, grace_s=GRACE_S) as target, await target.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(SETTLED_S)
        target.server.stop()
        await target.ended.wait()


async def test_bytes_that_still_wait_on_an_idle_connection_are_not_waited_for_long() -> None:
    """At a stop, an answer that is all written but not read holds nothing up either."""
    async with running(partial(endless, pieces=60), grace_s=GRACE_S) as target, await target.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(SETTLED_S)
        target.server.stop()
        await target.ended.wait()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_request_that_is_cut_off_by_the_end_of_the_grace_is_not_told_of_an_error(method: str) -> None:
    """When the grace is over, an app that has not answered gets no chance; its client is told 503 and not 500."""
    asked = trio.Event()

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        asked.set()
        await trio.sleep_forever()

    async with running(deaf, grace_s=0.0) as target, await target.connect() as stream:
        await stream.send_all(f"{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await asked.wait()
        target.server.stop()
        head, _, body = (await read_all(stream)).partition(b"\r\n\r\n")
        assert b"HTTP/1.1 503" in head
        assert (b"stopping" in body) is (method == "GET")


async def endless(scope: Any, receive: Any, send: Any, pieces: float = float("inf")) -> None:
    """Answer with so many pieces of 64 KB."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while pieces > 0:
        pieces -= 1
        await send({"type": "http.response.body", "body": bytes(65536), "more_body": pieces > 0})
