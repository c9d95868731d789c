"""The length of a video, as far as its file states it: how many pictures come, how long they last, where they end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Self

import attrs
import av
from av.container import InputContainer
from av.index import IndexEntry
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
AVI = "avi"
MATROSKA = "matroska,webm"
EARLY_END_MS = 500.0
"""A video may end this much before its stated duration: containers round, and audio tracks are longer."""
COUNT_BYTES = 64 * 2**20
"""The size of the largest file whose pictures are counted where it does not state their number: it is read through for
that, without decoding. The number in a larger file is estimated."""


@attrs.frozen(kw_only=True)
class VideoLength:
    """What a file states about one of its tracks."""

    pictures: int | None = None
    """The exact number of pictures, by an index; None if there is no whole index."""
    duration_ms: float | None = None
    """From the first picture on."""
    end_ms: float | None = None
    """The stated end, on a clock that begins with the first picture or before it."""
    start_ms: float = 0.0
    """The time of the first picture in the file."""
    last_dts: int | None = None
    """Where the index has the picture that is stored last, in ticks of the stream; None without a whole index."""

    @classmethod
    def of(
        cls,
        container: InputContainer,
        stream: VideoStream,
        first: VideoFrame,
        first_dts: int | None,
        *,
        endless: bool,
    ) -> Self:
        """The length of a track of which the first picture has been decoded, and whose first packet has this dts.

        ``endless``: nobody knows how many bytes will come.
        """
        if endless and container.format.name == MP4 and not stream.frames:
            return cls()  # FFmpeg states the length of the fragments that have come so far
        tick_ms = float(stream.time_base or 0) * 1000
        stated_ms, start_ms = _stated_ms(container, stream), max(0, first.pts or 0) * tick_ms
        late_ms = _counted_before(container, stream, start_ms, max(0, first_dts or 0) * tick_ms)
        pictures = _indexed(container, stream)
        return cls(
            pictures=len(pictures) or None,
            duration_ms=stated_ms - late_ms if stated_ms is not None and stated_ms > late_ms else stated_ms,
            end_ms=stated_ms,
            start_ms=start_ms,
            last_dts=pictures[-1].timestamp if pictures else None,
        )

    def ends_early(self, read_ms: float, read_dts: int | None) -> bool:
        """True if there should be more after what was read: up to this time of the first picture, and up to this dts.

        With an index that is exact. Otherwise, a stated end may count from zero or from the first picture: who
        wrote the file knows.
        """
        if self.last_dts is not None:
            return read_dts is None or read_dts < self.last_dts
        return self.end_ms is not None and self.start_ms + read_ms < self.end_ms - EARLY_END_MS


def count_pictures(container: InputContainer, stream: VideoStream) -> int | None:
    """The number of pictures, by reading all packets without decoding them; None if that fails."""
    try:
        return sum(bool(packet.size) and not packet.is_discard for packet in container.demux(stream))
    except av.FFmpegError:
        return None


def _stated_ms(container: InputContainer, stream: VideoStream) -> float | None:
    """The video track's own length if it is stated; the file's length only if there is no other track."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base) * 1000
    stated = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if stated:
        hours, minutes, seconds = stated.groups()
        return (int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base * 1000
    return None


def _counted_before(container: InputContainer, stream: VideoStream, shown_ms: float, stored_ms: float) -> float:
    """How much of the stated length lies before the first picture: some containers state where a track ends.

    Matroska counts by the times at which pictures are shown, fragments of an MP4 by those at which they are stored.
    """
    if container.format.name == MATROSKA:
        return shown_ms
    return stored_ms if container.format.name == MP4 and not stream.frames else 0.0


def _indexed(container: InputContainer, stream: VideoStream) -> list[IndexEntry]:
    """The entries of pictures that are shown, in a container with an index of all; empty if it is not whole."""
    if container.format.name not in {MP4, AVI} or not stream.frames:
        return []
    entries = [entry for entry in stream.index_entries if entry.size and not entry.is_discard]
    if not entries or (container.format.name == AVI and not _reaches_end(entries, stream)):
        return []
    return entries


def _reaches_end(entries: Sequence[IndexEntry], stream: VideoStream) -> bool:
    """True if an index goes up to the stated end: an AVI's stands behind its pictures, and may be cut off.

    The last picture may be shown for as long as two are on average.
    """
    if not stream.duration or not stream.time_base:
        return False
    last = entries[-1].timestamp
    shown = max(EARLY_END_MS / 1000 / stream.time_base, 2 * (last - entries[0].timestamp) / len(entries))
    return stream.duration - last <= shown
