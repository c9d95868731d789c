"""The passwords of cameras stand in nothing that Kinora writes, sends or shows, whatever becomes of the cameras."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from pathlib import Path

import attrs
import cv2
import pytest
import trio

from kinora.client import ClientError, KinoraClient, Message, connect
from kinora.runtime.linux.processes import descendants
from tests.client_kit import get
from tests.door import Door
from tests.jobs_kit import SAFETY_S
from tests.media.videos import numbered
from tests.media_server import MediaServer, media_server
from tests.nasty_rtsp import KEY_EVERY, Nasty, NastyCamera, nasties, nasty_camera, repeated
from tests.rtsp_clips import encode, rtp_packets

USER, PASSWORD, WRONG = "joe-the-user", "Pa55w0rd-of-mine", "An0ther-of-mine"
SECRETS = tuple(
    form
    for password in (PASSWORD, WRONG)
    for form in (
        password.encode(),
        base64.b64encode(f"{USER}:{password}".encode()).rstrip(b"="),
        base64.b64encode(password.encode()).rstrip(b"="),
    )
)
CONFIG = """
url_hosts = ["{url_host}"]
max_jobs = 3
[cameras.front]
url = "{rtsp}"
user = "{user}"
password_file = "right"
[cameras.wrong]
url = "{rtsp}"
user = "{user}"
password_file = "wrong"
[cameras.none]
url = "{rtsp}"
user = "{user}"
password_file = "missing"
[cameras.web]
url = "{web}"
user = "{user}"
password_file = "right"
[jobs.standing]
source = "camera:wrong"
plugins = ["motion"]
"""
BREAKS = ("drops in a key frame", "a stale nonce", "redirects elsewhere")
STOP_S = 20.0


@attrs.define
class Served:
    """A server that runs."""

    url: str
    pid: int
    folder: Path
    sent: bytearray = attrs.field(factory=bytearray)
    """All that it has answered, published and shown so far."""
    published: list[Message] = attrs.field(factory=list)
    _news: trio.Event = attrs.field(factory=trio.Event)

    async def listen(self) -> None:
        """Keep all that is published, for ever."""
        async with connect(self.url) as messages:
            async for message in messages:
                self.published.append(message)
                self.sent.extend(json.dumps([message.type, message.payload]).encode())
                self._news.set()
                self._news = trio.Event()

    async def until(self, job: str, count: int, kind: str, code: str | None = None) -> None:
        """Wait for so many messages about a job."""
        with trio.fail_after(SAFETY_S):
            while sum(_is(message, job, kind, code) for message in self.published) < count:
                await self._news.wait()


def _is(message: Message, job: str, kind: str, code: str | None) -> bool:
    payload = message.payload
    return (message.type, payload.get("job_id"), payload.get("code")) == (kind, job, code)


@pytest.fixture
def rtsp() -> Iterator[NastyCamera]:
    """A camera that asks for a password, and accepts no nonce for long."""
    clip = encode("h264", map(numbered, range(4 * KEY_EVERY)), KEY_EVERY)
    with nasty_camera(clip, lambda: cycle([*rtp_packets(clip)])) as running:
        running.server.pace_s, running.server.nonce_uses = 0.01, 2
        running.server.passwords = {USER: PASSWORD}
        yield running


@pytest.fixture
def web(media: Path) -> Iterator[MediaServer]:
    """A camera that sends JPEGs over HTTP, and has passwords sent readable."""
    with media_server(media) as running:
        running.streams["hidden"] = [cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(8)]
        running.pace_s, running.door = 0.01, Door(USER, PASSWORD, basic=True)
        yield running


@asynccontextmanager
async def serving(folder: Path, rtsp: NastyCamera, web: MediaServer) -> AsyncIterator[Served]:
    """A ``kinora serve`` with these cameras, whose log says all that it can."""
    settings = {"url_host": rtsp.server.host, "rtsp": rtsp.url, "web": web.url("hidden"), "user": USER}
    (folder / "kinora.toml").write_text(CONFIG.format(**settings))
    for name, password in (("right", PASSWORD), ("wrong", WRONG)):
        (folder / name).write_text(f"{password}\n")
    (folder / "media").mkdir()
    command = [sys.executable, "-m", "kinora", "serve", "--port", "0", "--data-dir", "data", "--media-dir", "media"]
    with (folder / "log").open("wb") as log:
        debug = {**os.environ, "KINORA_LOG_LEVEL": "debug", "KINORA_LOG_FORMAT": "json"}
        process = await trio.lowlevel.open_process(command, cwd=folder, env=debug, stdout=log, stderr=log)
    try:
        with trio.fail_after(SAFETY_S):
            while (url := _announced(folder / "log")) is None:  # noqa: ASYNC110 - another process writes the log
                await trio.sleep(0.05)
        yield Served(url, process.pid, folder)
    finally:
        with trio.move_on_after(STOP_S, shield=True):
            process.terminate()
            await process.wait()
        process.kill()


def _announced(log: Path) -> str | None:
    for line in log.read_text().splitlines():
        with suppress(ValueError):
            if (said := json.loads(line)).get("event") == "serving":
                return str(said["url"])
    return None


def processes(pid: int) -> bytes:
    """The command lines and variables of a process and all below it."""
    found = b""
    for one in (pid, *descendants(pid)):
        for name in ("cmdline", "environ", "comm"):
            with suppress(OSError):  # it has just ended
                found += Path(f"/proc/{one}/{name}").read_bytes()
    return found


async def refused(served: Served, source: str) -> None:
    """Keep the answer to a job that is not taken."""
    with pytest.raises(ClientError) as caught:
        await KinoraClient(served.url).submit({"source": source, "plugins": ["motion"]})
    served.sent.extend(f"{caught.value} {caught.value.places}".encode())


async def watched(served: Served, source: str) -> str:
    """A job that has shown some frames."""
    job = (await KinoraClient(served.url).submit({"source": source, "plugins": ["motion"]})).job_id
    await served.until(job, 3, "frame")
    return job


async def broken(rtsp: NastyCamera, served: Served, job: str) -> None:
    """Have the camera break in several ways; the job comes back after each."""
    clip = encode("h264", map(numbered, range(KEY_EVERY)), KEY_EVERY)
    ways: dict[str, Nasty] = nasties(repeated(clip))
    left = deque(ways[name] for name in BREAKS)
    rtsp.next_break = lambda _: left.popleft() if left else None
    await served.until(job, len(BREAKS), "warning", "SOURCE_BACK")


async def read_all(served: Served, jobs: list[str]) -> None:
    """Keep the answer to every GET that the OpenAPI document has."""
    document = (await get(f"{served.url}/openapi.json")).json()
    for path, calls in document["paths"].items():
        if "get" not in calls or "realtime" in path or "push" in path:
            continue
        for job in jobs if "{job_id}" in path else jobs[:1]:
            target = path.replace("{job_id}", job).replace("{index}", "0").replace("{name}", "motion")
            answer = await get(f"{served.url}{target}")
            served.sent.extend(answer.body + repr(answer.headers).encode())
    for target in ("/metrics", "/openapi.json", "/docs", "/v1/no-such", f"/v1/jobs?q={USER}"):
        served.sent.extend((await get(f"{served.url}{target}")).body)


def where(sent: bytearray, secret: bytes) -> bytes:
    """What stands around a secret."""
    at = sent.index(secret)
    return bytes(sent[max(0, at - 80) : at + len(secret) + 80])


async def command(served: Served, *arguments: str) -> None:
    """Keep what a command prints."""
    whole = [sys.executable, "-m", "kinora", *arguments]
    done = await trio.run_process(
        whole, cwd=served.folder, capture_stdout=True, capture_stderr=True, check=False, env=dict(os.environ)
    )
    served.sent.extend(done.stdout + done.stderr)


@pytest.mark.own_start
async def test_no_password_is_written_sent_or_shown(tmp_path: Path, rtsp: NastyCamera, web: MediaServer) -> None:
    """Of a camera that is watched, breaks, refuses, redirects; nor one in a URL, which is not accepted."""
    folder = tmp_path / "server"
    folder.mkdir()
    async with serving(folder, rtsp, web) as served, trio.open_nursery() as nursery:
        nursery.start_soon(served.listen)
        in_url = rtsp.url.replace("//", f"//{USER}:{PASSWORD}@")
        for source in (in_url, "camera:wrong", "camera:none", rtsp.url):
            await refused(served, source)
        jobs = [await watched(served, "camera:web"), await watched(served, "camera:front")]
        served.sent.extend(processes(served.pid))
        await broken(rtsp, served, jobs[1])
        served.sent.extend(processes(served.pid))
        await read_all(served, jobs)
        await command(served, "cameras", "--url", served.url)
        kept = [path for path in (folder / "data").rglob("*") if path.is_file()]
        served.sent.extend(b"".join(path.read_bytes() for path in kept))
        nursery.cancel_scope.cancel()
    served.sent.extend((folder / "log").read_bytes())
    served.sent.extend(b"".join(path.read_bytes() for path in (folder / "data").rglob("*") if path.is_file()))
    await command(served, "doctor")
    assert {"kinora.db", "kinora.db-wal"} <= {path.name for path in kept}
    assert b"camera:front refuses" not in served.sent
    assert b"camera:wrong refuses the user or the password" in served.sent
    assert b"SOURCE_LOST" in served.sent
    assert not [where(served.sent, secret) for secret in SECRETS if secret in served.sent]
