"""Finds where a video can be cut: its key frames, by the container's index, without reading or decoding pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from av.container import InputContainer
from av.index import IndexEntry
from av.video.stream import VideoStream

from kinora.media.messages import MOST_KEY_FRAMES
from kinora.media.videos.seeking import MP4

MOST_INDEXED = 2**22
"""The pictures of the longest video that is cut, 38 hours at 30 a second: its index is looked through."""


def find_key_frames(
    container: InputContainer, stream: VideoStream, pictures: int | None, size: int | None
) -> list[int]:
    """The numbers of the key frames of a file of this size in bytes, if its index has exactly that many pictures.

    Empty if it has no such index, hides some of its pictures, or is incomplete.
    """
    if container.format.name != MP4 or not stream.frames or pictures is None or pictures > MOST_INDEXED:
        return []
    index: Sequence[IndexEntry] = list(islice(stream.index_entries, MOST_INDEXED + 1))
    if len(index) != pictures or any(entry.is_discard or not entry.size for entry in index):
        return []
    if size is not None and any(entry.pos + entry.size > size for entry in index):
        return []
    numbers = [number for number, entry in enumerate(index) if entry.is_keyframe]
    return numbers[:: max(1, -(-len(numbers) // MOST_KEY_FRAMES))]
