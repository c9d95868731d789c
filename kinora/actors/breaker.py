"""When a plugin that keeps failing is started again, and when it is given up for its job."""

from __future__ import annotations

import attrs

BACKOFF_S = 0.1
BACKOFF_MAX_S = 2.0


@attrs.define
class Breaker:
    """Counts a plugin's failures in a row and decides. A plain value: it neither waits nor starts anything."""

    max_deaths: int
    """Deaths of its process, timeouts included, in a row."""
    max_errors: int
    """Exceptions in a row, after which its process is still sound."""
    failures: int = 0
    """All of them, over the whole job."""
    _deaths_in_row: int = 0
    _errors_in_row: int = 0

    @property
    def disabled(self) -> bool:
        """Whether the plugin has failed too often in a row."""
        return self._deaths_in_row >= self.max_deaths or self._errors_in_row >= self.max_errors

    @property
    def restart_delay_s(self) -> float:
        """How long to wait before its process is started again; 0 when it has not died since it last worked."""
        if self._deaths_in_row == 0:
            return 0.0
        return min(BACKOFF_S * 2.0 ** (self._deaths_in_row - 1), BACKOFF_MAX_S)

    def succeeded(self) -> None:
        """It worked on a frame: what went wrong before is no longer in a row."""
        self._deaths_in_row = self._errors_in_row = 0

    def raised(self) -> None:
        """It raised; its process goes on."""
        self.failures += 1
        self._errors_in_row += 1

    def died(self) -> None:
        """Its process ended, or had to be killed."""
        self.failures += 1
        self._deaths_in_row += 1
