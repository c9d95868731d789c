"""The choice of the track that is read, of all that a file has."""

from __future__ import annotations

from collections.abc import Sequence

from av.stream import Disposition, Stream
from av.video.stream import VideoStream

ASIDE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
"""The marks of tracks that are no video of their own: covers, thumbnails, parts of another track."""


def main_track(tracks: Sequence[VideoStream]) -> VideoStream | None:
    """The track to read: one that can be decoded, moves, is marked as the default, has the most pixels, comes first.

    A track beside the main one is read only where there is no other; a cover never is.
    """
    candidates = [track for track in tracks if can_be_decoded(track) and not _is_cover(track)]
    return max(candidates, key=_rank, default=None)


def real_tracks(tracks: Sequence[VideoStream]) -> list[VideoStream]:
    """The tracks that are videos of their own: not the still beside the pictures of an AVIF that moves."""
    return [track for track in tracks if not track.disposition & ASIDE and not _is_still(track)]


def can_be_decoded(track: Stream) -> bool:
    """True if FFmpeg was built with a decoder for the track."""
    return track.codec_context is not None


def _is_cover(track: VideoStream) -> bool:
    return bool(track.disposition & Disposition.attached_pic)


def _is_still(track: VideoStream) -> bool:
    """True for a photo, which FFmpeg shows as a track that lasts no time."""
    return track.frames == 1 and track.duration is None


def _rank(track: VideoStream) -> tuple[bool, bool, bool, int]:
    disposition, moves = track.disposition, track.frames != 1
    return not disposition & ASIDE, moves, bool(disposition & Disposition.default), track.width * track.height
