"""A ring of frames in shared memory.

The ring is one ``memfd``: it has no file to unlink, and is gone with the last process that has it. The owner hands its
descriptor to one writer and, once that has mapped it, seals it. Later mappings can only read, so that no plugin can
change the frame that the next one sees (``F_SEAL_FUTURE_WRITE``, Linux 5.1).
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import TYPE_CHECKING

from kinora.runtime.shared_memory.sized_memory import sized_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHANNELS = 3
MIN_SLOTS = 2
_PAGE = mmap.PAGESIZE
_F_SEAL_FUTURE_WRITE = 0x10
"""Of ``<linux/fcntl.h>``; the fcntl module of Python 3.11 lacks it."""


def slots_for(frame_bytes: int, wanted: int, ring_bytes: int) -> int:
    """The number of slots for a ring: as many as wanted and as fit into ``ring_bytes``, but at least two."""
    return max(MIN_SLOTS, min(wanted, ring_bytes // _slot_bytes(frame_bytes)))


def _slot_bytes(frame_bytes: int) -> int:
    return -(-frame_bytes // _PAGE) * _PAGE


class FrameRing:
    """The owner's view, which knows the free slots and never maps the memory.

    A slot is leased, filled by the writer, read by the processes that get its number, and released. It can be shared
    while it is leased; it is free when all its users have released it.
    """

    def __init__(self, slots: int, frame_bytes: int) -> None:
        self.slots = slots
        self.slot_bytes = _slot_bytes(frame_bytes)
        self._free = list(range(slots))
        self._users = [0] * slots
        self.fd = sized_memory("kinora-frames", slots * self.slot_bytes, final=False)

    @property
    def free(self) -> int:
        """The number of free slots."""
        return len(self._free)

    def seal(self) -> None:
        """Allow only mappings for reading from now on; mappings made before stay as they are."""
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL)

    def lease(self) -> int | None:
        """Take a free slot, which is in use until it is released; None if all are in use."""
        if not self._free:
            return None
        slot = self._free.pop(0)
        self._users[slot] = 1
        return slot

    def share(self, slot: int) -> None:
        """Add a user to a slot that is in use.

        Raises:
            ValueError: it was not leased.
        """
        self._check(slot)
        self._users[slot] += 1

    def release(self, slot: int) -> None:
        """Remove a user from a slot; after the last one it is free.

        Raises:
            ValueError: it was not leased.
        """
        self._check(slot)
        self._users[slot] -= 1
        if not self._users[slot]:
            self._free.append(slot)

    def _check(self, slot: int) -> None:
        if not 0 <= slot < self.slots or not self._users[slot]:
            raise ValueError(f"slot {slot} is not leased")

    def close(self) -> None:
        """Close the owner's descriptor; the memory is freed when no process has it mapped any more."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def picture_bytes(slot: int, slots: int, slot_bytes: int, height: int, width: int) -> int:
    """The bytes of a picture in one of the slots.

    Raises:
        ValueError: the slot does not exist, or the picture is empty or larger than a slot.
    """
    size = height * width * CHANNELS
    if not 0 <= slot < slots or min(height, width) < 1 or size > slot_bytes:
        raise ValueError(f"slot {slot} cannot hold {width}x{height}")
    return size


class _RingView:
    def __init__(self, fd: int, slots: int, slot_bytes: int, *, protection: int) -> None:
        self._slot_bytes = slot_bytes
        self._slots = slots
        try:
            # Pages are mapped at once: the first frame must not pay for them.
            self._map = mmap.mmap(fd, slots * slot_bytes, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE, prot=protection)
        finally:
            os.close(fd)

    def view(self, slot: int, height: int, width: int) -> NDArray[np.uint8]:
        """The picture in a slot: HxWx3, uint8, BGR, without a copy.

        Raises:
            ValueError: the slot does not exist, or the picture is empty or larger than a slot.
        """
        import numpy as np  # noqa: PLC0415 - the server has no such view, and does without numpy

        size = picture_bytes(slot, self._slots, self._slot_bytes, height, width)
        flat = np.frombuffer(self._map, np.uint8, size, slot * self._slot_bytes)
        return flat.reshape(height, width, CHANNELS)


class RingWriter(_RingView):
    """The writer's view, with writable arrays. It takes over the descriptor."""

    def __init__(self, fd: int, slots: int, slot_bytes: int) -> None:
        super().__init__(fd, slots, slot_bytes, protection=mmap.PROT_READ | mmap.PROT_WRITE)


class RingReader(_RingView):
    """A reader's view, with arrays that numpy and the kernel protect from writing. It takes over the descriptor."""

    def __init__(self, fd: int, slots: int, slot_bytes: int) -> None:
        super().__init__(fd, slots, slot_bytes, protection=mmap.PROT_READ)
