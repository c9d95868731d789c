"""RayProvider: has Ray start agents for the jobs that wait, through a driver in a process of its own."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import structlog
import trio

from kinora.actors.jobs.engine import Needs
from kinora.fleet.provider import Dismiss, Present
from kinora.fleet.ray.demand import Ask, Demand, GiveBack, Step
from kinora.fleet.ray.limits import refusal
from kinora.fleet.ray.recipe import Recipe
from kinora.fleet.ray.talk import (
    MAX_LINE_BYTES,
    End,
    Ended,
    FromDriver,
    Lost,
    Pending,
    Placed,
    ToDriver,
    Up,
    decode_from_driver,
    line,
)
from kinora.runtime.tail import Tail

START_S = 90.0
"""The time for a driver to reach its cluster or to start one, which takes 7 s on an idle machine; then it is killed."""
END_S = 5.0
"""The time for a driver to end with all that it has started once its stdin is closed; then it is killed."""
FIRST_PAUSE_S = 1.0
"""The pause after the end of a driver; each further one before the cluster was there doubles it."""
LONGEST_PAUSE_S = 30.0
TAIL_BYTES = 4000
"""The end of what a driver writes to stderr, which the log gets when it ends; what is before it is dropped."""

log = structlog.get_logger()


class DriverEnded(Exception):
    """The driver is of no further use; the text says why, in a sentence."""


class RayProvider:
    """A Provider. ``run`` keeps a driver running; while there is none, nothing is asked for and agents work on.

    Args:
        address: that of a cluster, ``auto`` for the one of this machine, or empty for a Ray of its own.
        idle_s: the time after which an idle agent is given back.
        dismiss: sends an idle agent away.
    """

    def __init__(self, address: str, *, idle_s: float, dismiss: Dismiss) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._address = address
        self._recipe = Recipe(url="")
        self._begun = trio.Event()
        self._dismiss = dismiss
        self._demand = Demand(secrets.token_hex(2), idle_s, shares_files=not address)
        self._waiting: Sequence[Needs] = ()
        self._present: Sequence[Present] = ()
        self._changed = trio.Event()
        self._pause_s = FIRST_PAUSE_S

    def begin(self, recipe: Recipe) -> None:
        """Start agents by this recipe as soon as :meth:`run` runs; called once the server can be reached."""
        self._recipe = recipe
        self._begun.set()

    def review(self, waiting: Sequence[Needs], present: Sequence[Present]) -> None:
        """Take note; what follows is decided in ``run``."""
        self._waiting, self._present = waiting, present
        self._changed.set()

    def refusal(self, needs: Needs) -> str | None:
        """The reason, as a sentence, why Ray takes no request for such an agent; None if it does."""
        return refusal(needs, shares_files=not self._address)

    def waiting_for(self, job_id: str) -> str | None:
        """The reason, as a sentence, why a job has no agent yet."""
        return self._demand.reasons.get(job_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run drivers, one after the other, until cancelled; then the last one ends with all its agents."""
        task_status.started()
        await self._begun.wait()
        while True:
            reason = await self._drive()
            log.warning("Ray is away", reason=reason, next_try_s=self._pause_s)
            self._demand.down(f"{reason} It is tried again.")
            with trio.move_on_after(self._pause_s):
                await self._decide_for_ever(None)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def _drive(self) -> str:
        """Run one driver; return the reason of its end."""
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "kinora.fleet.ray.driver", self._address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        tail = Tail(TAIL_BYTES)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_collect, process.stderr, tail)
                reason = await self._converse(process)
                nursery.cancel_scope.cancel(reason="the driver has ended")
        finally:
            with trio.move_on_after(3 * END_S, shield=True):
                await _end(process)
        log.debug("the Ray driver has ended", output=tail.text())
        return reason

    async def _converse(self, process: trio.Process) -> str:
        reason = "Ray's driver has ended."
        lines = _Lines(process.stdout)
        async with trio.open_nursery() as nursery:
            try:
                with trio.fail_after(START_S):
                    self._hear(await lines.next())
                nursery.start_soon(self._decide_for_ever, process.stdin)
                while True:
                    self._hear(await lines.next())
            except DriverEnded as error:
                reason = str(error)
            except trio.TooSlowError:
                reason = f"Ray has not started within {START_S:g} s."
            nursery.cancel_scope.cancel(reason="the driver has ended")
        return reason

    def _hear(self, message: FromDriver) -> None:
        """Take note of what the driver tells.

        Raises:
            DriverEnded: the cluster is lost.
        """
        now = trio.current_time()
        match message:
            case Up():
                log.info("Ray is there", address=message.address, version=message.version)
                self._pause_s = FIRST_PAUSE_S
                self._demand.up()
            case Placed():
                self._demand.placed(message.name, message.node, now)
            case Pending():
                self._demand.pending(message.name, message.reason)
            case Ended():
                log.info("an agent of Ray has ended", agent=message.name, reason=message.reason)
                self._demand.ended(message.name, message.reason, now)
            case Lost():
                raise DriverEnded(message.reason)
        self._changed.set()

    async def _decide_for_ever(self, to_driver: trio.abc.SendStream | None) -> None:
        """Decide after each change and at the times that a decision has named, and carry it out."""
        while True:
            self._changed = trio.Event()
            now = trio.current_time()
            before = self._demand.reasons
            steps = self._demand.decide(self._waiting, self._present, now)
            if self._demand.reasons != before:
                self.on_change()
            messages = [message for step in steps if (message := self._message(step)) is not None]
            if messages and to_driver is not None:
                with suppress(trio.BrokenResourceError):  # its stdout tells why
                    await to_driver.send_all(b"".join(map(line, messages)))
            with trio.move_on_at(self._demand.next_at(now)):
                await self._changed.wait()

    def _message(self, step: Step) -> ToDriver | None:
        """What the driver is told for a step; None if it is not carried out."""
        if isinstance(step, Ask):
            return self._recipe.begin(step)
        if isinstance(step, GiveBack):
            return End(step.name)
        if not self._dismiss(step.name):
            return None
        self._demand.dismissed(step.name)
        return End(step.name)


class _Lines:
    """The lines that a driver writes."""

    def __init__(self, stream: trio.abc.ReceiveStream | None) -> None:
        self._stream = stream
        self._received = b""

    async def next(self) -> FromDriver:
        """Wait for the next line.

        Raises:
            DriverEnded: there is none, or it is not a message.
        """
        while b"\n" not in self._received:
            if len(self._received) > MAX_LINE_BYTES:
                raise DriverEnded("Ray's driver has sent too long a line.")
            data = b"" if self._stream is None else await self._stream.receive_some()
            if not data:
                raise DriverEnded("Ray's driver has ended.")
            self._received += data
        received, _, self._received = self._received.partition(b"\n")
        try:
            message: FromDriver = decode_from_driver(received)
        except msgspec.MsgspecError as error:
            raise DriverEnded(f"Ray's driver has sent a line that is not a message: {error}.") from error
        return message


async def _collect(stream: trio.abc.ReceiveStream | None, tail: Tail) -> None:
    if stream is not None:
        async for data in stream:
            tail.add(bytes(data))


async def _end(process: trio.Process) -> None:
    """Close the driver's stdin, with which it ends; kill it if that takes too long."""
    if process.stdin is not None:
        await process.stdin.aclose()
    with trio.move_on_after(END_S):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    for stream in filter(None, (process.stdout, process.stderr)):
        await stream.aclose()
