"""StageHealth: how a plugin does in a stage, from what became of its frames and of ``finalize``."""

from __future__ import annotations

import attrs

from kinora.actors.models import StageState


@attrs.define
class StageHealth:
    """Judges frames and ``finalize``; the deaths of the plugin's process are judged by the breaker."""

    slow: bool = False
    """True once a frame took more than the plugin's latency budget."""
    _has_done: bool = False
    """True once it has done a frame, even if a part of its result was bad."""
    _has_failed: bool = False
    """True once it has failed on a frame."""
    _ailing: bool = False
    """True if the last frame or ``finalize`` went wrong, in whole or in part."""

    @property
    def ailing(self) -> bool:
        """True if it is slow, or the last thing that it did went wrong."""
        return self.slow or self._ailing

    @property
    def useless(self) -> bool:
        """True if it has failed on every frame so far."""
        return self._has_failed and not self._has_done

    def restore(self, past: StageState) -> None:
        """Go on after its work under an earlier server; that it was slow is forgotten with its next frame."""
        self._has_done = past.frames > past.failures
        self._ailing = past.health != "ok"

    def done(self, *, flawed: bool) -> None:
        """Note a frame that it has done; ``flawed`` if a part of the result was bad."""
        self._has_done, self._ailing = True, flawed

    def failed(self) -> None:
        """Note a frame that it has failed on."""
        self._has_failed = self._ailing = True

    def failed_to_sum_up(self) -> None:
        """Note that ``finalize`` has failed, or has returned something that is bad in whole or in part."""
        self._ailing = True
