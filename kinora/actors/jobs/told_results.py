"""ToldResults: which results clients have been told of."""

from __future__ import annotations

from collections.abc import Mapping

from kinora.actors.messages import FramePayload


class ToldResults:
    """Has each result told once, however many pipelines a job needs.

    A plugin's results are told before their frame is done. If a pipeline is lost in between, the next one begins after
    the last stored frame, and finds these results again.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        """Plugin → the index of the newest result."""
        self._before: Mapping[str, int] = {}
        """The same when the current pipeline began."""

    def begin_again(self) -> None:
        """Take what has been told so far as told: another pipeline begins on the same frames."""
        self._before = dict(self._newest)

    def add(self, result: FramePayload) -> bool:
        """Note that this result is told now; return False if an earlier pipeline has told it."""
        newest = self._newest.get(result.plugin, -1)
        self._newest[result.plugin] = max(newest, result.index)
        return result.index > self._before.get(result.plugin, -1)
