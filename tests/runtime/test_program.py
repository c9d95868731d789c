"""The typed talk with a program in a worker: how it is served, how it ends, and what rubbish becomes."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import attrs
import msgspec
import pytest
import trio

from kinora.runtime.forking.channel import Channel, ProtocolError, socket_pair
from kinora.runtime.forking.program import Line, Program, encode, serve
from kinora.runtime.forking.workers import KILL_GRACE_S, ForkServer, Worker
from tests.runtime.targets import ECHO

GRACE_S = 0.3
DEAF = attrs.evolve(ECHO, target="tests.runtime.targets:deaf")
TWINS = attrs.evolve(ECHO, target="tests.runtime.targets:twins")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end of a channel, and the program's."""
    ours, theirs = socket_pair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A running fork server whose workers get a grace that can be told from none."""
    async with trio.open_nursery() as nursery:
        server = ForkServer(grace_s=GRACE_S)
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


def line(end: socket.socket) -> Line[str, str]:
    """The program's end of the talk."""
    return Line(ECHO, Channel(end))


def say(end: socket.socket, *requests: str) -> None:
    """Send requests, and no more after them."""
    for request in requests:
        Channel(end).send(encode(request))
    end.shutdown(socket.SHUT_WR)


def heard(end: socket.socket) -> list[str]:
    """All that has arrived."""
    end.setblocking(False)
    arrived = list[str]()
    while True:
        try:
            data, _ = Channel(end).recv()
        except (BlockingIOError, EOFError):
            return arrived
        arrived.append(ECHO.decode_answer(data))


# The program's side


def test_requests_are_answered_in_order_until_the_server_closes(ends: tuple[socket.socket, socket.socket]) -> None:
    """Each with as many messages as it takes, and the end of the channel is no error."""
    ours, theirs = ends
    say(ours, "a", "b", "c")
    serve(line(theirs), lambda request, _: [] if request == "b" else [request, request.upper()])
    assert heard(ours) == ["a", "A", "c", "C"]


def test_a_server_that_is_gone_is_no_error(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nor is one that does not wait for its answer."""
    ours, theirs = ends
    say(ours, "a")
    ours.close()
    serve(line(theirs), lambda request, _: [request])


def test_an_error_of_the_programs_own_comes_out(ends: tuple[socket.socket, socket.socket]) -> None:
    """It is the program's to deal with; the worker's log has the traceback."""
    ours, theirs = ends
    say(ours, "a", "b")
    with pytest.raises(ValueError, match="not a letter"):
        serve(line(theirs), _refuse)
    assert heard(ours) == []


def _refuse(request: str, fds: list[int]) -> list[str]:
    raise ValueError("not a letter")


def test_a_generator_goes_on_once_its_message_is_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    """So it can work ahead before the next request is taken: the server has the answer meanwhile."""
    ours, theirs = ends
    story: list[object] = []

    def answer(request: str, fds: list[int]) -> Iterator[str]:
        yield request
        story.append((f"after {request}", heard(ours)))

    say(ours, "a", "b")
    serve(line(theirs), answer)
    assert story == [("after a", ["a"]), ("after b", ["b"])]


async def test_a_copy_of_the_program_that_comes_back_does_not_answer(forks: ForkServer) -> None:
    """It ends, quietly, and the program itself answers each request once."""
    async with forks.worker(TWINS, "twins") as talk:
        with trio.fail_after(10):
            for request in ("a", "b"):
                assert await talk.ask(request) == f"{request}, and the copy ended with 0"


# A worker for a block


async def _fail_if(condition: bool) -> None:
    await trio.lowlevel.checkpoint()
    if condition:
        raise ZeroDivisionError


@pytest.mark.parametrize("way", ["left", "an error", "cancelled"])
@pytest.mark.parametrize(("program", "status"), [(ECHO, 0), (DEAF, -signal.SIGKILL)], ids=["polite", "deaf"])
async def test_a_worker_is_gone_when_its_block_is_left(
    forks: ForkServer, way: str, program: Program[str, str], status: int
) -> None:
    """However it is left: one that listens ends by itself, one that does not is killed after the grace, soon."""
    worker: Worker | None = None
    began = trio.current_time()
    with trio.CancelScope() as scope:
        try:
            async with forks.worker(program, "worker") as talk:
                worker = talk.worker
                if program is DEAF:
                    assert await worker.receive() == b"busy"  # it ignores SIGTERM from here on
                if way == "cancelled":
                    scope.cancel()
                began = trio.current_time()
                await _fail_if(way == "an error")
        except ZeroDivisionError:
            assert way == "an error"
    assert scope.cancelled_caught is (way == "cancelled")
    took_s = trio.current_time() - began
    assert worker is not None
    assert worker.gone.is_set()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)
    assert worker.status == status
    assert took_s < KILL_GRACE_S
    assert (took_s >= GRACE_S) is (program is DEAF)
    assert forks.statistics().workers == 0


async def test_a_worker_that_is_gone_already_is_no_error(forks: ForkServer) -> None:
    """Leaving the block of one that has crashed just ends it."""
    async with forks.worker(ECHO, "worker") as talk:
        await talk.worker.kill()
    assert talk.worker.status == -signal.SIGKILL


# The server's side


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"\xc1", b"\x01", b"\xa2\xff\xff", encode("whole")[:-1], encode("two") * 2, b"\x91" * 100_000],
    ids=["nothing", "no MessagePack", "another type", "no UTF-8", "cut short", "too long", "nested without end"],
)
async def test_rubbish_is_a_protocol_error(forks: ForkServer, rubbish: bytes) -> None:
    """Whatever a process sends that is not a message of its program's, the error says the same."""
    async with forks.worker(ECHO, "worker") as talk:
        assert await talk.ask("hello") == "hello"
        await talk.worker.send(rubbish)
        with pytest.raises(ProtocolError, match="its process sent bytes that are not a message"):
            await talk.receive()


def test_a_message_is_what_both_sides_say_it_is() -> None:
    """Each side decodes what the other encodes."""
    assert ECHO.decode_request(encode("a")) == "a"
    with pytest.raises(msgspec.ValidationError):
        ECHO.decode_answer(encode(1))
