"""The mark of a source: a short text that tells later whether it is still the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kinora.media.url_access import is_url


def source_mark(location: str) -> str:
    """Return a text that differs once the file was replaced or written to, or a folder's files were; empty for URLs.

    Made of sizes and times of modification, without reading the files. Empty too if the source is gone.
    """
    if is_url(location):
        return ""
    path = Path(location)
    try:
        return _of_files(sorted(path.iterdir())) if path.is_dir() else _of_file(path)
    except OSError:
        return ""


def _of_files(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{_of_file(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _of_file(path: Path) -> str:
    status = path.stat(follow_symlinks=False)
    return f"{status.st_size}-{status.st_mtime_ns}"
