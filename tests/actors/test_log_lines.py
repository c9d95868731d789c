"""The lines that an operator finds in the log about jobs, plugins and clients, each with its id."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from kinora.actors.realtime.connection_manager import CloseCode
from kinora.media.source_names import without_query, without_query_of
from kinora.system import System
from tests.actors.job_kit import JOB
from tests.actors.realtime_kit import SESSION_ID, connect, manager_of, running
from tests.actors.stage_kit import CRASH, PLUGIN, FakeProcess, Stage
from tests.jobs_kit import run_job


def told(lines: list[Any], event: str) -> list[Any]:
    """The lines of this event."""
    return [line for line in lines if line["event"] == event]


async def test_a_plugin_that_dies_and_is_disabled_is_logged(autojump_clock: trio.testing.MockClock) -> None:
    """Each death has a line with job, plugin and frame, and then there is one that the job goes on without it."""
    with capture_logs() as lines:
        await Stage(FakeProcess(frames=[CRASH, CRASH]), max_failures=2).run(frames=3)
    deaths = told(lines, "a plugin's process has ended")
    assert [(line["job_id"], line["plugin"], line["frame_id"]) for line in deaths] == [
        (JOB, PLUGIN, "frame-000000"),
        (JOB, PLUGIN, "frame-000001"),
    ]
    assert {(line["code"], line["log_level"]) for line in deaths} == {("PLUGIN_CRASH", "warning")}
    [disabled] = told(lines, "a plugin is disabled for its job")
    assert (disabled["job_id"], disabled["plugin"], disabled["log_level"]) == (JOB, PLUGIN, "warning")


async def test_a_job_is_logged_when_it_is_accepted_begins_and_ends(system: System) -> None:
    """All three lines have the job's id."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        state = await run_job(system, "motion", max_frames=2)
    assert [(line["event"], line["job_id"]) for line in lines] == [
        ("job accepted", state.job_id),
        ("job started", state.job_id),
        ("job ended", state.job_id),
    ]


@pytest.mark.parametrize(
    ("code", "level"), [(CloseCode.NORMAL, "debug"), (CloseCode.TOO_SLOW, "info"), (CloseCode.TAKEN_OVER, "info")]
)
async def test_clients_that_come_and_go_are_logged(
    autojump_clock: trio.testing.MockClock, code: CloseCode, level: str
) -> None:
    """Coming and leaving is detail; a client that is cut off has a line with the reason."""
    manager = manager_of()
    with capture_logs() as lines:
        async with running(manager) as nursery:
            await connect(nursery, manager)
            manager.active_connections[SESSION_ID].stop(code, "because")
            await trio.testing.wait_all_tasks_blocked()
    assert [(line["event"], line["session_id"], line["log_level"]) for line in lines] == [
        ("client connected", SESSION_ID, "debug"),
        ("client left", SESSION_ID, level),
    ]
    assert lines[1]["code"] == code.name.lower()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("clip.mp4", "clip.mp4"),
        ("what?.mp4", "what?.mp4"),
        ("http://cam.example/a.mp4", "http://cam.example/a.mp4"),
        ("http://cam.example/a?token=x&b=c", "http://cam.example/a?…"),
        ("http://cam.example/a#x", "http://cam.example/a#…"),
    ],
)
def test_a_url_is_logged_without_its_query(source: str, shown: str) -> None:
    """Cameras and stores have their tokens there; files are named whole."""
    assert without_query(source) == shown
    assert (
        without_query_of(source, f"The source {source} could not be read.") == f"The source {shown} could not be read."
    )
