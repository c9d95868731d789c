"""The sources that were written on the command line: files, folders, patterns, URLs."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import attrs

from kinora.actors.sources.source_finder import DEMO_SOURCE
from kinora.cli.exits import Misuse
from kinora.cli.flags.paths import real_path
from kinora.media.files.kinds import VIDEOS, is_named_image, is_named_media, suffix
from kinora.runtime.files.home_paths import in_home
from kinora.runtime.files.missing_paths import no_such_path
from kinora.settings.of_run import is_path


@attrs.frozen
class Source:
    """One source."""

    written: str
    """As it was given, or as a pattern or a folder led to it."""
    path: Path | None
    """The file or folder, without links; None for a URL, a camera or the demo."""

    @classmethod
    def of(cls, written: str) -> Self:
        """The source that is written so."""
        return cls(written, real_path(written) if is_path(written) else None)

    @property
    def key(self) -> str:
        """Its identity, the same in whatever folder a command is started."""
        return self.written if self.path is None else str(self.path)


def sources_of(written: Sequence[str], *, each_video: bool) -> list[Source]:
    """The sources in the order given, each once; those of a pattern and of a folder by name.

    A pattern (``*``, ``?``, ``[…]``, ``**`` for folders in folders) takes what is named like a video or an image. With
    ``each_video``, a folder that holds videos stands for them; any other one is one source, of its images.

    Raises:
        Misuse: there is no such file, or a pattern fits nothing.
    """
    found: dict[str, Source] = {}
    for text in written:
        for source in _expanded(text, each_video=each_video):
            found.setdefault(source.key, source)
    return list(found.values())


def only_source(written: Sequence[str]) -> str:
    """The source of a run of one.

    Raises:
        Misuse: there are more, or none, or it is a folder with videos and no image.
    """
    only = written[0]
    if len(written) > 1 or glob.has_magic(only):
        found = sources_of(written, each_video=False)
        if len(found) > 1:
            raise Misuse(f"These are {len(found):,} sources: give a folder for their results, --out-dir DIR")
        only = found[0].written
    place = Source.of(only).path
    names = [path.name for path in _inside(place)] if place is not None else []
    if any(suffix(name) in VIDEOS for name in names) and not any(map(is_named_image, names)):
        raise Misuse(f"{only} is a folder of videos: give a folder for their results, --out-dir DIR")
    return only


def _expanded(text: str, *, each_video: bool) -> Iterator[Source]:
    source = Source.of(text)
    if source.path is None:
        yield source
    elif glob.has_magic(text) and not source.path.exists():
        for name in _matching(text):
            yield from _each(Source.of(name), each_video=each_video)
    elif not source.path.exists():
        raise Misuse(no_such_path("file or folder", text, DEMO_SOURCE))
    else:
        yield from _each(source, each_video=each_video)


def _matching(pattern: str) -> list[str]:
    found = sorted(glob.glob(str(in_home(pattern)), recursive=True))  # noqa: PTH207 - absolute ones too
    media = [name for name in found if is_named_media(name) or Path(name).is_dir()]
    if not media:
        raise Misuse(f"No video, image or folder is named like {pattern}")
    return media


def _each(source: Source, *, each_video: bool) -> Iterator[Source]:
    """The videos in a folder of videos; any other source itself."""
    inside = _inside(source.path) if each_video and source.path is not None else []
    videos = [path for path in inside if suffix(path.name) in VIDEOS and path.is_file()]
    if not videos:
        yield source
    for path in videos:
        yield Source.of(str(Path(source.written) / path.name))


def _inside(path: Path) -> list[Path]:
    """The contents of a folder, by name; empty if the path is not a folder.

    Raises:
        Misuse: it cannot be read.
    """
    try:
        return sorted(path.iterdir()) if path.is_dir() else []
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror or error}") from error
