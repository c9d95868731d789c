"""Loads the libraries for media in a process of its own, and prints what they can do as JSON: a crash is a finding."""

from __future__ import annotations

import json
import sys

import av
import cv2

from kinora.media.drawing.lettering import OWN_FONT, visible
from kinora.plugins.opencv import require_opencv

SAMPLES = {"Latin": "\u00df", "Cyrillic": "\u0416", "Chinese": "\u4e2d", "Japanese": "\u3042", "Korean": "\uac00"}
"""Script → a letter of it."""


def main(decoders: list[str], encoders: list[str]) -> None:
    """Print which of the codecs there are, and which scripts can be drawn.

    Raises:
        ImportError: OpenCV lacks what the built-in plugins use; the text says how to mend it.
        OSError: the font that comes with Kinora cannot be read.
    """
    require_opencv("CascadeClassifier", "HOGDescriptor")
    found = {
        "opencv": cv2.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "decoders": [name for name in decoders if _has_codec(name, "r")],
        "encoders": [name for name in encoders if _has_codec(name, "w")],
        "own_font": OWN_FONT.is_file(),
        "scripts": [script for script, letter in SAMPLES.items() if visible(letter) == letter],
    }
    print(json.dumps(found))  # noqa: T201 - its answer


def _has_codec(name: str, mode: str) -> bool:
    try:
        av.Codec(name, mode)  # type: ignore[arg-type]
    except ValueError:  # as UnknownCodecError is
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1].split(","), sys.argv[2].split(","))
