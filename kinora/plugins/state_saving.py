"""Saves a plugin's state while it works, in the memory that the server reads after the plugin's process has died."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence

from kinora.plugins import protocol
from kinora.plugins.api import Plugin
from kinora.plugins.failures import raised
from kinora.plugins.protocol import MESSAGE_CHARACTERS
from kinora.runtime.shared_memory.state_memory import StateKeeper, StateTooLarge

CHEAP_MS = 1.0
"""The processor time that saving may take after each frame, however short the frame's time is."""
SHARE = 0.02
"""The share of the plugin's time that saving may take. A state that costs more is saved after fewer frames."""
_WEIGHT = 1 / 16  # of the newest save in the mean


class StateSaving:
    """Decides when a plugin's state is saved, and saves it."""

    def __init__(self, plugin: Plugin, keeper: StateKeeper) -> None:
        self._plugin = plugin
        self._keeper = keeper
        self._cost_ms = 0.0
        """The mean cost of a save."""
        self._worked_ms = 0.0
        """The plugin's time since the last save."""

    def after_frame(self, index: int, run_ms: float) -> protocol.Unsaved | None:
        """Save the state if that is cheap by now; return what to tell if it failed."""
        self._worked_ms += run_ms
        if self._cost_ms > max(CHEAP_MS, SHARE * self._worked_ms):
            return None
        return self.save(index)

    def save(self, index: int) -> protocol.Unsaved | None:
        """Save the state after a frame; return what to tell if that failed."""
        began = _Clocks()
        try:
            self._keeper.save(index, state_parts(self._plugin.save_state()))
        except (StateTooLarge, NoStateError) as error:
            return protocol.Unsaved(message=f"save_state: {error}"[:MESSAGE_CHARACTERS])
        except BaseException as error:  # noqa: ASYNC103, BLE001 - it is the plugin's, and is sent to the server
            told = raised(error, 0.0)
            message = f"save_state: {told.message}"[:MESSAGE_CHARACTERS]
            return protocol.Unsaved(message=message, traceback=told.traceback)  # noqa: ASYNC104 - no Trio here
        finally:
            self._cost_ms += _WEIGHT * (began.cost_ms() - self._cost_ms)
            self._worked_ms = 0.0
        return None


class _Clocks:
    """What a save has cost since this was made: processor time, which a busy machine does not make longer.

    If the thread has waited for something meanwhile, as for a GPU, the clock's time.
    """

    def __init__(self) -> None:
        self._waits, self._cpu_s, self._at = _waits(), time.thread_time(), time.perf_counter()

    def cost_ms(self) -> float:
        cpu_s, clock_s = time.thread_time() - self._cpu_s, time.perf_counter() - self._at
        return 1000 * (cpu_s if _waits() == self._waits else clock_s)


def _waits() -> int:
    """How often this thread has given up the processor by itself."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


class NoStateError(TypeError):
    """The plugin has returned something else."""


def state_parts(state: object) -> Sequence[bytes]:
    """The parts of what ``save_state`` has returned.

    Raises:
        NoStateError: it is something else than bytes or a list of them.
    """
    parts = (state,) if isinstance(state, bytes | bytearray | memoryview) else state
    if not isinstance(parts, list | tuple):
        raise NoStateError(f"the state must be bytes or a list of bytes, not {type(state).__name__}")
    wrong = next((part for part in parts if not isinstance(part, bytes | bytearray | memoryview)), None)
    if wrong is not None:
        raise NoStateError(f"a part of the state must be bytes, not {type(wrong).__name__}")
    return [part if isinstance(part, bytes) else bytes(part) for part in parts]
