"""The files of jobs in agents: whole and in parts, for ``operate`` alone, and nothing beyond them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import h11
import pytest
import trio

from kinora.serve import RunningServer
from kinora.web.api import agent_files
from tests.client_kit import Answer, Exchange, exchange, get, request

JOB = "0190b2c4-0000-7000-8000-000000000001"


@pytest.fixture
def clip(server: RunningServer, media: Path) -> Path:
    """The source of a job that an agent works on."""
    path = media / "clip.mp4"
    be_source(server, path)
    return path


def be_source(server: RunningServer, path: Path | str) -> None:
    """Let an agent work on a job with this source, and on no other."""
    server.system.location_in_agent = {JOB: str(path)}.get


async def ask(server: RunningServer, method: str = "GET", **headers: str) -> Answer:
    """Ask for that job's file."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await request(f"{server.url}/v1/agents/files/{JOB}", method, headers=named)


async def rest_of(opened: Exchange) -> None:
    """Read an answer to its end."""
    while await opened.piece() is not None:
        pass


async def test_a_file_is_given_whole_and_in_parts(server: RunningServer, clip: Path) -> None:
    """As any server of files does it, so that a reader can begin anywhere, and sees if the file has changed."""
    data = await trio.Path(clip).read_bytes()
    whole = await ask(server)
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["cache-control"] == "private, no-store"
    tag = whole.headers["etag"]

    rest = await ask(server, range="bytes=1000-", if_range=tag)
    assert (rest.status, rest.body) == (206, data[1000:])
    assert rest.headers["content-range"] == f"bytes 1000-{len(data) - 1}/{len(data)}"
    assert (await ask(server, range="bytes=3-5")).body == data[3:6]
    assert (await ask(server, range="bytes=-4")).body == data[-4:]
    assert (await ask(server, range=f"bytes={len(data)}-")).status == 416
    assert (await ask(server, if_none_match=tag)).status == 304
    assert (await ask(server, if_match='"other"')).status == 412

    head = await ask(server, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(data))
    assert head.headers["etag"] == tag

    await trio.Path(clip).write_bytes(bytes(2000))
    again = await ask(server, range="bytes=1000-", if_range=tag)
    assert (again.status, again.body) == (200, bytes(2000))
    assert again.headers["etag"] != tag

    uploaded = server.system.uploads / "b7.mp4"
    frames = os.urandom(3 * agent_files.PIECE_BYTES + 17)
    await trio.Path(uploaded).write_bytes(frames)
    be_source(server, uploaded)
    assert (await ask(server)).body == frames

    os.truncate(uploaded, 2**26)
    async with exchange(f"{server.url}/v1/agents/files/{JOB}") as opened:
        assert (await opened.head()).status_code == 200
        os.truncate(uploaded, 10)
        with pytest.raises(h11.RemoteProtocolError):
            await rest_of(opened)


async def test_only_files_of_jobs_in_agents_are_given(server: RunningServer, media: Path, tmp_path: Path) -> None:
    """No other job's, no folder, no camera, nothing beyond the media folder and the uploads."""
    assert (await ask(server)).status == 404
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"secret")
    (media / "link.mp4").symlink_to(outside)
    os.mkfifo(media / "pipe")
    for source in (outside, media / "link.mp4", media, media / "pipe", media / "gone.mp4"):
        be_source(server, source)
        answer = await ask(server)
        assert answer.status == 404, source
        assert answer.json()["detail"].startswith("The source of this job")
        assert b"secret" not in answer.body
        assert str(tmp_path).encode() not in answer.body
    for named in ("camera:front", "webcam:0", "push:", "http://127.0.0.1/clip.mp4"):
        be_source(server, named)
        assert (await ask(server)).status == 404, named
    for other in ("nope", "..%2f..%2fclip.mp4", JOB[:-1] + "2"):
        assert (await get(f"{server.url}/v1/agents/files/{other}")).status == 404


def test_a_file_that_nobody_has_any_more_is_closed(tmp_path: Path) -> None:
    """As where a request has gone while a thread opened its file."""
    (path := tmp_path / "a.bin").write_bytes(b"x")
    before = open_files()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent_files.open_file(str(path), ())
    assert open_files() == before


def open_files() -> int:
    """The number of this process's descriptors."""
    return len(list(Path("/proc/self/fd").iterdir()))
