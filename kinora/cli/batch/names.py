"""The names of the results of many sources: as short as they can be without two being the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from urllib.parse import urlsplit

from kinora.cli.batch.sources import Source

MAX_NAME = 150
"""The most characters of a name, which leaves room for endings."""
_UNFIT = re.compile(r"[^\w.()+=,@ -]+")
"""The characters that an underscore replaces in a file's name."""


def names_of(sources: Sequence[Source], known: Mapping[str, str]) -> dict[str, str]:
    """Source's key → name. ``known`` are the names given by earlier runs; they stay.

    Of ``a/clip.mp4`` it is ``clip``, ``clip.mp4`` beside ``a/clip.mov``, and ``a_clip`` beside ``b/clip.mp4``.
    """
    named = {source.key: known[source.key] for source in sources if source.key in known}
    taken = set(known.values())
    rest = [source for source in sources if source.key not in named]
    longest = max((len(_choices(source)) for source in rest), default=0)
    for level in range(longest):
        wanted = {source.key: _choice(source, level) for source in sources}
        common = Counter(wanted.values())
        chosen = {source.key: wanted[source.key] for source in rest if common[wanted[source.key]] == 1}
        chosen = {key: name for key, name in chosen.items() if name not in taken}
        named |= chosen
        taken |= set(chosen.values())
        rest = [source for source in rest if source.key not in chosen]
    for source in rest:
        named[source.key] = name = _numbered(_choice(source, longest), taken)
        taken.add(name)
    return named


def _choices(source: Source) -> list[str]:
    """The names that would do, the shortest first."""
    if source.path is None:
        split = urlsplit(source.written)
        path = PurePath(split.path.strip("/") or source.written)
        return [_fit(path.stem), _fit(path.name), _fit(source.written)]
    parts = source.path.parts[1:] or ("root",)
    stem = source.path.name if source.path.is_dir() else source.path.stem
    ends = [(*parts[-count:-1], name) for count in range(1, len(parts) + 1) for name in (stem, parts[-1])]
    return [_fit("_".join(end)) for end in ends]


def _choice(source: Source, level: int) -> str:
    choices = _choices(source)
    return choices[min(level, len(choices) - 1)]


def _fit(text: str) -> str:
    return _UNFIT.sub("_", text).strip(" ._")[-MAX_NAME:] or "source"


def _numbered(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"
