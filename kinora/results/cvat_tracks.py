"""The tracks of a CVAT file, which wait in files without a name until all of them are known."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain, count
from typing import IO
from xml.sax.saxutils import quoteattr

import attrs
import msgspec

from kinora.results.spool import open_spool

END = b"</track>\n"


@attrs.frozen
class Shape:
    """Where something is seen in a frame."""

    name: str
    """That of the XML element, such as ``box``."""
    place: str
    """The attributes that say where it is."""
    index: int
    """The frame's index."""

    def line(self) -> str:
        """The element."""
        return self._line(self.index, outside=0)

    def closing(self, stride: int) -> str:
        """The element that ends a stretch of a track: in the next frame, the thing is not seen."""
        return self._line(self.index + stride, outside=1)

    def _line(self, index: int, outside: int) -> str:
        return (
            f'<{self.name} frame="{index}" {self.place} outside="{outside}" occluded="0" keyframe="1" z_order="0"/>\n'
        )


@attrs.define
class _Track:
    kind: str
    places: array[int] = attrs.field(factory=lambda: array("Q"))
    """Where its lines begin in the file."""
    newest: Shape | None = None


class Tracks:
    """What has a track. Each of its shapes adds 8 bytes to what is kept in memory."""

    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._lines: IO[bytes] = open_spool()
        self._tracks: dict[tuple[str, int, str], _Track] = {}

    def add(self, kind: str, track_id: int, shape: Shape) -> bool:
        """Add the next shape of a track; False if that has one in this frame already, and nothing is added."""
        track = self._tracks.setdefault((kind, track_id, shape.name), _Track(kind))
        if track.newest is not None:
            if track.newest.index == shape.index:
                return False
            if track.newest.index + self._stride < shape.index:
                self._write(track, track.newest.closing(self._stride))
        self._write(track, shape.line())
        track.newest = shape
        return True

    def _write(self, track: _Track, line: str) -> None:
        track.places.append(self._lines.tell())
        self._lines.write(line.encode())

    def lines(self, length: int, free: Iterator[int]) -> Iterator[bytes]:
        """Yield the lines of all tracks of a video of ``length`` frames.

        The first of a ``track_id`` has it as its id, a further one, of another class or kind of shape, one of ``free``.
        """
        untaken = {track_id for _kind, track_id, _shape in self._tracks}
        for (kind, track_id, _shape), track in self._tracks.items():
            yield _opening(kind, track_id if track_id in untaken else next(free))
            untaken.discard(track_id)
            yield from map(self._line_at, track.places)
            if track.newest is not None and track.newest.index + self._stride < length:
                yield track.newest.closing(self._stride).encode()
            yield END

    def free_ids(self) -> Iterator[int]:
        """Ids that no track has."""
        return count(max((track_id for _kind, track_id, _shape in self._tracks), default=-1) + 1)

    def _line_at(self, place: int) -> bytes:
        self._lines.seek(place)
        return self._lines.readline()

    def close(self) -> None:
        """Forget all."""
        self._lines.close()


class LooseTracks:
    """Detections without a track, each as a track of one frame; only those of the newest frame are in memory."""

    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._earlier: IO[bytes] = open_spool()
        self._newest: list[tuple[str, Shape]] = []

    def begin_frame(self) -> None:
        """Note that a further frame begins, in which those so far are not seen."""
        for kind, shape in self._newest:
            lines = shape.line() + shape.closing(self._stride)
            self._earlier.write(msgspec.json.encode((kind, lines)) + b"\n")
        self._newest.clear()

    def add(self, kind: str, shape: Shape) -> None:
        """Add one of this frame."""
        self._newest.append((kind, shape))

    def lines(self, free: Iterator[int]) -> Iterator[bytes]:
        """Yield the lines of all of them, whose ids are of ``free``."""
        self._earlier.seek(0)
        earlier = (msgspec.json.decode(line, type=tuple[str, str]) for line in self._earlier)
        newest = ((kind, shape.line()) for kind, shape in self._newest)
        for kind, lines in chain(earlier, newest):
            yield _opening(kind, next(free)) + lines.encode() + END

    def close(self) -> None:
        """Forget all."""
        self._earlier.close()


def _opening(kind: str, number: int) -> bytes:
    return f'<track id="{number}" label={quoteattr(kind)} source="auto">\n'.encode()
