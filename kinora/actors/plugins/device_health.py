"""Keeps plugins off a device for a while after it has failed under them."""

from __future__ import annotations

import trio


class DeviceHealth:
    """Remembers device failures for each plugin: a device without memory for one plugin may suffice for another.

    It lives as long as the server. Times are on Trio's clock.
    """

    def __init__(self, cool_down_s: float) -> None:
        self._cool_down_s = cool_down_s
        self._failures: dict[tuple[str, str], tuple[float, str]] = {}

    def note_failure(self, plugin: str, device: str, message: str) -> None:
        """Note that the device failed under this plugin; the cool-down begins."""
        self._failures[plugin, device] = trio.current_time(), message

    def why_not(self, plugin: str, device: str) -> str | None:
        """Return why this plugin should not use the device now, as a sentence for users; None when it may."""
        if (plugin, device) not in self._failures:
            return None
        when, message = self._failures[plugin, device]
        elapsed = trio.current_time() - when
        if elapsed >= self._cool_down_s:
            del self._failures[plugin, device]
            return None
        return (
            f"{device} failed under this plugin {elapsed:.0f} s ago and is tried again"
            f" {self._cool_down_s:.0f} s after the failure: {message}"
        )
