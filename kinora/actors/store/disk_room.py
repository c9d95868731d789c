"""The free room on the disk of the data folder: its two floors, and a reserve that lets jobs be deleted without any."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from kinora.actors.errors import Unavailable
from kinora.actors.store.disk_floor import free_bytes, require_free
from kinora.runtime.files.private_files import private_opener

MB = 2**20
RESERVE_NAME = "reserve"
"""The file in the data folder that holds the reserve."""
RESERVE_BYTES = 16 * MB
"""The most that is reserved: room to move the write-ahead log, some 4 MB, into the database, and to write it anew."""
RESERVE_SHARE = 4
"""The share of the floor that is reserved, as a divisor; without a floor nothing is."""
FRAMES_SHARE = 2
"""The share of the floor below which frames wait as well, as a divisor."""


class DiskRoom:
    """What the store knows of the free room in ``folder``; ``floor`` is in bytes, and 0 turns all of this off.

    Below the floor no new jobs are taken. Below a share of it, and while the reserve is given up, frames wait.
    """

    def __init__(self, folder: Path, floor: int) -> None:
        self.low: str | None = None
        """The reason why no new jobs are taken; None above the floor."""
        self.short: str | None = None
        """The reason why frames wait; None while there is room for them."""
        self.free: int | None = None
        """The free bytes at the last look; None before the first, and while the disk cannot be asked."""
        self._folder = folder
        self._floor = floor
        self._frames_floor = floor // FRAMES_SHARE
        self._reserve = folder / RESERVE_NAME
        self._reserve_bytes = min(RESERVE_BYTES, floor // RESERVE_SHARE)
        self._given_up = False
        self._lock = threading.Lock()
        """Held while ``short`` is decided: the store looks in one thread and writes in another."""

    def look(self) -> None:
        """Measure the free room, and make the reserve anew once there is room for it. Blocks."""
        self.free = free_bytes(self._folder)
        if not self._floor:
            return
        with self._lock:
            self.low = self._lack(self._floor)
            if self._given_up and self._lack(self._frames_floor + self._reserve_bytes) is None:
                self._given_up = not self.reserve()
            short = self._given_up or self._lack(self._frames_floor) is not None
            self.short = self._waiting() if short else None

    def reserve(self) -> bool:
        """Make the reserve, unless it is there; return whether it is. Blocks."""
        if not self._reserve_bytes:
            return True
        try:
            fd = private_opener(str(self._reserve), os.O_RDWR | os.O_CREAT)
        except OSError:
            return False
        try:
            os.posix_fallocate(fd, 0, self._reserve_bytes)
        except OSError:
            self._remove()
            return False
        finally:
            os.close(fd)
        return True

    def give_up_reserve(self) -> bool:
        """Free the reserve, for what frees room itself; return whether there was one. Blocks."""
        with self._lock:
            if not self._reserve_bytes or not self._remove():
                return False
            self._given_up = True
            self.short = self._waiting()
            return True

    def has(self, size: int) -> bool:
        """Return whether ``size`` further bytes leave the floor free. Blocks."""
        return self._lack(self._floor + size) is None

    def _remove(self) -> bool:
        with suppress(OSError):
            self._reserve.unlink()
            return True
        return False

    def _lack(self, least: int) -> str | None:
        try:
            require_free(self._folder, least)
        except Unavailable as error:
            return str(error)
        return None

    def _waiting(self) -> str:
        least = (self._frames_floor + self._reserve_bytes) // MB
        return f"Results wait for room: free at least {least} MB of disk in {self._folder}"
