"""A server that was stopped, and the next one on its data folder: what is told of a job's earlier part is true."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import attrs
import msgspec
import pytest
import trio

from kinora.actors.errors import Conflict
from kinora.actors.models import JobState
from kinora.actors.requests.job_request import parse_job_request
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import CLIP_FRAMES, ended, frames_of, messages_of, submit, write_plugin

SAFETY_S = 180.0
"""Far more than any of it takes on a busy machine."""
PLUGINS = """
class Noted(Plugin):
    metadata = PluginMetadata(name="noted", version="2.1.0")

    def prepare(self, context):
        self.warn, self.event = context.warn, context.event

    def process_frame(self, frame):
        if frame.index in {1, 5, 9}:
            self.event("seen")
        if frame.index == 1:
            print("printed at 1")
            self.warn("warned at 1", "medium")
            raise ValueError("raised at 1")
        while frame.index >= 5 and not os.path.exists(GO):
            time.sleep(0.01)
        return {"index": frame.index}

@tool("pure", stateless=True)
def pure(frame):
    return {"index": frame.index}
"""


@pytest.fixture
def go(tmp_path: Path, plugins_dir: Path) -> Path:
    """The file that lets the plugin ``noted`` go on after five frames, once it is made."""
    path = tmp_path / "go"
    write_plugin(plugins_dir, "noted", PLUGINS.replace("GO", repr(str(path))))
    return path


async def after_five_frames(system: System, source: str = "clip.mp4") -> JobState:
    """A job that waits in its sixth frame."""
    state = await submit(system, "noted", "pure", source=source)
    while state.frames_done < 5 or state.plugins["noted"].failures < 1:
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


async def interrupted(settings: Settings, go: Path, source: Path) -> JobState:
    """A job whose source is gone when the next server takes it up, and that server's word on it."""
    async with open_system(settings) as system:
        state = await after_five_frames(system)
    await trio.Path(source).rename(source.with_suffix(".away"))
    async with open_system(settings) as system:
        return await ended(system, await system.jobs.state(state.job_id))


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:  # noqa: ASYNC124 - pytest-trio's fixtures are async
    with trio.fail_after(SAFETY_S):
        yield


def counts(state: JobState) -> Mapping[str, int]:
    """Code → how often the job was warned of it."""
    return {group.code: group.count for group in state.warning_groups}


def says_stopped(state: JobState) -> bool:
    """True if nothing of it is said to wait or to run."""
    return state.stage == "finalizing" and {stage.status for stage in state.plugins.values()} == {"stopped"}


async def test_what_was_told_before_a_stop_is_told_after_it(settings: Settings, go: Path) -> None:
    """Warnings, output, failures, versions and times survive; figures add up; who has forgotten something says so.

    Events survive, and one of a frame that was not done is told once.
    """
    async with open_system(settings) as system:
        before = await after_five_frames(system)
    async with open_system(settings) as system:
        state = await system.jobs.state(before.job_id)
        assert counts(state) == {"PLUGIN_WARNING": 1, "PLUGIN_ERROR": 1}
        assert (await system.jobs.logs(before.job_id))["noted"].startswith("printed at 1\n")
        assert state.started_at == before.started_at
        await trio.Path(go).touch()
        state = await ended(system, state)
        assert (state.status, state.frames_done, state.started_at) == ("done", CLIP_FRAMES, before.started_at)
        assert [frame["index"] for frame in await frames_of(system, state)] == list(range(CLIP_FRAMES))
        assert counts(state) == {"PLUGIN_WARNING": 1, "PLUGIN_ERROR": 1, "STATE_LOST": 1}
        (resumed,) = [group for group in state.warning_groups if group.code == "STATE_LOST"]
        assert (resumed.plugin, resumed.frame_id) == ("noted", "frame-000005")
        noted, pure = state.plugins["noted"], state.plugins["pure"]
        assert (noted.frames, noted.failures, pure.frames) == (CLIP_FRAMES, 1, CLIP_FRAMES)
        assert (noted.last_error or noted).message == "ValueError: raised at 1"  # type: ignore[union-attr]
        assert (state.plugin_timings or {})["noted"] > (before.plugin_timings or {})["noted"] > 0
        assert (state.duration_ms or 0) > (before.duration_ms or 0) > 0
        kept = [msgspec.json.decode(event.data) for event in (await system.jobs.events(before.job_id)).events]
        assert [(event["number"], event["index"]) for event in kept] == [(1, 1), (2, 5), (3, 9)]
        live = [message["payload"] for message in messages_of(system, before.job_id, "event")]
        assert live == kept[1:]
        assert (await system.jobs.logs(before.job_id))["noted"].startswith("printed at 1\n")


async def test_an_interrupted_job_says_what_is_true_of_it(settings: Settings, go: Path, media: Path) -> None:
    """Its frames, its progress and the reason; clients get the reason and one ``complete``."""
    async with open_system(settings) as system:
        before = await after_five_frames(system)
    (media / "clip.mp4").unlink()
    async with open_system(settings) as system:
        state = await ended(system, await system.jobs.state(before.job_id))
        assert (state.status, state.frames_done, state.frames_total) == ("interrupted", 5, CLIP_FRAMES)
        assert state.progress == 5 * 100 // CLIP_FRAMES
        assert says_stopped(state)
        assert "clip.mp4" in str(state.error)
        assert counts(state) == {"PLUGIN_WARNING": 1, "PLUGIN_ERROR": 1}
        (error,) = messages_of(system, before.job_id, "error")
        (complete,) = messages_of(system, before.job_id, "complete")
        assert error["payload"]["error"] == state.error
        assert (complete["payload"]["status"], complete["payload"]["frames"]) == ("interrupted", 5)
        assert len(await frames_of(system, state)) == 5


async def test_an_interrupted_job_can_be_taken_up(settings: Settings, go: Path, media: Path) -> None:
    """Once its source is back it goes on after its last frame, on this server and on the next."""
    clip = media / "clip.mp4"
    state = await interrupted(settings, go, clip)
    clip.with_suffix(".away").rename(clip)
    await trio.Path(go).touch()
    async with open_system(settings) as system:
        stored = await system.jobs.state(state.job_id)
        assert stored.status == "interrupted"
        assert says_stopped(stored)
        resumed = await system.jobs.resume(state.job_id)
        assert (resumed.status, resumed.error, resumed.frames_done) == ("queued", None, 5)
        assert {stage.status for stage in resumed.plugins.values()} == {"waiting"}
        state = await ended(system, resumed)
        assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
        assert [frame["index"] for frame in await frames_of(system, state)] == list(range(CLIP_FRAMES))
        with pytest.raises(Conflict, match="is done"):
            await system.jobs.resume(state.job_id)


async def test_two_who_take_a_job_up_at_once_take_up_one(settings: Settings, go: Path, media: Path) -> None:
    """It runs once, and both are told of it."""
    clip = media / "clip.mp4"
    state = await interrupted(settings, go, clip)
    clip.with_suffix(".away").rename(clip)
    await trio.Path(go).touch()
    async with open_system(settings) as system:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(system.jobs.resume, state.job_id)
        await ended(system, await system.jobs.state(state.job_id))
        assert len(messages_of(system, state.job_id, "complete")) == 1


async def test_a_source_that_was_replaced_is_noticed(settings: Settings, go: Path, media: Path) -> None:
    """Frames of two videos never come into one job; the reason says so."""
    async with open_system(settings) as system:
        before = await after_five_frames(system)
    with (media / "clip.mp4").open("ab") as file:
        file.write(b"more")
    async with open_system(settings) as system:
        state = await ended(system, await system.jobs.state(before.job_id))
        assert (state.status, state.frames_done) == ("interrupted", 5)
        assert "replaced or changed after 5 frames" in str(state.error)


async def test_queued_jobs_are_checked_when_their_turn_comes(settings: Settings, go: Path, media: Path) -> None:
    """A source that is not there at the start, but when the job's turn comes, is no reason to lose the job."""
    shutil.copy(media / "clip.mp4", media / "later.mp4")
    one_place = attrs.evolve(settings, max_jobs=1)
    async with open_system(one_place) as system:
        first = await after_five_frames(system)
        second = await submit(system, "pure", source="later.mp4")
    (media / "later.mp4").rename(media / "away.mp4")
    async with open_system(one_place) as system:
        states = [await system.jobs.state(state.job_id) for state in (first, second)]
        assert states[1].status == "queued"
        (media / "away.mp4").rename(media / "later.mp4")
        await trio.Path(go).touch()
        for state in states:
            state = await ended(system, state)  # noqa: PLW2901 - its end
            assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)


async def test_the_data_folder_may_move(settings: Settings, go: Path, media: Path, tmp_path: Path) -> None:
    """A job with an upload goes on in the new place, and its file goes with it when it is deleted."""
    async with open_system(settings) as system:
        upload = system.uploads / ("a" * 32)
        shutil.copy(media / "clip.mp4", upload)
        request = parse_job_request({"plugins": ["noted", "pure"]}, upload="clip.mp4")
        state = (await system.jobs.submit(request, upload=upload)).state
        while state.frames_done < 5:
            state = await system.jobs.wait_changed(state.job_id, state)
    await trio.Path(settings.data_dir).rename(tmp_path / "moved")
    await trio.Path(go).touch()
    async with open_system(attrs.evolve(settings, data_dir=tmp_path / "moved")) as system:
        state = await ended(system, await system.jobs.state(state.job_id))
        assert (state.status, state.frames_done, state.error) == ("done", CLIP_FRAMES, None)
        assert await system.jobs.picture(state.job_id, 3, overlay=False)
        await system.jobs.delete(state.job_id)
        assert list(system.uploads.iterdir()) == []


async def test_the_data_folder_may_be_relative(
    settings: Settings, go: Path, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uploads of such a server can be read."""
    monkeypatch.chdir(tmp_path)
    async with open_system(attrs.evolve(settings, data_dir=Path("relative"))) as system:
        upload = system.uploads / ("a" * 32)
        shutil.copy(media / "clip.mp4", upload)
        request = parse_job_request({"plugins": ["pure"]}, upload="clip.mp4")
        state = await ended(system, (await system.jobs.submit(request, upload=upload)).state)
        assert (state.status, state.error) == ("done", None)
