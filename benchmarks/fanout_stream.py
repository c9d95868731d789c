"""The fan-out benchmark's stream, recorded from a real job, and the control file that both sides of a run share."""

from __future__ import annotations

import itertools
import mmap
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from kinora.actors.messages import TYPES, RealtimeMessage
from kinora.actors.realtime.filters import Filters
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.actors.sources.source_finder import DEMO_SOURCE
from kinora.runtime.events.broadcast import Batch
from kinora.settings import Settings
from kinora.system import open_system

PEOPLE = Path(__file__).parents[1] / "../shared/data/people.mp4"
PLUGINS = ("motion", "people", "tracker")
FRAMES = 120
MAX_PUBLISHED = 2_000_000
WINDOW = 200
"""Messages that may be under way to the slowest client at saturation: the same for all servers."""
POLL_S = 0.0005
RUN, RATE, DURATION_MS, RECEIVED, PUBLISHED, DONE, TIMES = range(7)
CLASSES = {name: kind for kind, name in TYPES.items()}

Group = list[RealtimeMessage]
"""Messages that were published in one scheduler pass."""


def media() -> tuple[Path, str]:
    """The folder and the name of the footage: real footage if it is at hand, else the bundled clip."""
    return (PEOPLE.resolve().parent, PEOPLE.name) if PEOPLE.exists() else (Path.cwd(), DEMO_SOURCE)


async def record(data_dir: Path) -> bytes:
    """Run a job with three plugins, and return all its messages, pass by pass, as JSON."""
    passes: list[list[msgspec.Raw]] = []

    def note(batch: Batch) -> None:
        passes.append([msgspec.Raw(data) for data in batch.data])

    folder, source = media()
    settings = Settings(data_dir=data_dir, media_dir=folder, min_free_bytes=0)
    async with open_system(settings) as system:
        assert system.connections is not None
        system.connections.subscribe(note, Filters())
        plugins = tuple(PluginRequest(name=name) for name in PLUGINS)
        request = JobRequest(source=source, plugins=plugins, options=JobOptions(max_frames=FRAMES))
        state = (await system.jobs.submit(request)).state
        while not state.ended:
            state = await system.jobs.wait_changed(state.job_id, state)
        assert state.status == "done", state.error
    return msgspec.json.encode(passes)


class _Recorded(msgspec.Struct):
    type: str
    payload: msgspec.Raw
    timestamp: str


def recorded(path: Path) -> list[Group]:
    """The messages as they were before they were encoded."""
    passes = msgspec.json.decode(path.read_bytes(), type=list[list[_Recorded]])
    return [
        [RealtimeMessage(msgspec.json.decode(one.payload, type=CLASSES[one.type]), one.timestamp) for one in group]
        for group in passes
    ]


class Control:
    """Numbers in a file that the server process and the load process both have mapped."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(8 * (TIMES + MAX_PUBLISHED))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.words = memoryview(self._map).cast("q")

    def times(self, count: int) -> list[int]:
        """The times at which the messages were published, in nanoseconds of the monotonic clock."""
        return self.words[TIMES : TIMES + count].tolist()


@attrs.frozen
class Publisher:
    """Publishes the stream over and over as the load process asks: the same code in every server.

    Args:
        groups: each is passed to ``publish`` as a whole, of which a server may make use.
    """

    control: Control
    groups: Sequence[Sequence[Any]]
    publish: Callable[[Any], Awaitable[object]]
    sleep: Callable[[float], Awaitable[object]]

    async def serve(self) -> None:
        """Wait for runs and do them, for ever."""
        words, last = self.control.words, 0
        while True:
            while words[RUN] == last:
                await self.sleep(0.005)
            last = words[RUN]
            await self._run()
            words[DONE] = last

    async def _run(self) -> None:
        words = self.control.words
        rate, end = words[RATE], time.monotonic() + words[DURATION_MS] / 1000
        began, count = time.monotonic(), 0
        for group in itertools.cycle(self.groups):
            if time.monotonic() >= end or count + len(group) > MAX_PUBLISHED:
                return
            if rate:
                await self.sleep(max(0.0, began + count / rate - time.monotonic()))
            while not rate and count - words[RECEIVED] > WINDOW and time.monotonic() < end:
                await self.sleep(POLL_S)
            now = time.monotonic_ns()
            for number in range(count, count + len(group)):
                words[TIMES + number] = now
            count += len(group)
            words[PUBLISHED] = count
            await self.publish(group)
