"""``kinora push`` and the Python client, against a real server."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from kinora.client import ClientError, KinoraClient
from kinora.serve import RunningServer
from kinora.settings import Settings
from tests.jobs_kit import write_plugin
from tests.push_kit import SEEN, ended, picture, start, with_frames


@pytest.fixture
def settings(settings: Settings, plugins_dir: Path) -> Settings:
    """A server with a plugin that tells the number in a picture."""
    write_plugin(plugins_dir, "seen", SEEN)
    return settings


async def numbers_of(server: RunningServer, job_id: str) -> list[int]:
    """What the plugin saw, once the job is done."""
    state = await ended(server, job_id)
    assert state["status"] == "done"
    return [frame["results"]["seen"]["number"] for frame in state["frames"]]


async def kinora_push(server: RunningServer, *args: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run the command; return its exit code, and what it says."""
    command = [sys.executable, "-m", "kinora", "push", *args, "--url", server.url]
    with trio.fail_after(90):
        ended = await trio.run_process(
            command, stdin=stdin, capture_stdout=True, capture_stderr=True, check=False, env=None
        )
    return ended.returncode, (ended.stdout + ended.stderr).decode()


async def test_a_folder_is_pushed(server: RunningServer, tmp_path: Path) -> None:
    """In the natural order of its names; what is no picture is passed over."""
    for number in range(12):
        (tmp_path / f"{number}{('.jpg', '.png', '.webp')[number % 3]}").write_bytes(
            picture(number, (".jpg", ".png", ".webp")[number % 3])
        )
    (tmp_path / "notes.txt").write_text("nothing")
    job_id = await start(server, "seen", policy="wait")
    said = await kinora_push(server, job_id[:8], str(tmp_path), "--timestamps", "--fps", "50")
    assert said == (0, "12 pictures pushed, 0 dropped\n")
    state = await ended(server, job_id)
    assert await numbers_of(server, job_id) == list(range(12))
    assert [frame["timestamp_ms"] for frame in state["frames"]] == [20.0 * number for number in range(12)]


async def test_what_a_program_writes_is_pushed(server: RunningServer) -> None:
    """JPEGs, one behind the other."""
    job_id = await start(server, "seen", policy="wait")
    jpegs = b"".join(map(picture, range(5)))
    assert await kinora_push(server, job_id, "-", stdin=jpegs) == (0, "5 pictures pushed, 0 dropped\n")
    assert await numbers_of(server, job_id) == list(range(5))
    code, said = await kinora_push(server, job_id, "-", stdin=jpegs)
    assert (code, "has ended" in said) == (1, True)


async def test_an_empty_input_is_a_failure(server: RunningServer) -> None:
    """The program that should write the pictures has failed, and says so itself; the job waits for another one."""
    job_id = await start(server, "seen", policy="wait")
    code, said = await kinora_push(server, job_id, "-")
    assert (code, "no picture came" in said) == (1, True)
    assert (await kinora_push(server, job_id, "-", stdin=picture(0)))[0] == 0
    assert await numbers_of(server, job_id) == [0]


async def test_what_cannot_be_pushed_is_said(server: RunningServer, tmp_path: Path) -> None:
    """In a sentence, before the server is asked."""
    code, said = await kinora_push(server, "0123456789", str(tmp_path))
    assert (code, "has no pictures" in said) == (2, True)
    code, said = await kinora_push(server, "0123456789", str(tmp_path / "nowhere"))
    assert (code, "cannot be read as a folder" in said) == (2, True)
    (tmp_path / "clip.mp4").touch()
    code, said = await kinora_push(server, "0123456789", str(tmp_path / "clip.mp4"))
    assert (code, "clip.mp4 -f mjpeg - | kinora push JOB -" in said) == (2, True)


@asynccontextmanager
async def relay(server: RunningServer) -> AsyncIterator[tuple[str, list[trio.SocketStream]]]:
    """An address at which the server is reached through connections that can be cut."""
    address, cut = urlsplit(server.url), list[trio.SocketStream]()

    async def pass_on(client: trio.SocketStream) -> None:
        cut.append(client)
        try:
            upstream = await trio.open_tcp_stream(address.hostname or "", address.port or 0)
            async with upstream, client, trio.open_nursery() as both:
                both.start_soon(copy, client, upstream)
                await copy(upstream, client)
                both.cancel_scope.cancel()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def copy(source: trio.SocketStream, target: trio.SocketStream) -> None:
        while data := await source.receive_some():
            await target.send_all(bytes(data))

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, pass_on, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}", cut
        nursery.cancel_scope.cancel()


async def test_a_lost_connection_loses_no_picture(server: RunningServer) -> None:
    """It is opened again, and what the server has not got is sent again; nothing comes twice."""
    job_id = await start(server, "seen", policy="wait")
    async with relay(server) as (url, connections):
        async with KinoraClient(url).push(job_id) as pushing:
            for number in range(60):
                await pushing.send(picture(number))
                if number in {20, 40}:
                    await with_frames(server, job_id, number - 5)
                    connections[-1].socket.close()
        assert pushing.ack.index == 59
        assert len(connections) == 3
    assert await numbers_of(server, job_id) == list(range(60))


async def test_the_client_is_told_of_the_end_of_the_job(server: RunningServer) -> None:
    """And refuses what is no picture by itself."""
    client = KinoraClient(server.url)
    job_id = await start(server, "seen", policy="wait", max_frames=2)

    async def push_on() -> None:
        async with client.push(job_id) as pushing:
            with pytest.raises(ClientError, match="must be a JPEG"):
                await pushing.send(b"nothing")
            while True:
                await pushing.send(picture(1))

    async def push_into_nothing() -> None:
        async with client.push("nothing"):
            pass

    with trio.fail_after(90):
        with pytest.raises(ClientError, match="The job has ended"):
            await push_on()
        with pytest.raises(ClientError, match="no job"):
            await push_into_nothing()
