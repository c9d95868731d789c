"""Draws the demo clip's world: two places and the people who walk through them."""

from __future__ import annotations

import math

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Color = tuple[int, int, int]
"""Blue, green, red."""
Point = tuple[float, float]

WIDTH, HEIGHT = 1280, 720
"""Places are drawn at twice the clip's size and scaled down, which smooths their edges."""
BLUR = 10.0
_SHIFT = 4  # OpenCV takes coordinates in sixteenths of a pixel
_STRIDE_PER_HEIGHT = 0.42


@attrs.frozen(kw_only=True)
class Walker:
    """A person who walks across the picture at constant speed."""

    start_x: float
    """The body's place at time 0, in pixels."""
    ground_y: float
    """The height of the feet in the picture."""
    height: float
    speed: float
    """Pixels a second; to the left if negative."""
    coat: Color
    trousers: Color
    hair: Color
    skin: Color = (140, 170, 215)

    def draw(self, image: Image, time_s: float) -> None:
        """Draw this person as at ``time_s``."""
        x = self.start_x + self.speed * time_s
        h = self.height
        if not -h < x < WIDTH + h:
            return
        phase = 2 * math.pi * (x / (2 * _STRIDE_PER_HEIGHT * h))
        facing = 1.0 if self.speed > 0 else -1.0
        bob = 0.008 * h * math.cos(2 * phase)
        hip, neck = (x, self.ground_y - 0.49 * h + bob), (x + 0.015 * h * facing, self.ground_y - 0.83 * h + bob)
        _shadow(image, x, self.ground_y, h)
        self._leg(image, hip, phase + math.pi, facing, _shaded(self.trousers, 0.72))
        self._arm(image, neck, phase, facing, _shaded(self.coat, 0.72))
        self._leg(image, hip, phase, facing, self.trousers)
        self._body(image, hip, neck)
        self._head(image, neck, facing)
        self._arm(image, neck, phase + math.pi, facing, _shaded(self.coat, 0.88))

    def _leg(self, image: Image, hip: Point, phase: float, facing: float, color: Color) -> None:
        h = self.height
        thigh = 0.42 * math.sin(phase)
        shin = thigh - 0.55 * max(0.0, math.cos(phase - 0.4)) ** 2
        knee = _reach(hip, 0.24 * h, thigh * facing)
        foot = _reach(knee, 0.235 * h, shin * facing)
        _limb(image, hip, knee, 0.105 * h, color)
        _limb(image, knee, foot, 0.078 * h, color)
        _limb(image, foot, (foot[0] + 0.065 * h * facing, foot[1] + 0.008 * h), 0.045 * h, (35, 35, 40))

    def _arm(self, image: Image, neck: Point, phase: float, facing: float, color: Color) -> None:
        h = self.height
        swing = 0.5 * math.sin(phase)
        shoulder = (neck[0] - 0.01 * h * facing, neck[1] + 0.055 * h)
        elbow = _reach(shoulder, 0.165 * h, swing * facing)
        hand = _reach(elbow, 0.14 * h, (swing + 0.3) * facing)
        _limb(image, shoulder, elbow, 0.068 * h, color)
        _limb(image, elbow, hand, 0.055 * h, color)
        _limb(image, hand, hand, 0.052 * h, self.skin)

    def _body(self, image: Image, hip: Point, neck: Point) -> None:
        h = self.height
        _limb(image, (neck[0], neck[1] - 0.01 * h), (neck[0], neck[1] + 0.05 * h), 0.07 * h, self.skin)
        outline = [
            (neck[0] - 0.06 * h, neck[1] + 0.005 * h),
            (neck[0] + 0.06 * h, neck[1] + 0.005 * h),
            (neck[0] + 0.105 * h, neck[1] + 0.06 * h),
            (hip[0] + 0.095 * h, hip[1] + 0.05 * h),
            (hip[0] - 0.095 * h, hip[1] + 0.05 * h),
            (neck[0] - 0.105 * h, neck[1] + 0.06 * h),
        ]
        polygon(image, outline, self.coat)

    def _head(self, image: Image, neck: Point, facing: float) -> None:
        h = self.height
        center = (neck[0] + 0.012 * h * facing, neck[1] - 0.075 * h)
        _ellipse(image, (center[0] - 0.012 * h * facing, center[1] - 0.012 * h), (0.058 * h, 0.07 * h), self.hair)
        _ellipse(image, (center[0] + 0.012 * h * facing, center[1] + 0.014 * h), (0.044 * h, 0.056 * h), self.skin)


def square_by_day() -> Image:
    """A town square in daylight."""
    image = _gradient((225, 190, 150), (240, 232, 220))
    rng = np.random.default_rng(7)
    for left in range(-30, WIDTH, 150):
        top = int(rng.integers(130, 290))
        shade = int(rng.integers(0, 45))
        _house(image, left, top, (150 + shade, 165 + shade, 178 + shade), (120, 100, 85))
    _hedge(image, 380, 450)
    image = _out_of_focus(image)
    _ground(image, 440, (168, 178, 184), (128, 138, 146), (146, 156, 162))
    return image


def street_by_night() -> Image:
    """A shopping street in the evening."""
    image = _gradient((92, 58, 44), (120, 92, 96))
    for left in range(-40, WIDTH, 220):
        _house(image, left, 40 + (left // 20 * 37) % 90, (78, 66, 62), (110, 170, 205))
    for left, color in ((60, (120, 205, 250)), (500, (190, 190, 120)), (930, (140, 160, 240))):
        _shop(image, left, color)
    _lamps(image, 150)
    image = _out_of_focus(image)
    _ground(image, 470, (88, 84, 86), (58, 54, 58), (74, 70, 74))
    return image


def polygon(image: Image, points: list[Point], color: Color) -> None:
    """Fill a convex shape."""
    cv2.fillConvexPoly(image, np.array([_fixed(p) for p in points], np.int32), color, cv2.LINE_AA, _SHIFT)


def _out_of_focus(image: Image) -> Image:
    """Blur the background: the eye goes to the people, and a people detector sees nobody in houses and lamps."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR), np.uint8)


def _gradient(top: Color, bottom: Color) -> Image:
    share = np.linspace(0, 1, HEIGHT)[:, None, None]
    rows = np.array(top) * (1 - share) + np.array(bottom) * share
    return np.ascontiguousarray(np.broadcast_to(rows, (HEIGHT, WIDTH, 3)).astype(np.uint8))


def _house(image: Image, left: int, top: int, wall: Color, window: Color) -> None:
    right = left + 132
    cv2.rectangle(image, (left, top), (right, 480), wall, -1)
    cv2.rectangle(image, (left, top), (right, top + 10), _shaded(wall, 0.8), -1)
    for y in range(top + 32, 430, 54):
        for x in range(left + 18, right - 20, 38):
            cv2.rectangle(image, (x, y), (x + 18, y + 28), window, -1)
            cv2.rectangle(image, (x, y), (x + 18, y + 28), _shaded(wall, 0.8), 2)


def _shop(image: Image, left: int, light: Color) -> None:
    cv2.rectangle(image, (left, 300), (left + 330, 480), light, -1)
    cv2.rectangle(image, (left, 300), (left + 330, 480), (50, 46, 46), 8)
    cv2.rectangle(image, (left, 272), (left + 330, 304), _shaded(light, 0.72), -1)
    for x in (left + 110, left + 220):
        cv2.line(image, (x, 300), (x, 480), (50, 46, 46), 6)


def _ground(image: Image, horizon: int, far: Color, near: Color, joint: Color) -> None:
    share = np.linspace(0, 1, HEIGHT - horizon)[:, None, None]
    image[horizon:] = (np.array(far) * (1 - share) + np.array(near) * share).astype(np.uint8)
    for step in range(1, 9):
        y = horizon + round((HEIGHT - horizon) * (step / 8) ** 1.8)
        cv2.line(image, (0, y), (WIDTH, y), joint, 2, cv2.LINE_AA)
    for x in range(-1600, WIDTH + 1600, 160):
        foot = WIDTH // 2 + (x - WIDTH // 2) * 2
        cv2.line(image, (x, horizon), (foot, HEIGHT), joint, 2, cv2.LINE_AA)


def _hedge(image: Image, top: int, bottom: int) -> None:
    for x in range(0, WIDTH + 60, 60):
        _ellipse(image, (x, top + 16), (52, 20), (86, 142, 104))
    cv2.rectangle(image, (0, top + 16), (WIDTH, bottom), (70, 122, 86), -1)


def _lamps(image: Image, y: int) -> None:
    cv2.line(image, (0, y - 30), (WIDTH, y - 30), (40, 38, 40), 3, cv2.LINE_AA)
    for x in range(80, WIDTH, 160):
        glow = image.copy()
        cv2.circle(glow, (x, y), 34, (150, 215, 250), -1, cv2.LINE_AA)
        cv2.addWeighted(glow, 0.3, image, 0.7, 0, dst=image)
        cv2.circle(image, (x, y), 11, (205, 240, 255), -1, cv2.LINE_AA)


def _shadow(image: Image, x: float, ground_y: float, height: float) -> None:
    left, right = max(0, round(x - 0.3 * height)), min(WIDTH, round(x + 0.3 * height))
    top, bottom = round(ground_y - 0.04 * height), min(HEIGHT, round(ground_y + 0.05 * height))
    if left < right:
        patch = image[top:bottom, left:right]
        shaded = patch.copy()
        _ellipse(shaded, (x - left, ground_y - top), (0.22 * height, 0.032 * height), (60, 60, 64))
        cv2.addWeighted(shaded, 0.55, patch, 0.45, 0, dst=patch)


def _limb(image: Image, start: Point, end: Point, thickness: float, color: Color) -> None:
    cv2.line(image, _fixed(start), _fixed(end), color, max(1, round(thickness)), cv2.LINE_AA, _SHIFT)


def _ellipse(image: Image, center: Point, axes: Point, color: Color) -> None:
    cv2.ellipse(image, _fixed(center), _fixed(axes), 0, 0, 360, color, -1, cv2.LINE_AA, _SHIFT)


def _reach(start: Point, length: float, angle: float) -> Point:
    """The end of a limb that hangs down and is swung by ``angle`` (radians, to the right)."""
    return start[0] + length * math.sin(angle), start[1] + length * math.cos(angle)


def _fixed(point: Point) -> tuple[int, int]:
    return round(point[0] * 2**_SHIFT), round(point[1] * 2**_SHIFT)


def _shaded(color: Color, share: float) -> Color:
    blue, green, red = (round(channel * share) for channel in color)
    return blue, green, red
