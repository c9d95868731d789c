"""The colours of what is drawn, the same as in the web UI (draw/colors.ts)."""

from __future__ import annotations

import numpy as np

from kinora.plugins.forms.detections import Detection

Color = tuple[int, int, int]
"""BGR."""
COLORS: tuple[Color, ...] = (  # BGR; neighbours in the list look unlike, and all are bright enough for black text
    (80, 175, 255),
    (120, 220, 90),
    (255, 170, 80),
    (180, 120, 255),
    (60, 225, 235),
    (235, 215, 80),
    (255, 140, 220),
    (140, 200, 200),
)
PLAIN: Color = (252, 250, 248)
"""The colour of everything but detections."""


def color_of(detection: Detection) -> Color:
    """The colour of a track, or of a class without one; the same in all frames."""
    return color_of_class(detection.kind) if detection.track_id is None else _numbered(detection.track_id)


def color_of_class(kind: str) -> Color:
    """The colour of a class."""
    return _numbered(_hash(kind))


def _numbered(number: int) -> Color:
    return COLORS[abs(number) % len(COLORS)]


def _hash(text: str) -> int:
    """The hash of draw/colors.ts, which counts in 32 bits with a sign over units of UTF-16."""
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2")
    value = 7
    for unit in units.tolist():
        value = (value * 31 + unit) & 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value
