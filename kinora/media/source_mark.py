"""The mark of a source: a short text that tells later whether it is still the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from kinora.media.network.url_access import is_url
from kinora.media.source_names import PUSH

SAMPLE_BYTES = 64 * 1024
"""The size of each of the three samples of a file: its beginning, its middle and its end."""


def source_mark(location: str) -> str:
    """Return a text that differs once a file has other content, or a folder other files; empty for URLs and ``push:``.

    Of a file it is made of its size and three samples, so that a copy counts as the same; of a folder, of its files'
    names and sizes. Empty too if the source cannot be read any more.
    """
    if is_url(location) or location == PUSH:
        return ""
    path = Path(location)
    try:
        return _of_folder(path) if path.is_dir() else _of_file(path)
    except OSError:
        return ""


def _of_folder(folder: Path) -> str:
    sizes = sorted((path.name, path.stat(follow_symlinks=False).st_size) for path in folder.iterdir())
    lines = (f"{name}\0{size}\n".encode(errors="surrogateescape") for name, size in sizes)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(f"{size}\n".encode())
        for start in (0, size // 2, max(0, size - SAMPLE_BYTES)):
            file.seek(start)
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()
