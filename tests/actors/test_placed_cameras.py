"""Cameras that the operator has placed: watched by their names, while address and password stay with the server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import attrs
import cv2
import pytest

from kinora.actors.errors import InvalidRequest
from kinora.media.live.placed_camera import PlacedCamera
from kinora.settings import Settings
from kinora.system import System
from tests.door import Door
from tests.jobs_kit import frames_of, run_job, submit, until
from tests.media.videos import numbered
from tests.media_server import MediaServer, media_server
from tests.rtsp_clips import describe, encode, framed, rtp_packets
from tests.rtsp_server import RtspServer, Stream, rtsp_server

PICTURES = 30
USER, PASSWORD, PATH = "joe-the-user", "Pa55w0rd-of-mine", "hidden-stream"


@pytest.fixture(scope="module")
def pieces() -> tuple[str, list[bytes]]:
    """A description, and a clip as it is sent."""
    clip = encode("h264", map(numbered, range(PICTURES)))
    return describe(clip), [b"".join(map(framed, packets)) for packets in rtp_packets(clip)]


@pytest.fixture
def camera(pieces: tuple[str, list[bytes]]) -> Iterator[RtspServer]:
    """A camera that asks for a password."""
    description, sent = pieces
    with rtsp_server() as running:
        running.streams = {PATH: Stream(description, cycle(sent))}
        running.passwords = {USER: PASSWORD}
        running.pace_s = 0.01
        yield running


@pytest.fixture
def web_camera(media: Path) -> Iterator[MediaServer]:
    """A camera that sends JPEGs over HTTP without end, and asks for a password."""
    with media_server(media) as running:
        running.streams[PATH] = [cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(8)]
        running.pace_s, running.door = 0.01, Door(USER, PASSWORD)
        yield running


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """The file of the right password."""
    path = tmp_path / "front.password"
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.fixture
def settings(settings: Settings, camera: RtspServer, web_camera: MediaServer, password_file: Path) -> Settings:
    """A server that may read from no URL, but has these cameras."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    placed = {
        "front": PlacedCamera(url=camera.url(PATH), user=USER, password_file=password_file),
        "gone": PlacedCamera(url=f"rtsp://localhost:{nobody}/{PATH}"),
        "web": PlacedCamera(url=web_camera.url(PATH), user=USER, password_file=password_file),
        "gone-web": PlacedCamera(url=f"http://localhost:{nobody}/{PATH}"),
    }
    return attrs.evolve(settings, cameras=placed)


def secrets(camera: RtspServer, web_camera: MediaServer) -> tuple[str, ...]:
    """What must stand nowhere."""
    ports = (server.host.partition(":")[2] for server in (camera, web_camera))
    return USER, PASSWORD, PATH, "127.0.0.1", "localhost", *(f":{port}" for port in ports)


def write(path: Path, data: bytes | None) -> None:
    """Write a file, or take it away."""
    path.unlink(missing_ok=True)
    if data is not None:
        path.write_bytes(data)


def everything_in(folder: Path) -> bytes:
    """All that a server keeps."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def refused(system: System, source: str) -> str:
    """The sentence with which a job on the source is refused."""
    with pytest.raises(InvalidRequest) as caught:
        await submit(system, "motion", source=source)
    [error] = caught.value.errors
    assert error.path == "source"
    return error.message


async def test_a_camera_is_watched_by_its_name(
    system: System,
    settings: Settings,
    camera: RtspServer,
    web_camera: MediaServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing that is kept, answered or logged tells where it is, nor when it cannot be reached."""
    told = ""
    for source in ("camera:front", "camera:web"):
        state = await run_job(system, "motion", source=source, max_frames=5)
        assert (state.status, state.frames_done, state.source) == ("done", 5, source)
        told += json.dumps(await frames_of(system, state)) + str(state)
    told += await refused(system, "camera:gone") + await refused(system, "camera:gone-web")
    told += "".join(capsys.readouterr())
    assert "camera:front" in told
    kept = everything_in(settings.data_dir)
    for secret in secrets(camera, web_camera):
        assert secret not in told
        assert secret.encode() not in kept
    await until(lambda: camera.open == 0)


async def test_the_password_is_read_at_each_opening(
    system: System, camera: RtspServer, web_camera: MediaServer, password_file: Path
) -> None:
    """It may be changed while the server runs; a file that cannot be used is told."""
    source = "camera:front"
    write(password_file, b"another\n")
    for either in (source, "camera:web"):
        assert await refused(system, either) == f"{either} refuses the user or the password: check both."
    write(password_file, b"two\nlines\n")
    assert await refused(system, source) == (
        f"The password of {source} cannot be read (more than one line): the operator can mend its file."
    )
    write(password_file, None)
    asked = camera.connections, len(web_camera.asked)
    assert "cannot be read (No such file or directory)" in await refused(system, source)
    assert (camera.connections, len(web_camera.asked)) == asked
    write(password_file, PASSWORD.encode() + b"\r\n")
    assert (await run_job(system, "motion", source=source, max_frames=2)).status == "done"


async def test_an_unknown_camera_is_refused(system: System, settings: Settings) -> None:
    """So is a URL that a camera has: its host is allowed for the camera alone."""
    message = await refused(system, "camera:back")
    assert message == "There is no camera 'back' in kinora.toml; there are: front, gone, web, gone-web"
    assert "reads no sources from URLs" in await refused(system, settings.cameras["front"].url)
