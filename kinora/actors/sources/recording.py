"""Recording: what is kept of the live source of one job, so that clips can be made of it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs
import trio

from kinora.actors.frames.ticket import FrameTicket
from kinora.media.arrival import clock_s
from kinora.media.packets.packet_memory import PacketMemory

SPARE_S = 30.0
"""The time for which packets stay longer than a clip lasts: for the way of a picture through the plugins to its event,
and for clips that are made before."""
MOST_CONNECTIONS = 2
"""The most connections of which packets are kept: the one of now, and the one before, whose last events may be late.
Earlier ones stay until the clips that wait for them are made."""
MOST_PICTURES = 4096
"""The most pictures of a connection of which it is known when they came. Older ones have no clips."""
LATE_S = 5.0
"""A clip waits for a picture that is later than its end until so long after that; then it is made without one."""


class Kept:
    """What is kept of one connection."""

    def __init__(self) -> None:
        self.memory = PacketMemory()
        self.ended_s: float | None = None
        """When it ended; None while it goes on."""
        self._came = deque[tuple[int, float]](maxlen=MOST_PICTURES)
        """The index of each picture, and when it came."""
        self._waiting: list[tuple[float, trio.Event]] = []
        self._users = 0
        self._let_go = False

    def note(self, index: int, came_s: float) -> None:
        """Note a picture."""
        self._came.append((index, came_s))
        self._wake(came_s)

    def came_s(self, index: int) -> float | None:
        """When a picture came; None if it is not of this connection, or too old."""
        return next((came_s for known, came_s in reversed(self._came) if known == index), None)

    @property
    def newest_s(self) -> float:
        """When the newest picture came; minus infinity if none has."""
        return self._came[-1][1] if self._came else -math.inf

    def end(self) -> None:
        """Note that no more packets come."""
        self.ended_s = clock_s()
        self._wake(math.inf)

    async def wait_for(self, until_s: float) -> None:
        """Wait until all that comes before a time is kept, as far as it ever will be."""
        if self.ended_s is None:
            passed = trio.Event()
            self._waiting.append((until_s, passed))
            with trio.move_on_after(max(0.0, until_s - clock_s()) + LATE_S):
                await passed.wait()

    def _wake(self, came_s: float) -> None:
        for until_s, passed in self._waiting:
            if came_s >= until_s:
                passed.set()
        self._waiting = [(until_s, passed) for until_s, passed in self._waiting if not passed.is_set()]

    def hold(self) -> None:
        """Have the memory stay until :meth:`release`."""
        self._users += 1

    def release(self) -> None:
        """End one use of the memory."""
        self._users -= 1
        self._close_if_unused()

    @property
    def is_empty(self) -> bool:
        """True if no picture has come."""
        return not self._came

    def let_go(self) -> None:
        """Free the memory, once nobody uses it."""
        self._let_go = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._let_go and not self._users:
            self.memory.close()


@attrs.define
class Recording:
    """The memories that the decoders of one job write to, one after the other."""

    keep_s: float
    """The time for which packets are kept."""
    _on_begin: Callable[[Recording], None]
    """Called before the first decoder writes."""
    _has_begun: bool = attrs.field(init=False, default=False)
    _kept: deque[Kept] = attrs.field(init=False, factory=deque)

    def connect(self) -> int:
        """Return the descriptor of the memory for the next decoder; it stays this object's."""
        if not self._has_begun:
            self._has_begun = True
            self._on_begin(self)
        self.disconnect()
        while len(self._kept) >= MOST_CONNECTIONS:
            self._kept.popleft().let_go()
        self._kept.append(Kept())
        return self._kept[-1].memory.fd

    def note(self, frame: FrameTicket) -> None:
        """Note a frame that the newest decoder has given, with its index in the job."""
        if not self._kept:  # all was freed, as no more clips are made
            return
        came_s = clock_s() if frame.received_s is None else frame.received_s
        self._kept[-1].note(frame.index, came_s)
        first = self._kept[0]
        if first.ended_s is not None and came_s > first.ended_s + self.keep_s:
            self._kept.popleft().let_go()

    def disconnect(self) -> None:
        """Note that the newest decoder is gone."""
        if self._kept and self._kept[-1].ended_s is None:
            self._kept[-1].end()
            if self._kept[-1].is_empty:
                self._kept.pop().let_go()

    def find(self, index: int) -> tuple[Kept, float] | None:
        """Return where a frame of the job is kept, and when it came; None if it is not."""
        for kept in reversed(self._kept):
            came_s = kept.came_s(index)
            if came_s is not None:
                return kept, came_s
        return None

    def close(self) -> None:
        """Free all, once it is not in use."""
        self.disconnect()
        while self._kept:
            self._kept.popleft().let_go()
