"""Decides when a plugin that keeps failing is restarted, and when it is disabled for its job; likewise a decoder."""

from __future__ import annotations

import attrs

BACKOFF_S = 0.1
BACKOFF_MAX_S = 2.0


@attrs.define
class Breaker:
    """Counts a plugin's consecutive failures and decides. It neither waits nor starts anything."""

    max_deaths: int
    """Consecutive deaths of its process, timeouts included, that disable it."""
    max_errors: int
    """Consecutive exceptions that disable it; its process survives an exception."""
    _deaths_in_row: int = 0
    _errors_in_row: int = 0
    _lost: bool = False
    """True from a loss of its process until its next success."""

    @property
    def disabled(self) -> bool:
        """True once the plugin has failed too often in a row."""
        return self._deaths_in_row >= self.max_deaths or self._errors_in_row >= self.max_errors

    @property
    def restart_delay_s(self) -> float:
        """The delay before its process is restarted; 0 if it has neither died nor been lost since its last success."""
        if self._deaths_in_row == 0:
            return BACKOFF_S if self._lost else 0.0
        return min(BACKOFF_S * 2.0 ** (self._deaths_in_row - 1), BACKOFF_MAX_S)

    def disable(self) -> None:
        """Disable it, as an earlier server has done."""
        self._deaths_in_row = self.max_deaths

    def succeeded(self) -> None:
        """Note a success on a frame, which resets the consecutive counts."""
        self._deaths_in_row = self._errors_in_row = 0
        self._lost = False

    def raised(self) -> None:
        """Note an exception; its process goes on."""
        self._errors_in_row += 1

    def died(self) -> None:
        """Note that its process ended or had to be killed."""
        self._deaths_in_row += 1

    def lost(self) -> None:
        """Note that its process ended for a reason that lies outside it: that is no failure, and never disables it."""
        self._lost = True
