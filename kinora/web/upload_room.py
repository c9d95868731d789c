"""The room for uploads: how many may arrive at once, and that the disk holds what they have announced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kinora.web.problems import Problem

UPLOADS_AT_ONCE = 8
"""The most uploads that arrive at the same time; a further one is refused with 503 before its body is read."""
RETRY_AFTER_S = 5
CHECK_EVERY_BYTES = 4 * 2**20
"""The disk is looked at again whenever so many bytes of an upload have arrived."""


class UploadRoom:
    """All uploads that arrive now. ``require_disk(n)`` raises unless ``n`` more bytes fit on the disk."""

    def __init__(self, require_disk: Callable[[int], None]) -> None:
        self._require_disk = require_disk
        self._arriving: set[Arriving] = set()

    @contextmanager
    def admit(self, announced: int | None) -> Iterator[Arriving]:
        """Count an upload as arriving during the block; ``announced`` is its size, None if the client did not tell.

        Raises:
            Problem: 503 with Retry-After if too many arrive.
            Unavailable: the disk does not hold it beside the others that arrive.
        """
        if len(self._arriving) >= UPLOADS_AT_ONCE:
            detail = f"This server receives {UPLOADS_AT_ONCE} uploads already: try again in a moment."
            raise Problem(503, detail, headers={"retry-after": str(RETRY_AFTER_S)})
        upload = Arriving(self, announced or 0)
        self.check(upload.to_come)
        self._arriving.add(upload)
        try:
            yield upload
        finally:
            self._arriving.discard(upload)

    def check(self, further: int = 0) -> None:
        """Raise Unavailable unless all that is announced, and ``further`` bytes, fit on the disk."""
        self._require_disk(further + sum(upload.to_come for upload in self._arriving))


class Arriving:
    """One upload that arrives."""

    def __init__(self, room: UploadRoom, announced: int) -> None:
        self.to_come = announced
        """The bytes that are announced and have not arrived; 0 if the client did not tell."""
        self._room = room
        self._unchecked = 0

    def add(self, size: int) -> None:
        """Note that ``size`` bytes were written.

        Raises:
            Unavailable: the disk no longer holds what is still to come.
        """
        self.to_come = max(0, self.to_come - size)
        self._unchecked += size
        if self._unchecked >= CHECK_EVERY_BYTES:
            self._unchecked = 0
            self._room.check()
