"""What a storm gets to work with, and what it reports."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from benchmarks.storms.http import HOST, Answer, Clients
from benchmarks.storms.inputs import job
from kinora.client import KinoraClient

POLL_S = 0.1


@attrs.frozen
class Finding:
    """Something that a storm looked at, and whether it was as it should be; None if no aim was set."""

    text: str
    met: bool | None


@attrs.frozen
class Arena:
    """A server that runs, and the clients of a storm."""

    api: KinoraClient
    clients: Clients
    folder: Path
    """The server's folder; its media are in ``media``."""
    findings: list[Finding] = attrs.field(factory=list)

    def find(self, text: str, met: bool | None = None) -> None:
        """Report something."""
        self.findings.append(Finding(text, met))

    async def submit(self, source: str, plugin: str) -> str:
        """Start a job, and return its id."""
        return (await self.api.submit({"source": source, "plugins": [{"name": plugin}]})).job_id

    async def reach(self, job_id: str, *stages: str) -> dict[str, Any]:
        """Wait until a job has one of these stages or statuses, and return it."""
        while True:
            state = await self.api.extended(job_id, limit=0)
            if state["status"] in stages or state["stage"] in stages:
                return state
            await trio.sleep(POLL_S)

    async def finished(self, source: str, plugin: str) -> str:
        """Run a job to its end, and return its id."""
        job_id = await self.submit(source, plugin)
        state = await self.reach(job_id, "done", "failed")
        assert state["status"] == "done", state["error"]
        return job_id

    async def until(self, status: str, ask: Callable[[], Awaitable[Answer]], every_s: float = 0.5) -> float:
        """Ask again and again until the answer has this status; return the seconds that it took."""
        began = trio.current_time()
        while (await ask()).status != status:  # noqa: ASYNC110 - it is a client that asks
            await trio.sleep(every_s)
        return trio.current_time() - began

    async def within(self, limit_s: float, what: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do something, and report the time that it took beside the most that it should take."""
        began = trio.current_time()
        with trio.move_on_after(limit_s) as scope:
            await work()
        took = f"not within {limit_s:g} s" if scope.cancelled_caught else f"{trio.current_time() - began:.1f} s"
        self.find(f"{what}: {took}", not scope.cancelled_caught)

    def post_job(self, source: str, plugin: str, address: str = HOST) -> Callable[[], Awaitable[Answer]]:
        """A request for a job, to be sent."""
        return partial(self.clients.ask, "POST", "/v1/jobs", job(source, plugin), address=address)

    def get(self, target: str, **headers: str) -> Callable[[], Awaitable[Answer]]:
        """A GET, to be sent."""
        return partial(self.clients.ask, "GET", target, headers=headers)


async def at_once(calls: Sequence[Callable[[], Awaitable[object]]]) -> None:
    """Do all at the same time."""
    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(call)


async def nothing(arena: Arena) -> None:
    """A storm that needs nothing prepared."""


@attrs.frozen
class Storm:
    """One kind of storm."""

    name: str
    title: str
    blow: Callable[[Arena], Awaitable[None]]
    prepare: Callable[[Arena], Awaitable[None]] = nothing
    """What is done before, unmeasured."""
    fill: Callable[[Path], None] = lambda media: None  # noqa: ARG005 - most storms need no media of their own
    """Puts files into the media folder before the server starts; ``clip.mp4`` is there already."""
    settings: Callable[[Path], Mapping[str, str]] = lambda folder: {}  # noqa: ARG005 - most need none
    """Further settings of the server, given its folder."""
    files: int = 4096
    """The files that the server may have open."""
    deadline_s: float = 20.0
    """The end of the storm; what has no answer then is counted as such."""


def free_bytes(folder: Path) -> int:
    """The free space of the disk."""
    return shutil.disk_usage(folder).free
