"""Frames of a ring, lent to code that may keep them.

Whoever gets a picture may keep it, or a view of it, while the ring goes on to other pictures. The pages of a slot are
mapped at the address of a Python object that every such view refers to. If one is left when the picture is taken back,
a private copy of the pages takes their place at that same address, and the slot gets another address. So nothing is
copied for a borrower who keeps nothing. One who has kept a picture gets copies from then on.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading

import numpy as np
from numpy.typing import NDArray

from kinora.runtime.linux.syscalls import make_read_only, map_file, map_memory, move_pages, share_pages
from kinora.runtime.shared_memory.frames import CHANNELS, picture_bytes


class RingLender:
    """A reader's view of a ring, which lends pictures until they are taken back. It takes over the descriptor.

    The arrays are protected from writing by numpy and by the kernel.
    """

    def __init__(self, fd: int, slots: int, slot_bytes: int) -> None:
        self._slot_bytes = slot_bytes
        self._lent: dict[int, int] = {}
        """Slot whose pages are lent → the number of references to them before that."""
        self._copies = False
        """True if the borrower gets copies, since it has kept a picture."""
        self._lock = threading.RLock()
        """A thread of the borrower may fork at any moment."""
        try:
            if os.fstat(fd).st_size < slots * slot_bytes:
                raise ValueError(f"the ring is smaller than {slots} slots of {slot_bytes} bytes")
            self._slots = [_map_slot(fd, number, slot_bytes) for number in range(slots)]
        finally:
            os.close(fd)

    def lend(self, slot: int, height: int, width: int) -> NDArray[np.uint8]:
        """The picture in a slot: HxWx3, uint8, BGR. What is left of it when it is taken back stays as it is.

        Pictures of several slots can be lent at once.

        Raises:
            ValueError: the slot does not exist, or the picture is empty or larger than a slot.
        """
        size = picture_bytes(slot, len(self._slots), self._slot_bytes, height, width)
        with self._lock:
            references = self._count(slot)
            pixels = np.frombuffer(self._slots[slot], np.uint8, size)
            if self._copies:
                pixels = np.frombuffer(pixels.tobytes(), np.uint8)
            else:
                self._lent.setdefault(slot, references)
            return pixels.reshape(height, width, CHANNELS)

    def take_back(self) -> None:
        """Give the borrower each lent picture for good if it still has any view of it.

        It must be called before the slots get other pictures. A view in a cycle of garbage counts as well.

        Raises:
            OSError: there is no memory for a copy; the borrower's view will show other pictures.
        """
        with self._lock:
            kept = [slot for slot, references in self._lent.items() if self._count(slot) > references]
            self._copies = self._copies or bool(kept)
            for slot in kept:
                self._give(slot)
            self._lent.clear()

    def give_away(self) -> None:
        """Give the borrower all pictures that are lent now. A process forked after that has them as well.

        Raises:
            OSError: there is no memory for a copy.
        """
        with self._lock:
            for slot in self._lent:
                self._give(slot)
            self._lent.clear()

    def _give(self, slot: int) -> None:
        """Make the pages that are lent the borrower's own, and map the slot at another address."""
        given, another = self._slots[slot], _reserve(self._slot_bytes)
        share_pages(_address(given), self._slot_bytes, _address(another))
        _make_private(given, self._slot_bytes)
        self._slots[slot] = another

    def _count(self, slot: int) -> int:
        """The number of references to the pages of a slot: arrays, memoryviews and tensors all hold one."""
        return sys.getrefcount(self._slots[slot])


def _map_slot(fd: int, number: int, size: int) -> mmap.mmap:
    pages = _reserve(size)
    map_file(fd, number * size, size, _address(pages))  # at once: the first frame must not pay for them
    return pages


def _reserve(size: int) -> mmap.mmap:
    """An address for pages, which are unmapped when nothing refers to the object any more."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)


def _address(pages: mmap.mmap) -> int:
    return np.frombuffer(pages, np.uint8).ctypes.data


def _make_private(pages: mmap.mmap, size: int) -> None:
    """Put a private copy of the pages in their place. Threads that read them meanwhile see no difference."""
    copy = map_memory(size)
    ctypes.memmove(copy, _address(pages), size)
    make_read_only(copy, size)
    move_pages(copy, size, _address(pages))
