"""Saves a plugin's state while it works, in the memory that the server reads after the plugin's process has died."""

from __future__ import annotations

import time
from collections.abc import Sequence

from kinora.plugins import protocol
from kinora.plugins.api import Plugin
from kinora.plugins.failures import raised
from kinora.plugins.protocol import MESSAGE_CHARACTERS
from kinora.runtime.state_memory import StateKeeper, StateTooLarge

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
        """The mean processor time of a save: a busy machine does not make it longer."""
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
        began = time.thread_time()
        try:
            self._keeper.save(index, _parts(self._plugin.save_state()))
        except (StateTooLarge, _NoStateError) as error:
            return protocol.Unsaved(message=f"save_state: {error}"[:MESSAGE_CHARACTERS])
        except BaseException as error:  # noqa: ASYNC103, BLE001 - it is the plugin's, and is sent to the server
            told = raised(error, 0.0)
            message = f"save_state: {told.message}"[:MESSAGE_CHARACTERS]
            return protocol.Unsaved(message=message, traceback=told.traceback)  # noqa: ASYNC104 - no Trio here
        finally:
            self._cost_ms += _WEIGHT * ((time.thread_time() - began) * 1000 - self._cost_ms)
            self._worked_ms = 0.0
        return None


class _NoStateError(TypeError):
    """The plugin has returned something else."""


def _parts(state: object) -> Sequence[bytes]:
    parts = (state,) if isinstance(state, bytes | bytearray | memoryview) else state
    if not isinstance(parts, list | tuple):
        raise _NoStateError(f"the state must be bytes or a list of bytes, not {type(state).__name__}")
    wrong = next((part for part in parts if not isinstance(part, bytes | bytearray | memoryview)), None)
    if wrong is not None:
        raise _NoStateError(f"a part of the state must be bytes, not {type(wrong).__name__}")
    return [part if isinstance(part, bytes) else bytes(part) for part in parts]
