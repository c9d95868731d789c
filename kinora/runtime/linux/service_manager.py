"""Tells the service manager that started this process, as systemd does, how it goes; see sd_notify(3).

Messages are datagrams to the socket that ``NOTIFY_SOCKET`` names. Without one, as on a terminal, nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

import attrs
import trio

USEC = 1_000_000
BEATS = 4
"""The signs of life in each interval of the watchdog: on a busy machine Trio's clock may be slow."""


@attrs.frozen
class ServiceManager:
    """The service manager, if there is one."""

    address: str | None = None
    """The path of its socket; one that begins with ``@`` is abstract."""
    watchdog_s: float | None = None
    """The time within which it wants to hear of a process that works; after that it ends and restarts it."""

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> ServiceManager:
        """The service manager that the environment names; the watchdog is for the process ``pid`` alone."""
        usec, meant = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(pid))
        watched = usec.isdecimal() and int(usec) > 0 and meant == str(pid)
        return cls(environment.get("NOTIFY_SOCKET"), int(usec) / USEC if watched else None)

    def ready(self, status: str) -> None:
        """Say that the service has started, or has taken up a changed configuration."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Say that the service takes up a changed configuration; :meth:`ready` says when it has."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service has begun to stop."""
        self._tell("STOPPING=1", "STATUS=Stopping")

    async def feed_watchdog(self) -> None:
        """Say ``BEATS`` times in each interval that the event loop runs; return at once if nobody watches."""
        while self.watchdog_s is not None:
            self._tell("WATCHDOG=1")
            await trio.sleep(self.watchdog_s / BEATS)

    def _tell(self, *assignments: str) -> None:
        """Send one datagram; one that cannot be sent at once is dropped, as nothing may wait for a service manager."""
        if not self.address or self.address[0] not in "@/":
            return
        address = f"\0{self.address[1:]}" if self.address[0] == "@" else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.connect(address)
            sock.send("\n".join(assignments).encode())


def this_service() -> ServiceManager:
    """The service manager of this process."""
    return ServiceManager.of(os.environ, os.getpid())
