"""StageMemory: what a stage's plugin knew last, over the deaths of its processes and over restarts of the server."""

from __future__ import annotations

import os

import attrs
import trio

from kinora.runtime.shared_memory.state_memory import KeptState, StateMemory, hold_state, read_state


@attrs.frozen
class Saved:
    """A state that a new process can take up."""

    fd: int
    """The memory that it is in; the StageMemory closes it."""
    state: KeptState


class StageMemory:
    """The memory of the process that works now, and the state that it has begun with. Close it after the last process.

    A process that died in the middle of a frame may have saved its state after that frame: it does not count, since
    the frame has no result. So a state counts up to :attr:`last`.
    """

    def __init__(self) -> None:
        self.last = -1
        """The newest frame that the plugin has answered."""
        self.refused: str | None = None
        """The reason why the last state was not taken up, if so."""
        self._memory: StateMemory | None = None
        """None while the plugin has no process, or cannot save its state."""
        self._earlier: Saved | None = None
        self._begun_with: int | None = None
        """The frame of the state that the process has begun with; None if it has begun anew."""

    async def take_up(self, index: int, data: bytes | None) -> None:
        """Begin with the state after a frame that an earlier pipeline has stored; None if it has stored none."""
        self.close()
        self.last = index
        if data is not None:
            state = KeptState(number=1, index=index, places=((0, len(data)),))
            self._earlier = Saved(await trio.to_thread.run_sync(hold_state, data), state)

    def begin(self) -> tuple[StateMemory, Saved | None]:
        """Return a memory for a new process, and the state with which it is to begin; None if there is none."""
        newest = self.newest()
        if self._memory is not None:
            fd, self._memory.fd = self._memory.fd, -1
            self._keep(Saved(fd, newest.state) if newest is not None and newest.fd == fd else newest, fd)
        self._memory = StateMemory()
        return self._memory, self._earlier

    def _keep(self, newest: Saved | None, fd: int) -> None:
        """Keep the newest state alone, of those in the memory of the last process and in the one before."""
        for other in {fd, *(() if self._earlier is None else (self._earlier.fd,))}:
            if newest is None or other != newest.fd:
                os.close(other)
        self._earlier = newest

    def note_begun(self) -> None:
        """Note that a process has taken up the state, or has begun anew."""
        self._begun_with = None if self._earlier is None else self._earlier.state.index

    def refuse(self, reason: str) -> None:
        """Forget the state: the plugin has refused it, or died of it."""
        self.close()
        self.refused = reason

    def newest(self) -> Saved | None:
        """Return the newest state that counts."""
        if self._memory is not None and (state := self._memory.newest(self.last)) is not None:
            return Saved(self._memory.fd, state)
        return self._earlier

    @property
    def current(self) -> bool:
        """True if a new process can know what the plugin does: all up to the last frame that it has answered."""
        newest = self.newest()
        return self._knows_nothing if newest is None else newest.state.index == self.last

    @property
    def _knows_nothing(self) -> bool:
        return self.begun and self.last < 0

    @property
    def begun_with(self) -> int | None:
        """The frame of the state that the process has begun with; None if it has begun anew."""
        return self._begun_with

    @property
    def begun(self) -> bool:
        """True while a process keeps its states in a memory."""
        return self._memory is not None

    @property
    def remembers(self) -> bool:
        """True if there is a state, or a process that keeps one."""
        return self.begun or self._earlier is not None

    async def read(self) -> bytes | None:
        """Return the newest state; None if it cannot be read."""
        newest = self.newest()
        if newest is None:
            return None
        try:
            return await trio.to_thread.run_sync(read_state, newest.fd, newest.state.places)
        except (EOFError, OSError):
            return None

    def close(self) -> None:
        """Forget everything."""
        if self._memory is not None:
            self._memory.close()
        if self._earlier is not None:
            os.close(self._earlier.fd)
        self._memory = self._earlier = self._begun_with = None
