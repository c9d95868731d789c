"""What must hold of the frames and the warnings of a job on a camera with outages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import attrs

from benchmarks.live.camera import NUMBERS
from tests.rtsp_clips import FPS

LATE_PICTURES = 2 * FPS
"""How far a picture may be from the one that is due at its time."""
_BACK = re.compile(r"after ([0-9.]+) s; it goes on at frame ([0-9]+)")


@attrs.frozen
class Outage:
    """One break of a camera, as the job has told it."""

    name: str
    """The way in which the camera broke."""
    reasons: Sequence[str]
    """The word in each ``SOURCE_LOST``."""
    told_s: float
    """The time in ``SOURCE_BACK``: from the loss, which silence shows late."""
    first: int
    """The index of the first frame after it."""


def outage(name: str, lost: Sequence[str], back: str) -> Outage:
    """The outage of these messages.

    Raises:
        ValueError: the last one does not say how long it was.
    """
    if (found := _BACK.search(back)) is None:
        raise ValueError(f"{back!r} does not say how long the outage was")
    return Outage(name, [message.partition(":")[0] for message in lost], float(found[1]), int(found[2]))


def gap_s(outage: Outage, frames: Sequence[dict[str, Any]]) -> float:
    """The time without frames."""
    place = next(place for place, frame in enumerate(frames) if frame["index"] >= outage.first)
    return _received(frames[place]) - _received(frames[place - 1])


def frame_faults(frames: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with the frames of a job, in order."""
    for before, frame in pairwise(frames):
        where = f"frame {frame['index']} after {before['index']}"
        if frame["index"] <= before["index"]:
            yield f"{where}: the index does not rise"
        if frame["timestamp_ms"] <= before["timestamp_ms"]:
            yield f"{where}: {frame['timestamp_ms']} ms after {before['timestamp_ms']} ms"
        passed_s = _received(frame) - _received(before)
        step = _step(_number(frame) - _number(before), passed_s)
        if step < 1:
            yield f"{where}: a picture that was there already, {-step} before"
        if abs(step - passed_s * FPS) > LATE_PICTURES:
            yield f"{where}: {step} pictures further on after {passed_s:.2f} s"


def _step(difference: int, passed_s: float) -> int:
    """The pictures between two whose numbers differ so, in so much time."""
    rounds = round((passed_s * FPS - difference) / NUMBERS)
    return difference + rounds * NUMBERS


def _number(frame: dict[str, Any]) -> int:
    return int(frame["results"]["live-seen"]["number"])


def _received(frame: dict[str, Any]) -> float:
    return datetime.fromisoformat(frame["received_at"]).timestamp()
