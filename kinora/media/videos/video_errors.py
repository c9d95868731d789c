"""What is said of videos that cannot be read, or not all of them."""

from __future__ import annotations

from av.container import InputContainer
from av.video.stream import VideoStream

from kinora.media.source_types import SourceError, SourceLimits, SourceNote, SourceTruncated
from kinora.media.videos.tracks import can_be_decoded
from kinora.media.videos.video_file import VideoFile

_MP4_MARK = b"ftyp"


def pixel_limit(limits: SourceLimits) -> dict[str, str]:
    """FFmpeg's option for the most pixels of a picture.

    It counts whole blocks, so that more than the limit is left to check_pixels.
    """
    return {"max_pixels": str(2 * limits.max_pixels)}


def check_pixels(name: str, width: int, height: int, limits: SourceLimits) -> None:
    """Raise a SourceError if pictures are too large."""
    if width * height > limits.max_pixels:
        raise SourceError(
            "too_large", f"{name} is {width}x{height}, over the limit of {limits.max_pixels} pixels; make it smaller."
        )


def no_picture(name: str) -> SourceError:
    """The error for a video of which nothing can be shown."""
    return SourceError("unreadable", f"No picture of {name} can be decoded: the file is damaged or incomplete.")


def broken_off(error: SourceError, at_ms: float) -> SourceTruncated:
    """The end of a source by an error after that time."""
    return SourceTruncated(f"{error} What could be read ends at {at_ms / 1000:.1f} s.")


def damaged(name: str, at_ms: float) -> SourceTruncated:
    """The end of a source of which a part could not be decoded."""
    return SourceTruncated(
        f"{name} is damaged or incomplete: what could be read ends at {at_ms / 1000:.1f} s."
        " Copy or download it again if you need all of it."
    )


def encrypted(name: str) -> SourceError:
    """The error for a video under copy protection."""
    return SourceError("unsupported", f"{name} is encrypted, as protected films are; give a copy without protection.")


def no_track(name: str, container: InputContainer) -> SourceError:
    """The error for a file without a track that can be read; it says what the file holds instead."""
    if any(not can_be_decoded(track) for track in container.streams.video):
        reason = "its video has a format that is unknown here; convert it to H.264"
    elif container.streams.video:
        reason = "only a cover picture; give another file"
    elif container.streams.audio:
        reason = "only sound; give another file"
    else:
        reason = "nothing to decode; give another file"
    return SourceError("unsupported", f"{name} has no video track that can be decoded: {reason}.")


def begins_late(name: str, left_out: int) -> SourceNote:
    """The note on a file that begins between two key frames, as what is cut out of a longer one may."""
    pictures = "its first picture refers" if left_out == 1 else f"its first {left_out} pictures refer"
    return SourceNote(f"{name} begins between key frames: {pictures} to earlier ones and cannot be decoded.", "low")


def other_tracks(name: str, taken: VideoStream, tracks: int) -> SourceNote:
    """The note on a file of several videos."""
    return SourceNote(
        f"{name} has {tracks} video tracks: only track {taken.index}, of {taken.width}x{taken.height}, is read.", "low"
    )


def joined_bytes(name: str, films: int) -> SourceNote:
    """The note on MP4 files that were joined as only transport streams and the like can be."""
    return SourceNote(
        f"{name} is {films} files one behind the other, and MP4 cannot be joined like that: only the first is read."
        " Process each by itself."
    )


def no_video(name: str) -> SourceError:
    """The error for a file of another kind."""
    return SourceError("unsupported", f"{name} is not a video or image that can be read here; convert it to MP4.")


def not_opened(file: VideoFile) -> SourceError:
    """The error for a file that FFmpeg does not open."""
    if file.head[4:8] != _MP4_MARK:
        return no_video(file.name)
    return index_at_end(file) or SourceError(
        "unreadable", f"{file.name} is incomplete: the index of its pictures is missing. Copy or download it again."
    )


def index_at_end(file: VideoFile) -> SourceError | None:
    """The error for an MP4 that can only be read from the beginning on, but not without its end; None for others."""
    if file.head[4:8] != _MP4_MARK or not file.one_pass:
        return None
    return SourceError(
        "unreadable",
        f"{file.name} has the index of its pictures at the end, and its server gives whole files only:"
        " download it and upload it here.",
    )
