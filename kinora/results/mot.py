"""MOTChallenge: tracks and detections as text, https://motchallenge.net/instructions.

``gt/gt.txt`` has what has a track, ``det/det.txt`` all detections, ``gt/labels.txt`` the classes by their numbers, and
``seqinfo.ini`` the sequence. Frames are counted from 1: a frame's number is its index plus 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

from kinora.plugins.forms.detections import Detection
from kinora.results.exporter import ExportedJob, Piece
from kinora.results.found import found_in
from kinora.results.numbering import Numbering
from kinora.results.spool import in_parts, open_spool

TRACKS, LABELS, DETECTIONS, SEQUENCE = "gt/gt.txt", "gt/labels.txt", "det/det.txt", "seqinfo.ini"
USUAL_FPS = 25.0
"""Of a source whose pace is unknown: the format wants some."""


class Mot:
    """The tracks go out at once; the detections wait in a file for their turn."""

    def __init__(self, job: ExportedJob) -> None:
        self._job = job
        self._classes = Numbering(first=1)
        self._detections: IO[bytes] = open_spool()
        self._length = self._width = self._height = 0
        self._end_ms = 0.0

    def frames(self, lines: Sequence[bytes]) -> Iterator[Piece]:
        """As :class:`~kinora.results.exporter.Exporter` says; so does ``end``."""
        tracks = []
        for frame in found_in(lines, self._job.plugins):
            self._length = frame.index + 1
            self._width, self._height = frame.width, frame.height
            self._end_ms = frame.timestamp_ms
            for found in frame.detections:
                number = self._classes.number_of(found.kind)
                box = _box(found)
                self._detections.write(f"{frame.index + 1},-1,{box},{found.confidence:.3f},-1,-1,-1\n".encode())
                if found.track_id is not None:
                    tracks.append(f"{frame.index + 1},{found.track_id},{box},1,{number},1\n")
        yield TRACKS, "".join(tracks).encode()

    def end(self) -> Iterator[Piece]:
        """The other files."""
        yield LABELS, "".join(f"{name}\n" for name, _ in self._classes.items()).encode()
        with self._detections:
            yield DETECTIONS, b""
            for part in in_parts(self._detections):
                yield DETECTIONS, part
        yield SEQUENCE, self._sequence().encode()

    def _sequence(self) -> str:
        fps = (self._length - 1) * 1000 / self._end_ms if self._end_ms > 0 else USUAL_FPS
        whole_fps = max(1, round(fps))  # readers take whole numbers only
        return (
            f"[Sequence]\nname={self._job.job_id}\nimDir=img1\nframeRate={whole_fps}\n"
            f"seqLength={self._length}\nimWidth={self._width}\nimHeight={self._height}\nimExt=.jpg\n"
        )


def _box(found: Detection) -> str:
    return ",".join(f"{value:.2f}" for value in found.box)
