"""Makes the clip behind ``demo:``: people who walk through two places, with a hard cut, noise and a dark part.

It is drawn and encoded here, the same on every machine; nothing is downloaded. ``main`` is the start of a worker.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import av
import cv2
import numpy as np

from kinora.media.drawing import demo_scene
from kinora.media.drawing.demo_scene import HEIGHT, WIDTH, Image, Walker, square_by_day, street_by_night
from kinora.media.files.demo_cache import keep_clip, kept_clip
from kinora.media.files.part_file import part_file
from kinora.media.messages import DEMO_CLIP, Failed, Made, MakeDemoClip
from kinora.media.videos.video_writer import open_writer
from kinora.runtime.files.temporary import is_temporary
from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, serve

NAME = "demo.mp4"
CLIP_WIDTH, CLIP_HEIGHT = WIDTH // 2, HEIGHT // 2
FPS = 25
SECONDS = 12.0
CUT_S = 6.0
NOISE_S = (3.5, 5.0)
DARK_S = (8.5, 10.0)
NOISE_LEVEL = 26.0
DARKNESS = 0.07
_NOISE_TILES = 5

DAY = (
    Walker(
        start_x=-60, ground_y=560, height=330, speed=210, coat=(60, 60, 200), trousers=(92, 62, 52), hair=(30, 45, 70)
    ),
    Walker(
        start_x=1420, ground_y=620, height=370, speed=-230, coat=(150, 95, 40), trousers=(50, 50, 58), hair=(25, 25, 30)
    ),
    Walker(
        start_x=-420,
        ground_y=680,
        height=410,
        speed=260,
        coat=(75, 150, 60),
        trousers=(105, 95, 88),
        hair=(70, 125, 180),
    ),
)
NIGHT = (
    Walker(
        start_x=1330,
        ground_y=590,
        height=350,
        speed=-220,
        coat=(70, 190, 225),
        trousers=(60, 46, 44),
        hair=(40, 60, 96),
    ),
    Walker(
        start_x=-120,
        ground_y=650,
        height=390,
        speed=240,
        coat=(200, 195, 190),
        trousers=(45, 40, 90),
        hair=(22, 22, 26),
    ),
    Walker(
        start_x=1800,
        ground_y=690,
        height=420,
        speed=-290,
        coat=(150, 70, 130),
        trousers=(70, 70, 75),
        hair=(60, 90, 130),
    ),
)


def main(channel: Channel) -> None:
    """Make the clip in the requested folder."""
    os.umask(0o077)  # the data folder is for the server's own user
    serve(Line(DEMO_CLIP, channel), lambda request, _fds: [_answer(request)])


def _answer(request: MakeDemoClip) -> Made | Failed:
    try:
        return Made(str(ensure(Path(request.folder))))
    except OSError as error:
        return Failed(str(error), disk=True)


def ensure(folder: Path) -> Path:
    """Return the clip's file in ``folder``, made if it is missing; of several processes at once, one makes it.

    In the temporary folder of a command it is a copy of the one in the user's cache, if there is one.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder.resolve() / NAME
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / f".{NAME}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                _copy_or_make(path) if is_temporary(path.parent) else _make(path)
    return path


def recipe() -> bytes:
    """All that decides how the clip is drawn and encoded; a clip kept for another one is not used.

    Raises:
        OSError: the code cannot be read.
    """
    libraries = f"{av.__version__} {cv2.__version__}"
    return b"\0".join([libraries.encode(), *(Path(code).read_bytes() for code in (__file__, demo_scene.__file__))])


def _copy_or_make(path: Path) -> None:
    wanted = recipe()
    if (kept := kept_clip(wanted)) is None:
        _make(path)
        keep_clip(wanted, path.read_bytes())
    else:
        with part_file(path) as part:
            part.write_bytes(kept)


def _make(path: Path) -> None:
    day, night = square_by_day(), street_by_night()
    noise = _noise_tiles()
    with open_writer(path, width=CLIP_WIDTH, height=CLIP_HEIGHT, fps=FPS, threads=1) as writer:
        for number in range(round(SECONDS * FPS)):
            writer.write(_frame(number, day, night, noise), number * 1000 / FPS)


def _frame(number: int, day: Image, night: Image, noise: list[Image]) -> Image:
    time_s = number / FPS
    place, people, since = (day, DAY, 0.0) if time_s < CUT_S else (night, NIGHT, CUT_S)
    image = place.copy()
    for walker in people:
        walker.draw(image, time_s - since)
    small = np.asarray(cv2.resize(image, (CLIP_WIDTH, CLIP_HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
    if NOISE_S[0] <= time_s < NOISE_S[1]:
        grain = noise[number % _NOISE_TILES].astype(np.int16) - 128
        small = np.clip(small + grain, 0, 255).astype(np.uint8)
    if DARK_S[0] <= time_s < DARK_S[1]:
        small = (small * DARKNESS).astype(np.uint8)
    return small


def _noise_tiles() -> list[Image]:
    """Return images of grain around 128; a few of them in turn look like fresh ones."""
    rng = np.random.default_rng(11)
    shape = (_NOISE_TILES, CLIP_HEIGHT, CLIP_WIDTH, 3)
    return list(np.clip(rng.normal(128, NOISE_LEVEL, shape), 0, 255).astype(np.uint8))
