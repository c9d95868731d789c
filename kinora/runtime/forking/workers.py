"""Worker processes: started in milliseconds, and gone with all their children when they are stopped.

A worker is forked from the :mod:`~kinora.runtime.forking.forkserver`. Each has its own channel, its own session and
its own log, and shares neither lock nor queue with any other. Its children are killed with it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Generic

import attrs
import msgspec
import structlog
import trio

from kinora.runtime.clocks.boot_clock import boot_s
from kinora.runtime.forking import forkserver
from kinora.runtime.forking.channel import READ_BYTES, Assembler, ProtocolError, packets, socket_pair
from kinora.runtime.forking.launching import Launch, Launched
from kinora.runtime.forking.program import Answer, Program, Request, encode
from kinora.runtime.forking.worker_log import Log
from kinora.runtime.forking.worker_usage import ProcessUsage, WorkerKind, measure
from kinora.runtime.linux.memory import largest_beyond, uses_more
from kinora.runtime.linux.processes import kill_children

STATUS_WAIT_S = 0.5
"""The time to wait for the status of a worker whose channel has closed; nearly always it has ended."""
STOP_GRACE_S = 0.05
"""The time that a worker has to end by itself once its channel has closed."""
TERM_GRACE_S = 0.025
"""The time that a worker has to end after SIGTERM."""
KILL_GRACE_S = 5.0
"""A process that is still there this long after SIGKILL is stuck in the kernel; its pid is reported."""
SIGNAL_WAIT_S = 0.25
"""The time in which the fork server should end a worker after SIGKILL; after it the worker is killed without it."""
ANSWER_WAIT_S = 0.5
"""The time for the fork server to answer a ping after a worker was killed without it; after it the fork server counts
as hung, and its report of the worker's end is not waited for."""
POLL_S = 0.01
"""The interval between two looks at processes that were killed."""
PING_S = 1.0
"""The interval between two pings to the fork server."""
MAX_MISSED_PINGS = 5
"""A fork server that has answered nothing for so many intervals hangs: it is killed, and another one started."""
FORK_TIMEOUT_S = 20.0
"""The longest wait for a worker to start, longer than it takes to replace a fork server; after it the caller fails."""
END_GRACE_S = 1.0
"""The time that the fork server has to kill all workers and end once its channel has closed; then it is killed."""
MEMORY_CHECK_S = 0.1
"""The interval between two checks of the workers' memory."""
BUDGET_FOR_MORE = 0.8
"""The share of the memory budget up to which a worker is started that is useful and not needed; the rest is for those
that grow."""
CRASH_SIGNALS = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
    | {signal.SIGSYS, signal.SIGXCPU, signal.SIGXFSZ}
)
"""The signals that end a process because of its own code."""
MB = 2**20

log = structlog.get_logger()

_decode_report = msgspec.msgpack.Decoder(
    forkserver.Ready | forkserver.Unable | forkserver.Pong | forkserver.Forked | forkserver.Exited | forkserver.Gone
).decode


class WorkerGone(Exception):
    """The worker's process has ended or has closed its channel: no more messages will come.

    ``status`` is its exit code, or minus the signal's number; None if it is not known yet. ``over_memory`` is a phrase
    for users if the process was killed for its use of memory. ``orphaned`` is true if it ended because the fork server
    had ended, whatever it did itself.
    """

    def __init__(
        self, name: str, status: int | None, over_memory: str | None = None, *, orphaned: bool = False
    ) -> None:
        super().__init__(name, status, over_memory)
        self.name = name
        self.status = status
        self.over_memory = over_memory
        self.orphaned = orphaned

    def __str__(self) -> str:
        """Return a phrase that says how the process ended."""
        if self.orphaned:
            return "its process ended with the fork server"
        return f"its process {self.over_memory or describe_exit(self.status)}"

    @property
    def by_its_work(self) -> bool:
        """True if the process ended because of what it worked on: it crashed in native code, or used too much memory.

        Else the machine or this program is to blame, such as for SIGKILL by the kernel or an exception.
        """
        return self.over_memory is not None or (self.status is not None and -self.status in CRASH_SIGNALS)

    @property
    def killed(self) -> bool:
        """True if the process was killed by a SIGKILL that Kinora did not send."""
        return self.status == -signal.SIGKILL and self.over_memory is None and not self.orphaned


class ForkServerGone(Exception):
    """No worker can be started now: the fork server's process has ended, and all workers with it, or it hangs."""


class LeaseEnded(ForkServerGone):
    """The fork server has ended with its lease, as it is to."""


HearOutput = Callable[[str, bytes], None]
"""Takes the name of a worker and a part of its output; empty bytes at its end."""


def nobody_hears(_name: str, _data: bytes) -> None:
    """Drop a worker's output, which its log keeps."""


def describe_exit(status: int | None) -> str:
    """Describe a status: ``ended with exit code 3`` or ``was killed by SIGSEGV``."""
    if status is None:
        return "closed its channel"
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


class Worker:
    """The server's view of one worker process. :meth:`ForkServer.fork` makes it; its caller must stop it."""

    def __init__(
        self,
        number: int,
        name: str,
        kind: WorkerKind,
        *,
        end: socket.socket,
        log: Log,
        server: ForkServer,
        memory_limit: int | None,
    ) -> None:
        self.number = number
        self.name = name
        self.kind = kind
        self.cpu_s = 0.0
        """The processor time that it had used when that was measured last, at the latest at its end."""
        self.pid = 0
        self.memory_limit = memory_limit
        """The most bytes that it and its descendants may have resident; beyond that it is killed."""
        self.over_memory: str | None = None
        """A phrase for users if it was killed for its use of memory."""
        self.status: int | None = None
        """The exit code, or minus the signal's number; None while it runs."""
        self.orphaned = False
        """True if it still ran when the fork server ended."""
        self.log = log
        self.gone = trio.Event()
        """Set once its process and all its descendants are gone; its log is complete then."""
        self.stuck = False
        """True if its process could not be killed."""
        self.forked = trio.Event()
        """Set once its process runs, or never will."""
        self._exited = trio.Event()
        self._end = end
        self._socket = trio.socket.from_stdlib_socket(end)
        self._assembler = Assembler()
        self._server = server

    async def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send one message; the descriptors stay the caller's. A checkpoint only if the channel is full.

        If cancelled, a part may have been sent: the worker must be killed then.

        Raises:
            WorkerGone: the worker reads no more messages.
        """
        try:
            for packet in packets(data):
                try:  # the same socket; Trio's calls would run all other tasks
                    if fds:
                        self._end.sendmsg([packet], [_rights(fds)])
                    else:
                        self._end.send(packet)
                except BlockingIOError:
                    await self._socket.sendmsg([packet], [_rights(fds)] if fds else [])
                fds = ()
        except (OSError, trio.ClosedResourceError):
            raise await self._gone() from None

    async def receive(self) -> bytes:
        """Wait for one message. If cancelled, nothing is lost.

        Raises:
            WorkerGone: no more messages will come.
            ProtocolError: the worker sent bytes that are not a message; it must be killed.
        """
        while True:
            packet = await self._recv_packet()
            if not packet:
                raise await self._gone()
            message = self._assembler.add(packet)
            if message is not None:
                return message

    async def _recv_packet(self) -> bytes:
        """Wait for the next packet, as :func:`_recv_packet`, but first: it is hardly ever there at once."""
        while self._end.fileno() >= 0:
            try:
                await trio.lowlevel.wait_readable(self._end)
                return self._end.recv(READ_BYTES)
            except (BlockingIOError, ConnectionResetError):
                continue
            except (OSError, trio.ClosedResourceError):
                break
        return b""

    async def _gone(self) -> WorkerGone:
        with trio.move_on_after(STATUS_WAIT_S):
            await self._exited.wait()
        return WorkerGone(self.name, self.status, self.over_memory, orphaned=self.orphaned)

    async def stop(self, grace_s: float | None = None) -> bool:
        """End the worker: close the channel, send SIGTERM after the grace period, then SIGKILL.

        ``grace_s`` is the grace period; None stands for that of the fork server. Returns whether the process is gone
        with all its descendants. False means that it is stuck in the kernel: it was still there ``KILL_GRACE_S`` after
        SIGKILL. Completes even if cancelled; each wait is bounded.

        If the fork server hangs, the process and its session are killed without it. Descendants that have left the
        session are killed with the fork server.
        """
        with contextlib.suppress(OSError, trio.ClosedResourceError):
            self._socket.shutdown(socket.SHUT_WR)
        with trio.CancelScope(shield=True):  # every wait below has a deadline
            with trio.move_on_after(self._server.grace_s if grace_s is None else grace_s):
                await self.gone.wait()
            await self._signal(signal.SIGTERM, TERM_GRACE_S)
            await self._kill()
        return not self.stuck

    async def kill(self) -> bool:
        """End the worker at once by SIGKILL; otherwise as :meth:`stop`."""
        with trio.CancelScope(shield=True):  # every wait below has a deadline
            await self._kill()
        return not self.stuck

    async def _kill(self) -> None:
        ended = False
        with trio.move_on_after(KILL_GRACE_S):
            await self._signal(signal.SIGKILL, SIGNAL_WAIT_S)
            ended = self.status is None and await self._server.kill_directly(self)
            if not ended:
                await self.gone.wait()
        self.stuck = not (ended or self.gone.is_set())
        self._socket.close()

    async def _signal(self, number: int, grace_s: float) -> None:
        if not self.gone.is_set():
            with trio.move_on_after(grace_s):
                await self._server.signal(self, number)
                await self.gone.wait()

    def exited(self, status: int, cpu_s: float = 0.0) -> None:
        """Note that the fork server has reaped the process. Messages that it sent before can still be received."""
        self.status = status
        self.cpu_s = max(self.cpu_s, cpu_s)
        self._exited.set()
        with contextlib.suppress(OSError, trio.ClosedResourceError):
            # A descendant may still hold the other end: this wakes a task that waits in receive.
            self._socket.shutdown(socket.SHUT_RDWR)


class Conversation(Generic[Request, Answer]):
    """The server's end of a conversation with a program in a worker."""

    def __init__(self, program: Program[Request, Answer], worker: Worker) -> None:
        self.worker = worker
        self._decode = program.decode_answer

    async def send(self, message: Request, fds: Sequence[int] = ()) -> None:
        """Send one message; see :meth:`Worker.send`."""
        await self.worker.send(encode(message), fds)

    async def receive(self) -> Answer:
        """Wait for one message and decode it; see :meth:`Worker.receive`.

        Raises:
            WorkerGone: no more messages will come.
            ProtocolError: the worker sent bytes that are not a message of the program; it must be killed.
        """
        data = await self.worker.receive()
        try:
            return self._decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"its process sent bytes that are not a message: {error}") from error

    async def ask(self, message: Request, fds: Sequence[int] = ()) -> Answer:
        """Send one message and wait for the next one from the worker."""
        await self.send(message, fds)
        return await self.receive()


async def _recv_packet(end: trio.socket.SocketType) -> bytes:
    """Wait for the next packet; return an empty one once the other side has closed and all its packets were read."""
    while True:
        try:
            return await end.recv(READ_BYTES)
        except ConnectionResetError:
            continue  # comes once, before the last packets, if the other side closed with something unread
        except (OSError, trio.ClosedResourceError):
            return b""


def _rights(fds: Sequence[int]) -> tuple[int, int, bytes]:
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)


@attrs.frozen(kw_only=True)
class ForkServerStatistics:
    """Figures for metrics."""

    pid: int | None
    workers: int
    started: int


class ForkServer:
    """Owns the fork server's process and tracks all workers.

    ``preload`` names the modules that it imports before the first fork; none of them may start a thread.
    ``memory_limit`` is the most bytes that any worker may have resident; ``memory_budget`` is the most that all of them
    may have together: beyond it the largest is killed. ``grace_s`` is the time, in seconds, that a worker has to end by
    itself. ``environment`` names further variables that workers get, beside those in ``worker_environment``;
    ``variables`` are set for them, whatever the server's own values. ``hear_output`` gets the output of all workers as
    it comes; it must not block for long, nor raise. ``launched`` is a process that was started beforehand in the same
    way, for the first run. ``lifeline`` is a descriptor that the fork server's process keeps open to its end, when all
    workers are gone.
    """

    def __init__(
        self,
        preload: Sequence[str] = (),
        *,
        memory_limit: int | None = None,
        memory_budget: int | None = None,
        grace_s: float = STOP_GRACE_S,
        environment: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        hear_output: HearOutput = nobody_hears,
        launched: Launched | None = None,
        lifeline: int | None = None,
    ) -> None:
        self.grace_s = grace_s
        self._hear_output = hear_output
        self._memory_limit = memory_limit
        self._memory_budget = memory_budget
        self._launch = Launch(tuple(preload), tuple(environment), dict(variables or {}), lifeline)
        self._launched = launched
        self._workers: dict[int, Worker] = {}
        self._ended_cpu_s: dict[WorkerKind, float] = {}
        """The processor time of the workers that are gone; bounded by the programs and the operator's plugins."""
        self._numbers = itertools.count(1)
        self._started = 0
        self._ready = trio.Event()
        self._control: trio.socket.SocketType | None = None
        self._sending = trio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watched = trio.lowlevel.ParkingLot()
        """The task that checks the workers' memory waits here while there is no worker."""
        self._until: float | None = None
        """The end of the lease."""
        self._nursery: trio.Nursery | None = None
        """The nursery of the tasks that read the logs; None while workers cannot be forked."""
        self._pong = trio.Event()
        """Set, and replaced, when a ping is answered."""
        self._unable: str | None = None
        """The reason why the process cannot work, once it has told."""
        self._hangs = False
        """True if the process has left several pings unanswered."""

    async def run(  # noqa: ASYNC128 - the reader reports the start
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Start the process, report ready once workers can be forked, and watch it until cancelled.

        When this ends, in any way, the process and all workers are gone.

        Raises:
            LeaseEnded: the process ended with the lease.
            ForkServerGone: it ended on its own, or was ended because it hung.
        """
        self._hangs, self._unable = False, None
        launched, self._launched = self._launched or self._launch.start(), None
        process, end = launched.take()
        self._process = process
        control = self._control = trio.socket.from_stdlib_socket(end)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_memory)
                try:
                    await self._read_reports(control, nursery, task_status)
                finally:
                    self._nursery = None
                    for worker in self._workers.values():
                        worker.orphaned = worker.status is None
                    if self._ready.is_set():  # else the tasks that wait for it go on waiting for the next start
                        self._ready = trio.Event()
                nursery.cancel_scope.cancel()
        finally:
            self._control = None
            control.close()
            with trio.CancelScope(shield=True):  # every wait below has a deadline
                await _end(process, 0 if self._hangs else END_GRACE_S)
                with trio.move_on_after(KILL_GRACE_S):
                    await self._wait_workers()
            for worker in list(self._workers.values()):
                self._forget(worker)
        if self._hangs:
            raise ForkServerGone(f"the fork server did not answer for {MAX_MISSED_PINGS * PING_S:.0f} s and was killed")
        if self._until is not None and boot_s() >= self._until:
            raise LeaseEnded("the fork server ended with its lease")
        raise ForkServerGone(self._unable or "the fork server ended on its own; its output says why")

    async def fork(
        self,
        target: str,
        name: str,
        memory_limit: int | None = None,
        limits: Mapping[int, int] | None = None,
        interpreter: str = "",
    ) -> Worker:
        """Start a worker that runs ``target`` (``module:function``) with its ``Channel``.

        ``memory_limit``, in bytes, is the worker's own; that of the fork server holds as well.
        ``limits`` are those of setrlimit(2). ``interpreter`` is the path of another Python for it, see
        :mod:`~kinora.runtime.forking.own_interpreter`. Waits until the fork server is up. If cancelled, it leaves no
        worker.

        Raises:
            ForkServerGone: the fork server ended meanwhile, or has started no worker within ``FORK_TIMEOUT_S``.
        """
        try:
            with trio.fail_after(FORK_TIMEOUT_S):
                request = forkserver.Fork(next(self._numbers), target, name, dict(limits or {}), interpreter)
                return await self._fork(request, memory_limit)
        except trio.TooSlowError:
            raise ForkServerGone(f"the fork server started no process within {FORK_TIMEOUT_S:.0f} s") from None

    async def _fork(self, request: forkserver.Fork, memory_limit: int | None) -> Worker:
        while (nursery := self._nursery) is None:
            await self._ready.wait()
        limit = min((limit for limit in (memory_limit, self._memory_limit) if limit is not None), default=None)
        worker = await self._ask_for_worker(request, request.name, nursery, limit)
        try:
            await worker.forked.wait()
        except BaseException:
            with trio.move_on_after(KILL_GRACE_S, shield=True):
                await worker.kill()
            raise
        if self._nursery is not nursery:
            await worker.kill()
            raise ForkServerGone("the fork server ended while it was to start a worker")
        self._started += 1
        return worker

    async def lease(self, until: float | None) -> None:
        """Have the fork server kill all workers and end at this time, whatever becomes of this process until then.

        Args:
            until: by :func:`~kinora.runtime.clocks.boot_clock.boot_s`; the newest one counts, and None stands for
                never. It holds for the next fork server too, if this one ends.
        """
        self._until = until
        with contextlib.suppress(ForkServerGone):  # the next one is told when it is ready
            await self._request(forkserver.Lease(until))

    @contextlib.asynccontextmanager
    async def worker(
        self, program: Program[Request, Answer], name: str, *, memory_limit: int | None = None, interpreter: str = ""
    ) -> AsyncIterator[Conversation[Request, Answer]]:
        """Run ``program`` in a worker, stopped with all its descendants when the block is left, also if cancelled.

        Raises as :meth:`fork`.
        """
        worker = await self.fork(program.target, name, memory_limit, program.limits, interpreter)
        try:
            yield Conversation(program, worker)
        finally:
            await worker.stop()  # noqa: ASYNC102 - it shields itself and bounds each wait

    def stuck(self, group: str) -> tuple[int, ...]:
        """Return the pids of workers named ``group/…`` that could not be killed."""
        return tuple(
            worker.pid for worker in self._workers.values() if worker.stuck and worker.name.startswith(f"{group}/")
        )

    async def _ask_for_worker(
        self, request: forkserver.Fork, name: str, nursery: trio.Nursery, memory_limit: int | None
    ) -> Worker:
        """Send the request to fork a worker; if that fails, nothing of the worker is left."""
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            our_end, their_end = socket_pair()
            theirs.enter_context(their_end)
            ours.enter_context(our_end)
            read_log, write_log = os.pipe2(os.O_CLOEXEC)
            theirs.callback(os.close, write_log)
            log = Log(read_log, partial(self._hear_output, name))
            ours.callback(log.close)
            nursery.start_soon(log.collect)
            kind = WorkerKind.of(request.target, name)
            worker = Worker(request.worker, name, kind, end=our_end, log=log, server=self, memory_limit=memory_limit)
            self._workers[worker.number] = worker
            ours.callback(self._workers.pop, worker.number, None)
            await self._request(request, (their_end.fileno(), write_log))
            ours.pop_all()
        self._watched.unpark_all()
        return worker

    async def signal(self, worker: Worker, number: int) -> None:
        """Send a signal to a worker; do nothing if it has ended."""
        with contextlib.suppress(ForkServerGone):
            await self._request(forkserver.Kill(worker.number, number))

    async def kill_directly(self, worker: Worker) -> bool:
        """Kill a worker and its session without the fork server, and wait until they have ended.

        Returns True if the fork server hangs, so that it will not report their end. Nothing is killed that has not
        started yet: the fork server has been asked to kill that as well.
        """
        if self._control is None or self._process is None:
            return False
        while worker.pid and worker.status is None and kill_children(self._process.pid, session=worker.pid):  # noqa: ASYNC110 - nothing tells
            await trio.sleep(POLL_S)
        pong = self._pong
        with trio.move_on_after(ANSWER_WAIT_S):
            await self._ping()
            await pong.wait()
        return not pong.is_set()

    def statistics(self) -> ForkServerStatistics:
        """Return the current figures."""
        pid = self._process.pid if self._process is not None and self._control is not None else None
        return ForkServerStatistics(pid=pid, workers=len(self._workers), started=self._started)

    async def usage(self) -> Mapping[WorkerKind, ProcessUsage]:
        """Measure, in a thread, what the workers use; processor time includes that of workers that are gone."""
        workers = [worker for worker in self._workers.values() if worker.pid and worker.status is None]
        measured = await trio.to_thread.run_sync(measure, [worker.pid for worker in workers])
        total = {kind: ProcessUsage(cpu_s=cpu_s) for kind, cpu_s in self._ended_cpu_s.items()}
        for worker, now in zip(workers, measured, strict=True):
            worker.cpu_s = max(worker.cpu_s, now.cpu_s)
            if worker.number in self._workers:
                used = ProcessUsage(processes=1, memory_bytes=now.memory_bytes, cpu_s=worker.cpu_s)
                total[worker.kind] = total.get(worker.kind, ProcessUsage()) + used
        return total

    async def has_room_like(self, kind: WorkerKind) -> bool:
        """Measure whether one more worker, as large as those of its kind are, leaves the memory budget some room."""
        if self._memory_budget is None:
            return True
        usage = await self.usage()
        like = usage.get(kind, ProcessUsage())
        wanted = sum(used.memory_bytes for used in usage.values()) + like.memory_bytes / max(1, like.processes)
        return wanted <= self._memory_budget * BUDGET_FOR_MORE

    async def _request(self, request: forkserver.Request, fds: Sequence[int] = ()) -> None:
        async with self._sending:
            if self._control is None:
                raise ForkServerGone("the fork server is not running")
            (packet,) = packets(msgspec.msgpack.encode(request))
            try:
                await self._control.sendmsg([packet], [_rights(fds)] if fds else [])
            except (OSError, trio.ClosedResourceError) as error:
                raise ForkServerGone("the fork server has ended") from error

    async def _read_reports(  # returns when the fork server has ended
        self, control: trio.socket.SocketType, nursery: trio.Nursery, task_status: trio.TaskStatus[None]
    ) -> None:
        while packet := await _recv_packet(control):
            match _decode_report(packet[1:]):
                case forkserver.Ready():
                    if self._until is not None:
                        await self.lease(self._until)
                    self._nursery = nursery
                    self._ready.set()
                    nursery.start_soon(self._watch_answers, nursery.cancel_scope)
                    task_status.started()
                case forkserver.Unable(module, reason):
                    self._unable = f"{module} {reason}"
                case forkserver.Pong():
                    self._pong.set()
                    self._pong = trio.Event()
                case report:
                    self._note(report)

    def _note(self, report: forkserver.Forked | forkserver.Exited | forkserver.Gone) -> None:
        worker = self._workers.get(report.worker)
        if worker is None:
            return
        match report:
            case forkserver.Forked(_, pid):
                worker.pid = pid
                worker.forked.set()
            case forkserver.Exited(_, status, cpu_s):
                worker.exited(status, cpu_s)
            case forkserver.Gone():
                self._forget(worker)

    async def _watch_answers(self, running: trio.CancelScope) -> None:
        """Send a ping at each interval, and cancel ``running`` if several were not answered.

        Intervals are counted, and no time is measured: while this process is stopped, at most one of them passes.
        """
        missed = 0
        while missed < MAX_MISSED_PINGS:
            if missed == 0:
                pong = self._pong
                with trio.move_on_after(PING_S):
                    await self._ping()
            await trio.sleep(PING_S)
            missed = 0 if pong.is_set() else missed + 1
        log.error("the fork server hangs and is replaced", unanswered_s=MAX_MISSED_PINGS * PING_S)
        self._hangs = True
        running.cancel(reason="the fork server hangs")

    async def _ping(self) -> None:
        with contextlib.suppress(ForkServerGone):
            await self._request(forkserver.Ping())

    async def _watch_memory(self) -> None:
        """Kill workers that exceed their memory limit, and the largest while all together exceed the budget.

        A thread checks all of them, again and again.
        """
        while True:
            excessive = await trio.to_thread.run_sync(_excessive, list(self._workers.values()), self._memory_budget)
            for worker, reason in excessive.items():
                worker.over_memory = reason
                await self.signal(worker, signal.SIGKILL)
            if not self._workers:
                await self._watched.park()
            await trio.sleep(MEMORY_CHECK_S)

    async def _wait_workers(self) -> None:
        """Wait for the workers' processes: if the fork server was killed, the kernel may still be killing them."""
        for worker in list(self._workers.values()):
            if worker.pid and worker.status is None:
                await _wait_exit(worker.pid)

    def _forget(self, worker: Worker) -> None:
        if worker.status is None:
            worker.exited(-signal.SIGKILL)
        del self._workers[worker.number]
        self._ended_cpu_s[worker.kind] = self._ended_cpu_s.get(worker.kind, 0.0) + worker.cpu_s
        worker.log.close()
        worker.gone.set()
        worker.forked.set()


def _excessive(workers: Sequence[Worker], budget: int | None) -> dict[Worker, str]:
    """Return the workers to kill for their use of memory, each with a phrase for users. Blocks."""
    running = {worker.pid: worker for worker in workers if worker.pid and worker.status is None}
    excessive = {
        worker: f"used more than its {limit // MB} MB of memory and was killed"
        for worker in running.values()
        if (limit := worker.memory_limit) is not None and uses_more(worker.pid, limit)
    }
    dying = excessive or any(worker.over_memory and not worker.stuck for worker in workers)
    if budget is None or dying:  # first see what their end frees
        return excessive
    largest = largest_beyond(running, budget)
    if largest is None:
        return {}
    reason = f"was killed: all workers together used more than {budget // MB} MB of memory, and it was the largest"
    return {running[largest]: reason}


async def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End the fork server: wait for it to end by itself, then kill it, after all that would outlive it.

    One that is stuck in the kernel is left to itself.
    """
    with trio.move_on_after(grace_s):
        await _wait_exit(process.pid)
    if process.poll() is not None:
        return
    with trio.move_on_after(END_GRACE_S):
        while kill_children(process.pid):  # noqa: ASYNC110 - nothing tells when they have ended
            await trio.sleep(POLL_S)
    process.kill()
    with trio.move_on_after(END_GRACE_S):
        await _wait_exit(process.pid)
    if process.poll() is None:
        log.error("the fork server cannot be killed", pid=process.pid)


async def _wait_exit(pid: int) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await trio.lowlevel.wait_readable(fd)
    finally:
        os.close(fd)


__all__ = [
    "Conversation",
    "ForkServer",
    "ForkServerGone",
    "ForkServerStatistics",
    "Log",
    "ProtocolError",
    "Worker",
    "WorkerGone",
    "describe_exit",
]
