"""``/v1/media``: the files in the media folder, from which a source can be chosen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from mimetypes import guess_type
from pathlib import Path

import trio
from quart import Blueprint, Response

from kinora.system import System
from kinora.web.documents import MediaFile, MediaList
from kinora.web.responses import json_response

MAX_FILES = 1000
MAX_LOOKED_AT = 20_000
"""Files and folders that are looked at: a media folder may be a whole disk."""
MAX_DEPTH = 8


def media_routes(system: System) -> Blueprint:
    """The one route, ``/v1/media``."""
    routes = Blueprint("media", __name__)

    @routes.get("/v1/media")
    async def list_media() -> Response:
        return json_response(await trio.to_thread.run_sync(list_folder, system.settings.media_dir))

    return routes


def list_folder(folder: Path) -> MediaList:
    """The videos and images below ``folder``, sorted by name, without hidden files and links."""
    entries = list(islice(_walk(folder, MAX_DEPTH), MAX_LOOKED_AT))
    found = [entry for entry in entries if _is_media(entry)]
    files = [file for entry in found[:MAX_FILES] if (file := _describe(entry, folder)) is not None]
    return MediaList(
        files=sorted(files, key=lambda file: file.name.casefold()),
        truncated=len(entries) == MAX_LOOKED_AT or len(found) > MAX_FILES,
    )


def _walk(folder: Path | str, depth: int) -> Iterator[os.DirEntry[str]]:
    """The files below ``folder``; those of a folder come before those of its subfolders."""
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    yield entry
    except OSError:
        return  # may not be read, or has gone
    for inner in sorted(folders) if depth > 1 else ():
        yield from _walk(inner, depth - 1)


def _is_media(entry: os.DirEntry[str]) -> bool:
    kind, encoding = guess_type(entry.name)
    return encoding is None and kind is not None and kind.startswith(("video/", "image/"))


def _describe(entry: os.DirEntry[str], folder: Path) -> MediaFile | None:
    try:
        size = entry.stat(follow_symlinks=False).st_size
        entry.path.encode()  # a name that is not Unicode cannot be sent as JSON
    except (OSError, UnicodeEncodeError):
        return None
    return MediaFile(name=os.path.relpath(entry.path, folder), bytes=size)
