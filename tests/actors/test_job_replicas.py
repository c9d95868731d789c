"""A stateless plugin works in several processes at once: its figures, names and refusals, with real processes."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from kinora.actors.errors import InvalidRequest
from kinora.actors.stages.plugin_process import NO_ROOM
from kinora.runtime.forking.worker_usage import WorkerKind
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.actors.test_process_names import names_of
from tests.jobs_kit import ended, frames_of, messages_of, nothing_left_behind, submit, write_plugin

PLUGIN = '''
class Paired(Plugin):
    """From frame 5 on it waits until another process is at work as well, and until the test has looked."""

    metadata = PluginMetadata(name="paired", stateless=True)

    def process_frame(self, frame):
        if frame.index >= 5:
            (HERE / f"at-work-{os.getpid()}").touch()
            deadline = time.monotonic() + 60
            while not (HERE / "go-on").exists():
                if time.monotonic() > deadline:
                    raise TimeoutError("nobody came")
                time.sleep(0.005)
        return {"index": frame.index, "by": os.getpid()}

class InOrder(Plugin):
    metadata = PluginMetadata(name="in_order")

    def prepare(self, context):
        self.seen = []

    def process_frame(self, frame):
        self.seen.append(frame.results["paired"]["index"])
        return {"seen": self.seen[-3:]}
'''


def at_work(folder: Path) -> int:
    """The number of processes of the plugin that wait at a frame."""
    return len(list(folder.glob("at-work-*")))


async def test_two_processes_work_at_once_and_results_come_in_order(system: System, plugins_dir: Path) -> None:
    """``/extended``, the names in ``ps`` and the memory figures tell of both; none is left at the end."""
    write_plugin(plugins_dir, "plugins", f"from pathlib import Path\nHERE = Path({str(plugins_dir)!r})\n" + PLUGIN)
    await system.plugins.reload()
    with nothing_left_behind(system):
        state = await submit(system, {"name": "paired", "replicas": 2}, "in_order")
        with trio.fail_after(60):
            while at_work(plugins_dir) < 2:  # noqa: ASYNC110 - the plugin knows nothing of Trio
                await trio.sleep(0.01)
        workers = [worker for worker in system.fork_server._workers.values() if "paired" in worker.name]
        short = state.job_id[:4]
        assert {names_of(worker.pid)[1] for worker in workers} == {
            f"kinora: paired {short}",
            f"kinora: paired#2 {short}",
        }
        assert (await system.fork_server.usage())[WorkerKind("plugin", "paired")].processes == 2
        with trio.fail_after(60):
            while (await system.jobs.state(state.job_id)).plugins["paired"].replicas != 2:  # noqa: ASYNC110
                await trio.sleep(0.01)
        (plugins_dir / "go-on").touch()
        state = await ended(system, state)
    frames = await frames_of(system, state)
    assert [frame["results"]["paired"]["index"] for frame in frames] == list(range(len(frames)))
    assert frames[-1]["results"]["in_order"] == {"seen": [len(frames) - n for n in (3, 2, 1)]}
    assert len({frame["results"]["paired"]["by"] for frame in frames}) == 2
    messages = [message["payload"] for message in messages_of(system, state.job_id, "frame")]
    told = [payload["index"] for payload in messages if payload["plugin"] == "paired"]
    assert told == list(range(len(frames)))


async def test_replicas_that_cannot_be_are_refused(system: System) -> None:
    """A plugin that is not stateless runs in one process, which a client may ask for; the number has its bounds."""
    for replicas, message in ((2, "needs its frames in order"), (0, "whole"), (65, "or auto"), ("all", "or auto")):
        with pytest.raises(InvalidRequest) as refused:
            await submit(system, {"name": "motion", "replicas": replicas})
        (error,) = refused.value.errors
        assert error.path == "plugins[0].replicas"
        assert message in error.message
    await submit(system, {"name": "motion", "replicas": 1}, {"name": "colors", "replicas": "auto"}, max_frames=1)


LARGE = """
class Large(Plugin):
    metadata = PluginMetadata(name="large", stateless=True)

    def prepare(self, context):
        self.hoard = np.ones(250 * 2**20, np.uint8)

    def process_frame(self, frame):
        return {"index": frame.index}
"""


async def test_a_further_process_that_would_not_fit_is_not_started(
    settings: Settings, media: Path, plugins_dir: Path
) -> None:
    """Else the largest worker would be killed, and cost a frame that one process would have had."""
    write_plugin(plugins_dir, "large", LARGE)
    async with open_system(attrs.evolve(settings, workers_memory_mb=600)) as system:
        state = await ended(system, await submit(system, {"name": "large", "replicas": 2}))
        frames = await frames_of(system, state)
    assert all("large" in frame["results"] for frame in frames)
    assert (state.plugins["large"].failures, state.plugins["large"].restarts) == (0, 0)
    (warning,) = state.warnings
    assert "another replica could not be prepared" in warning
    assert NO_ROOM in warning
