"""Text as pictures of letters, in any script that a font here has.

OpenCV draws ASCII only. DejaVu Sans comes with Kinora and has the European scripts, Arabic and Hebrew among others; for
the rest, such as Chinese, the machine's own fonts are looked at. A character that no font has is a box.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache
from itertools import groupby
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

OWN_FONT = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
"""The folders of the machine's fonts."""
FURTHER_FONTS = (
    *("NotoSansCJK", "NotoSansSC", "DroidSansFallback", "wqy-", "SourceHanSans", "NanumGothic", "ipag"),
    *("NotoSans", "FreeSans", "Lohit", "unifont"),
)
"""How the names of fonts begin that have what the own one lacks, the preferred first."""
MAX_FONTS = 16
"""The most of the machine's fonts that are looked at; the rest is passed over."""
MAX_LETTERINGS = 512
"""The letterings that are kept; of more, those not used for longest are made anew."""
MAX_OPEN_FONTS = 64
"""The fonts that are kept open, each in one size; of more, those not used for longest are opened anew."""
MAX_CHARACTERS = 4096
"""The characters that are remembered with their font; of more, those not used for longest are looked for anew."""
UNKNOWN = "\N{WHITE SQUARE}"
"""Stands for a character that no font has, or that is none to be seen."""
MAX_UNDRAWN = 20
"""The characters that :func:`take_undrawn` tells at most; further ones are left out."""
_undrawn: dict[str, None] = {}
_PROBE_PX = 20
_NO_CHARACTER = "\uffff"

Lettering = NDArray[np.uint8]
"""HxW: how much of each pixel is covered, up to 255."""


@lru_cache(maxsize=MAX_LETTERINGS)
def lettering(text: str, px: int) -> Lettering:
    """The text on one line, in letters of ``px`` pixels; as high for each text of a size."""
    runs = [(font, "".join(part)) for font, part in groupby(map(visible, text), key=font_of)]
    widths = [_font(font, px).getlength(run) for font, run in runs]
    ascent, descent = _font(OWN_FONT, px).getmetrics()
    image = Image.new("L", (max(1, ceil(sum(widths))), ascent + descent))
    canvas, left = ImageDraw.Draw(image), 0.0
    for (font, run), width in zip(runs, widths, strict=True):
        canvas.text((left, ascent), run, font=_font(font, px), fill=255, anchor="ls")
        left += width
    return np.asarray(image)


def visible(character: str) -> str:
    """The character, or ``UNKNOWN`` for one that cannot be drawn here."""
    if not character.isprintable():
        return UNKNOWN
    if _has(font_of(character), character):
        return character
    if len(_undrawn) < MAX_UNDRAWN:
        _undrawn[character] = None
    return UNKNOWN


def take_undrawn() -> str:
    """The characters that no font here has and that came up since the last call, in this order; each is told once."""
    taken = "".join(_undrawn)
    _undrawn.clear()
    return taken


@lru_cache(maxsize=MAX_CHARACTERS)
def font_of(character: str) -> Path:
    """The first font that has the character; the own one if none has."""
    return next((font for font in fonts() if _has(font, character)), OWN_FONT)


@cache
def fonts() -> tuple[Path, ...]:
    """The fonts to look at, in this order. Those of the machine are looked for once."""
    found = [Path(folder, name) for top in FONT_FOLDERS for folder, _, names in os.walk(top) for name in names]
    known = sorted((rank, path) for path in found if (rank := _rank(path)) is not None)
    return OWN_FONT, *(path for _, path in known[:MAX_FONTS])


def _rank(path: Path) -> int | None:
    if path.suffix.lower() not in {".ttf", ".otf", ".ttc"} or any(word in path.stem for word in ("Bold", "Italic")):
        return None
    return next((rank for rank, name in enumerate(FURTHER_FONTS) if path.name.startswith(name)), None)


def _has(font: Path, character: str) -> bool:
    return character.isspace() or _shape(font, character) != _shape(font, _NO_CHARACTER)


@lru_cache(maxsize=MAX_CHARACTERS)
def _shape(font: Path, character: str) -> bytes:
    """The picture of one character; in each font all that it lacks have the same."""
    try:
        return bytes(_font(font, _PROBE_PX).getmask(character))
    except OSError:  # a damaged font
        return b""


@lru_cache(maxsize=MAX_OPEN_FONTS)
def _font(font: Path, px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font, px)
