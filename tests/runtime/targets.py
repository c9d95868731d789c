"""Targets for worker processes in tests. It imports little, for each of them imports it."""

from __future__ import annotations

import contextlib
import ctypes
import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, Program, serve

GENERATIONS = 8
HOPS = 20_000
ECHO: Program[str, str] = Program(
    "tests.runtime.targets:echo", msgspec.msgpack.Decoder(str).decode, msgspec.msgpack.Decoder(str).decode
)
"""A program that says what it is told."""


def echo(channel: Channel) -> None:
    """Send back every message."""
    while True:
        data, _ = channel.recv()
        channel.send(data)


def hesitant(channel: Channel) -> None:
    """Report progress for three seconds, then send back the message."""
    data, _ = channel.recv()
    for _ in range(30):
        time.sleep(0.1)
        channel.send(b"\x81\xa2op\xa7working")  # {"op": "working"} as MessagePack
    channel.send(data)


def mute(channel: Channel) -> None:
    """Receive messages and answer none."""
    while True:
        channel.recv()


def swap(channel: Channel) -> None:
    """Send a message as large as the one that is coming, before reading that; then say if both were the same."""
    size = int(channel.recv()[0])
    mine = bytes(size)
    channel.send(mine)
    channel.send(b"same" if channel.recv()[0] == mine else b"different")


def farewell(channel: Channel) -> None:
    """Send two messages and end as told, without reading any further message."""
    how = channel.recv()[0].decode()
    channel.send(b"first")
    channel.send(b"second" * 50_000)
    print("the last words")  # noqa: T201 - it goes to the log
    _ends()[how]()


def _ends() -> dict[str, Callable[[], object]]:
    def fail() -> NoReturn:
        raise RuntimeError("on purpose")

    return {
        "return": lambda: None,
        "exit": lambda: os._exit(3),
        "sys.exit": lambda: sys.exit(4),
        "raise": fail,
        "segfault": lambda: ctypes.string_at(0),
        "abort": os.abort,
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    }


def busy(channel: Channel) -> None:
    """Never read."""
    channel.send(b"busy")
    while True:
        pass


def deaf(channel: Channel) -> None:
    """Never read, and take no notice of SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    busy(channel)


def halted(channel: Channel) -> None:
    """Stop like a process under a debugger."""
    channel.send(b"halted")
    os.kill(os.getpid(), signal.SIGSTOP)


def rubbish(channel: Channel) -> None:
    """Send, past the channel, the packets that it is told of one by one."""
    while True:
        packet, _ = channel.recv()
        socket.socket(fileno=os.dup(channel.fileno())).send(packet)


def hung_up(channel: Channel) -> None:
    """Close the channel and go on."""
    os.close(channel.fileno())
    time.sleep(60)


def descriptors(channel: Channel) -> None:
    """Send the open descriptors and their targets."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found[path.name] = str(path.readlink())
    channel.send(json.dumps({fd: place for fd, place in found.items() if "/proc/" not in place}).encode())
    echo(channel)


def chatter(channel: Channel) -> None:
    """Print without end."""
    channel.send(b"printing")
    while True:
        print("x" * 1000)  # noqa: T201 - it goes to the log


def numbers(channel: Channel) -> None:
    """Print the numbers up to the requested one, some of them past Python, and crash."""
    for number in range(int(channel.recv()[0])):
        os.write(1 + number % 2, b"%d\n" % number)
    os.abort()


def family(channel: Channel) -> None:
    """Start processes that hold on to the descriptor that came with the message, and say when they are there."""
    kind, (lifeline,) = channel.recv()
    ready, tell = os.pipe()
    expected = _FAMILIES[kind.decode()](tell)
    os.close(tell if expected else lifeline)
    for _ in range(expected):
        assert os.read(ready, 1)
    os.close(ready)
    os.close(lifeline)
    channel.send(b"%d" % expected)
    echo(channel)


def _linger(tell: int) -> NoReturn:
    """Stay alive, ignore every signal that can be ignored, and keep everything inherited."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.write(tell, b"!")
    while True:
        time.sleep(60)


def _daemon(tell: int) -> int:
    """As daemons are made: two forks and a session of its own, so that no trace of its origin is left."""
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            _linger(tell)
        os._exit(0)
    os.waitpid(child, 0)
    return 1


def _grandchildren(tell: int) -> int:
    for _ in range(2):
        if os.fork() == 0:
            if os.fork() == 0:
                _linger(tell)
            _linger(tell)
    return 4


def _multiprocessing(tell: int) -> int:
    context = multiprocessing.get_context("fork")
    for daemon in (True, False):
        context.Process(target=_linger, args=(tell,), daemon=daemon).start()
    return 2


def _chain(tell: int) -> int:
    """Each starts the next one; every other one takes a session of its own."""
    if os.fork() == 0:
        for generation in range(1, GENERATIONS):
            if generation % 2:
                os.setsid()
            if os.fork():
                _linger(tell)
        _linger(tell)
    return GENERATIONS


def _hopper(tell: int) -> int:
    """One that is never the same process for long: each one starts the next and ends."""
    if os.fork() == 0:
        for hop in range(HOPS):
            if hop == 1:
                os.write(tell, b"!")
            if os.fork():
                os._exit(0)
    return 1


_FAMILIES: dict[str, Callable[[int], int]] = {
    "daemon": _daemon,
    "grandchildren": _grandchildren,
    "multiprocessing": _multiprocessing,
    "chain": _chain,
    "hopper": _hopper,
}


def ring(channel: Channel) -> None:
    """Map a ring as told, then carry out each order on it, and send its outcome."""
    from kinora.runtime.shared_memory.frames import RingReader, RingWriter  # noqa: PLC0415 - the others do without numpy

    data, (fd,) = channel.recv()
    ask = json.loads(data)
    spare = os.dup(fd)
    kind = RingWriter if ask["as"] == "writer" else RingReader
    view = kind(fd, ask["slots"], ask["slot_bytes"]).view(ask["slot"], 2, 2)
    channel.send(b"mapped")
    while True:
        order = channel.recv()[0].decode()
        try:
            outcome = _RING_ORDERS[order](view, spare)
        except (OSError, ValueError) as error:
            outcome = f"{type(error).__name__}: {error}"
        channel.send(json.dumps(outcome).encode())


def _ring_fill(view: object, spare: int) -> object:
    view[:] = 7  # type: ignore[index]
    return "filled"


def _ring_look(view: object, spare: int) -> object:
    return view.tolist()  # type: ignore[attr-defined]


def _ring_thaw(view: object, spare: int) -> object:
    view.flags.writeable = True  # type: ignore[attr-defined]
    return "thawed"


def _ring_reopen(view: object, spare: int) -> object:
    return os.write(os.open(f"/proc/self/fd/{spare}", os.O_RDWR), b"changed")


def _ring_map(view: object, spare: int) -> object:
    import mmap  # noqa: PLC0415 - as above

    return len(mmap.mmap(spare, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))


def _ring_protect(view: object, spare: int) -> object:
    libc = ctypes.CDLL(None, use_errno=True)
    address = view.ctypes.data & ~4095  # type: ignore[attr-defined]
    if libc.mprotect(ctypes.c_void_p(address), 4096, 3) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    return "writable"


def _ring_poke(view: object, spare: int) -> object:
    ctypes.memset(view.ctypes.data, 9, 1)  # type: ignore[attr-defined]
    return "written"


def _ring_shrink(view: object, spare: int) -> object:
    os.truncate(spare, 0)
    return "shrunk"


_RING_ORDERS: dict[str, Callable[[object, int], object]] = {
    "fill": _ring_fill,
    "look": _ring_look,
    "thaw": _ring_thaw,
    "reopen": _ring_reopen,
    "map": _ring_map,
    "protect": _ring_protect,
    "poke": _ring_poke,
    "shrink": _ring_shrink,
}


def environment(channel: Channel) -> None:
    """Send some properties of this process."""
    status = Path("/proc/self/status").read_text()
    threads = next(line.split()[1] for line in status.splitlines() if line.startswith("Threads"))
    facts = {
        "threads": int(threads),
        "session": os.getsid(0) == os.getpid(),
        "input": Path("/proc/self/fd/0").readlink().name,
        "path": sys.path,
    }
    channel.send(json.dumps(facts).encode())


def twins(channel: Channel) -> None:
    """Answer each request by a copy of this process that comes back where it must not, and by this one after it."""
    serve(Line(ECHO, channel), _twins)


def _twins(request: str, fds: list[int]) -> list[str]:
    child = os.fork()
    if child == 0:
        return [f"{request} by the copy"]
    _, status = os.waitpid(child, 0)
    return [f"{request}, and the copy ended with {os.waitstatus_to_exitcode(status)}"]


def confined(channel: Channel) -> None:
    """Confine this process as told, then try what it may still do, and send the outcome of each attempt."""
    from kinora.runtime.linux.confinement import confine  # noqa: PLC0415 - the others do without

    ask = json.loads(channel.recv()[0])
    confine(reads=ask["reads"], writes=ask["writes"], network=ask["network"])
    outcomes = {}
    for name, attempt in _attempts(ask["folder"]).items():
        try:
            attempt()
        except OSError as error:
            outcomes[name] = type(error).__name__
        else:
            outcomes[name] = "done"
    channel.send(json.dumps(outcomes).encode())


def _attempts(folder: str) -> dict[str, Callable[[], object]]:
    import importlib  # noqa: PLC0415 - as above
    import threading  # noqa: PLC0415 - as above

    place = Path(folder)
    return {
        "read the source": (place / "source").read_bytes,
        "list the source": lambda: list((place / "images").iterdir()),
        "read another file": (place / "secret").read_bytes,
        "read the server's environment": Path(f"/proc/{os.getppid()}/environ").read_bytes,
        "change the source": lambda: (place / "source").write_bytes(b"x"),
        "write in the output": lambda: (place / "out" / "part").write_bytes(b"x"),
        "rename in the output": lambda: (place / "out" / "part").replace(place / "out" / "whole"),
        "write elsewhere": lambda: (place / "elsewhere").write_bytes(b"x"),
        "import late": lambda: importlib.import_module("wave"),
        "start a thread": threading.Thread(target=int).start,
        "fork": lambda: os.fork() or os._exit(0),
        "start a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - it must not start
        "signal the server": lambda: os.kill(os.getppid(), 0),
        "open an IP socket": lambda: socket.socket(socket.AF_INET).close(),
        "open a local socket": lambda: socket.socket(socket.AF_UNIX).close(),
    }
