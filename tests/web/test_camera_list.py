"""``GET /v1/cameras`` and ``kinora cameras``: which cameras can be reached now, without opening one that is in use."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from kinora.actors.requests.standing_job import StandingJob
from kinora.cli.cameras import for_people
from kinora.client import KinoraClient
from kinora.doctor.cameras import check_cameras, try_cameras
from kinora.doctor.trial import check_a_frame
from kinora.media.live.placed_camera import PlacedCamera
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.system import make_system
from tests.client_kit import get
from tests.jobs_kit import until
from tests.media.videos import numbered
from tests.rtsp_clips import describe, encode, framed, rtp_packets
from tests.rtsp_server import RtspServer, Stream, rtsp_server

PLENTY_S = 60.0
"""A safety net."""
WATCH = {"source": "camera:front", "plugins": ["motion"]}


@pytest.fixture
def camera() -> Iterator[RtspServer]:
    """A camera for one client, with a password."""
    clip = encode("h264", map(numbered, range(10)))
    with rtsp_server() as running:
        pieces = [b"".join(map(framed, packets)) for packets in rtp_packets(clip)]
        running.streams["live"] = Stream(describe(clip), cycle(pieces))
        running.pace_s, running.passwords, running.one_client = 0.02, {"joe": "secret"}, True
        yield running


@pytest.fixture
def settings(settings: Settings, camera: RtspServer, tmp_path: Path) -> Settings:
    """A server with a camera that works, one that is gone, and a webcam that is not there."""
    (password := tmp_path / "password").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    placed = {
        "front": PlacedCamera(url=camera.url("live"), user="joe", password_file=password),
        "gone": PlacedCamera(url=f"rtsp://127.0.0.1:{nobody}/x"),
    }
    return attrs.evolve(settings, cameras=placed, webcams=(250,))


async def listed(server: RunningServer) -> dict[str, dict[str, Any]]:
    """The cameras by their sources."""
    with trio.fail_after(PLENTY_S):
        answer = await get(f"{server.url}/v1/cameras")
    assert answer.status == 200
    assert "127.0.0.1" not in json.dumps(answer.json())
    return {camera["source"]: camera for camera in answer.json()["cameras"]}


async def test_each_camera_is_tried_and_what_was_found_is_kept(server: RunningServer, camera: RtspServer) -> None:
    """For those who ask soon after, too, as by the command, which ends with 1 if one cannot be reached."""
    found = await listed(server)
    assert list(found) == ["camera:front", "camera:gone", "webcam:250"]
    assert [one["name"] for one in found.values()] == ["front", "gone", "webcam:250"]
    assert [one["reachable"] for one in found.values()] == [True, False, False]
    assert [one["reason"] for one in found.values()] == [None, "refused", "unreachable"]
    assert found["camera:front"]["message"] == "It sends pictures of 160x120."
    assert found["camera:gone"]["message"].startswith("Nothing listens at the port of camera:gone")
    assert "webcam:250 is not there" in found["webcam:250"]["message"]
    assert all(one["checked_at"] and one["in_use_by"] is None for one in found.values())
    assert await listed(server) == found
    await until(lambda: camera.open == 0)
    command = [sys.executable, "-m", "kinora", "cameras", "--url", server.url]
    done = await trio.run_process(command, capture_stdout=True, check=False)
    rows = [line.split("\t")[:3] for line in done.stdout.decode().splitlines()]
    assert (done.returncode, rows[0]) == (1, ["camera", "reachable", "reason"])
    assert rows[1:3] == [["camera:front", "yes", ""], ["camera:gone", "no", "refused"]]
    assert camera.connections == 1


def test_people_see_a_short_id_and_the_reason_once() -> None:
    """As the table must fit a terminal."""
    job = "0190f2aa-1111-7222-8333-444455556666"
    watched = {"source": "camera:front", "reachable": True, "reason": None, "in_use_by": job}
    shown = for_people({**watched, "message": f"Job {job} watches it."})
    assert (shown["in_use_by"], shown["message"]) == ("0190f2aa", "Job 0190f2aa watches it.")
    lost = for_people({**watched, "reachable": False, "reason": "auth", "message": "auth: camera:front refuses it."})
    assert lost["message"] == "camera:front refuses it."


async def test_a_camera_is_never_opened_twice(server: RunningServer, camera: RtspServer) -> None:
    """A job that watches it tells that it can be reached; a check lets it go at once for a job that opens it."""
    client = KinoraClient(server.url)
    job_id = (await client.submit(WATCH)).job_id
    await until(lambda: server.system.jobs.watching() != {})
    front = (await listed(server))["camera:front"]
    assert (front["reachable"], front["in_use_by"], camera.connections) == (True, job_id, 1)
    await client.cancel(job_id)
    await until(lambda: camera.open == 0)
    camera.answers["OPTIONS"] = None  # it says nothing, so a check waits
    with trio.fail_after(PLENTY_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listed, server)
            await until(lambda: camera.connections == 2)
            camera.answers.clear()
            job_id = (await client.submit(WATCH)).job_id
            assert camera.connections == 3
            nursery.cancel_scope.cancel()
    await client.cancel(job_id)


async def test_a_standing_job_waits_for_its_camera(settings: Settings, camera: RtspServer, tmp_path: Path) -> None:
    """From the start of the server on, as here for the right password; meanwhile the job tells why it is away."""
    await trio.Path(tmp_path / "password").write_text("wrong")
    door = StandingJob(source="camera:front", plugins=("motion",))
    async with open_server(attrs.evolve(settings, jobs={"door": door})) as server:
        await until(lambda: any(job.stage == "reconnecting" for job in server.system.jobs.watching().values()))
        front = (await listed(server))["camera:front"]
        [job] = server.system.jobs.watching().values()
        assert (front["reachable"], front["reason"], front["in_use_by"]) == (False, "auth", job.job_id)
        assert front["message"] == "auth: camera:front refuses the user or the password: check both."
        assert job.standing == "door"
        await trio.Path(tmp_path / "password").write_text("secret")
        await until(lambda: any(job.frames_done for job in server.system.jobs.watching().values()))
        front = (await listed(server))["camera:front"]
        assert (front["reachable"], front["in_use_by"]) == (True, job.job_id)
    await until(lambda: camera.open == 0)


async def test_the_doctor_tries_them_unless_a_server_may_have_them(settings: Settings, tmp_path: Path) -> None:
    """What is wrong with a camera fails no server."""
    (folder := tmp_path / "trial").mkdir()
    found = [*check_cameras(settings), *(await check_a_frame(settings, folder))]
    told = [(finding.state, finding.found) for finding in found if finding.check == "cameras"]
    assert told[0] == ("ok", "in the settings: front, gone, webcam:250")
    assert told[1] == (
        "warning",
        f"Everyone on this machine can read {tmp_path / 'password'}: chmod o= {tmp_path / 'password'}",
    )
    assert told[2] == ("ok", "camera:front: It sends pictures of 160x120.")
    assert [state for state, _ in told[3:]] == ["warning", "warning"]
    assert all(said.count("camera:gone") + said.count("webcam:250") == 1 for _, said in told[3:])
    assert [finding.mend for finding in found if finding.state == "warning"][-2:] == ["", "see docs/cameras.md"]
    await trio.Path(tmp_path / "password").unlink()
    (again := tmp_path / "again").mkdir()
    found = [*check_cameras(settings), *(await check_a_frame(settings, again))]
    [missing] = [finding.found for finding in found if "camera:front" in finding.found]
    assert missing.endswith(f"(No such file or directory): put it into {tmp_path / 'password'}")
    with make_system(settings) as system:
        [one] = await try_cameras(settings, system)
    assert "a server is at work, so none is opened" in one.found


async def test_a_camera_gives_its_next_picture_to_draw_on(server: RunningServer, camera: RtspServer) -> None:
    """By its name alone, and not while a job watches it: many cameras let in one client."""
    url = f"{server.url}/v1/sources/picture.jpg?source=camera:front"
    answer = await get(url)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
    await until(lambda: camera.open == 0)
    client = KinoraClient(server.url)
    job_id = (await client.submit(WATCH)).job_id
    await until(lambda: server.system.jobs.watching() != {})
    assert (await get(url)).status == 409
    await client.cancel(job_id)
