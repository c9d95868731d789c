"""``/v1/media``: the files in the media folder, from which a source can be chosen."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from stat import S_ISREG

import msgspec
import trio
from quart import Blueprint, Response

from kinora.actors.sources.media_folder import look
from kinora.media.files.kinds import is_named_media
from kinora.system import System
from kinora.web.answers.responses import json_response
from kinora.web.documents.documents import MediaFile, MediaList

MAX_FILES = 1000
"""The most files in the list; if there are more, it says that it is truncated."""
MAX_LOOKED_AT = 20_000
"""Files and folders that are looked at: a media folder may be a whole disk. The list says if there are more."""
MAX_DEPTH = 8
WALKS_AT_ONCE = 1
"""The most walks through the folder at the same time; all who ask meanwhile wait for the same one."""
WALK_TIMEOUT_S = 30.0
"""The time that a client waits for the list; beyond it the answer is 503. The walk goes on for those who ask later."""
KEPT_S = 1.0
"""The time for which a list is kept."""


def media_routes(system: System) -> Blueprint:
    """The one route, ``/v1/media``."""
    routes = Blueprint("media", __name__)
    folder = MediaFolder(system.settings.media_dir, follow_links=system.settings.follow_links)

    @routes.get("/v1/media")
    async def list_media() -> Response:
        return json_response(await folder.listed())

    return routes


class MediaFolder:
    """The list of a folder's files, shared by all who ask for it within ``KEPT_S``."""

    def __init__(self, folder: Path, *, follow_links: bool = False) -> None:
        self._folder = folder
        self._follow_links = follow_links
        self._walks = trio.CapacityLimiter(WALKS_AT_ONCE)
        self._walked = 0
        """The number of walks that have come to their end."""
        self._listed = b""
        self._kept_until = -math.inf

    async def listed(self) -> bytes:
        """Return a MediaList as JSON. A walk goes on to its end if its client leaves: it is for the others, too.

        Raises:
            Unavailable: the folder does not answer in time.
        """
        if trio.current_time() >= self._kept_until:
            await look(self._folder, partial(self._walk, self._walked), self._walks, WALK_TIMEOUT_S)
            self._kept_until = trio.current_time() + KEPT_S
        return self._listed

    def _walk(self, walked: int) -> None:
        """List the folder, unless a walk has ended since there were ``walked``."""
        if self._walked == walked:
            self._listed = msgspec.json.encode(list_folder(self._folder, follow_links=self._follow_links))
            self._walked += 1


def list_folder(folder: Path, *, follow_links: bool = False) -> MediaList:
    """The videos and images below ``folder``, sorted by name, without hidden files. Blocks.

    A file behind a link is among them if a job can read it: if it is in ``folder`` too, or with ``follow_links``.
    """
    entries = list(islice(_walk(folder, MAX_DEPTH), MAX_LOOKED_AT))
    root = None if follow_links else folder.resolve()
    named = [entry for entry in entries if not entry.name.startswith(".") and is_named_media(entry.name)]
    found = [file for entry in named if (file := _describe(entry, folder, root)) is not None]
    return MediaList(
        files=sorted(found[:MAX_FILES], key=lambda file: file.name.casefold()),
        truncated=len(entries) == MAX_LOOKED_AT or len(found) > MAX_FILES,
        left_out=len(named) - len(found),
    )


def _walk(folder: Path | str, depth: int) -> Iterator[os.DirEntry[str]]:
    """All that is in ``folder`` and its subfolders but the hidden ones; the folder's own entries come first."""
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                yield entry
    except OSError:
        return  # may not be read, or has gone
    for inner in sorted(folders) if depth > 1 else ():
        yield from _walk(inner, depth - 1)


def _describe(entry: os.DirEntry[str], folder: Path, root: Path | None) -> MediaFile | None:
    """A file as it is listed; None if no job can read it. ``root`` is the folder that links may not leave."""
    try:
        if entry.is_symlink() and root is not None and not Path(entry.path).resolve().is_relative_to(root):
            return None
        about = entry.stat()
        entry.path.encode()  # a name that is not Unicode cannot be sent as JSON
    except (OSError, RuntimeError, UnicodeEncodeError):  # a link in a circle, or the file has gone
        return None
    return MediaFile(name=os.path.relpath(entry.path, folder), bytes=about.st_size) if S_ISREG(about.st_mode) else None
