"""An actor: one concurrent thing with a bounded mailbox, which takes one message after the other."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
import trio

CLOSE_GRACE_S = 5.0


class ActorGone(Exception):
    """The actor that was asked has ended, crashed over this message, or does not run; nothing more will come of it."""


@attrs.frozen
class ActorStatistics:
    """How an actor is doing."""

    name: str
    running: bool
    handled: int
    waiting: int
    """Messages in the mailbox now."""
    peak_waiting: int
    capacity: int


@attrs.define(eq=False)
class _Envelope:
    message: Any
    wants_answer: bool
    answered: trio.Event = attrs.field(factory=trio.Event)
    value: Any = None
    error: Exception | None = None

    def answer(self, *, value: Any = None, error: Exception | None = None) -> None:
        self.value, self.error = value, error
        self.answered.set()


class Actor:
    """Serves its mailbox in a task of its own; made by overriding ``handle``.

    A full mailbox makes those who send wait. The same actor can be run again after it has ended, with a fresh mailbox.
    """

    expected: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors that are an answer: they go to the asker, and the actor goes on. Any other ends it."""

    def __init__(self, name: str, mailbox_size: int) -> None:
        self.name = name
        self._mailbox_size = mailbox_size
        self._mailbox: trio.MemorySendChannel[_Envelope] | None = None
        self._handled = 0
        self._peak_waiting = 0

    async def open(self) -> None:
        """Runs before the first message; until it returns, the actor counts as not running."""

    async def handle(self, message: Any) -> Any:
        """Deal with one message; what it returns is the answer of ``ask``."""
        raise NotImplementedError(f"{type(self).__name__} must define handle(self, message)")

    async def close(self) -> None:
        """Runs when the actor ends for whatever reason, for ``CLOSE_GRACE_S`` at most."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stop`` or cancellation. What waits when it ends otherwise than by ``stop`` gets ActorGone.

        Raises whatever ``handle`` raised that was not expected, or was raised where nobody waited for an answer.
        """
        if self._mailbox is not None:
            raise RuntimeError(f"{self.name} runs already")
        try:
            await self.open()
            send, receive = trio.open_memory_channel[_Envelope](self._mailbox_size)
            self._mailbox = send
            with send, receive:
                task_status.started()
                await self._serve(receive)
        finally:
            self._mailbox = None
            with trio.move_on_after(CLOSE_GRACE_S, shield=True):
                await self.close()

    async def ask(self, message: Any) -> Any:
        """Wait for room in the mailbox, then for the answer. If cancelled, the message may be handled all the same.

        Raises:
            ActorGone: there will be no answer.
        """
        envelope = _Envelope(message, wants_answer=True)
        await self._send(envelope)
        await envelope.answered.wait()
        if envelope.error is not None:
            raise envelope.error
        return envelope.value

    async def tell(self, message: Any) -> None:
        """Wait for room in the mailbox and leave the message there.

        Raises:
            ActorGone: nobody will read it.
        """
        await self._send(_Envelope(message, wants_answer=False))

    def stop(self) -> None:
        """Take no more messages, deal with those that wait, and end."""
        if self._mailbox is not None:
            self._mailbox.close()

    def statistics(self) -> ActorStatistics:
        """Figures of this moment."""
        return ActorStatistics(
            name=self.name,
            running=self._mailbox is not None,
            handled=self._handled,
            waiting=self._mailbox.statistics().current_buffer_used if self._mailbox else 0,
            peak_waiting=self._peak_waiting,
            capacity=self._mailbox_size,
        )

    async def _send(self, envelope: _Envelope) -> None:
        if self._mailbox is None:
            raise ActorGone(f"{self.name} does not run")
        mailbox = self._mailbox
        try:
            await mailbox.send(envelope)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ActorGone(f"{self.name} has ended") from error
        self._peak_waiting = max(self._peak_waiting, mailbox.statistics().current_buffer_used)

    async def _serve(self, mailbox: trio.MemoryReceiveChannel[_Envelope]) -> None:
        try:
            async for envelope in mailbox:
                await self._deal_with(envelope)
        finally:
            self._refuse_waiting(mailbox)

    async def _deal_with(self, envelope: _Envelope) -> None:
        try:
            envelope.answer(value=await self.handle(envelope.message))
        except self.expected as error:
            if not envelope.wants_answer:
                raise
            envelope.answer(error=error)
        finally:
            if not envelope.answered.is_set():
                envelope.answer(error=ActorGone(f"{self.name} ended over this message"))
        self._handled += 1

    def _refuse_waiting(self, mailbox: trio.MemoryReceiveChannel[_Envelope]) -> None:
        while True:
            try:
                waiting = mailbox.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                return
            waiting.answer(error=ActorGone(f"{self.name} has ended"))
