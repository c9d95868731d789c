"""Lists a folder: which of its files are images, and what is left out and why."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import attrs

from kinora.media.files.kinds import VIDEOS, is_named_image, suffix
from kinora.media.source_types import SourceError, SourceNote

# fmt: off
_BESIDE = frozenset({
    ".txt", ".json", ".jsonl", ".ndjson", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".toml",
    ".ini", ".cfg", ".md", ".rst", ".log", ".html", ".htm", ".pdf", ".db", ".sha256",
    ".md5", ".py", ".sh", ".names", ".cache", ".npy", ".npz", ".pkl", ".sqlite", ".zip",
})
# fmt: on
"""Suffixes of files that lie beside images and hold none: labels, lists, notes."""
HIDDEN, UNNAMED = "hidden", "without a suffix"
_OUTSIDE, _BROKEN_LINK = "link out of the media folder", "broken link"
_UNIMPORTANT = _BESIDE | {HIDDEN, UNNAMED}
MAX_SUFFIX = 12
"""The length up to which a suffix is a kind of file, and not a part of its name."""


@attrs.frozen
class FolderList:
    """The entries of a folder, by their names in it."""

    images: Sequence[str]
    """Those with the suffix of an image."""
    unnamed: Sequence[str]
    """Regular files without a suffix: only their first bytes tell what they are."""
    links: Mapping[str, str]
    """The links among both → the paths that they lead to, without links."""
    left_out: Counter[str]
    """What is neither, by kind."""


def list_folder(folder: int, path: Path, within: str | None, name: str) -> FolderList:
    """List the folder that ``folder`` is a descriptor and ``path`` the path of; messages call it ``name``.

    A link is followed if it leads to a file in the folder ``within``, which has no links in its path; None: to any.

    Raises:
        SourceError: it cannot be read.
    """
    images, unnamed, links, left_out = list[str](), list[str](), dict[str, str](), Counter[str]()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                kind, target = _kind(entry, path, within)
                if target is not None:
                    links[entry.name] = target
                if kind is not None:
                    left_out[kind] += 1
                elif suffix(entry.name):
                    images.append(entry.name)
                else:
                    unnamed.append(entry.name)
    except OSError as error:
        raise SourceError("unreadable", f"The folder {name} cannot be read: {error.strerror}.") from error
    return FolderList(images, unnamed, links, left_out)


def in_natural_order(names: Sequence[str]) -> list[str]:
    """Sort names as people do: ``image2`` before ``image10``."""
    return sorted(names, key=_natural)


def note_left_out(name: str, left_out: Counter[str], images: int) -> SourceNote | None:
    """What to tell about a folder of so many images; None if nothing was left out."""
    if not left_out:
        return None
    message = (
        f"Left out {left_out.total()} of {left_out.total() + images} entries of the folder {name}:"
        f" {describe(left_out)}."
    )
    return SourceNote(message, "low" if set(left_out) <= _UNIMPORTANT else "medium")


def describe(left_out: Counter[str]) -> str:
    """Say how many there are of each kind, the most frequent first."""
    return ", ".join(f"{count} {kind}{_plural(kind, count)}" for kind, count in left_out.most_common())


def _plural(kind: str, count: int) -> str:
    return "" if count == 1 or kind.startswith(".") or kind in (HIDDEN, UNNAMED, _OUTSIDE) else "s"


def _kind(entry: os.DirEntry[str], path: Path, within: str | None) -> tuple[str | None, str | None]:
    """The kind of what is to be left out, or None; and where the entry leads to if it is a link that is followed."""
    if entry.name.startswith("."):
        return HIDDEN, None
    target = os.path.realpath(path / entry.name) if entry.is_symlink() else None
    if target is not None and within is not None and not Path(target).is_relative_to(within):
        return _OUTSIDE, None
    try:
        mode = entry.stat().st_mode
    except OSError:
        return (_BROKEN_LINK if target is not None else "unreadable file"), None
    if S_ISDIR(mode):
        return "folder", None
    if not S_ISREG(mode):
        return "pipe or device", None
    return _kind_of_file(entry.name), target


def _kind_of_file(name: str) -> str | None:
    ending = suffix(name)
    if not ending or is_named_image(name):
        return None
    if ending in VIDEOS:
        return "video"
    return ending if len(ending) <= MAX_SUFFIX and ending.isprintable() else "other file"


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts] + [(-1, name)]
