"""Attempts: all that an agent runs, by what the server says of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import structlog
import trio

from kinora.actors.pipeline.pipeline_link import PipelineLost
from kinora.agent.attempt import MakePipeline, RunningAttempt
from kinora.agent.bell import Bell
from kinora.agent.questions import Questions
from kinora.fleet.link import Acknowledged, Answer, Ask, Assign, Attempt, Running, Tell, Told

log = structlog.get_logger()


class Attempts:
    """The attempts of an agent. What the server says of one that is not here is passed over.

    Args:
        make: makes the pipeline of each.
        bell: is rung when there is something to send.
    """

    def __init__(self, make: MakePipeline, bell: Bell) -> None:
        self._make = make
        self._bell = bell
        self._all: dict[Attempt, RunningAttempt] = {}
        self._at_work = 0
        self._numbers = itertools.count(1)
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._leaving: PipelineLost | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run what is assigned until cancelled; then all of it ends at once."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def running(self) -> tuple[Running, ...]:
        """Return those that run or are not wholly acknowledged."""
        return tuple(Running(attempt=attempt, told=run.outgoing.told) for attempt, run in self._all.items())

    def obey(self, message: Assign | Tell | Acknowledged | Answer) -> None:
        """Do what the server says."""
        match message:
            case Assign(attempt, order):
                self._begin(attempt, order)
            case Answer(id=number, value=value):
                for run in self._all.values():
                    run.questions.answer(number, value)
            case Tell(attempt=attempt) if attempt in self._all:
                self._all[attempt].obey(message)
            case Acknowledged(attempt=attempt, upto=upto) if attempt in self._all:
                run = self._all[attempt]
                run.acknowledge(upto)
                if run.outgoing.is_done:
                    self._forget(attempt)

    def go_on_with(self, kept: Iterable[Running]) -> None:
        """Begin a new connection: what the server has not kept is dropped, the rest is told from there on."""
        taken = {running.attempt: running.told for running in kept}
        for attempt, run in list(self._all.items()):
            if attempt in taken:
                run.resend(taken[attempt])
            else:
                self._drop(attempt)
        self._bell.ring()

    def to_send(self) -> Iterator[Told | Ask]:
        """Yield what there is to send, at most one batch of each attempt; it counts as sent then."""
        for attempt, run in list(self._all.items()):
            yield from run.questions.to_send()
            if (batch := run.outgoing.batch()) is not None:
                first, events = batch
                yield Told(attempt=attempt, first=first, events=events)

    def leave(self, last: PipelineLost) -> None:
        """Have all end soon, with this as their last event; also those that the server still assigns."""
        self._leaving = last
        for run in self._all.values():
            run.leave(last)

    def drop_all(self) -> None:
        """End all at once, and tell nothing more of them."""
        for attempt in list(self._all):
            self._drop(attempt)

    async def wait_acknowledged(self) -> None:
        """Wait until each has ended and is wholly acknowledged, or is dropped."""
        while self._all:
            await self._changed.wait()

    async def wait_ended(self) -> None:
        """Wait until the processes of all are gone."""
        while self._at_work:
            await self._changed.wait()

    def _begin(self, attempt: Attempt, order: bytes) -> None:
        if attempt in self._all or self._nursery is None:
            return
        questions = Questions(attempt, lambda: next(self._numbers), self._bell.ring)
        run = self._all[attempt] = RunningAttempt(attempt, questions, self._bell.ring)
        if self._leaving is not None:
            run.leave(self._leaving)
        self._at_work += 1
        log.info("an attempt begins", job_id=attempt.job_id, attempt=attempt.number)
        self._nursery.start_soon(self._run, run, order)

    async def _run(self, run: RunningAttempt, order: bytes) -> None:
        try:
            await run.run(order, self._make)
        finally:
            self._at_work -= 1
            self._note_change()
        log.info("an attempt has ended", job_id=run.attempt.job_id, attempt=run.attempt.number)

    def _drop(self, attempt: Attempt) -> None:
        log.info("an attempt is dropped", job_id=attempt.job_id, attempt=attempt.number)
        self._all[attempt].drop()
        self._forget(attempt)

    def _forget(self, attempt: Attempt) -> None:
        del self._all[attempt]
        self._note_change()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
