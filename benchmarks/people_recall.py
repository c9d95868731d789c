"""Measures how many people in real footage the ``people`` plugin finds, and how often it finds one who is not there.

    python -m benchmarks.people_recall [people.mp4]        # ../shared/data/people.mp4 where none is named

The truth was marked by eye on 42 evenly spaced frames of people.mp4 (768x432), accurate to about 5 pixels. A person is
found if a box has an intersection over union of at least 0.5 with his; every other box is false. Of two people no more
than a head or a leg is in the picture: neither missing them nor finding them counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame
from kinora.plugins.builtin.people import People
from kinora.plugins.forms.detections import as_boxes, iou, read_detections
from kinora.plugins.testing import run_plugin

FOOTAGE = Path(__file__).parents[1] / "../shared/data/people.mp4"
FOUND_IOU = 0.5
EMPTY = (0, 33, 203, 475, 713, 883, 917, 1223, 1393)
CUT_OFF = {747: (159, 288, 352, 431), 1359: (698, 250, 768, 375)}
PEOPLE = {  # frame: left, top, right, bottom
    67: (312, 125, 469, 431),
    101: (385, 13, 519, 392),
    135: (387, 15, 511, 392),
    169: (389, 15, 521, 392),
    237: (328, 54, 521, 431),
    271: (382, 3, 541, 382),
    305: (382, 3, 542, 382),
    339: (380, 5, 541, 382),
    373: (386, 5, 545, 382),
    407: (384, 5, 544, 382),
    441: (542, 13, 757, 392),
    509: (275, 120, 499, 431),
    543: (396, 0, 553, 383),
    577: (401, 0, 553, 383),
    611: (419, 0, 568, 388),
    645: (415, 0, 567, 390),
    679: (402, 0, 560, 392),
    781: (367, 36, 505, 380),
    815: (364, 33, 496, 379),
    849: (385, 38, 527, 393),
    951: (387, 7, 523, 377),
    985: (385, 7, 523, 377),
    1019: (386, 9, 523, 377),
    1053: (385, 8, 522, 377),
    1087: (387, 9, 522, 377),
    1121: (385, 9, 522, 377),
    1155: (386, 9, 522, 377),
    1189: (521, 19, 721, 387),
    1257: (368, 0, 547, 403),
    1291: (352, 0, 524, 394),
    1325: (347, 0, 524, 394),
}
MARKED = sorted([*EMPTY, *CUT_OFF, *PEOPLE])


def main(path: str) -> None:
    """Print recall, false boxes a frame and milliseconds a frame."""
    cv2.setNumThreads(1)
    frames = list(marked_frames(path))
    began = time.perf_counter()
    results = run_plugin(People, frames).results
    elapsed = time.perf_counter() - began
    scores = [_score(f.index, result) for f, result in zip(frames, results, strict=True)]
    missed = [f.index for f, (found, _) in zip(frames, scores, strict=True) if f.index in PEOPLE and not found]
    false = sum(boxes for _, boxes in scores)
    print(f"recall             {1 - len(missed) / len(PEOPLE):.3f}  ({len(PEOPLE)} people, missed in {missed})")
    print(f"false boxes/frame  {false / len(frames):.3f}  ({false} in {len(frames)} frames)")
    print(f"ms/frame           {elapsed / len(frames) * 1000:.1f}")


def marked_frames(path: str) -> Iterator[Frame]:
    """The frames that were marked by eye."""
    video = cv2.VideoCapture(path)
    for index in range(MARKED[-1] + 1):
        if not video.grab():
            raise SystemExit(f"{path} ends at frame {index}; this needs people.mp4 with its 1,394 frames")
        if index in MARKED:
            image: NDArray[np.uint8] = np.asarray(video.retrieve()[1], dtype=np.uint8)
            yield Frame(image=image, index=index, timestamp_ms=index * 100.0)


def _score(index: int, result: object) -> tuple[bool, int]:
    """True if the person was found, and the number of false boxes."""
    boxes = as_boxes([detection.box for detection in read_detections(result)])
    truth = PEOPLE.get(index) or CUT_OFF.get(index)
    if truth is None:
        return False, len(boxes)
    left, top, right, bottom = truth
    overlap = iou(as_boxes([(left, top, right - left, bottom - top)]), boxes)[0]
    if index in CUT_OFF:
        return False, int((overlap == 0).sum())
    found = bool((overlap >= FOUND_IOU).any())
    return found, len(boxes) - found


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(FOOTAGE))
