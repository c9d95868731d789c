"""Questions: the stored part of a job, which an attempt asks the server for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import attrs
import trio

from kinora.actors.store.earlier_frames import Mark
from kinora.fleet.events import decode_count, decode_mark, decode_results
from kinora.fleet.link import Ask, Attempt


@attrs.define(eq=False)
class _Question:
    ask: Ask
    value: bytes = b""
    answered: trio.Event = attrs.field(factory=trio.Event)


class Questions:
    """The :class:`~kinora.actors.store.earlier_frames.EarlierFrames` of an attempt. A pipeline asks one at a time.

    Args:
        attempt: that asks.
        number: returns the next number for a question of this agent.
        ring: is called when there is a question to send.
    """

    def __init__(self, attempt: Attempt, number: Callable[[], int], ring: Callable[[], None]) -> None:
        self._attempt = attempt
        self._number = number
        self._ring = ring
        self._open: dict[int, _Question] = {}
        self._unsent: list[Ask] = []

    async def mark(self) -> Mark | None:
        """Return the newest mark; None if there is none, or it cannot be read."""
        return decode_mark(await self._ask("mark"))

    async def results(self, index: int) -> Mapping[str, bytes] | None:
        """Return plugin → its result on a stored frame; None if it is not stored."""
        return decode_results(await self._ask("results", index))

    async def count_before(self, index: int) -> int:
        """Return the number of stored frames before an index."""
        return decode_count(await self._ask("count_before", index))

    async def camera(self) -> bytes:
        """Return how the camera is opened that is the job's source; see ``kinora.fleet.camera_answers``."""
        return await self._ask("camera")

    def to_send(self) -> Iterator[Ask]:
        """Yield those not sent on this connection; each counts as sent then."""
        while self._unsent:
            yield self._unsent.pop(0)

    def resend(self) -> None:
        """Begin a new connection: all that are not answered are to be sent again."""
        self._unsent = [question.ask for question in self._open.values()]

    def answer(self, number: int, value: bytes) -> None:
        """Take the answer to a question; that to one of another attempt is passed over."""
        if (question := self._open.get(number)) is not None:
            question.value = value
            question.answered.set()

    async def _ask(self, what: Literal["mark", "results", "count_before", "camera"], index: int = 0) -> bytes:
        question = _Question(Ask(id=self._number(), attempt=self._attempt, what=what, index=index))
        self._open[question.ask.id] = question
        self._unsent.append(question.ask)
        self._ring()
        try:
            await question.answered.wait()
        finally:
            del self._open[question.ask.id]
        return question.value
