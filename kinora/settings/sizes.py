"""Sizes as people write them: ``10G``."""

from __future__ import annotations

import re

_POWERS = {letter: power for power, letter in enumerate("KMGT", 1)}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(?:([KMGT])(i?B)?|B)?", re.ASCII | re.IGNORECASE)


def read_size(text: str) -> int:
    """The bytes of a size such as ``10G``: ``G`` and ``GiB`` are 1024³ of them, ``GB`` is 1000³.

    Raises:
        ValueError: this is no size.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size: write it as 10G, 500M or in bytes")
    base = 1000 if (match[3] or "").upper() == "B" else 1024
    return int(float(match[1]) * base ** _POWERS.get((match[2] or "").upper(), 0))
