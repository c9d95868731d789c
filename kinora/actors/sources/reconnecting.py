"""Decides when a live source that was lost is opened again, and when it has been away for too long."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import attrs

from kinora.actors.sources.source_reader import DecoderHung, SourceBroke
from kinora.media.camera_errors import SILENCE_S, CameraError, LostReason
from kinora.media.source_types import SourceError
from kinora.runtime.forking.workers import ForkServerGone

PAUSES = (*[1.0] * 5, *[5.0] * 5, *[10.0] * 10, 60.0)
"""The seconds before each attempt to open a lost source again; the last is that of all further ones."""
SPREAD = 0.2
"""Each pause is longer or shorter by up to this part of it, so that cameras lost together do not come back together."""
LASTED_S = 10.0
"""A connection that gave frames for so long has lasted: after it the pauses start over. Those after a shorter one go
on, so a source that breaks again and again is asked no oftener than one that is away."""


@attrs.frozen
class Lost:
    """Why a live source gives no frames."""

    reason: LostReason
    sentence: str

    @classmethod
    def by(cls, failure: SourceBroke | ForkServerGone | SourceError) -> Lost:
        """What the failure of a decoder, or of an attempt to open the source, says of a live source."""
        match failure:
            case CameraError(reason=reason):
                return cls(reason, str(failure))
            case SourceError(kind="unreadable"):
                return cls(LostReason.REFUSED, str(failure))
            case SourceError():
                return cls(LostReason.CODEC, str(failure))
        reason = LostReason.SILENT if isinstance(failure, DecoderHung) else LostReason.CLOSED
        return cls(reason, f"The source cannot be read: {failure}.")


@attrs.define(kw_only=True)
class Reconnecting:
    """Counts the losses of one live source and decides. It neither waits nor opens anything.

    An outage lasts from a loss, or from the beginning of a silence, to the next frame, over all attempts between them.
    Times are seconds of one clock.
    """

    max_outage_s: float | None = None
    """An outage that lasts for so long is the end of the source; None: none is."""
    pauses: Sequence[float] = attrs.field(factory=lambda: PAUSES)
    chance: Callable[[], float] = random.random
    """Gives numbers from 0 to 1, by which pauses are made longer or shorter."""
    _lost_at: float | None = None
    _attempts: int = 0
    _told: set[LostReason] = attrs.field(factory=set)
    """The reasons that this outage had so far."""
    _first_frame_at: float | None = None
    """Of the connection."""
    _last_frame_at: float = 0.0

    @property
    def ends_at(self) -> float:
        """The time at which an outage is the end of the source; infinite if none is."""
        if self._lost_at is None or self.max_outage_s is None:
            return float("inf")
        return self._lost_at + self.max_outage_s

    def lose(self, reason: LostReason, now: float) -> bool:
        """Note a loss, or an attempt that failed. Return whether the reason is news in this outage."""
        if self._lost_at is None:
            self._lost_at = self._silent_since(now) if reason is LostReason.SILENT else now
            if self._lasted:
                self._attempts = 0
        self._first_frame_at = None
        is_news = reason not in self._told
        self._told.add(reason)
        return is_news

    def next_pause_s(self) -> float:
        """Return the pause before the next attempt."""
        pause_s = self.pauses[min(self._attempts, len(self.pauses) - 1)]
        self._attempts += 1
        return pause_s * (1 + SPREAD * (2 * self.chance() - 1))

    def see_frame(self, now: float) -> float | None:
        """Note a frame. Return the length of the outage that it ends, in seconds; None if there was none."""
        self._last_frame_at = now
        if self._first_frame_at is None:
            self._first_frame_at = now
        lost_at, self._lost_at = self._lost_at, None
        self._told.clear()
        return None if lost_at is None else now - lost_at

    def _silent_since(self, now: float) -> float:
        """When a silence that was noticed now began: the last frame may have waited long for a slow pipeline."""
        return now if self._first_frame_at is None else max(self._last_frame_at, now - SILENCE_S)

    @property
    def _lasted(self) -> bool:
        return self._first_frame_at is not None and self._last_frame_at - self._first_frame_at >= LASTED_S
