"""Worker processes: they start fast, are kept apart, and are gone with all they started when any of them ends."""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from kinora.runtime.forking import forkserver, workers
from kinora.runtime.forking.channel import MAX_MESSAGE_BYTES, PACKET_BYTES, ProtocolError
from kinora.runtime.forking.launching import Launch
from kinora.runtime.forking.worker_log import LOG_BYTES
from kinora.runtime.forking.workers import (
    ForkServer,
    ForkServerGone,
    Log,
    Worker,
    WorkerGone,
    describe_exit,
)

TARGETS = "tests.runtime.targets"
GRACE_S = 10.0
"""Enough for an idle worker on a busy machine."""
PLENTY_S = 30.0
"""A safety net: nothing that these tests wait for takes nearly as long."""


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A running fork server."""
    async with trio.open_nursery() as nursery:
        server = ForkServer()
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
def lifeline() -> Iterator[tuple[int, int]]:
    """A pipe: while any process holds its writing end, reading finds nothing; then it finds the end."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    yield reading, writing
    os.close(reading)
    with contextlib.suppress(OSError):
        os.close(writing)


@pytest.fixture
def time_for_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need longer to deliver SIGTERM than it is given before SIGKILL follows."""
    monkeypatch.setattr(workers, "TERM_GRACE_S", GRACE_S)


@pytest.fixture
def time_for_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need longer to say how a worker ended than is waited for it."""
    monkeypatch.setattr(workers, "STATUS_WAIT_S", GRACE_S)


async def start(forks: ForkServer, target: str) -> Worker:
    """A worker that runs one of the test targets."""
    with trio.fail_after(PLENTY_S):
        return await forks.fork(f"{TARGETS}:{target}", name=target)


async def start_family(forks: ForkServer, kind: str, lifeline: tuple[int, int]) -> Worker:
    """A worker all of whose descendants, but not itself, hold the lifeline."""
    worker = await start(forks, "family")
    reading, writing = lifeline
    await worker.send(kind.encode(), [writing])
    os.close(writing)
    assert int(await worker.receive()) > 0
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)
    return worker


def start_program(lifeline: int) -> "subprocess.Popen[bytes]":
    """A whole server in a process of its own."""
    command = [sys.executable, "-m", "tests.runtime.server_program", str(lifeline)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[lifeline], cwd=Path(__file__).parents[2])


async def ending(worker: Worker) -> WorkerGone:
    """The worker's end as its receiver sees it."""
    with trio.fail_after(PLENTY_S), pytest.raises(WorkerGone) as caught:
        await _receive_all(worker)
    return caught.value


async def _receive_all(worker: Worker) -> None:
    while True:
        await worker.receive()


async def until(condition: Callable[[], object]) -> None:
    """Wait for a state of other processes that can only be polled."""
    while not condition():  # noqa: ASYNC110 - as said
        await trio.sleep(0.005)


def running(pid: int) -> bool:
    """True if the process exists, other than as a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def open_descriptors(pid: int | None = None) -> int:
    """The number that a process has, this one if none is named."""
    return len(list(Path(f"/proc/{pid or 'self'}/fd").iterdir()))


@pytest.mark.parametrize("size", [0, 1, PACKET_BYTES - 1, PACKET_BYTES, 5 * 2**20, MAX_MESSAGE_BYTES])
async def test_a_message_of_any_size_goes_there_and_back(forks: ForkServer, size: int) -> None:
    """An echoing worker returns each message as it was sent, at any length."""
    worker = await start(forks, "echo")
    data = os.urandom(1024) * (size // 1024) + bytes(size % 1024)
    with trio.fail_after(PLENTY_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.send, data)
            assert await worker.receive() == data
    assert await worker.stop(GRACE_S)


async def test_several_megabytes_cross_in_both_directions_at_once(forks: ForkServer) -> None:
    """Two long messages under way at the same time do not block each other."""
    worker = await start(forks, "swap")
    data = bytes(8 * 2**20)
    await worker.send(b"%d" % len(data))
    with trio.fail_after(PLENTY_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.send, data)
            assert await worker.receive() == data
        assert await worker.receive() == b"same"
    assert await worker.stop(GRACE_S)


async def test_too_long_a_message_is_refused_before_any_of_it_is_sent(forks: ForkServer) -> None:
    """The worker goes on as if nothing had been tried."""
    worker = await start(forks, "echo")
    with pytest.raises(ValueError, match="over the limit"):
        await worker.send(bytes(MAX_MESSAGE_BYTES + 1))
    await worker.send(b"next")
    assert await worker.receive() == b"next"
    assert await worker.stop(GRACE_S)


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("return", 0, "ended with exit code 0"),
        ("exit", 3, "ended with exit code 3"),
        ("sys.exit", 1, "ended with exit code 1"),
        ("raise", 1, "ended with exit code 1"),
        ("segfault", -signal.SIGSEGV, "was killed by SIGSEGV"),
        ("abort", -signal.SIGABRT, "was killed by SIGABRT"),
        ("kill", -signal.SIGKILL, "was killed by SIGKILL"),
    ],
)
async def test_what_a_worker_said_arrives_before_the_news_of_its_end(
    forks: ForkServer, how: str, status: int, words: str
) -> None:
    """Its last messages are delivered, even with something unread behind it, then WorkerGone with the status."""
    worker = await start(forks, "farewell")
    await worker.send(how.encode())
    await worker.send(b"never read")
    await worker.gone.wait()
    assert await worker.receive() == b"first"
    assert await worker.receive() == b"second" * 50_000
    gone = await ending(worker)
    assert gone.status == worker.status == status
    assert words in str(gone)
    with pytest.raises(WorkerGone):
        await worker.send(b"too late")
    assert "the last words" in worker.log.text()
    assert await worker.stop(0)


async def test_the_log_says_where_a_worker_crashed(forks: ForkServer) -> None:
    """A crash in native code and an exception both leave a traceback."""
    for how, words in (("segfault", "Segmentation fault"), ("raise", "RuntimeError: on purpose")):
        worker = await start(forks, "farewell")
        await worker.send(how.encode())
        await worker.gone.wait()
        assert words in worker.log.text()
        assert "targets.py" in worker.log.text()
        await worker.kill()


async def test_the_status_is_known_to_who_waits_for_a_message(forks: ForkServer, time_for_status: None) -> None:
    """A receiver that learns that its worker has gone learns its status too, though that comes by another way."""
    for _ in range(20):
        worker = await start(forks, "farewell")
        await worker.send(b"exit")
        assert (await ending(worker)).status == 3
        await worker.kill()


async def test_a_worker_that_only_closes_its_channel_is_told_from_one_that_ended(
    forks: ForkServer, time_for_sigterm: None
) -> None:
    """Its status is unknown, for it still runs; it can be stopped like any other."""
    worker = await start(forks, "hung_up")
    gone = await ending(worker)
    assert gone.status is None
    assert "closed its channel" in str(gone)
    assert await worker.stop(0)
    assert worker.status == -signal.SIGTERM


@pytest.mark.parametrize(
    "packet", [b"\7rubbish", b"\1short, yet not the last", b"\0" * (PACKET_BYTES + 1)], ids=["flag", "short", "long"]
)
async def test_bytes_that_are_no_message_are_found_out(forks: ForkServer, packet: bytes) -> None:
    """Packets that break the protocol are never delivered as a message."""
    worker = await start(forks, "rubbish")
    await worker.send(packet)
    with trio.fail_after(PLENTY_S), pytest.raises(ProtocolError):
        await worker.receive()
    assert await worker.kill()


@pytest.mark.parametrize(
    ("target", "grace_s", "status"),
    [("echo", GRACE_S, 0), ("deaf", 0.05, -signal.SIGKILL), ("halted", 0.05, -signal.SIGKILL)],
)
async def test_stop_asks_first_and_then_insists(forks: ForkServer, target: str, grace_s: float, status: int) -> None:
    """An idle worker ends by itself, a deaf one by SIGKILL, within the grace and a little more."""
    worker = await start(forks, target)
    if target != "echo":
        await worker.receive()
    with trio.fail_after(PLENTY_S):
        assert await worker.stop(grace_s)
    assert worker.status == status
    assert not running(worker.pid)


async def test_stop_asks_a_busy_worker_by_signal(forks: ForkServer, time_for_sigterm: None) -> None:
    """One that does not look at its channel ends by SIGTERM."""
    worker = await start(forks, "busy")
    await worker.receive()
    assert await worker.stop(0.05)
    assert worker.status == -signal.SIGTERM


async def test_a_worker_that_is_blocked_in_sending_can_be_stopped(forks: ForkServer) -> None:
    """A worker whose messages nobody reads still ends."""
    worker = await start(forks, "swap")
    await worker.send(b"%d" % (8 * 2**20))
    await worker.receive()
    other = await start(forks, "swap")
    await other.send(b"%d" % (8 * 2**20))
    assert await other.stop(0)
    assert await worker.stop(GRACE_S)
    assert worker.status == 0


@pytest.mark.parametrize("kind", ["daemon", "grandchildren", "multiprocessing", "chain", "hopper"])
@pytest.mark.parametrize("way", ["stop", "kill", "crash"])
async def test_everything_a_worker_started_is_gone_with_it(
    forks: ForkServer, lifeline: tuple[int, int], kind: str, way: str
) -> None:
    """No descendant is left once the worker is gone, whether it was asked to end, was killed or crashed."""
    worker = await start_family(forks, kind, lifeline)
    with trio.fail_after(PLENTY_S):
        if way == "stop":
            assert await worker.stop(GRACE_S)
        elif way == "kill":
            assert await worker.kill()
        else:
            os.kill(worker.pid, signal.SIGSEGV)
            await worker.gone.wait()
            assert await worker.kill()
    assert os.read(lifeline[0], 1) == b""


async def test_the_end_of_one_worker_leaves_the_others_and_their_children_alone(
    forks: ForkServer, lifeline: tuple[int, int]
) -> None:
    """A background process of another, live worker is not an orphan."""
    other = await start_family(forks, "daemon", lifeline)
    for target in ("echo", "busy"):
        worker = await start(forks, target)
        assert await worker.kill()
    with pytest.raises(BlockingIOError):
        os.read(lifeline[0], 1)
    await other.send(b"still here")
    assert await other.receive() == b"still here"
    assert await other.stop(GRACE_S)
    assert os.read(lifeline[0], 1) == b""


async def test_the_server_learns_that_the_fork_server_was_killed() -> None:
    """All workers are gone, receivers and waiting forks are told, and run() says so by name."""
    server = ForkServer()
    told: list[str] = []
    workers: list[Worker] = []

    async def receive(worker: Worker) -> None:
        with pytest.raises(WorkerGone) as gone:
            await worker.receive()
        assert gone.value.orphaned
        assert not gone.value.killed
        assert str(gone.value) == "its process ended with the fork server"
        told.append("receive")

    async def fork() -> None:
        with pytest.raises(ForkServerGone):
            await server.fork(f"{TARGETS}:echo", "late")
        told.append("fork")

    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            workers.extend([await start(server, target) for target in ("echo", "busy", "deaf")])
            pid = server.statistics().pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            nursery.start_soon(receive, workers[0])
            nursery.start_soon(fork)
            await wait_all_tasks_blocked(0.05)
            os.kill(pid, signal.SIGKILL)

    with trio.fail_after(PLENTY_S), pytest.RaisesGroup(ForkServerGone):
        await scenario()
    assert sorted(told) == ["fork", "receive"]
    for worker in workers:
        assert worker.gone.is_set()
        assert not running(worker.pid)
        assert await worker.stop(0)
    assert server.statistics().workers == 0


async def test_a_fork_server_can_be_run_again() -> None:
    """A worker that is requested while it is down comes from the next run."""
    server = ForkServer()
    for _ in range(2):
        worker = await _worker_of_one_run(server)
        assert await worker.stop(0)
        assert not running(worker.pid)


async def _worker_of_one_run(server: ForkServer) -> Worker:
    workers: list[Worker] = []
    forked = trio.Event()

    async def fork() -> None:
        workers.append(await start(server, "echo"))
        forked.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fork)
        await wait_all_tasks_blocked()
        await nursery.start(server.run)
        with trio.fail_after(PLENTY_S):
            await forked.wait()
        await workers[0].send(b"hello")
        assert await workers[0].receive() == b"hello"
        nursery.cancel_scope.cancel()
    return workers[0]


async def test_a_fork_server_that_cannot_import_says_so() -> None:
    """A missing module to import beforehand ends run() with the reason instead of waiting for ever."""
    words = "^kinora_no_such_module cannot be imported: ModuleNotFoundError: No module named 'kinora_no_such_module'$"
    with trio.fail_after(PLENTY_S), pytest.raises(ForkServerGone, match=words):
        await ForkServer(["kinora_no_such_module"]).run()


async def test_a_process_that_was_started_beforehand_forks_the_workers() -> None:
    """It is the first one of the fork server, and ends with it."""
    with Launch(("kinora.runtime.linux.processes",)).start() as launched:
        server = ForkServer(launched=launched)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            assert server.statistics().pid == launched.process.pid
            worker = await server.fork(f"{TARGETS}:echo", "echo")
            await worker.stop()
            nursery.cancel_scope.cancel()
    assert launched.process.returncode is not None


def test_a_process_that_was_started_beforehand_for_nothing_is_gone() -> None:
    """As of a command that refuses its arguments."""
    with pytest.raises(ZeroDivisionError), Launch(("numpy",)).start() as launched:
        _ = 1 / 0
    assert launched.process.returncode == -signal.SIGKILL


async def test_cancelling_run_leaves_no_process(lifeline: tuple[int, int]) -> None:
    """When run() has ended, the fork server, its workers and all that they started are gone."""
    server = ForkServer()
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        pid = server.statistics().pid
        worker = await start_family(server, "chain", lifeline)
        nursery.cancel_scope.cancel()
    assert worker.gone.is_set()
    assert os.read(lifeline[0], 1) == b""
    assert pid is not None
    assert not running(pid)
    assert await worker.stop(0)


async def test_when_the_server_is_killed_nothing_of_it_is_left(lifeline: tuple[int, int]) -> None:
    """SIGKILL to the server takes the fork server, the workers and all their descendants along."""
    reading, writing = lifeline
    with start_program(writing) as process:
        os.close(writing)
        assert process.stdout is not None
        with trio.fail_after(PLENTY_S):
            assert await trio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True) == b"ready\n"
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)
        # The fork server and the deaf worker hold no lifeline, but the server's standard output.
        family = [int(pid) for pid in _below(process.pid)]
        assert len(family) > 15
        with ends_of(family) as ends:
            process.kill()
            with trio.fail_after(PLENTY_S):
                await trio.lowlevel.wait_readable(reading)
                for end in ends:
                    await trio.lowlevel.wait_readable(end)
        assert not any(running(pid) for pid in family)
    assert os.read(reading, 1) == b""


@contextlib.contextmanager
def ends_of(pids: Iterable[int]) -> Iterator[list[int]]:
    """A descriptor for each process, readable once it has ended."""
    with contextlib.ExitStack() as opened:
        ends = [os.pidfd_open(pid) for pid in pids]
        for end in ends:
            opened.callback(os.close, end)
        yield ends


def _below(pid: int) -> Iterator[str]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield child
            yield from _below(int(child))


@contextlib.contextmanager
def stopped(server: ForkServer) -> Iterator[int]:
    """Stop the fork server while the block runs, if it lives as long; the value is its pid."""
    pid = server.statistics().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def quick_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork server that hangs is found after a short time."""
    monkeypatch.setattr(workers, "PING_S", 0.2)


async def test_a_fork_server_that_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pings later it is the same process, and its workers still run."""
    monkeypatch.setattr(workers, "PING_S", 0.01)
    monkeypatch.setattr(workers, "MAX_MISSED_PINGS", 200)
    pings = 0
    request = ForkServer._request

    async def count(server: ForkServer, asked: forkserver.Request, fds: Sequence[int] = ()) -> None:
        nonlocal pings
        pings += isinstance(asked, forkserver.Ping)
        await request(server, asked, fds)

    monkeypatch.setattr(ForkServer, "_request", count)
    async with trio.open_nursery() as nursery:
        server = ForkServer()
        await nursery.start(server.run)
        worker = await start(server, "echo")
        with trio.fail_after(PLENTY_S):
            await until(lambda: pings > 20)
            await worker.send(b"still here")
            assert await worker.receive() == b"still here"
        assert await worker.stop(GRACE_S)
        nursery.cancel_scope.cancel()


async def test_a_fork_server_that_hangs_is_ended_with_all_workers(lifeline: tuple[int, int], quick_pings: None) -> None:
    """Receivers and waiting forks are told, all processes are gone, and run() says what happened."""
    server = ForkServer()
    family: list[int] = []

    async def fork() -> None:
        with pytest.raises(ForkServerGone):
            await server.fork(f"{TARGETS}:echo", "late")

    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            worker = await start_family(server, "chain", lifeline)
            with stopped(server) as pid:
                family.extend([pid, *map(int, _below(pid))])
                nursery.start_soon(fork)
                assert (await ending(worker)).status == -signal.SIGKILL
                assert await worker.stop(0)

    with trio.fail_after(PLENTY_S), pytest.RaisesGroup(pytest.RaisesExc(ForkServerGone, match="did not answer")):
        await scenario()
    assert os.read(lifeline[0], 1) == b""
    assert not any(running(pid) for pid in family)
    assert server.statistics().workers == 0


async def test_a_fork_that_takes_too_long_fails(forks: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason, nobody waits for a worker without a limit; the process is not left behind."""
    monkeypatch.setattr(workers, "FORK_TIMEOUT_S", 0.05)
    late = pytest.raises(ForkServerGone, match="started no process within")
    with stopped(forks) as pid, late, trio.fail_after(PLENTY_S):
        await forks.fork(f"{TARGETS}:echo", "late")
    with trio.fail_after(PLENTY_S):
        await until(lambda: not forks.statistics().workers)
    assert not list(_below(pid))


@pytest.mark.parametrize("target", ["echo", "busy", "deaf"])
@pytest.mark.parametrize("way", ["stop", "kill"])
async def test_a_worker_ends_although_the_fork_server_hangs(forks: ForkServer, target: str, way: str) -> None:
    """It is killed without the fork server, which finds that out once it goes on."""
    worker = await start(forks, target)
    with stopped(forks):
        with trio.fail_after(workers.KILL_GRACE_S):
            assert await (worker.stop(0.01) if way == "stop" else worker.kill())
        assert not running(worker.pid)
    with trio.fail_after(PLENTY_S):
        await worker.gone.wait()
    assert not forks.stuck("")


@pytest.mark.parametrize("kind", ["grandchildren", "multiprocessing"])
async def test_what_a_worker_started_ends_although_the_fork_server_hangs(
    forks: ForkServer, lifeline: tuple[int, int], kind: str
) -> None:
    """The worker's session is killed with it, whether the worker ended by itself before or not."""
    worker = await start_family(forks, kind, lifeline)
    with stopped(forks), trio.fail_after(workers.KILL_GRACE_S):
        assert await worker.stop(0.01)
        assert os.read(lifeline[0], 1) == b""


async def test_a_server_with_a_fork_server_that_hangs_ends_soon(lifeline: tuple[int, int]) -> None:
    """When run() is cancelled, it kills the fork server and all below it instead of waiting for them."""
    server = ForkServer()
    with contextlib.ExitStack() as until_end:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            worker = await start_family(server, "chain", lifeline)
            pid = until_end.enter_context(stopped(server))
            family = [pid, *map(int, _below(pid))]
            began = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began < workers.KILL_GRACE_S
    assert worker.gone.is_set()
    assert await worker.stop(0)
    assert os.read(lifeline[0], 1) == b""
    assert not any(running(pid) for pid in family)


async def test_a_cancelled_fork_leaves_nothing_behind(forks: ForkServer) -> None:
    """A fork that is cancelled at any point leaves no process, descriptor or entry."""
    before = open_descriptors()
    pid = forks.statistics().pid
    assert pid is not None
    with trio.move_on_after(0):
        await start(forks, "echo")
    os.kill(pid, signal.SIGSTOP)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(start, forks, "echo")
        nursery.start_soon(start, forks, "echo")
        await wait_all_tasks_blocked(0.02)
        nursery.cancel_scope.cancel()
        os.kill(pid, signal.SIGCONT)
    with trio.fail_after(PLENTY_S):
        await until(lambda: not forks.statistics().workers and open_descriptors() == before)
    assert not list(_below(pid))


async def test_a_fork_that_was_never_asked_for_is_given_up_at_once(forks: ForkServer) -> None:
    """Cancelled while another one is being asked for, it does not wait for a process that will never be."""
    before = open_descriptors()

    async def hold(*, task_status: trio.TaskStatus[None]) -> None:
        async with forks._sending:
            task_status.started()
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(hold)
        began = trio.current_time()
        with trio.move_on_after(0.01) as scope:
            await start(forks, "echo")
        assert scope.cancelled_caught
        assert trio.current_time() - began < workers.KILL_GRACE_S
        nursery.cancel_scope.cancel()
    assert forks.statistics().workers == 0
    await wait_all_tasks_blocked()
    assert open_descriptors() == before


async def test_a_cancelled_receive_loses_nothing(forks: ForkServer) -> None:
    """A message that comes in pieces is whole although receive() was cancelled again and again meanwhile."""
    worker = await start(forks, "echo")
    data = os.urandom(4 * 2**20)
    received: list[bytes] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.send, data)
        with trio.fail_after(PLENTY_S):
            while not received:
                with trio.move_on_after(0):
                    received.append(await worker.receive())
                with trio.move_on_after(0.0005):
                    received.append(await worker.receive())
    assert received == [data]
    assert await worker.stop(GRACE_S)


async def test_a_cancelled_stop_still_stops(forks: ForkServer) -> None:
    """Cancellation does not cut the stopping short: the worker is gone when it returns."""
    worker = await start(forks, "deaf")
    await worker.receive()
    with trio.CancelScope() as scope:
        scope.cancel()
        assert await worker.stop(0.02)
    assert worker.gone.is_set()


async def test_two_hundred_workers_leave_no_descriptor(forks: ForkServer) -> None:
    """Neither the server nor the fork server has more descriptors open after many rounds than before."""
    pid = forks.statistics().pid
    gc.collect()
    before = open_descriptors(), open_descriptors(pid)
    for number in range(200):
        worker = await start(forks, "echo")
        if number % 2:
            assert await worker.kill()
        else:
            assert await worker.stop(GRACE_S)
    await wait_all_tasks_blocked()
    assert (open_descriptors(), open_descriptors(pid)) == before
    assert forks.statistics().started == 200
    assert forks.statistics().workers == 0


async def test_a_worker_has_no_descriptors_but_its_own(forks: ForkServer) -> None:
    """It has the log as both outputs and its channel; none of another worker's, none of the server's."""
    others = [await start(forks, "echo") for _ in range(3)]
    worker = await start(forks, "descriptors")
    found = json.loads(await worker.receive())
    assert sorted(found) == ["0", "1", "2", "3"]
    assert found["0"] == "/dev/null"
    assert found["1"] == found["2"]
    assert found["1"].startswith("pipe:")
    assert found["3"].startswith("socket:")
    for one in (*others, worker):
        assert await one.stop(GRACE_S)


async def test_a_worker_is_a_process_of_its_own(forks: ForkServer) -> None:
    """One thread, its own session, no input, and imports from where the server has them."""
    worker = await start(forks, "environment")
    facts = json.loads(await worker.receive())
    assert facts == {"threads": 1, "session": True, "input": "null", "path": sys.path}
    assert await worker.stop(GRACE_S)


async def test_the_working_folder_does_not_shadow_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's select.py in the folder that the server was started in is not taken for Python's."""
    (tmp_path / "select.py").write_text("raise RuntimeError('imported')")
    monkeypatch.chdir(tmp_path)
    async with trio.open_nursery() as nursery:
        server = ForkServer()
        with trio.fail_after(PLENTY_S):
            await nursery.start(server.run)
        nursery.cancel_scope.cancel()


async def test_the_log_is_complete_once_the_worker_is_gone(forks: ForkServer) -> None:
    """Its output on both descriptors just before a crash is there, in order."""
    worker = await start(forks, "numbers")
    await worker.send(b"5000")
    await worker.gone.wait()
    lines = worker.log.text().splitlines()
    assert lines[:5000] == [str(number) for number in range(5000)]
    assert await worker.kill()


async def test_the_log_keeps_the_end_of_what_was_printed(forks: ForkServer) -> None:
    """Of more than 64 KiB the last 64 KiB remain."""
    worker = await start(forks, "numbers")
    await worker.send(b"50000")
    await worker.gone.wait()
    text = worker.log.text()
    assert len(text.encode()) == LOG_BYTES
    assert "\n49999\nFatal Python error: Aborted" in text
    assert await worker.kill()


async def test_a_worker_that_prints_without_end_disturbs_no_one(forks: ForkServer) -> None:
    """The log stays within its bound, others are served meanwhile, and the worker can be stopped."""
    noisy = await start(forks, "chatter")
    assert await noisy.receive() == b"printing"
    other = await start(forks, "echo")
    with trio.fail_after(PLENTY_S):
        for _ in range(200):
            await other.send(b"x")
            assert await other.receive() == b"x"
        await until(lambda: len(noisy.log.text()) == LOG_BYTES)
        assert await noisy.stop(0)
    assert len(noisy.log.text()) == LOG_BYTES
    assert noisy.status == -signal.SIGTERM
    assert await other.stop(GRACE_S)


async def test_a_target_that_does_not_exist_is_a_worker_that_ends(forks: ForkServer, time_for_status: None) -> None:
    """The reason is in its log; nothing else is harmed."""
    for target, words in (("no_such_module:main", "No module named"), (f"{TARGETS}:missing", "has no attribute")):
        worker = await forks.fork(target, "broken")
        assert (await ending(worker)).status == 1
        await worker.gone.wait()
        assert words in worker.log.text()
        assert await worker.stop(GRACE_S)


async def test_a_process_that_cannot_be_started_is_a_worker_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time_for_status: None
) -> None:
    """When the system refuses another process, that worker's log says so, and the next one is tried anew."""
    (tmp_path / "scarce.py").write_text(
        "import os\n"
        "fork, left = os.fork, [OSError(11, 'Resource temporarily unavailable')]\n"
        "def scarce():\n"
        "    if left: raise left.pop()\n"
        "    return fork()\n"
        "os.fork = scarce\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    async with trio.open_nursery() as nursery:
        server = ForkServer(["scarce"])
        await nursery.start(server.run)
        worker = await start(server, "echo")
        assert (await ending(worker)).status == os.EX_OSERR
        await worker.gone.wait()
        assert "could not be started: [Errno 11]" in worker.log.text()
        assert await worker.stop(0)
        second = await start(server, "echo")
        assert await second.stop(GRACE_S)
        assert second.status == 0
        nursery.cancel_scope.cancel()


async def test_a_log_forgets_the_oldest() -> None:
    """With pieces of any size, it holds exactly the last LOG_BYTES bytes."""
    reading, writing = os.pipe()
    os.close(writing)
    log = Log(reading)
    await log.collect()
    written = b""
    for size in (1, LOG_BYTES - 1, 1, 3 * LOG_BYTES, 17, LOG_BYTES // 2):
        data = os.urandom(size).hex().encode()[:size]
        written += data
        log.add(data)
        assert log.text().encode() == written[-LOG_BYTES:]
    log.close()
    log.close()


@pytest.mark.parametrize(
    ("status", "words"),
    [(None, "closed its channel"), (3, "ended with exit code 3"), (-9, "was killed by SIGKILL"), (-77, "signal 77")],
)
def test_an_exit_is_described_in_words(status: int | None, words: str) -> None:
    """The text can stand in a warning as it is."""
    assert words in describe_exit(status)
