"""What a pipeline sees of the stored part of a job that goes on: its marked states, and the results since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs


@attrs.frozen
class Mark:
    """The marked frame, and the states after it."""

    index: int
    states: Mapping[str, bytes]
    """Plugin → its state."""


class EarlierFrames(Protocol):
    """The stored part of a job, as its pipeline sees it."""

    async def mark(self) -> Mark | None:
        """Return the newest mark; None if there is none, or it cannot be read."""

    async def results(self, index: int) -> Mapping[str, bytes] | None:
        """Return plugin → its result on a stored frame; None if it is not stored. Indexes are asked for in order."""

    async def count_before(self, index: int) -> int:
        """Return the number of stored frames before an index."""


class NoEarlierFrames:
    """Those of a new job."""

    async def mark(self) -> Mark | None:
        """Return None."""
        return None

    async def results(self, index: int) -> Mapping[str, bytes] | None:  # noqa: ARG002 - the protocol's signature
        """Return None."""
        return None

    async def count_before(self, index: int) -> int:  # noqa: ARG002 - the protocol's signature
        """Return 0."""
        return 0
