"""The names of sources: those that stand for what only the server knows, and what of them may stand in the log."""

from __future__ import annotations

CAMERA = "camera:"
"""The beginning of a source that is a camera of the operator's; its name follows."""
WEBCAM = "webcam:"
"""The beginning of a source that is a webcam of the server's machine; its number follows, or for decoders its path."""
PUSH = "push:"
"""The source whose pictures a client sends."""


def is_watched(source: str) -> bool:
    """True if a source is named by a word of this server's own, and shows each picture once."""
    return source.startswith((CAMERA, WEBCAM))


def device_of(location: str) -> str | None:
    """The path of the device if a decoder is to open a webcam; else None."""
    return location.removeprefix(WEBCAM) if location.startswith(WEBCAM) else None


def without_query(source: str) -> str:
    """The name of a source; of a URL without its query and fragment, where cameras and stores have their tokens."""
    if "://" not in source:
        return source
    for mark in "?#":
        head, found, _ = source.partition(mark)
        source = f"{head}{mark}…" if found else source
    return source


def without_query_of(source: str, text: str) -> str:
    """A text about a source, with its name as :func:`without_query` gives it."""
    return text.replace(source, without_query(source)) if source else text
