"""The clip behind ``demo:`` in the user's cache, for commands whose own data are deleted at their end."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from kinora.media.files.part_file import part_file
from kinora.runtime.files.home_paths import cache_folder
from kinora.runtime.files.private_files import make_private_folder

NAME = "demo.clip"
MAX_BYTES = 32 * 2**20
"""The most bytes of a clip; a larger file counts as damaged."""
_SEAL_BYTES = hashlib.sha256().digest_size


def kept_clip(recipe: bytes) -> bytes | None:
    """The clip that was kept for this recipe; None if none was, or it is damaged. Blocks."""
    try:
        folder = cache_folder()
        with (folder / NAME).open("rb") as file:
            seal, clip = file.read(_SEAL_BYTES), file.read(MAX_BYTES)
    except (OSError, RuntimeError):  # the clip is drawn then, as without a cache
        return None
    return clip if seal == _seal(recipe, clip) else None


def keep_clip(recipe: bytes, clip: bytes) -> None:
    """Keep the clip in place of any other; where the user has no cache that can be written, do nothing. Blocks."""
    with suppress(OSError, RuntimeError):  # the next command draws it again
        folder = cache_folder()
        if _lies_in_own(folder):
            make_private_folder(folder)
            with part_file(folder / NAME) as part:
                part.write_bytes(_seal(recipe, clip) + clip)


def _seal(recipe: bytes, clip: bytes) -> bytes:
    """What stands before the clip in its file: neither another version's nor a damaged one has the same."""
    return hashlib.sha256(recipe + clip).digest()


def _lies_in_own(folder: Path) -> bool:
    """True unless it would be made in a folder of another user, such as that of a user who has called ``sudo``."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return there.stat().st_uid == os.geteuid()
