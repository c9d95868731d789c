"""Webcams: a terminal of this machine stands for the device, as the kernel of the tests has no v4l2loopback."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import attrs
import cv2
import numpy as np
import pytest

from kinora.actors.errors import InvalidRequest, UnsupportedSource
from kinora.actors.sources import cameras
from kinora.media.arrival import clock_s
from kinora.media.camera_errors import CameraError, CameraLost, LostReason
from kinora.media.live import webcam
from kinora.media.live.webcam import WebcamSource, device_fault
from kinora.media.packets.packet_memory import PacketMemory, PacketWriter, read_packets
from kinora.media.source_types import SourceLimits
from kinora.media.sources import open_source
from kinora.media.videos.video_picture import VideoPicture
from kinora.runtime.linux.confinement import landlock_version
from kinora.settings import Settings
from kinora.system import open_system
from tests.jobs_kit import submit
from tests.media.videos import numbered, read_number

IOCTL_SINCE = 5
"""The version of Landlock."""
STEERS = """
import fcntl, os, sys, termios
from kinora.runtime.linux.confinement import confine
allowed, other = sys.argv[1:]
confine(devices=[allowed])
fd = os.open(allowed, os.O_RDWR | os.O_NOCTTY)
termios.tcgetattr(fd)
try:
    os.open(other, os.O_RDWR | os.O_NOCTTY)
except PermissionError:
    print("confined")
"""


@contextmanager
def sending(pictures: int, quiet: threading.Event | None = None) -> Iterator[str]:
    """The path of a device that gives so many JPEGs, again and again, until it is ``quiet``; it ends with the block."""
    closing = quiet or threading.Event()
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    data = b"".join(cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(pictures))

    def send() -> None:
        rest = data
        while data and not closing.is_set():
            try:
                rest = rest[os.write(ours, rest) :] or data
            except BlockingIOError:
                select.select([], [ours], [], 0.1)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        closing.set()
        thread.join()
        os.close(theirs)
        os.close(ours)


def number_of(picture: VideoPicture) -> int:
    """The number that a picture shows."""
    image = np.empty((picture.height, picture.width, 3), np.uint8)
    picture.write_to(image)
    return read_number(image)


@pytest.fixture
def as_jpegs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices send JPEGs: without V4L2 in the kernel, that is."""
    monkeypatch.setattr(webcam, "FORMAT", "mjpeg")


@pytest.mark.usefixtures("as_jpegs")
def test_the_pictures_of_a_webcam_come_in_their_order() -> None:
    """It is a live stream, of the size of its first picture; where it gives JPEGs, they can be kept for clips."""
    memory = PacketMemory()
    with sending(8) as device, WebcamSource(device, "webcam:0", SourceLimits()) as source:
        before = clock_s()
        assert source.keeper is not None
        source.keeper.begin(PacketWriter(os.dup(memory.fd), source.keeper.codec, keep_s=60))
        taken = [(number_of(picture), picture.received_s) for picture in islice(source.frames(), 20)]
    codec, kept = read_packets(memory.fd)
    memory.close()
    assert codec == "mjpeg"
    assert [packet.came_s for packet in kept[1:]] == [came for _, came in taken]
    seen = [number for number, _ in taken]
    assert all(came is not None and before <= came <= clock_s() for _, came in taken)
    assert (source.info.kind, source.info.width, source.info.height) == ("stream", 160, 120)
    assert seen == [number % 8 for number in range(1, 21)]


@pytest.mark.usefixtures("as_jpegs")
def test_a_silent_webcam_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.setattr(webcam, "SILENCE_S", 0.05)
    quiet = threading.Event()
    with sending(8, quiet) as device, WebcamSource(device, "webcam:0", SourceLimits()) as source:
        quiet.set()
        with pytest.raises(CameraLost) as caught:
            list(source.frames())
        assert (caught.value.reason, str(caught.value)[:8]) == (LostReason.SILENT, "webcam:0")


def test_what_is_no_webcam_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing, a file, a device of another kind, and one that is in use or forbidden."""
    (tmp_path / "file").write_bytes(b"x")
    for device, reason, said in (
        ("nothing", LostReason.UNREACHABLE, "webcam:0 is not there: plug it in"),
        ("file", LostReason.NO_VIDEO, "webcam:0 gives no video"),
        ("/dev/null", LostReason.NO_VIDEO, "webcam:0 gives no video"),
    ):
        with pytest.raises(CameraError) as caught:
            open_source(f"webcam:{tmp_path / device}", limits=SourceLimits(), name="webcam:0")
        assert (caught.value.reason, str(caught.value).startswith(said)) == (reason, True)
    monkeypatch.setattr(webcam, "FORMAT", "nothing")
    with pytest.raises(CameraError, match="FFmpeg has no V4L2 here"):
        open_source("webcam:/dev/null", limits=SourceLimits(), name="webcam:0")
    for number, said in ((errno.EBUSY, "is in use: stop the other"), (errno.EACCES, "the group video")):
        assert said in str(device_fault("webcam:0", OSError(number, "")))


@pytest.mark.skipif(landlock_version() < IOCTL_SINCE, reason="this kernel lets every process steer devices")
def test_a_confined_program_opens_its_device_and_no_other() -> None:
    """To read, write and steer it."""
    with sending(0) as allowed, sending(0) as other:
        told = subprocess.run([sys.executable, "-c", STEERS, allowed, other], capture_output=True, check=True)
    assert told.stdout == b"confined\n"


async def test_a_server_allows_the_webcams_of_its_settings(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number; others are refused, and those that are not there."""
    monkeypatch.setattr(cameras, "DEVICES", str(tmp_path))
    (tmp_path / "video0").symlink_to("/dev/null")
    async with open_system(attrs.evolve(settings, webcams=(0, 7))) as system:
        for source, said in (
            ("webcam:1", "can allow it with webcams = [1]"),
            ("webcam:x", "write webcam:0 for /dev/video0"),
            ("webcam:7", "webcam:7 is not there: plug it in, or see `ls /dev/video*` for another number."),
        ):
            with pytest.raises(InvalidRequest, match=r"source") as caught:
                await submit(system, "motion", source=source)
            assert said in caught.value.errors[0].message
        with pytest.raises(UnsupportedSource, match="webcam:0 gives no video"):
            await submit(system, "motion", source="webcam:0")
