"""Standing jobs: they start with the server, once, and are started again by their rule."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from kinora.actors.models import JobState
from kinora.actors.requests import standing_job
from kinora.actors.requests.standing_job import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Pauses, StandingJob
from kinora.doctor.standing import check_live_clips
from kinora.doctor.trial import check_a_frame
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import submit, until, write_plugin

PLENTY_S = 60.0
"""A safety net."""
SLOW = """
@tool("slow")
def slow(frame):
    time.sleep(1)
"""
SHORT = StandingJob(source="clip.mp4", plugins=("motion",), options={"max_frames": 1})
LONG = StandingJob(source="clip.mp4", plugins=("slow",))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, plugins_dir: Path) -> None:
    monkeypatch.setattr(standing_job, "FIRST_PAUSE_S", 0.01)
    write_plugin(plugins_dir, "slow", SLOW)


@asynccontextmanager
async def serving(settings: Settings, **jobs: StandingJob) -> AsyncIterator[System]:
    """A system with these standing jobs."""
    with trio.fail_after(PLENTY_S):
        async with open_system(attrs.evolve(settings, jobs=jobs)) as system:
            yield system


async def all_jobs(system: System) -> list[JobState]:
    """All jobs, the first one first."""
    return list(reversed((await system.jobs.jobs(None, 50, None)).jobs))


async def until_there_are(system: System, jobs: int, status: str) -> list[JobState]:
    """Wait for so many jobs with a status."""
    while len(found := [job for job in await all_jobs(system) if job.status == status]) < jobs:  # noqa: ASYNC110 - the store has no event for it
        await trio.sleep(0.01)
    return found


async def test_a_job_that_has_ended_is_started_again_by_its_rule(settings: Settings) -> None:
    """Always, or after a failure only; each says which standing job it is, and others are none."""
    rules = {"always": SHORT, "on_failure": attrs.evolve(SHORT, restart="on_failure")}
    async with serving(settings, **rules, never=attrs.evolve(SHORT, restart="never")) as system:
        plain = await submit(system, "motion", max_frames=1)
        await until_there_are(system, 6, "done")
        names = [job.standing for job in await all_jobs(system)]
        assert names.count("always") >= 3
        assert (names.count("on_failure"), names.count("never"), names.count(None)) == (1, 1, 1)
        assert plain.standing is None
        assert system.standing_jobs.faults == {}


def test_each_rule_says_what_starts_again() -> None:
    """What a client has cancelled stays cancelled."""
    ends = ("done", "failed", "interrupted", "cancelled")
    assert [end for end in ends if SHORT.starts_again(end)] == ["done", "failed", "interrupted"]
    assert [end for end in ends if attrs.evolve(SHORT, restart="on_failure").starts_again(end)] == [
        "failed",
        "interrupted",
    ]
    assert not any(attrs.evolve(SHORT, restart="never").starts_again(end) for end in ends)


def test_the_pauses_grow_until_a_job_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the longest one."""
    monkeypatch.setattr(standing_job, "FIRST_PAUSE_S", FIRST_PAUSE_S)
    pauses = Pauses()
    assert [pauses.after(0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert [pauses.after(STEADY_S), pauses.after(0)] == [1, 2]


async def test_what_a_client_has_cancelled_or_deleted_is_not_started_again(settings: Settings) -> None:
    """Until the next start of the server."""
    async with serving(settings, one=LONG, two=LONG) as system:
        one, two = await until_there_are(system, 2, "running")
        await system.jobs.cancel(one.job_id)
        await system.jobs.delete(two.job_id)
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert system.jobs.standing() == {}
    async with serving(settings, one=LONG, two=LONG) as system:
        await until(lambda: len(system.jobs.standing()) == 2)


async def test_the_job_of_an_earlier_server_is_the_standing_one(settings: Settings) -> None:
    """It is not doubled; one whose settings have changed is replaced, and one that was taken out is cancelled."""
    async with serving(settings, same=LONG, other=LONG) as system:
        before = {job.standing: job.job_id for job in await until_there_are(system, 2, "running")}
    async with serving(settings, same=LONG, other=attrs.evolve(LONG, options={"stride": 2})) as system:
        await until(lambda: system.jobs.standing().get("other", [before["other"]])[0] != before["other"])
        await until_there_are(system, 2, "running")
        assert system.jobs.standing()["same"][0] == before["same"]
        assert len(await all_jobs(system)) == 3
        assert (await system.jobs.state(before["other"])).status == "cancelled"
    async with serving(settings, same=LONG) as system:
        await until(lambda: list(system.jobs.standing()) == ["same"])
        assert system.jobs.standing()["same"][0] == before["same"]


async def test_one_that_cannot_begin_is_told_and_harms_no_other(
    settings: Settings, tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server says why in its log, once, and in its readiness, and tries on; the doctor says it before."""
    wrong = attrs.evolve(SHORT, source="late.mp4")
    unknown = attrs.evolve(SHORT, plugins=("motoin",))
    async with serving(settings, wrong=wrong, unknown=unknown, right=SHORT) as system:
        await until(lambda: len(system.standing_jobs.faults) == 2)
        await until_there_are(system, 1, "done")
        assert "Did you mean motion?" in system.standing_jobs.faults["unknown"]
        assert "the standing job unknown cannot begin: the log says why" in system.degraded()
        (media / "clip.mp4").rename(media / "late.mp4")
        await until(lambda: "wrong" not in system.standing_jobs.faults)
    assert capsys.readouterr().err.count("no plugin 'motoin'") == 1
    (folder := tmp_path / "trial").mkdir()
    live = StandingJob(source="webcam:0", plugins=("motion",), clip={})
    jobs = {"unknown": unknown, "right": SHORT, "live": live}
    found = await check_a_frame(attrs.evolve(settings, jobs=jobs, webcams=(0,), max_jobs=1), folder)
    told = [finding for finding in found if finding.check == "standing jobs"]
    assert [finding.state for finding in told] == ["warning", "ok", "warning", "warning"]
    assert "unknown cannot begin" in told[0].found
    assert "live keeps clips only if webcam:0 gives H.264 or JPEG" in told[2].found
    assert "only 1 jobs run at once" in told[3].found
    camera = attrs.evolve(live, source="rtsp://10.0.0.5/yard")
    assert check_live_clips("live", camera, settings).state == "ok"
    assert "runs with an agent" in check_live_clips("live", camera, attrs.evolve(settings, agents=1)).found
