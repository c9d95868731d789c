"""Decides which message to ask for after a lost connection, which ones to skip, and when to try again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs

REPEATING_TYPES = frozenset({"metadata", "gap", "ping", "pong", "progress", "plugin_status", "error"})
"""Types that may repeat an id: messages to one session only, and the current state, have no id of their own."""

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 16.0
JITTER = 0.25
"""The share by which delays are spread either way, so that a restarted server does not meet all clients at once."""


@attrs.frozen
class Message:
    """One message of ``/v1/realtime``."""

    type: str
    payload: dict[str, Any]
    timestamp: str
    """ISO 8601 in UTC."""
    id: str
    """``<epoch>-<seq>``; the epoch is new with each start of the server."""


class Resumption:
    """Follows the ids of a session, so that the next one gets every message once."""

    def __init__(self, last_event_id: str | None = None) -> None:
        self.last_event_id = last_event_id
        """The id to ask the server to continue after; None before the first message."""

    def accept(self, message: Message) -> bool:
        """Note a message; return False if this client has had it already.

        A message of any type means that the client has everything up to its id.
        """
        if self.last_event_id is not None and not self._goes_on(message, self.last_event_id):
            return False
        self.last_event_id = message.id
        return True

    @staticmethod
    def _goes_on(message: Message, last: str) -> bool:
        epoch, _, seq = message.id.rpartition("-")
        last_epoch, _, last_seq = last.rpartition("-")
        if epoch != last_epoch:
            return True
        newest = int(seq) - int(last_seq)
        return newest > 0 or (newest == 0 and message.type in REPEATING_TYPES)


class BackOff:
    """The waiting times between attempts: 1, 2, 4, 8, 16, 16, ... seconds, each with jitter."""

    def __init__(self, spread: Callable[[float, float], float] = random.uniform) -> None:
        self._spread = spread
        self._delay = FIRST_DELAY_S

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        delay = self._delay
        self._delay = min(2 * delay, LONGEST_DELAY_S)
        return delay * self._spread(1 - JITTER, 1 + JITTER)

    def reset(self) -> None:
        """Start again with the shortest waiting time, after an attempt has succeeded."""
        self._delay = FIRST_DELAY_S
