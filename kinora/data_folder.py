"""The data folder: one server at a time works on it, and other users can read nothing in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinora.actors.access.local_token import FILE as LOCAL_TOKEN
from kinora.actors.store.disk_room import RESERVE_NAME
from kinora.runtime.files.private_files import make_private, make_private_folder, planted_file, private_opener
from kinora.settings import SettingsError

DATABASE = "kinora.db"
UPLOADS = "uploads"
"""The folder in it that has the uploaded files."""
CLIPS = "clips"
"""The folder in it that has the clips of events."""
LOCK = "lock"
"""The file in it that a running server has locked."""
FILES = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "demo.mp4", ".demo.mp4.lock", LOCAL_TOKEN)
"""The files in it that an earlier server may have left open to other users."""


class DataDirInUse(Exception):
    """Another server uses the same data folder; the text says what to do."""


@contextmanager
def own_data_folder(folder: Path) -> Iterator[None]:
    """Make the folder, and lock it against other servers while the block runs. Other users can read nothing in it.

    Raises:
        DataDirInUse: another server uses it.
        SettingsError: other users share it, and may have put a file of theirs in the place of one of the server's.
    """
    make_private_folder(folder)
    if planted := planted_file(folder, (LOCK, UPLOADS, CLIPS, RESERVE_NAME, *FILES)):
        raise SettingsError(
            f"data_dir: {planted} is a link or another user's file in a folder that others share:"
            " give a folder of your own with --data-dir."
        )
    fd = private_opener(str(folder / LOCK), os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirInUse(
                f"Another Kinora server works on {folder}; stop it, or give this one another --data-dir."
            ) from None
        make_private(folder / name for name in FILES)
        yield
    finally:
        os.close(fd)
