"""Tenure: the time for which an agent may work for a server, from its first connection to the end of its lease."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import trio

from kinora.fleet.link import LEASE_S, MARGIN_S
from kinora.runtime.clocks.boot_clock import boot_s
from kinora.runtime.clocks.lease import Lease
from kinora.runtime.forking.workers import ForkServer, LeaseEnded

LOOK_S = 0.1
"""The interval between two looks at the end of the lease. Trio's clock stands still while the process is stopped."""


class Tenure:
    """Tells the fork server each new end of the lease, and this process when it is over."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._lease = Lease(LEASE_S)
        self.instance = ""
        """Made anew for each tenure."""
        self.server: str | None = None
        """The server's run that the agent works for; None before the first connection."""
        self.agent = ""
        """The agent's id at the server."""
        self._renew_instance()

    @property
    def is_over(self) -> bool:
        """True once a lease was granted and has ended: nothing may be told then."""
        return self._lease.is_over(boot_s())

    async def keep_workers(  # noqa: ASYNC128 - the fork server reports the start
        self, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Run the fork server, and the next one in each new tenure, as one ends with its lease.

        Raises:
            ForkServerGone: it ended otherwise.
        """
        while True:
            try:
                await self._fork_server.run(task_status=task_status)
            except LeaseEnded:
                await self._wait_anew()

    async def _wait_anew(self) -> None:
        """Wait until :meth:`begin_anew` is called, if the lease is over."""
        while self.is_over:  # noqa: ASYNC110 - see watch
            await trio.sleep(LOOK_S)

    async def grant(self, asked_at: float) -> None:
        """Note that the server has granted what was asked for at this time."""
        if self._lease.grant(asked_at, boot_s()) and self._lease.end is not None:
            await self._fork_server.lease(self._lease.end + MARGIN_S)

    async def watch(self, end: Callable[[], object]) -> None:
        """Wait until it is over, and call ``end`` then."""
        while not self.is_over:  # noqa: ASYNC110 - the clock of leases wakes no task
            await trio.sleep(LOOK_S)
        end()

    async def begin_anew(self) -> None:
        """Forget the server and the lease. All attempts must have ended before."""
        self._lease, self.server, self.agent = Lease(LEASE_S), None, ""
        self._renew_instance()
        await self._fork_server.lease(None)

    def _renew_instance(self) -> None:
        self.instance = uuid.uuid4().hex
