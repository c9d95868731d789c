"""CVAT for video 1.1: tracks of boxes and polygons in XML, https://docs.cvat.ai/docs/manual/advanced/xml_format/.

CVAT draws a box on until the next one of its track, so each stretch of a track ends with a box that is ``outside``. A
detection without a track is a track of one frame, and so is a further one of the same track in the same frame. A thing
whose shape changes between box and polygon has a track of each, as a track has one kind of shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from xml.sax.saxutils import escape

from kinora.plugins.forms.detections import Detection
from kinora.printable import printable
from kinora.results.cvat_tracks import LooseTracks, Shape, Tracks
from kinora.results.exporter import ExportedJob, Piece
from kinora.results.found import found_in
from kinora.results.numbering import Numbering
from kinora.results.outlines import outline_of

FILE = "annotations.xml"
LINES_AT_ONCE = 5_000
"""The lines that go out in one piece."""


class Cvat:
    """The shapes wait in files until all tracks are known."""

    def __init__(self, job: ExportedJob) -> None:
        self._job = job
        self._tracks, self._loose = Tracks(job.stride), LooseTracks(job.stride)
        self._classes = Numbering(first=0)
        self._length = self._width = self._height = 0

    def frames(self, lines: Sequence[bytes]) -> Iterator[Piece]:
        """As :class:`~kinora.results.exporter.Exporter` says; so does ``end``."""
        for frame in found_in(lines, self._job.plugins):
            self._length = frame.index + 1
            self._width, self._height = frame.width, frame.height
            self._loose.begin_frame()
            for found in frame.detections:
                self._classes.number_of(found.kind)
                self._add(found, frame.index)
        yield from ()

    def _add(self, found: Detection, index: int) -> None:
        shape = _shape(found, index)
        if found.track_id is None or not self._tracks.add(found.kind, found.track_id, shape):
            self._loose.add(found.kind, shape)

    def end(self) -> Iterator[Piece]:
        """The whole file."""
        yield FILE, self._head().encode()
        free = self._tracks.free_ids()
        lines = chain(self._tracks.lines(self._length, free), self._loose.lines(free))
        while part := b"".join(islice(lines, LINES_AT_ONCE)):
            yield FILE, part
        self._tracks.close()
        self._loose.close()
        yield FILE, b"</annotations>\n"

    def _head(self) -> str:
        labels = "".join(
            f"<label><name>{escape(name)}</name><attributes/></label>" for name, _ in self._classes.items()
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task>'
            f"<name>{escape(printable(self._job.source))}</name><size>{self._length}</size><mode>interpolation</mode>"
            f"<start_frame>0</start_frame><stop_frame>{max(0, self._length - 1)}</stop_frame>"
            f"<labels>{labels}</labels>"
            f"<original_size><width>{self._width}</width><height>{self._height}</height></original_size>"
            "</task></meta>\n"
        )


def _shape(found: Detection, index: int) -> Shape:
    if outline := outline_of(found):
        return Shape("polygon", f'points="{";".join(f"{x:.2f},{y:.2f}" for x, y in outline)}"', index)
    x, y, width, height = found.box
    turned = f' rotation="{found.angle % 360:.2f}"' if found.angle else ""
    corners = f'xtl="{x:.2f}" ytl="{y:.2f}" xbr="{x + width:.2f}" ybr="{y + height:.2f}"'
    return Shape("box", f"{corners}{turned}", index)
