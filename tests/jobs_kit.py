"""Running jobs in tests: submit one, wait for its end, read back what was said and found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import trio

from kinora.actors.models import JobState
from kinora.actors.requests.job_request import parse_job_request
from kinora.runtime.events.outbox import Event
from kinora.system import System
from tests.traces import no_traces

CLIP_FRAMES = 30
SAFETY_S = 120.0
"""Far more than anything takes on a busy machine."""
HANG_TIMEOUT_MS = 2_000
"""What jobs with a hanging plugin get: it holds for all plugins, and on a busy machine each needs time to answer."""


def write_plugin(folder: Path, name: str, body: str) -> None:
    """A plugin file; the body has ``Frame``, ``Plugin``, ``PluginMetadata`` and ``tool`` at hand."""
    head = "import ctypes, os, signal, sys, time\nimport numpy as np\n"
    head += "from kinora.plugins import Frame, Plugin, PluginMetadata, tool\n\n"
    (folder / f"{name}.py").write_text(head + dedent(body), encoding="utf-8")


async def submit(system: System, *plugins: Any, source: str = "clip.mp4", **options: Any) -> JobState:
    """Take a job; the options are those of the request."""
    request = parse_job_request({"source": source, "plugins": list(plugins), "options": options})
    return (await system.jobs.submit(request)).state


async def ended(system: System, state: JobState) -> JobState:
    """Wait for a job's end."""
    while not state.ended:
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


async def run_job(system: System, *plugins: Any, source: str = "clip.mp4", **options: Any) -> JobState:
    """Take a job and wait for its end."""
    return await ended(system, await submit(system, *plugins, source=source, **options))


async def frames_of(system: System, state: JobState) -> list[dict[str, Any]]:
    """All FrameData of a job."""
    pages = [page async for page in system.jobs.frame_pages(state.job_id)]
    return [msgspec.json.decode(frame) for page in pages for _, frame in page]


async def some_frames(system: System, state: JobState) -> JobState:
    """Wait until some frames of a job are on disk."""
    while not await frames_of(system, state):
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


async def until(true: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    with trio.fail_after(SAFETY_S):
        while not true():  # noqa: ASYNC110 - the thread knows nothing of Trio
            await trio.sleep(0.01)


def messages_of(system: System, job_id: str, *types: str) -> list[dict[str, Any]]:
    """Everything that was published about a job, of the given types if any."""
    assert system.connections is not None
    log = system.connections.feed.log
    events = [entry for entry in log.since(log.id_of(0)) if isinstance(entry, Event)]
    messages = [msgspec.json.decode(event.data) for event in events if event.topic == job_id]
    return [message for message in messages if not types or message["type"] in types]


def codes_of(system: System, job_id: str) -> list[tuple[str | None, str]]:
    """Plugin and code of each warning that was published."""
    return [(m["payload"]["plugin"], m["payload"]["code"]) for m in messages_of(system, job_id, "warning")]


def nothing_left_behind(system: System) -> AbstractContextManager[None]:
    """No process and no descriptor more at the end of the block than at its start."""
    return no_traces(system.fork_server)
