"""What an export is made by: a format takes frames in order, and gives pieces of files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import attrs

Piece = tuple[str, bytes]
"""The name of a file, and the next part of it. The parts of a file come together: no other file is between them."""


@attrs.frozen(kw_only=True)
class ExportedJob:
    """What an export says of its job."""

    job_id: str
    source: str
    """The source's name, without secrets."""
    created_at: str
    plugins: tuple[str, ...]
    """Those whose detections are exported."""
    stride: int = 1
    """The distance between the indexes of two frames."""
    skeleton: Sequence[tuple[int, int]] = ()
    """Pairs of numbers of key points that are joined, from 0."""


class Exporter(Protocol):
    """Makes the files of one job in one format. It is used once; no method waits for anything but a local disk."""

    def frames(self, lines: Sequence[bytes]) -> Iterable[Piece]:
        """Return what can be written after the next frames, each a FrameData as JSON."""

    def end(self) -> Iterable[Piece]:
        """Return the rest, after the last frame."""
