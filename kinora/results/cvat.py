"""CVAT for video 1.1: tracks of boxes and polygons in XML, https://docs.cvat.ai/docs/manual/advanced/xml_format/.

CVAT draws a box on until the next one of its track, so each stretch of a track ends with a box that is ``outside``. A
detection without a track is a track of one frame. A thing whose shape changes between box and polygon has a track of
each, as a track has one kind of shape.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import IO
from xml.sax.saxutils import escape, quoteattr

import attrs

from kinora.plugins.detections import Detection
from kinora.results.exporter import ExportedJob, Piece
from kinora.results.found import found_in
from kinora.results.numbering import Numbering
from kinora.results.outlines import outline_of
from kinora.results.spool import open_spool

FILE = "annotations.xml"
TRACKS_AT_ONCE = 1_000
"""The tracks whose text goes out in one piece."""


@attrs.define
class _Track:
    """The boxes of a track: where their lines begin in the spool."""

    kind: str
    places: array[int] = attrs.field(factory=lambda: array("Q"))
    last: int = -1
    """The index of its newest frame."""
    closing: str = ""
    """The line after the newest one if the track ends with it."""


class Cvat:
    """The boxes wait in a file, in their order, until all of each track are known."""

    def __init__(self, job: ExportedJob) -> None:
        self._job = job
        self._lines: IO[bytes] = open_spool()
        self._tracks: dict[tuple[str, int, str], _Track] = {}
        self._loose = 0
        self._classes = Numbering(first=0)
        self._length = self._width = self._height = 0

    def frames(self, lines: Sequence[bytes]) -> Iterator[Piece]:
        """As :class:`~kinora.results.exporter.Exporter` says; so does ``end``."""
        for frame in found_in(lines, self._job.plugins):
            self._length = frame.index + 1
            self._width, self._height = frame.width, frame.height
            for found in frame.detections:
                self._classes.number_of(found.kind)
                self._add(found, frame.index)
        yield from ()

    def _add(self, found: Detection, index: int) -> None:
        shape, place = _shape(found)
        if found.track_id is None:
            self._loose += 1
            key = "", self._loose, shape
        else:
            key = found.kind, found.track_id, shape
        track = self._tracks.setdefault(key, _Track(found.kind))
        if track.closing and index > track.last + self._job.stride:
            self._write(track, track.closing)
        self._write(track, _line(shape, place, index))
        track.last, track.closing = index, _line(shape, place, index + self._job.stride, outside=1)

    def _write(self, track: _Track, line: str) -> None:
        track.places.append(self._lines.tell())
        self._lines.write(f"{line}\n".encode())

    def end(self) -> Iterator[Piece]:
        """The whole file."""
        yield FILE, self._head().encode()
        part: list[bytes] = []
        with self._lines:
            for number, track in enumerate(self._tracks.values()):
                part.append(f'<track id="{number}" label={quoteattr(track.kind)} source="auto">\n'.encode())
                part += [self._line_at(place) for place in track.places]
                part.append(f"{self._end_of(track)}</track>\n".encode())
                if not (number + 1) % TRACKS_AT_ONCE:
                    yield FILE, b"".join(part)
                    part.clear()
        yield FILE, b"".join(part) + b"</annotations>\n"

    def _end_of(self, track: _Track) -> str:
        """The last line of a track; none if the video ends with it."""
        return f"{track.closing}\n" if track.last + self._job.stride < self._length else ""

    def _line_at(self, place: int) -> bytes:
        self._lines.seek(place)
        return self._lines.readline()

    def _head(self) -> str:
        labels = "".join(
            f"<label><name>{escape(name)}</name><attributes/></label>" for name, _ in self._classes.items()
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task>'
            f"<name>{escape(self._job.source)}</name><size>{self._length}</size><mode>interpolation</mode>"
            f"<start_frame>0</start_frame><stop_frame>{max(0, self._length - 1)}</stop_frame>"
            f"<labels>{labels}</labels>"
            f"<original_size><width>{self._width}</width><height>{self._height}</height></original_size>"
            "</task></meta>\n"
        )


def _shape(found: Detection) -> tuple[str, str]:
    """The name of a detection's element, and the attributes that say where it is."""
    if outline := outline_of(found):
        return "polygon", f'points="{";".join(f"{x:.2f},{y:.2f}" for x, y in outline)}"'
    x, y, width, height = found.box
    turned = f' rotation="{found.angle % 360:.2f}"' if found.angle else ""
    return "box", f'xtl="{x:.2f}" ytl="{y:.2f}" xbr="{x + width:.2f}" ybr="{y + height:.2f}"{turned}'


def _line(shape: str, place: str, index: int, outside: int = 0) -> str:
    return f'<{shape} frame="{index}" {place} outside="{outside}" occluded="0" keyframe="1" z_order="0"/>'
