"""How an agent opens sources: as the server says, with secrets that stand nowhere."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from kinora.actors.sources.cameras import Cameras
from kinora.actors.sources.source_reader import open_source
from kinora.fleet.agent_sources import AgentSources, FileServer
from kinora.fleet.camera_answers import camera_answer
from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.live.placed_camera import PlacedCamera
from kinora.media.messages import Open
from kinora.media.network.auth import Credentials
from kinora.media.source_types import SourceError, SourceLimits
from kinora.runtime.forking.workers import ForkServer
from kinora.serve import RunningServer
from kinora.settings import Settings
from tests.access_kit import WRONG_TOKEN

JOB = "0190b2c4-0000-7000-8000-000000000001"
LIMITS = SourceLimits(max_pixels=10**6, url_hosts=("media.lan",))
PASSWORD = "Pa55w0rd-of-mine"  # noqa: S105 - of a camera in this test
FRONT = "camera:front"


async def nothing() -> bytes:
    """The answer of a server that has no such camera."""
    await trio.lowlevel.checkpoint()
    return b""


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """The password of the camera."""
    path = tmp_path / "front.password"
    path.write_text(PASSWORD)
    return path


@pytest.fixture
def placed(password_file: Path) -> Cameras:
    """The server's cameras."""
    return Cameras({"front": PlacedCamera(url="rtsp://cam.lan/hidden", user="joe", password_file=password_file)})


def watching(cameras: Cameras, location: str = FRONT) -> AgentSources:
    """An agent's source that is this camera of the server's."""
    return AgentSources(JOB, None, lambda: camera_answer(cameras, location))


async def test_a_source_is_opened_where_it_can_be_read() -> None:
    """A URL as it is, a file by the server, or from a disk that both have."""
    server = FileServer(url="https://kinora.lan/vision/", token=WRONG_TOKEN, ca_file="/ca.pem")
    alone, beside = AgentSources(JOB, server, nothing), AgentSources(JOB, None, nothing)
    url, path = "http://media.lan/a.mp4", "/media/clips/a.mp4"
    for sources in (alone, beside):
        assert await sources.request(url, url, LIMITS) == Open(location=url, name=url, limits=LIMITS)
        webcam = await sources.request("webcam:3", "webcam:3", LIMITS)
        assert webcam == Open(location="webcam:/dev/video3", name="webcam:3", limits=LIMITS)
    assert await beside.request(path, "clips/a.mp4", LIMITS) == Open(location=path, name="clips/a.mp4", limits=LIMITS)
    opening = await alone.request(path, "clips/a.mp4", LIMITS)
    assert (opening.location, opening.name, opening.limits) == (path, "clips/a.mp4", LIMITS)
    assert opening.served is not None
    assert opening.served.url == f"https://kinora.lan/vision/v1/agents/files/{JOB}"
    assert (opening.served.token, opening.served.ca_file) == (WRONG_TOKEN, "/ca.pem")
    assert WRONG_TOKEN not in f"{server!r} {opening!r}"
    with pytest.raises(CameraError):
        await beside.request("webcam:/dev/mem", "webcam:/dev/mem", LIMITS)


async def test_a_camera_is_asked_for_each_time_that_it_is_opened(placed: Cameras, password_file: Path) -> None:
    """So that a new password holds at once; the agent's limits count, with the camera's host beside its own."""
    sources = watching(placed)
    opening = await sources.request(FRONT, FRONT, LIMITS)
    assert (opening.location, opening.name) == ("rtsp://cam.lan/hidden", FRONT)
    assert opening.limits == attrs.evolve(LIMITS, url_hosts=("cam.lan", "media.lan"))
    assert opening.credentials == Credentials("joe", PASSWORD)
    assert PASSWORD not in repr(opening)
    await trio.Path(password_file).write_text("another")
    assert (await sources.request(FRONT, FRONT, LIMITS)).credentials == Credentials("joe", "another")


async def test_a_camera_that_cannot_be_told_of_is_lost_for_the_server_s_reason(
    placed: Cameras, password_file: Path
) -> None:
    """Its job waits for it, as in the server."""
    await trio.Path(password_file).unlink()
    with pytest.raises(CameraError, match="The password of camera:front cannot be read") as unreadable:
        await watching(placed).request(FRONT, FRONT, LIMITS)
    assert unreadable.value.reason is LostReason.AUTH
    with pytest.raises(CameraError, match=r"camera:back was taken out of kinora\.toml"):
        await watching(placed, "camera:back").request("camera:back", "camera:back", LIMITS)
    for location in ("/etc/passwd", "http://media.lan/a.mp4", "webcam:0"):
        assert await camera_answer(placed, location) == b""
    with pytest.raises(CameraError, match="ended"):
        await AgentSources(JOB, None, nothing).request(FRONT, FRONT, LIMITS)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A server that needs a token."""
    return attrs.evolve(settings, token=True)


async def test_a_decoder_reads_the_server_s_file_by_its_token(server: RunningServer, media: Path) -> None:
    """The facts are those of the file. A wrong token is a sentence that tells neither the token nor the address."""
    path = str(media / "clip.mp4")
    server.system.location_in_agent = {JOB: path}.get
    fork_server = server.system.fork_server
    [right, wrong] = [
        AgentSources(JOB, FileServer(url=server.url, token=token), nothing) for token in (server.token, WRONG_TOKEN)
    ]
    async with open_source(fork_server, "here", path, "clip.mp4", limits=LIMITS, cameras=Cameras()) as source:
        disk = source.info
    async with open_source(fork_server, "there", path, "clip.mp4", limits=LIMITS, cameras=right) as source:
        assert source.info == attrs.evolve(disk, mark="")
    assert await refusal(fork_server, path, wrong) == (
        "clip.mp4 cannot be read: its server does not accept the agent's token."
    )
    server.system.location_in_agent = lambda _: None
    assert await refusal(fork_server, path, right) == "clip.mp4 cannot be read: the server answers 404 Not Found."


async def refusal(fork_server: ForkServer, path: str, sources: AgentSources) -> str:
    """The reason why a decoder cannot open a source."""
    with pytest.raises(SourceError) as caught:
        async with open_source(fork_server, "refused", path, "clip.mp4", limits=LIMITS, cameras=sources):
            pass
    return str(caught.value)
