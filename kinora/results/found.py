"""The detections of stored frames, as all formats for labelling and tracking tools have them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import attrs
import msgspec

from kinora.plugins.forms.detections import UNKNOWN, Detection, read_detections
from kinora.printable import printable


class _Frame(msgspec.Struct):
    """The part of a FrameData that is exported."""

    frame_id: str
    index: int
    timestamp_ms: float
    width: int
    height: int
    results: dict[str, msgspec.Raw]
    file: str | None = None


@attrs.frozen(kw_only=True)
class FoundFrame:
    """A frame, and what was found in it."""

    name: str
    """The name of its picture: that of its file in a folder, else its ``frame_id`` with ``.jpg``."""
    is_named: bool
    """True if it has the name of its file."""
    index: int
    timestamp_ms: float
    width: int
    height: int
    """In pixels."""
    detections: tuple[Detection, ...]


def found_in(frames: Iterable[bytes], plugins: Collection[str]) -> Iterator[FoundFrame]:
    """Yield what these plugins have found in frames, each of which is a FrameData as JSON."""
    for line in frames:
        frame = msgspec.json.decode(line, type=_Frame)
        results: list[Any] = [msgspec.json.decode(raw) for name, raw in frame.results.items() if name in plugins]
        yield FoundFrame(
            name=frame.file or f"{frame.frame_id}.jpg",
            is_named=frame.file is not None,
            index=frame.index,
            timestamp_ms=frame.timestamp_ms,
            width=frame.width,
            height=frame.height,
            detections=tuple(_labelled(found) for result in results for found in read_detections(result)),
        )


def _labelled(found: Detection) -> Detection:
    """The same with a class that each format can hold: one line of visible characters, and not an empty one."""
    label = printable(found.kind).strip() or UNKNOWN
    return found if label == found.kind else msgspec.structs.replace(found, kind=label)
