"""The room for uploads: how many may arrive at once, whose, and that the disk holds what they have announced."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import trio

from kinora.web.middleware.http_figures import UploadFigures
from kinora.web.problems import Problem

UPLOADS_AT_ONCE = 8
"""The most uploads that arrive at the same time; a further one is refused with 503 before its body is read.

If a client that has none among them brings one, the slowest of the slow ones makes room for it: see ``SLOW_AFTER_S``.
"""
UPLOADS_PER_CLIENT = 4
"""The most of them that one client may have; a further one of it is refused with 503 before its body is read."""
SLOW_AFTER_S = 5.0
"""An upload is judged by its rate once it has arrived for this long; a younger one never makes room."""
SLOW_BYTES_PER_S = 32 * 1024
"""An upload below this rate, from its beginning on, is slow: it is ended with 408 if its place is wanted."""
RETRY_AFTER_S = 5
CHECK_EVERY_BYTES = 4 * 2**20
"""The disk is looked at again whenever so many bytes of an upload have arrived."""


class UploadRoom:
    """All uploads that arrive now. ``require_disk(n)`` raises unless ``n`` more bytes fit on the disk."""

    def __init__(self, require_disk: Callable[[int], None], figures: UploadFigures | None = None) -> None:
        self.figures = figures or UploadFigures()
        self._require_disk = require_disk
        self._arriving: set[Arriving] = set()

    @contextmanager
    def admit(self, client: Hashable, announced: int | None) -> Iterator[Arriving]:
        """Count an upload as arriving during the block; ``announced`` is its size, None if the client did not tell.

        The block may be cancelled at any time, to make room for another client.

        Raises:
            Problem: 503 with Retry-After if too many arrive, 408 if this one was slow and had to make room.
            Unavailable: the disk does not hold it beside the others that arrive.
        """
        try:
            with self._place(client, announced) as upload:
                yield upload
        except BaseException:
            self.figures.failed += 1
            raise
        self.figures.received += 1

    @contextmanager
    def _place(self, client: Hashable, announced: int | None) -> Iterator[Arriving]:
        upload = Arriving(self, client, announced or 0)
        slow = self._in_the_way_of(client)
        self.check(upload.to_come)
        if slow is not None:
            self._arriving.discard(slow)
            slow.scope.cancel()
        self._arriving.add(upload)
        try:
            with upload.scope:
                yield upload
        finally:
            self._arriving.discard(upload)
        if upload.scope.cancelled_caught:
            detail = f"Others wait, and this upload is slow: send at least {SLOW_BYTES_PER_S:,} bytes a second."
            raise Problem(408, detail)

    def _in_the_way_of(self, client: Hashable) -> Arriving | None:
        """The upload that must make room for one of this client; None if there is a place.

        Raises:
            Problem: this client gets no place now.
        """
        own = sum(upload.client == client for upload in self._arriving)
        if own >= UPLOADS_PER_CLIENT:
            raise _full(f"This server receives {own} uploads of yours already: try again when one has ended.")
        if len(self._arriving) < UPLOADS_AT_ONCE:
            return None
        slow = [upload for upload in self._arriving if upload.is_slow]
        if own or not slow:
            raise _full(f"This server receives {UPLOADS_AT_ONCE} uploads already: try again in a moment.")
        return min(slow, key=lambda upload: upload.bytes_per_s)

    def check(self, further: int = 0) -> None:
        """Raise Unavailable unless all that is announced, and ``further`` bytes, fit on the disk."""
        self._require_disk(further + sum(upload.to_come for upload in self._arriving))


class Arriving:
    """One upload that arrives."""

    def __init__(self, room: UploadRoom, client: Hashable, announced: int) -> None:
        self.client = client
        self.to_come = announced
        """The bytes that are announced and have not arrived; 0 if the client did not tell."""
        self.scope = trio.CancelScope()
        """Cancelled when it has to make room."""
        self._room = room
        self._unchecked = 0
        self._received = 0
        self._began = trio.current_time()

    @property
    def is_slow(self) -> bool:
        """True if it may have to make room."""
        return trio.current_time() - self._began >= SLOW_AFTER_S and self.bytes_per_s < SLOW_BYTES_PER_S

    @property
    def bytes_per_s(self) -> float:
        """Its rate from its beginning on."""
        return self._received / max(trio.current_time() - self._began, 1e-9)

    def add(self, size: int) -> None:
        """Note that ``size`` bytes were written.

        Raises:
            Unavailable: the disk no longer holds what is still to come.
        """
        self.to_come = max(0, self.to_come - size)
        self._received += size
        self._room.figures.bytes += size
        self._unchecked += size
        if self._unchecked >= CHECK_EVERY_BYTES:
            self._unchecked = 0
            self._room.check()


def _full(detail: str) -> Problem:
    return Problem(503, detail, headers={"retry-after": str(RETRY_AFTER_S)})
