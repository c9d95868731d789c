"""Large events in parts, so that a message stays small: a renewal of the lease must not wait for long behind one.

Each part has a sequence number of its own. All but the last have the kind ``PART``; the last one has the event's.
"""

from __future__ import annotations

from collections.abc import Iterator

PART = "part"
PART_BYTES = 2**16
"""The most bytes of one part."""
MAX_EVENT_BYTES = 2**30
"""The most bytes of an event: a frame's results, and the states of all plugins after it, each 64 MiB at most. A larger
one is refused."""


class EventTooLarge(ValueError):
    """The parts of an event are more than ``MAX_EVENT_BYTES`` together."""


def parts(kind: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the parts of an event, each with its kind; a small event is its only part."""
    last = max(0, len(data) - 1) // PART_BYTES * PART_BYTES
    for start in range(0, last, PART_BYTES):
        yield PART, data[start : start + PART_BYTES]
    yield kind, data[last:] if last else data


class Joiner:
    """Puts the parts of an attempt's events together."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, kind: str, data: bytes) -> tuple[str, bytes] | None:
        """Take the next part; return the event that it completes, or None.

        Raises:
            EventTooLarge: as it says.
        """
        if kind == PART or self._parts:
            self._size += len(data)
            if self._size > MAX_EVENT_BYTES:
                raise EventTooLarge(f"An event has more than {MAX_EVENT_BYTES} bytes.")
            self._parts.append(data)
        if kind == PART:
            return None
        if self._parts:
            data = b"".join(self._parts)
            self._parts, self._size = [], 0
        return kind, data
