"""Clients can see the failures of a plugin: its last error, the traceback, and its output."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import trio

from kinora.runtime.forking.worker_log import LOG_BYTES
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import HANG_TIMEOUT_MS, run_job, submit, write_plugin

PLUGINS = """
@tool("raises")
def raises(frame):
    if frame.index == 7:
        raise ValueError("not this one")

@tool("segfaults")
def segfaults(frame):
    print("before the crash")
    ctypes.string_at(0)

@tool("hangs")
def hangs(frame):
    print("hanging on purpose", file=sys.stderr)
    ctypes.PyDLL(None).sleep(1000)  # native code that keeps the GIL

class BadPrepare(Plugin):
    metadata = PluginMetadata(name="bad-prepare")
    def prepare(self, context):
        raise OSError("no model")
    def process_frame(self, frame):
        return {}

@tool("chatty")
def chatty(frame):
    print(f"frame {frame.index}", "x" * 10_000)

@tool("quiet")
def quiet(frame):
    return {"index": frame.index}
"""


@pytest.fixture(autouse=True)
def _plugins(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "plugins", PLUGINS)


async def test_a_frame_says_why_a_plugin_has_no_result_on_it(system: System) -> None:
    """Others, to whom a plugin that has nothing to say looks the same, have no such word."""
    state = await run_job(system, "raises", "quiet", plugin_timeout_ms=HANG_TIMEOUT_MS)
    frames = [json.loads(line) async for page in system.jobs.frame_pages(state.job_id) for _, line in page]
    assert {frame["index"] for frame in frames if "errors" in frame} == {7}
    assert frames[7]["errors"].keys() == {"raises"}
    assert frames[7]["errors"]["raises"].startswith("ValueError: not this one (plugins.py, line ")


async def test_an_exception_is_shown_with_its_traceback(system: System) -> None:
    """The last error says what, where in the plugin's code, and on which frame; the others have none."""
    state = await run_job(system, "raises", "quiet")
    error = state.plugins["raises"].last_error
    assert error is not None
    assert (error.message, error.code, error.frame_id) == ("ValueError: not this one", "PLUGIN_ERROR", "frame-000007")
    assert error.traceback is not None
    assert 'raise ValueError("not this one")' in error.traceback
    assert state.started_at is not None
    assert state.started_at <= error.at
    assert state.plugins["quiet"].last_error is None


@pytest.mark.parametrize(
    ("plugin", "code", "words"),
    [
        ("segfaults", "PLUGIN_CRASH", ("before the crash", "Segmentation fault", "in segfaults")),
        ("hangs", "PLUGIN_TIMEOUT", ("hanging on purpose", "in hangs")),
        ("bad-prepare", "PLUGIN_ERROR", ("OSError: no model", "in prepare")),
    ],
)
async def test_a_death_is_shown_with_the_place_it_happened_at(
    system: System, plugin: str, code: str, words: tuple[str, ...]
) -> None:
    """A crash in native code, a hang that is killed, a failure to prepare: each names the line of the plugin."""
    state = await run_job(system, plugin, plugin_timeout_ms=HANG_TIMEOUT_MS)
    error = state.plugins[plugin].last_error
    assert error is not None
    assert error.code == code
    assert error.traceback is not None
    assert [word for word in words if word not in error.traceback] == []


async def test_a_plugin_has_a_record_across_jobs(system: System) -> None:
    """Failures and restarts add up; the health is that of the last job, and a clean job mends it."""
    first = await run_job(system, "raises", "segfaults")
    again = await run_job(system, "raises")
    raises, segfaults = (system.plugin_records.of(name) for name in ("raises", "segfaults"))
    assert (raises.failures, raises.restarts, raises.health, raises.last_job) == (2, 0, "ok", again.job_id)
    assert (segfaults.failures, segfaults.restarts, segfaults.health) == (3, 2, "failed")
    assert (segfaults.last_error, segfaults.last_job) == (first.plugins["segfaults"].last_error, first.job_id)
    assert system.plugin_records.of("quiet").last_error is None


async def test_what_plugins_print_can_be_read_while_the_job_runs_and_ever_after(settings: Settings) -> None:
    """The end of each plugin's own output, over all its processes, also from the next server."""
    async with open_system(settings) as system:
        state = await submit(system, "chatty", "hangs", "quiet", plugin_timeout_ms=HANG_TIMEOUT_MS)
        with trio.fail_after(20):
            while not (await system.jobs.logs(state.job_id))["chatty"]:
                state = await system.jobs.wait_changed(state.job_id, state)
        while not state.ended:
            state = await system.jobs.wait_changed(state.job_id, state)
        logs = await system.jobs.logs(state.job_id)
    assert list(logs) == ["chatty", "hangs", "quiet"]
    assert len(logs["chatty"]) == LOG_BYTES
    assert "frame 29" in logs["chatty"]
    assert logs["hangs"].count("hanging on purpose") == 3
    assert logs["hangs"].count(f"[no answer within {HANG_TIMEOUT_MS} ms; its process was killed]") == 3
    assert logs["quiet"] == ""
    async with open_system(settings) as system:
        assert await system.jobs.logs(state.job_id) == logs


async def test_a_log_stays_within_its_bound(settings: Settings, plugins_dir: Path) -> None:
    """Megabytes on both outputs from several processes: the end is kept, and nothing waits for it."""
    body = """
    @tool("floods")
    def floods(frame):
        for _ in range(100):
            os.write(1 + frame.index % 2, b"y" * 100_000)
        os._exit(1)
    """
    write_plugin(plugins_dir, "floods", body)
    async with open_system(attrs.evolve(settings, max_failures=2)) as system:
        state = await run_job(system, "floods")
        text = (await system.jobs.logs(state.job_id))["floods"]
    assert len(text) == LOG_BYTES
    assert text.endswith("[its process ended with exit code 1]\n")
