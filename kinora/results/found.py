"""The detections of stored frames, as all formats for labelling and tracking tools have them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import attrs
import msgspec

from kinora.plugins.detections import Detection, read_detections


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
            index=frame.index,
            timestamp_ms=frame.timestamp_ms,
            width=frame.width,
            height=frame.height,
            detections=tuple(found for result in results for found in read_detections(result)),
        )
