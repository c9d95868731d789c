"""A service manager, as systemd, is told of a service's state by datagrams."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import trio

from kinora.runtime.linux.service_manager import BEATS, ServiceManager

PID = 4321


def listening(address: str) -> socket.socket:
    """A service manager's socket, from which reading never waits."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(address)
    sock.setblocking(False)
    return sock


def test_states_are_told(tmp_path: Path) -> None:
    """Each in one datagram, to a socket with a path and to an abstract one."""
    path = str(tmp_path / "notify")
    with listening(path) as sock:
        service = ServiceManager.of({"NOTIFY_SOCKET": path}, PID)
        service.ready("Serving http://127.0.0.1:8000")
        service.stopping()
        assert sock.recv(1000) == b"READY=1\nSTATUS=Serving http://127.0.0.1:8000"
        assert sock.recv(1000) == b"STOPPING=1\nSTATUS=Stopping"
    with listening(f"\0kinora{tmp_path}") as sock:
        ServiceManager.of({"NOTIFY_SOCKET": f"@kinora{tmp_path}"}, PID).reloading()
        state, clock = sock.recv(1000).split(b"\n")
        assert state == b"RELOADING=1"
        assert 0 <= time.monotonic_ns() // 1000 - int(clock.removeprefix(b"MONOTONIC_USEC=")) < 60_000_000


@pytest.mark.parametrize("address", ["", "vsock:1:2", "/gone/notify", "/etc"])
def test_nothing_is_told_where_nobody_listens(address: str) -> None:
    """A server runs without a service manager, and with one that cannot be reached."""
    ServiceManager.of({"NOTIFY_SOCKET": address}, PID).ready("")
    ServiceManager.of({}, PID).stopping()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "4321"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_one_process(environment: dict[str, str], watchdog_s: float | None) -> None:
    """The variables may come from a parent, and are not for this process then."""
    assert ServiceManager.of(environment, PID).watchdog_s == watchdog_s


async def test_the_watchdog_hears_nothing_while_the_event_loop_hangs(tmp_path: Path) -> None:
    """It is fed by the loop itself: a step that never ends stops that, whatever threads there are."""
    path = str(tmp_path / "notify")
    hang_s = 0.2
    service = ServiceManager(path, watchdog_s=hang_s / 4)
    with listening(path) as sock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.feed_watchdog)
            for _ in range(2):
                await heard(sock)
            drain(sock)
            time.sleep(hang_s)  # noqa: ASYNC251 - the hang
            with pytest.raises(BlockingIOError):
                sock.recv(1000)
            await heard(sock)
            nursery.cancel_scope.cancel()


async def test_the_watchdog_is_fed_several_times_in_its_interval(tmp_path: Path, autojump_clock: object) -> None:
    """A single late beat ends no service."""
    path = str(tmp_path / "notify")
    with listening(path) as sock:
        with trio.move_on_after(29.9):
            await ServiceManager(path, watchdog_s=30.0).feed_watchdog()
        assert [sock.recv(1000) for _ in range(BEATS)] == [b"WATCHDOG=1"] * BEATS
        with pytest.raises(BlockingIOError):
            sock.recv(1000)
    await ServiceManager(path).feed_watchdog()


async def heard(sock: socket.socket) -> None:
    """Wait for a sign of life."""
    with trio.fail_after(60):
        await trio.lowlevel.wait_readable(sock)
    assert sock.recv(1000) == b"WATCHDOG=1"


def drain(sock: socket.socket) -> None:
    """Read all that has come."""
    try:
        while True:
            sock.recv(1000)
    except BlockingIOError:
        return
