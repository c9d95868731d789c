"""Cores: the workers of the server that are at work right now, for the decision whether another one may begin."""

from __future__ import annotations

import trio


class Cores:
    """The cores that the server may use, and the workers on them. One object for the whole server.

    It limits nothing by itself: the first worker of a stage always works, a further one only while a core is idle.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._busy = 0
        self._waiting: dict[trio.Event, None] = {}
        """In the order of their coming; one for each stage at most."""

    @property
    def idle(self) -> bool:
        """True while fewer workers are at work than there are cores."""
        return self._busy < self.count

    def begin(self) -> None:
        """Count a worker as at work; :meth:`end` must follow."""
        self._busy += 1

    def end(self) -> None:
        """Note that a worker has done its work. If a core is idle by that, one of those that wait is told."""
        self._busy -= 1
        if self._waiting and self.idle:
            self._tell_next()

    async def wait(self, changed: trio.Event) -> None:
        """Wait until ``changed`` is set: by the caller's own side, or here because a core has become idle."""
        self._waiting[changed] = None
        try:
            await changed.wait()
        finally:
            self._waiting.pop(changed, None)

    def _tell_next(self) -> None:
        event = next(iter(self._waiting))
        del self._waiting[event]
        event.set()
