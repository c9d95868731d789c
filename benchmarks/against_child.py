"""One round of :mod:`benchmarks.against`: prints its figures as JSON. Kinora comes from the tree on the path."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import structlog
import trio

from kinora.actors.messages import ProgressPayload, RealtimeMessage
from kinora.actors.models import JobState
from kinora.actors.realtime.filters import Filters
from kinora.actors.requests.job_request import JobRequest, PluginRequest
from kinora.runtime.events.broadcast import Batch
from kinora.settings import Settings
from kinora.system import System, open_system

EMPTY = ("empty-1", "empty-2", "empty-3", "empty-4")
FRAMES = 1_000
CANCELS = 5
MESSAGES = 20_000


async def submit(system: System, *plugins: str) -> JobState:
    """Take a job on the clip."""
    wanted = tuple(PluginRequest(name=name) for name in plugins)
    return (await system.jobs.submit(JobRequest(source="clip.mp4", plugins=wanted))).state


async def told(system: System, job_id: str, kind: str) -> None:
    """Wait for the first message of this type about a job."""
    assert system.connections is not None
    heard = trio.Event()

    def hear(_batch: Batch) -> None:
        heard.set()

    filters = Filters(job_ids=frozenset({job_id}), types=frozenset({kind}))
    subscription = system.connections.subscribe(hear, filters)
    await heard.wait()
    system.connections.unsubscribe(subscription, filters)


async def stages(system: System) -> tuple[float, float]:
    """Server CPU for a frame and stage in ms while nobody watches or polls, and frames a second."""
    state = await submit(system, *EMPTY)
    used, began = time.process_time(), time.perf_counter()
    await told(system, state.job_id, "complete")
    used, took = time.process_time() - used, time.perf_counter() - began
    return used * 1000 / FRAMES / len(EMPTY), FRAMES / took


async def first_frame(system: System) -> float:
    """From the submission to the first frame message, in ms."""
    began = time.perf_counter()
    state = await submit(system, "empty-1")
    await told(system, state.job_id, "frame")
    took = (time.perf_counter() - began) * 1000
    await system.jobs.cancel(state.job_id)
    return took


async def cancel(system: System) -> float:
    """From the request to the answer, in ms, for a tool that hangs in native code."""
    state = await submit(system, "hung")
    while state.stage != "running":
        state = await system.jobs.wait_changed(state.job_id, state)
    await trio.sleep(0.3)  # it hangs now
    began = time.perf_counter()
    await system.jobs.cancel(state.job_id)
    return (time.perf_counter() - began) * 1000


def publishing(system: System) -> float:
    """CPU to publish a message, in µs."""
    assert system.connections is not None
    payload = ProgressPayload(job_id="job", progress=1, stage="running")
    used = time.process_time()
    for _ in range(MESSAGES):
        system.connections.broadcast(RealtimeMessage(payload))
    return (time.process_time() - used) * 1e6 / MESSAGES


async def measure(media: Path, plugin_files: tuple[Path, ...]) -> dict[str, float]:
    """All figures of this round."""
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(data_dir=Path(data), media_dir=media, plugin_files=plugin_files, min_free_bytes=0)
        async with open_system(settings) as system:
            await stages(system)
            cpu, fps = await stages(system)
            firsts = [await first_frame(system) for _ in range(CANCELS)]
            cancels = [await cancel(system) for _ in range(CANCELS)]
            return {
                "server CPU per frame and stage, ms": cpu,
                "four empty stages, frames/s": fps,
                "submission to first frame, ms": statistics.median(firsts),
                "cancel of a hung tool, ms": statistics.median(cancels),
                "CPU to publish a message, µs": publishing(system),
            }


def main() -> None:
    """Measure, and print the figures on the last line."""
    media, *plugin_files = map(Path, sys.argv[1:])
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    print(json.dumps(trio.run(measure, media, tuple(plugin_files))))


if __name__ == "__main__":
    main()
