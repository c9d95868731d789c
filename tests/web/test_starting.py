"""The start of a server: it answers from the first moment, and can be ended in every one."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from kinora.actors.store.open_files import FilesReplaced
from kinora.runtime.linux.processes import descendants
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.web.middleware import starting as web_starting
from tests.client_kit import get, post, request
from tests.jobs_kit import write_plugin
from tests.web.test_security import UPGRADE

HELD_ON_IMPORT = """
with open(os.environ["HELD_PIPE"], "w"):
    pass
with open(os.environ["HELD_PIPE"]):
    pass

@tool("held")
def held(frame):
    return {}
"""


@attrs.frozen
class Starting:
    """A server whose start waits for a plugin that is being imported."""

    url: str
    scope: trio.CancelScope
    """Ends it."""
    started: trio.Event
    pipe: Path

    def go_on(self) -> None:
        """Let the import end."""
        self.pipe.write_text("")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@asynccontextmanager
async def starting(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Starting]:
    """A server in the middle of its start."""
    os.mkfifo(pipe := tmp_path / "pipe")
    monkeypatch.setenv("HELD_PIPE", str(pipe))
    assert settings.plugins_dir is not None
    write_plugin(settings.plugins_dir, "held", HELD_ON_IMPORT)
    port = free_port()
    started = trio.Event()

    async def serve(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            async with open_server(attrs.evolve(settings, port=port, worker_env=("HELD_PIPE",))):
                started.set()
                await trio.sleep_forever()
        except* FilesReplaced:
            await trio.sleep_forever()  # the client may still be reading

    async with trio.open_nursery() as nursery:
        await nursery.start(serve)
        await trio.to_thread.run_sync(pipe.read_text)
        yield Starting(f"http://127.0.0.1:{port}", nursery.cancel_scope, started, pipe)
        nursery.cancel_scope.cancel()


async def test_until_the_system_is_up_all_but_its_state_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the start takes too long, health answers, ready says why it is not, and all others are told 503."""
    monkeypatch.setattr(web_starting, "WAIT_S", 0.01)
    async with starting(settings, tmp_path, monkeypatch) as server:
        assert (await get(f"{server.url}/v1/health")).status == 200
        ready = await get(f"{server.url}/v1/ready")
        assert (ready.status, ready.json()["reasons"]) == (503, ["the server is starting"])
        assert b"kinora_ready 0.0" in (await get(f"{server.url}/metrics")).body
        for answer in (
            await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["motion"]}),
            await get(f"{server.url}/"),
            await request(f"{server.url}/v1/realtime", headers=UPGRADE),
        ):
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.headers["content-type"] == "application/problem+json"
            assert "is starting" in answer.json()["detail"]
        stream = await get(f"{server.url}/v1/realtime")
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        assert stream.body == b"retry: 1000\n\n"  # then it ends, and a browser opens it again
        await trio.to_thread.run_sync(server.go_on)
        await server.started.wait()
        assert (await get(f"{server.url}/v1/ready")).status == 200
        assert (await get(f"{server.url}/v1/plugins/held")).json()["name"] == "held"


async def test_requests_during_the_start_are_answered_when_it_is_over(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that submits a job as soon as the server is healthy has its job taken."""
    monkeypatch.setattr(web_starting, "WAIT_S", 60)
    answers = []

    async def submit(url: str) -> None:
        answers.append(await post(f"{url}/v1/jobs", {"source": "nowhere.mp4", "plugins": ["held"]}))

    async with starting(settings, tmp_path, monkeypatch) as server, trio.open_nursery() as nursery:
        nursery.start_soon(submit, server.url)
        assert (await get(f"{server.url}/v1/health")).status == 200
        assert not answers
        await trio.to_thread.run_sync(server.go_on)
        await server.started.wait()
    [answer] = answers
    assert answer.status == 422
    assert b"nowhere.mp4" in answer.body


async def test_a_data_folder_that_goes_during_the_start_is_no_error_of_the_server(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that waits for the start is told 503, whether the server ends or stays."""
    answers = []

    async def submit(url: str) -> None:
        answers.append(await post(f"{url}/v1/jobs", {"source": "clip.mp4", "plugins": ["held"]}))

    async with starting(settings, tmp_path, monkeypatch) as server, trio.open_nursery() as nursery:
        nursery.start_soon(submit, server.url)
        assert (await get(f"{server.url}/v1/health")).status == 200
        await trio.to_thread.run_sync(shutil.rmtree, settings.data_dir)
        await trio.to_thread.run_sync(server.go_on)
    assert [answer.status for answer in answers] == [503]


async def test_a_start_can_be_ended_at_once(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelling the start while a plugin hangs on import ends it, with all processes."""
    before = descendants(os.getpid())
    async with starting(settings, tmp_path, monkeypatch) as server:
        server.scope.cancel()
    assert descendants(os.getpid()) == before
