"""The frames that the store has accepted and not written yet, in order of arrival."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from time import monotonic

import attrs

from kinora.actors.store.job_events import StoredEvent

BATCH_FRAMES = 256
"""The most frames in one transaction, so that a change of a job never waits long for a transaction in progress."""
BATCH_BYTES = 1024 * 1024
"""The size at which a transaction takes no further frame."""
MAX_WAITING_FRAMES = 1024
"""The number of waiting frames at which ``put_frame`` waits, which holds up the job that makes them."""
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""The same limit in bytes; the frame that crosses it is still accepted."""
NO_FRAME = -1
"""Stands for the index of events that go with no frame."""


@attrs.frozen(eq=False)
class WaitingFrame:
    """A frame that is not on disk yet, or events that go with no frame."""

    job_id: str
    index: int
    data: bytes | None
    """None if there are only events."""
    put_at: float
    """The time of :func:`time.monotonic` at which it came."""
    events: Sequence[StoredEvent] = ()
    """The events to be written with it."""

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.data or b"") + sum(len(event.data) for event in self.events)


@attrs.frozen(eq=False)
class WaitingStates:
    """The states of a job's plugins after a frame, to be written with it."""

    job_id: str
    index: int
    states: Mapping[str, bytes]
    put_number: int
    """The number of frames that were put in before it, and itself."""


class FrameBuffer:
    """Keeps the waiting frames. It bounds nothing itself: see :attr:`has_room` before each :meth:`put`."""

    def __init__(self) -> None:
        self.put_total = 0
        """The frames that were ever put in."""
        self.written_total = 0
        """The frames that were ever written; the others wait."""
        self.peak = 0
        """The most frames that have waited at one time."""
        self._frames: deque[WaitingFrame] = deque()
        self._bytes = 0
        self._states: dict[str, WaitingStates] = {}
        """Job → its newest states; older ones that wait are dropped for them, since nobody would read them."""

    def __len__(self) -> int:
        """Return the number of waiting frames."""
        return len(self._frames)

    @property
    def oldest_s(self) -> float:
        """The seconds for which the first frame has waited; 0 if none waits."""
        return monotonic() - self._frames[0].put_at if self._frames else 0.0

    @property
    def has_room(self) -> bool:
        """True if a further frame may be put in."""
        return len(self._frames) < MAX_WAITING_FRAMES and self._bytes < MAX_WAITING_BYTES

    @property
    def fills_a_batch(self) -> bool:
        """True if waiting longer would make no larger batch."""
        return len(self._frames) >= BATCH_FRAMES or self._bytes >= BATCH_BYTES

    def put(
        self,
        job_id: str,
        index: int,
        data: bytes,
        states: Mapping[str, bytes] | None = None,
        events: Sequence[StoredEvent] = (),
    ) -> None:
        """Put a frame behind all others, with its events, and with the plugins' states after it if it is marked."""
        self._put(WaitingFrame(job_id, index, data, monotonic(), events))
        if states:
            self._states[job_id] = WaitingStates(job_id, index, states, self.put_total)

    def put_events(self, job_id: str, events: Sequence[StoredEvent]) -> None:
        """Put events that go with no frame; they count as one."""
        self._put(WaitingFrame(job_id, NO_FRAME, None, monotonic(), events))

    def _put(self, frame: WaitingFrame) -> None:
        self._frames.append(frame)
        self._bytes += frame.size
        self.put_total += 1
        self.peak = max(self.peak, len(self._frames))

    def batch(self) -> list[WaitingFrame]:
        """Return the first frames, as many as go into one transaction; they stay until :meth:`drop`."""
        batch: list[WaitingFrame] = []
        size = 0
        for frame in islice(self._frames, BATCH_FRAMES):
            if size >= BATCH_BYTES:
                break
            batch.append(frame)
            size += frame.size
        return batch

    def states_with(self, batch: Sequence[WaitingFrame]) -> list[WaitingStates]:
        """Return the states that are to be written with a batch, which :meth:`batch` has returned."""
        written = self.written_total + len(batch)
        return [states for states in self._states.values() if states.put_number <= written]

    def states_of(self, job_id: str) -> WaitingStates | None:
        """Return the states of a job that wait, if any."""
        return self._states.get(job_id)

    def drop_states(self, written: Sequence[WaitingStates]) -> None:
        """Remove states that are on disk now, unless newer ones have taken their place."""
        for states in written:
            if self._states.get(states.job_id) is states:
                del self._states[states.job_id]

    def drop(self, written: Sequence[WaitingFrame]) -> None:
        """Remove a batch that is on disk now."""
        for frame in written:
            self._frames.popleft()
            self._bytes -= frame.size
        self.written_total += len(written)

    def of(self, job_id: str) -> dict[int, bytes]:
        """Return index → frame for one job; of two with the same index the first."""
        return {
            frame.index: frame.data
            for frame in reversed(self._frames)
            if frame.job_id == job_id and frame.data is not None
        }

    def events_of(self, job_id: str) -> list[StoredEvent]:
        """Return the events of one job that wait, in order."""
        return [event for frame in self._frames if frame.events and frame.job_id == job_id for event in frame.events]
