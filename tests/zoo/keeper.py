"""Lets an animal loose in a job, and reports the outcome for it and for everything around it."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import attrs
import msgspec
import trio

from kinora.actors.messages import Code
from kinora.actors.models import JobState
from kinora.actors.realtime.filters import Filters
from kinora.runtime.events.broadcast import Batch
from kinora.system import System
from tests.jobs_kit import HANG_TIMEOUT_MS, frames_of, run_job, write_plugin
from tests.zoo.animals import Animal, Fate, Where

STEADY = """
import zlib

class Steady(Plugin):
    metadata = PluginMetadata(name="steady")
    def prepare(self, context):
        self.seen, self.sum = 0, 0
    def process_frame(self, frame):
        self.seen += 1
        self.sum = zlib.crc32(frame.image.tobytes(), self.sum)
        return {"seen": self.seen, "sum": self.sum}
    def finalize(self):
        return {"seen": self.seen, "sum": self.sum}
"""
"""The well-behaved one: a frame that is missing, altered or out of order shows in all its later results."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only looked at
HANG_TIMES_MS = {"plugin_timeout_ms": 400, "prepare_timeout_ms": 800}
"""Short, so that a hang is over soon; on a machine that is not busy, far longer than anything else here takes."""
LOOK_NS = 10_000_000
"""Between two looks at what the other threads have waited for a core."""
PATIENT_TIMES_MS = dict.fromkeys(HANG_TIMES_MS, HANG_TIMEOUT_MS)
"""For any machine."""


@attrs.frozen(kw_only=True)
class Sighting:
    """One animal's misbehaviour in one place: the messages to clients, and the duration of the job."""

    animal: Animal
    where: Where
    name: str
    """The plugin's."""
    state: JobState
    frames: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    """The payloads of the ``warning`` messages."""
    seconds: float

    @property
    def codes(self) -> list[str]:
        """The codes of the warnings, each once, in their order, but for STATE_LOST, which follows from others."""
        return [code for code in dict.fromkeys(warning["code"] for warning in self.warnings) if code != Code.STATE_LOST]

    @property
    def began_anew(self) -> bool:
        """True if it is told that the plugin has forgotten what it had seen."""
        return any(warning["code"] == Code.STATE_LOST for warning in self.warnings)

    @property
    def steady(self) -> list[Any]:
        """The well-behaved plugin's results, frame by frame, and its summary."""
        return steady_results(self.state, self.frames)

    @property
    def lost(self) -> set[int]:
        """The indexes of frames without a result of the animal."""
        return {frame["index"] for frame in self.frames if self.name not in frame["results"]}


@attrs.frozen
class Cage:
    """A folder of plugins: animals, one plugin for each place in which one misbehaves, and the well-behaved one."""

    folder: Path
    plugins: Mapping[tuple[Animal, Where], str]
    """The name of each."""

    @classmethod
    def build(cls, folder: Path, animals: Sequence[Animal], python: Path | None = None) -> Cage:
        """Write them all. With ``python``, each animal is a folder that names this interpreter for itself."""
        write_plugin(folder, "steady", STEADY)
        plugins = {}
        for number, animal in enumerate(animals):
            for where in animal.where:
                name = plugins[animal, where] = f"animal-{number}-{where}"
                _write(folder, name, animal.module(name, where), python)
        return cls(folder, plugins)

    def let_out(self, name: str) -> None:
        """Let a plugin misbehave on import from now on, if that is what it does."""
        file = self.folder / f"{name}.py"
        (file if file.exists() else self.folder / name / "__init__.py").with_suffix(".py.loose").touch()


def _write(folder: Path, name: str, module: str, python: Path | None) -> None:
    if python is None:
        (folder / f"{name}.py").write_text(module, encoding="utf-8")
        return
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(module, encoding="utf-8")
    (folder / name / "pyproject.toml").write_text(f'[tool.kinora]\npython = "{python}"\n', encoding="utf-8")


async def let_loose(
    system: System,
    cage: Cage,
    animal: Animal,
    where: Where,
    hang_times_ms: Mapping[str, int] = PATIENT_TIMES_MS,
    *,
    replicas: int = 1,
) -> Sighting:
    """Run a job with the animal, in so many processes, in front of the well-behaved plugin."""
    name = cage.plugins[animal, where]
    cage.let_out(name)
    began = trio.current_time()
    options = hang_times_ms if animal.fate is Fate.HANGS else {}
    with warnings_heard(system) as warnings:
        plugin = {"name": name, "replicas": replicas}
        state = await run_job(system, plugin, "steady", source=animal.source, **options)
    return Sighting(
        animal=animal,
        where=where,
        name=name,
        state=state,
        frames=await frames_of(system, state),
        warnings=[warning for warning in warnings if warning["job_id"] == state.job_id],
        seconds=trio.current_time() - began,
    )


@contextmanager
def warnings_heard(system: System) -> Iterator[list[dict[str, Any]]]:
    """The payloads of the warnings that a client is sent meanwhile."""
    heard: list[dict[str, Any]] = []

    def hear(batch: Batch) -> None:
        heard.extend(msgspec.json.decode(data)["payload"] for data in batch.data)

    assert system.connections is not None
    filters = Filters(types=frozenset({"warning"}))  # not from the log: who tells without end drives them out of that
    subscription = system.connections.subscribe(hear, filters)
    try:
        yield heard
        system.connections.feed.catch_up(subscription)
    finally:
        system.connections.unsubscribe(subscription, filters)


async def results_without(system: System, source: str) -> list[Any]:
    """The well-behaved plugin's results when it is alone."""
    state = await run_job(system, "steady", source=source)
    return steady_results(state, await frames_of(system, state))


def steady_results(state: JobState, frames: list[dict[str, Any]]) -> list[Any]:
    """The well-behaved plugin's results, frame by frame, and its summary."""
    return [*(frame["results"].get("steady") for frame in frames), bytes(state.plugins["steady"].finalize)]


class LoopWatch(trio.abc.Instrument):
    """Measures for how long the steps of the server's tasks held up the event loop.

    What the thread waited for a core meanwhile does not count, being other processes' doing, nor what the other threads
    of this process did, which may have had the GIL; nor do the steps of the tests themselves. Use it as a context
    manager.
    """

    def __init__(self) -> None:
        self._longest_ms: dict[str, float] = {}

    @property
    def longest_ms(self) -> float:
        """The duration of the longest step."""
        return max(self._longest_ms.values(), default=0.0)

    def longer_than(self, limit_ms: float) -> dict[str, float]:
        """The tasks that had a longer step, by their names, with the duration of the longest one."""
        return {task: longest_ms for task, longest_ms in self._longest_ms.items() if longest_ms > limit_ms}

    def __enter__(self) -> Self:
        gc.collect()
        gc.freeze()  # as the server does once it has started
        self._schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self._seen = 0
        self.before_task_step(trio.lowlevel.current_task())
        trio.lowlevel.add_instrument(self)
        return self

    def __exit__(self, *_: object) -> None:
        trio.lowlevel.remove_instrument(self)
        os.close(self._schedstat)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note the time: a task is about to run."""
        if time.perf_counter_ns() - self._seen > LOOK_NS:
            self._others_waited = others_waits_ns()
            self._seen = time.perf_counter_ns()
        self._waited = waited_ns(os.pread(self._schedstat, 64, 0))
        self._began = time.perf_counter_ns()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Take the time: the task has given way to others."""
        took_ns = time.perf_counter_ns() - self._began - (waited_ns(os.pread(self._schedstat, 64, 0)) - self._waited)
        longest_ns = self._longest_ms.get(task.name, 0) * 1e6
        if took_ns <= longest_ns or task.name.startswith("tests."):
            return
        took_ns -= sum(waited - self._others_waited.get(tid, 0) for tid, waited in others_waits_ns().items())
        if took_ns > longest_ns:
            self._longest_ms[task.name] = took_ns / 1e6


def others_waits_ns() -> dict[str, int]:
    """The time that each of this process's other threads has waited for a core, by its id."""
    waits = {}
    for thread in Path("/proc/self/task").iterdir():
        if int(thread.name) != threading.get_native_id():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                waits[thread.name] = waited_ns((thread / "schedstat").read_bytes())
    return waits


def waited_ns(schedstat: bytes) -> int:
    """Nanoseconds that a thread has waited in the run queue, see Documentation/scheduler/sched-stats.rst."""
    return int(schedstat.split()[1])


def threads_and_shared_memory() -> tuple[set[str], set[str]]:
    """The threads of this process, except the idle ones that Trio keeps for a while, and the files in ``/dev/shm``."""
    threads = {thread.name for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}
    return threads, {path.name for path in SHARED_MEMORY.iterdir()}
