"""Pictures drawn for the built-in plugins' tests, and real footage where it is at hand."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.media.drawing.demo_scene import HEIGHT, WIDTH, Walker
from kinora.plugins.api import Frame
from tests.clips import PEOPLE

Image = NDArray[np.uint8]
GREY = (150, 150, 150)


def plain(color: tuple[int, int, int] = GREY, width: int = 320, height: int = 240) -> Image:
    """One colour, blue, green and red."""
    return np.full((height, width, 3), color, np.uint8)


def noisy(image: Image, sigma: float, seed: int = 0) -> Image:
    """With Gaussian noise of that many grey levels."""
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def square(left: int, top: int = 90, side: int = 60, color: tuple[int, int, int] = (20, 20, 20)) -> Image:
    """A dark square on a grey ground of 320x240."""
    image = plain()
    image[top : top + side, max(0, left) : max(0, left + side)] = color
    return image


def walker(speed: float = 300.0, start_x: float = 200.0) -> Walker:
    """Somebody who is 500 of 720 pixels tall; in the pictures of ``walk``, 250 of 360."""
    return Walker(
        start_x=start_x,
        ground_y=640,
        height=500,
        speed=speed,
        coat=(60, 40, 160),
        trousers=(60, 40, 30),
        hair=(20, 20, 30),
    )


def walk(walkers: list[Walker], frames: int, fps: int = 25) -> list[Image]:
    """Pictures of 640x360 in which they walk before a plain wall."""
    pictures = []
    for index in range(frames):
        image = plain((190, 200, 205), WIDTH, HEIGHT)
        for one in walkers:
            one.draw(image, index / fps)
        pictures.append(np.asarray(cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA), np.uint8))
    return pictures


def face(size: int = 160) -> Image:
    """A drawn face, about ``size`` pixels wide, in the middle of a picture of 640x480."""
    image = plain((120, 110, 100), 640, 480)
    unit = size / 100

    def spot(x: float, y: float, width: float, height: float, color: tuple[int, int, int]) -> None:
        center = int(320 + x * unit), int(240 + y * unit)
        cv2.ellipse(image, center, (int(width * unit), int(height * unit)), 0, 0, 360, color, cv2.FILLED)

    spot(0, -8, 46, 56, (30, 35, 45))
    spot(0, 5, 38, 50, (150, 180, 220))
    for side in (-17, 17):
        spot(side, -10, 13, 8, (95, 115, 150))
        spot(side, -20, 11, 3, (30, 40, 60))
        spot(side, -9, 8, 4, (235, 235, 235))
        spot(side, -9, 4, 4, (20, 20, 20))
    spot(0, 4, 5, 16, (175, 205, 240))
    spot(0, 19, 9, 3, (90, 110, 150))
    spot(0, 34, 15, 5, (70, 70, 150))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.2 * unit), np.uint8)


def footage(start: int, stop: int, step: int = 1) -> Iterator[Frame]:
    """Frames of the real footage: 768x432 at 10 a second."""
    video = cv2.VideoCapture(str(PEOPLE))
    for index in range(stop):
        video.grab()
        if index >= start and (index - start) % step == 0:
            image = np.asarray(video.retrieve()[1], np.uint8)
            yield Frame(image=image, index=index, timestamp_ms=index * 100.0)
