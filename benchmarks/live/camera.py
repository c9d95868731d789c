"""Cameras in a process of their own: each shows the present at 25 frames/s, and breaks when it is told to."""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import attrs
import av
import cv2
import numpy as np

from kinora.media.programs.demo_clip import ensure
from tests.media.videos import Image, numbered
from tests.nasty_rtsp import KEY_EVERY, Footage, Nasty, NastyCamera, Packets, nasties, nasty_camera
from tests.rtsp_clips import FPS, TICKS, Clip, encode, payloads, rtp

NUMBERS = 256
"""The pictures that can be told apart; they come again and again."""
STAMP_ROWS = 32
LASTING_S = 11.0
"""A connection that lasts for so long is followed by the shortest pause; see ``kinora.actors.sources.reconnecting``."""
SIZE, OTHER_SIZE = (640, 360), (320, 180)
NAMES = tuple(nasties(lambda: iter(())))
"""The ways in which cameras break."""

SentAt = MutableSequence[float]
"""Number → when the picture that shows it was sent last, by the clock that all processes of a machine share."""


@attrs.frozen
class Order:
    """What a camera is told."""

    camera: int
    name: str
    """The way in which it breaks."""
    always: bool
    """True if it does so from now on once a connection has lasted, False if only once, at the next key frame."""


@attrs.frozen
class Cameras:
    """Cameras that run."""

    urls: Sequence[str]
    hosts: Sequence[str]
    sent_at: SentAt
    orders: Connection

    def break_once(self, camera: int, name: str) -> None:
        """Have a camera break before its next key frame."""
        self.orders.send(Order(camera, name, always=False))

    def break_always(self, camera: int, name: str) -> None:
        """Have a camera break whenever a connection has lasted."""
        self.orders.send(Order(camera, name, always=True))


def stamped(footage: Path, width: int, height: int) -> Iterator[Image]:
    """The first pictures of a video, each with its number in bars on top; a short one begins anew."""
    shown = 0
    while shown < NUMBERS:
        with av.open(footage) as container:
            for frame in container.decode(video=0):
                if shown == NUMBERS:
                    return
                image = cv2.resize(frame.to_ndarray(format="bgr24"), (width, height), interpolation=cv2.INTER_AREA)
                image[:STAMP_ROWS] = numbered(shown, width, height)[:STAMP_ROWS]
                yield np.asarray(image, np.uint8)
                shown += 1


def present(clip: Clip, sent_at: SentAt) -> Footage:
    """The pictures of a clip by the clock of the machine, whoever asks; each is given when it is due."""

    def pictures() -> Iterator[Packets]:
        numbers, shift = count(random.randrange(2**16)), random.randrange(2**32)  # noqa: S311 - any will do
        first = (int(time.monotonic() * FPS) // KEY_EVERY + 1) * KEY_EVERY
        for number in count(first):
            time.sleep(max(0.0, number / FPS - time.monotonic()))
            sent_at[number % NUMBERS] = time.monotonic()
            parts = payloads(clip.codec, clip.pictures[number % NUMBERS].data)
            timestamp = (shift + number * TICKS) % 2**32
            yield [rtp(part, next(numbers), timestamp, marker=part is parts[-1]) for part in parts]

    return pictures


class _Plan:
    """How a camera breaks, by the last order."""

    def __init__(self, camera: NastyCamera) -> None:
        camera.next_break = self._next
        self._nasty: Nasty | None = None
        self._always = False

    def follow(self, nasty: Nasty, *, always: bool) -> None:
        """Break so."""
        self._nasty, self._always = nasty, always

    def _next(self, pictures: int) -> Nasty | None:
        nasty = self._nasty
        if self._always:
            return nasty if pictures > LASTING_S * FPS else None
        self._nasty = None
        return nasty


def be_cameras(number: int, footage: Path | None, sent_at: SentAt, orders: Connection) -> None:
    """Serve until the process is ended."""
    with tempfile.TemporaryDirectory() as folder:
        video = footage or ensure(Path(folder))
        clip, other = (encode("h264", stamped(video, *size), KEY_EVERY) for size in (SIZE, OTHER_SIZE))
    ways = nasties(present(other, sent_at))
    with ExitStack() as stack:
        cameras = [stack.enter_context(nasty_camera(clip, present(clip, sent_at))) for _ in range(number)]
        plans = [_Plan(camera) for camera in cameras]
        orders.send(([camera.url for camera in cameras], [camera.server.host for camera in cameras]))
        while True:
            order: Order = orders.recv()
            plans[order.camera].follow(ways[order.name], always=order.always)


@contextmanager
def cameras(number: int, footage: Path | None) -> Iterator[Cameras]:
    """Cameras in a process of their own, each for one client at a time. ``footage`` is a video; None: the demo's."""
    context = multiprocessing.get_context("spawn")
    sent_at = context.Array("d", NUMBERS, lock=False)
    ours, theirs = context.Pipe()
    process = context.Process(target=be_cameras, args=(number, footage, sent_at, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        urls, hosts = ours.recv()
        yield Cameras(urls, hosts, sent_at, ours)
    finally:
        process.kill()
        process.join()
