"""The process that worker processes are forked from. It runs no event loop and no threads.

It has imported the workers' libraries (numpy, OpenCV) but never called them, so that a fork is ready in milliseconds
and safe: a library that has started threads would hang its forked copy. It is the parent of all workers and the
subreaper of their descendants. So each of its children is either a live worker or an orphan of a dead one, and orphans
are killed. When the server's end of the control channel closes, for any reason, it kills everything and ends. Under a
lease it does the same when that is over, also while the server hangs or is stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import math
import os
import resource
import select
import signal
import socket
import traceback
from collections.abc import Iterator, Mapping
from typing import NoReturn

import msgspec

from kinora.runtime.clocks.boot_clock import boot_s
from kinora.runtime.forking.channel import Channel, close_all
from kinora.runtime.forking.own_interpreter import become
from kinora.runtime.forking.worker_start import CHANNEL, run_target
from kinora.runtime.linux.confinement import libraries
from kinora.runtime.linux.process_names import name_process, name_worker
from kinora.runtime.linux.processes import become_subreaper, children, die_first, die_with_parent


class Fork(msgspec.Struct, tag="fork", frozen=True):
    """Start a worker; the worker's end of its channel and its standard output come along as descriptors."""

    worker: int
    target: str
    """``module:function``, called with the worker's Channel."""
    name: str
    """The worker's name, as ``job/plugin``, after which the process is named."""
    limits: dict[int, int] = {}
    """Limits of the process by resource, see setrlimit(2)."""
    interpreter: str = ""
    """The path of another Python, which the process becomes before it runs the target; empty for this one."""


class Kill(msgspec.Struct, tag="kill", frozen=True):
    """Send a worker a signal."""

    worker: int
    signal: int


class Lease(msgspec.Struct, tag="lease", frozen=True):
    """Kill everything and end at this time, unless told another one; None stands for never, as without this."""

    until: float | None
    """By CLOCK_BOOTTIME, in seconds."""


class Ping(msgspec.Struct, tag="ping", frozen=True):
    """Answer with Pong."""


class Pong(msgspec.Struct, tag="pong", frozen=True):
    """The fork server takes requests and carries them out."""


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """The fork server has imported the modules to preload."""


class Unable(msgspec.Struct, tag="unable", frozen=True):
    """The fork server cannot import a module to preload, and ends; the reason continues the module's name."""

    module: str
    reason: str


class Forked(msgspec.Struct, tag="forked", frozen=True):
    """A worker runs."""

    worker: int
    pid: int


class Exited(msgspec.Struct, tag="exited", frozen=True):
    """A worker has ended; processes that it started may still run."""

    worker: int
    status: int
    """Its exit code, or minus the signal's number."""
    cpu_s: float = 0.0
    """The processor time that it and the descendants it has waited for used, in seconds."""


class Gone(msgspec.Struct, tag="gone", frozen=True):
    """A worker has ended, and all processes that it started are gone."""

    worker: int


Request = Fork | Kill | Lease | Ping
Report = Ready | Unable | Pong | Forked | Exited | Gone

LOOK_S = 0.2
"""The longest time between two looks at the end of the lease: what poll(2) waits for stands still while the machine is
suspended, and the lease does not."""

_decode_request = msgspec.msgpack.Decoder(Fork | Kill | Lease | Ping).decode
_encode = msgspec.msgpack.encode


class _ForkServer:
    def __init__(self, control: Channel) -> None:
        self._control = control
        self._workers: dict[int, int] = {}
        """pid → the server's number for the worker."""
        self._sweeping: set[int] = set()
        """Workers that have exited while orphans were left."""
        self._until: float | None = None
        """The end of the lease."""

    def run(self) -> None:
        """Serve until the control channel closes or the lease ends."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(self._control.fileno(), select.POLLIN)
        self._report(Ready())
        while (left_s := self._left_s()) > 0:
            ready = {fd for fd, _ in poll.poll(None if left_s == math.inf else min(left_s, LOOK_S) * 1000)}
            if wake in ready:
                _drain(wake)
                self._reap()
            if self._control.fileno() in ready:
                self._serve()

    def kill_all(self) -> None:
        """Kill all processes that this one or its workers have started, and wait until they are gone."""
        while remaining := children(os.getpid()):
            for pid in remaining:
                _signal(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)

    def _left_s(self) -> float:
        return math.inf if self._until is None else self._until - boot_s()

    def _serve(self) -> None:
        data, fds = self._control.recv()
        match _decode_request(data):
            case Fork() as request:
                self._fork(request, fds)
            case Kill(worker, number):
                pid = next((pid for pid, known in self._workers.items() if known == worker), None)
                if pid is not None:
                    _signal(pid, number)
            case Lease(until):
                self._until = until
            case Ping():
                self._report(Pong())

    def _fork(self, request: Fork, fds: list[int]) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # no memory or too many processes: the other workers must go on
            self._refuse(request, fds, error)
            return
        if pid == 0:
            _become_worker(request, fds, parent)
        self._workers[pid] = request.worker
        close_all(fds)
        self._report(Forked(request.worker, pid))

    def _refuse(self, request: Fork, fds: list[int], error: OSError) -> None:
        """Report a worker that wrote the reason into its log and ended at once."""
        with contextlib.suppress(OSError):
            os.write(fds[1], f"the process could not be started: {error}\n".encode())
        close_all(fds)
        for report in (Forked(request.worker, 0), Exited(request.worker, os.EX_OSERR), Gone(request.worker)):
            self._report(report)

    def _reap(self) -> None:
        for pid, status, cpu_s in _ended_children():
            worker = self._workers.pop(pid, None)
            if worker is not None:
                self._report(Exited(worker, status, cpu_s))
                self._sweeping.add(worker)
        orphans = children(os.getpid()) - self._workers.keys()
        for pid in orphans:
            _signal(pid, signal.SIGKILL)
        if not orphans:
            for worker in self._sweeping:
                self._report(Gone(worker))
            self._sweeping.clear()

    def _report(self, report: Report) -> None:
        self._control.send(_encode(report))


def _become_worker(request: Fork, fds: list[int], parent: int) -> NoReturn:
    """Run the target in the forked process, which keeps only the fork server's imports, and end."""
    try:
        die_with_parent(signal.SIGKILL, parent)
        name_worker(request.name)
        become_subreaper()
        die_first()
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _keep_descriptors(fds)
        _limit(request.limits)
        if request.interpreter:
            become(request.interpreter, CHANNEL, request.target, request.name)
        run_target(request.target)
    except BaseException:  # noqa: ASYNC103, BLE001 - the process ends here, and its output says why
        traceback.print_exc()
    finally:
        os._exit(1)


def _limit(limits: Mapping[int, int]) -> None:
    for kind, wanted in limits.items():
        _, most = resource.getrlimit(kind)
        limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(kind, (limit, limit))


def _keep_descriptors(fds: list[int]) -> None:
    """Close all descriptors but the worker's own, of which that of its channel becomes ``CHANNEL``.

    Its input is empty, and its two outputs are one pipe. The channel is close-on-exec: programs that a plugin starts
    must not inherit it.
    """
    channel, output = fds
    null = os.open(os.devnull, os.O_RDONLY)
    # Move them away from 0 to CHANNEL first: a descriptor among these could be overwritten before it is copied.
    channel, output, null = (_above(fd) for fd in (channel, output, null))
    for source, place in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, place)
    os.dup2(channel, CHANNEL, inheritable=False)
    os.closerange(CHANNEL + 1, max(map(int, os.listdir("/proc/self/fd"))) + 1)  # noqa: PTH208 - of a path's name only the number is wanted


def _above(fd: int, floor: int = 10) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, floor)


def _ended_children() -> Iterator[tuple[int, int, float]]:
    """Yield the pid, the status and the processor time of each child that has ended."""
    while True:
        try:
            pid, status, used = os.wait3(os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _drain(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass


def main(control_fd: int, preload: list[str]) -> None:
    """Import the workers' libraries, then serve; see the module's docstring."""
    try:
        become_subreaper()
    except OSError:
        return  # the server finds that this machine lacks it, and says so
    name_process("fork server")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # only the server acts on Ctrl-C
    control = Channel(socket.socket(fileno=control_fd))
    gc.disable()  # imports leave next to nothing to collect
    if unable := _preload(preload):
        control.send(_encode(unable))
        return
    libraries()
    gc.enable()
    gc.freeze()  # a collection in a worker must not touch, and so copy, the pages shared with this process
    server = _ForkServer(control)
    try:
        server.run()
    except (EOFError, BrokenPipeError):
        pass  # the server has gone
    finally:
        server.kill_all()
    os._exit(0)  # to take these libraries apart would keep the server waiting, and nothing in them needs it


def _preload(modules: list[str]) -> Unable | None:
    """Import the modules; return the first one that fails, with its traceback printed."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - a broken installation may raise anything
            traceback.print_exc()
            return Unable(module, f"cannot be imported: {type(error).__name__}: {error}")
    return None
