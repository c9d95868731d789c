"""Which plugins have lost which device lately, and for how long they are kept off it."""

from __future__ import annotations

import trio


class DeviceHealth:
    """Remembers failures of devices, plugin by plugin: one that is out of memory for one may well do for another.

    Lives as long as the server. Times are on Trio's clock.
    """

    def __init__(self, cool_down_s: float) -> None:
        self._cool_down_s = cool_down_s
        self._failures: dict[tuple[str, str], tuple[float, str]] = {}

    def note_failure(self, plugin: str, device: str, message: str) -> None:
        """The device has failed under this plugin; its cool-down begins."""
        self._failures[plugin, device] = trio.current_time(), message

    def why_not(self, plugin: str, device: str) -> str | None:
        """Why this plugin should not use the device just now, in words; None when it may try."""
        if (plugin, device) not in self._failures:
            return None
        when, message = self._failures[plugin, device]
        elapsed = trio.current_time() - when
        if elapsed >= self._cool_down_s:
            del self._failures[plugin, device]
            return None
        return (
            f"{device} failed under it {elapsed:.0f} s ago and is tried again by the first job"
            f" after {self._cool_down_s:.0f} s: {message}"
        )
