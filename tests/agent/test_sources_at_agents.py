"""A real agent without the server's disk: it reads files by the server, and opens cameras by their names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from kinora.fleet.joined import Joined
from kinora.media.live.placed_camera import PlacedCamera
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from tests.access_kit import owner
from tests.authority import Authority
from tests.client_kit import Part, get, upload
from tests.jobs_kit import CLIP_FRAMES, SAFETY_S, ended, frames_of, messages_of, run_job, until
from tests.media.videos import numbered
from tests.rtsp_clips import describe, encode, framed, rtp_packets
from tests.rtsp_server import RtspServer, Stream, rtsp_server

USER, PASSWORD, PATH = "joe-the-user", "Pa55w0rd-of-mine", "hidden-stream"


@pytest.fixture
def camera() -> Iterator[RtspServer]:
    """A camera that asks for a password, and shows itself to one client at a time."""
    clip = encode("h264", map(numbered, range(30)))
    with rtsp_server() as running:
        sent = [b"".join(map(framed, packets)) for packets in rtp_packets(clip)]
        running.streams = {PATH: Stream(describe(clip), cycle(sent))}
        running.passwords = {USER: PASSWORD}
        running.pace_s, running.one_client = 0.01, True
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority of the server's certificate."""
    return Authority(tmp_path)


@pytest.fixture
def settings(settings: Settings, camera: RtspServer, tmp_path: Path, authority: Authority) -> Settings:
    """A server that needs a token, is read over TLS, and has that camera."""
    secret = tmp_path / "front.password"
    secret.write_text(PASSWORD)
    front = PlacedCamera(url=camera.url(PATH), user=USER, password_file=secret)
    return attrs.evolve(settings, cameras={"front": front}, token=True, tls_cert=authority.server)


@pytest.fixture
async def server(
    settings: Settings, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningServer]:
    """A server that the clients of tests trust."""
    monkeypatch.setenv("KINORA_CA_FILE", str(authority.ca_file))
    async with open_server(settings) as running:
        yield running


@attrs.frozen
class Elsewhere:
    """Another machine, which has nothing of the server but its address, a token, and its authority."""

    folder: Path
    ca_file: Path

    @property
    def log(self) -> Path:
        """All that its agent says."""
        return self.folder / "agent.log"

    def start(self, server: RunningServer) -> subprocess.Popen[bytes]:
        """Start an agent there."""
        token_file = self.folder / "agent.token"
        token_file.write_text(str(server.token))
        environment = {name: value for name, value in os.environ.items() if name != "KINORA_CA_FILE"}
        command = [sys.executable, "-m", "kinora", "agent", "--server", server.url, "--token-file", str(token_file)]
        command += ["--ca-file", str(self.ca_file), "--log-level", "debug", "--name", "other-machine"]
        with self.log.open("wb") as output:
            return subprocess.Popen(command, env=environment, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT)


@pytest.fixture
def elsewhere(tmp_path: Path, authority: Authority) -> Elsewhere:
    """That machine."""
    (folder := tmp_path / "elsewhere").mkdir()
    return Elsewhere(folder, authority.ca_file)


@asynccontextmanager
async def joined(server: RunningServer, elsewhere: Elsewhere) -> AsyncIterator[None]:
    """An agent at work; it ends with the block."""
    process = elsewhere.start(server)
    try:
        await until(lambda: process.poll() is not None or any(map(_available, server.system.agent_book.all())))
        assert process.poll() is None, await trio.Path(elsewhere.log).read_text()
        yield
    finally:
        process.terminate()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + SAFETY_S):
            await trio.to_thread.run_sync(process.wait)


def _available(agent: Joined) -> bool:
    return agent.available


def results(frames: list[dict[str, Any]]) -> list[Any]:
    """What was found in each frame."""
    return [(frame["index"], frame["timestamp_ms"], frame["results"]) for frame in frames]


@pytest.mark.own_start
async def test_an_agent_elsewhere_has_the_sources_of_the_server(
    server: RunningServer, elsewhere: Elsewhere, camera: RtspServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """Files, uploads and cameras; of the token, and of what the camera is behind its name, nothing is said anywhere."""
    system = server.system
    clip = await trio.Path(system.settings.media_dir / "clip.mp4").read_bytes()
    form = [Part("request", b'{"plugins": ["motion"]}'), Part("file", clip, "clip.mp4")]
    here = results(await frames_of(system, await run_job(system, "motion")))
    async with joined(server, elsewhere):
        file = await run_job(system, "motion")
        uploaded = await upload(f"{server.url}/v1/jobs", form, **owner(server))
        sent = await ended(system, await system.jobs.state(uploaded.json()["job_id"]))
        watched = await run_job(system, "motion", source="camera:front", max_frames=5)
        extended = await get(f"{server.url}/v1/jobs/{watched.job_id}/extended", **owner(server))
        agents = await get(f"{server.url}/v1/agents", **owner(server))
        shown = f"{extended.body!r} {agents.body!r} {commands()!r}"
    assert (file.status, sent.status, watched.status) == ("done", "done", "done"), (file, sent, watched)
    assert results(await frames_of(system, file)) == results(await frames_of(system, sent)) == here
    assert (len(here), watched.frames_done) == (CLIP_FRAMES, 5)
    assert "SOURCE_LOST" not in {group.code for group in watched.warning_groups}
    said = await trio.Path(elsewhere.log).read_text() + "".join(capfd.readouterr())
    assert said.count("an attempt begins") == 3
    said += shown + json.dumps(messages_of(system, watched.job_id))
    for secret in (USER, PASSWORD, PATH, f":{camera.server_address[1]}", str(server.token)):
        assert secret not in said


def commands() -> bytes:
    """The command lines and names of all processes."""
    said = b""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said += (process / "cmdline").read_bytes() + (process / "comm").read_bytes()
        except OSError:
            continue
    return said
