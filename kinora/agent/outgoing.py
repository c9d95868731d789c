"""What an attempt has told and the server has not acknowledged: it is kept, and told again on the next connection."""

from __future__ import annotations

from collections import deque

from kinora.fleet.events import FRAMES, LAST
from kinora.fleet.link import WINDOW_FRAMES
from kinora.fleet.parts import parts

WINDOW_BYTES = 64 * 2**20
"""The most bytes that are kept, beyond one event. The pipeline waits beyond it, as beyond ``WINDOW_FRAMES``."""
PICTURES_BEHIND_BYTES = 2**20
"""The bytes not sent beyond which the connection is behind: further pictures are dropped then, and nothing else is."""
BATCH_BYTES = 2**16
"""The most bytes of one message, beyond one part of an event; more go into the next message."""
BATCH_EVENTS = 256
"""The most events of one message."""
PICTURES = frozenset({"frame_image"})


class Outgoing:
    """The events of one attempt in their order, each with a sequence number from 1 on; no clock, no waiting."""

    def __init__(self) -> None:
        self._kept: deque[tuple[str, bytes]] = deque()
        self._unsent: deque[tuple[str, bytes]] = deque()
        """The end of ``_kept`` that was not sent on this connection."""
        self._first = 1
        """The number of the first one that is kept."""
        self._frames = self._bytes = self._unsent_bytes = 0
        self.is_complete = False
        """True once the last event of the attempt was added."""

    @property
    def told(self) -> int:
        """The number of the newest event; 0 if there is none."""
        return self._first + len(self._kept) - 1

    @property
    def is_done(self) -> bool:
        """True if the attempt has told all, and all is acknowledged."""
        return self.is_complete and not self._kept

    @property
    def has_room(self) -> bool:
        """True if a further event may be added. All processes of the attempt wait until it is."""
        return self._frames < WINDOW_FRAMES and self._bytes < WINDOW_BYTES

    def add(self, kind: str, data: bytes) -> None:
        """Keep an event, to be sent as soon as possible. A picture is dropped if the connection is behind."""
        if kind in PICTURES and self._unsent_bytes > PICTURES_BEHIND_BYTES:
            return
        for part in parts(kind, data):
            self._kept.append(part)
            self._unsent.append(part)
        self._frames += kind in FRAMES
        self._bytes += len(data)
        self._unsent_bytes += len(data)
        self.is_complete |= kind in LAST

    def batch(self) -> tuple[int, tuple[tuple[str, bytes], ...]] | None:
        """Return the next events to send, with the number of the first one; None if all are sent."""
        if not self._unsent:
            return None
        first = self.told - len(self._unsent) + 1
        events: list[tuple[str, bytes]] = []
        size = 0
        while self._unsent and len(events) < BATCH_EVENTS and (not events or size < BATCH_BYTES):
            event = self._unsent.popleft()
            events.append(event)
            size += len(event[1])
        self._unsent_bytes -= size
        return first, tuple(events)

    def resend(self, taken: int) -> None:
        """Begin a new connection: what is behind the event of this number, which the server has taken, is not sent."""
        behind = max(0, taken - self._first + 1)
        self._unsent = deque(list(self._kept)[behind:])
        self._unsent_bytes = sum(len(data) for _, data in self._unsent)

    def acknowledge(self, upto: int) -> None:
        """Forget all events up to this number, which the server has stored."""
        while self._kept and self._first <= upto:
            self._forget()

    def _forget(self) -> None:
        kind, data = self._kept.popleft()
        self._first += 1
        self._frames -= kind in FRAMES
        self._bytes -= len(data)
        if len(self._unsent) > len(self._kept):
            self._unsent.popleft()
            self._unsent_bytes -= len(data)
