"""A job, from its submission to its one complete: real video, real worker processes."""

from __future__ import annotations

from pathlib import Path

import attrs
import cv2
import msgspec
import numpy as np
import pytest
import trio

from kinora.actors.errors import Conflict, InvalidRequest, NotFound, QueueFull, UnsupportedSource
from kinora.actors.requests.job_request import parse_job_request
from kinora.actors.sources.source_finder import find_in_folder
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import (
    CLIP_FRAMES,
    HANG_TIMEOUT_MS,
    codes_of,
    ended,
    frames_of,
    messages_of,
    nothing_left_behind,
    run_job,
    submit,
    write_plugin,
)

BRIGHTNESS = """
@tool("brightness")
def brightness(frame):
    "Mean of a frame."
    return {"mean": float(frame.image.mean())}
"""
SLOW = """
@tool("slow")
def slow(frame):
    time.sleep(0.05)
    return {"index": frame.index}
"""


@pytest.fixture(autouse=True)
def _plugins(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "brightness", BRIGHTNESS)
    write_plugin(plugins_dir, "slow", SLOW)


@pytest.fixture
def hostile(plugins_dir: Path) -> None:
    """Plugins that misbehave, each in its way."""
    write_plugin(
        plugins_dir,
        "hostile",
        """
        @tool("every-third")
        def every_third(frame):
            if frame.index % 3 == 0:
                raise ValueError("not this one")
            return {"index": frame.index}

        @tool("dies-once")
        def dies_once(frame):
            if frame.index == 5:
                os._exit(3)
            return {"index": frame.index}

        @tool("segfaults")
        def segfaults(frame):
            ctypes.string_at(0)

        @tool("hangs")
        def hangs(frame):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            ctypes.PyDLL(None).sleep(1000)  # native code that keeps the GIL

        @tool("always-raises")
        def always_raises(frame):
            raise RuntimeError("never works")

        class BadPrepare(Plugin):
            metadata = PluginMetadata(name="bad-prepare")
            def prepare(self, context):
                raise OSError("no model")
            def process_frame(self, frame):
                return {}

        class BadFinalize(Plugin):
            metadata = PluginMetadata(name="bad-finalize")
            def process_frame(self, frame):
                return {"index": frame.index}
            def finalize(self):
                raise OSError("disk gone")

        class Sums(Plugin):
            metadata = PluginMetadata(name="sums")
            def prepare(self, context):
                self.context, self.total = context, 0
            def process_frame(self, frame):
                self.total += 1
                if self.total == 10:
                    self.context.partial({"so_far": self.total})
                    self.context.warn("halfway", severity="low")
                return None
            def finalize(self):
                return {"total": self.total}

        @tool("rubbish")
        def rubbish(frame):
            return {"value": float("nan"), "index": frame.index}
        """,
    )


async def test_every_frame_goes_through_every_stage_in_order(system: System) -> None:
    """30 frames in, 30 FrameData out, in order, each with the results of both plugins."""
    state = await run_job(system, "brightness", "slow")
    frames = await frames_of(system, state)
    assert state.status == "done"
    assert [frame["index"] for frame in frames] == list(range(CLIP_FRAMES))
    assert all(set(frame["results"]) == {"brightness", "slow"} for frame in frames)
    assert frames[12]["frame_id"] == "frame-000012"
    assert (frames[12]["width"], frames[12]["height"], frames[12]["timestamp_ms"]) == (160, 120, 1200.0)
    assert state.progress == 100
    assert state.plugin_timings is not None
    assert state.plugin_timings["slow"] >= CLIP_FRAMES * 50


async def test_the_messages_of_a_job_come_in_the_promised_order(system: System) -> None:
    """Progress 0 first, started before frames, per plugin in frame order, progress 100, and one complete at the end."""
    state = await run_job(system, "brightness", "slow")
    messages = messages_of(system, state.job_id)
    types = [message["type"] for message in messages]
    assert types[0] == "progress"
    assert messages[0]["payload"]["progress"] == 0
    assert types[-1] == "complete"
    assert types.count("complete") == 1
    assert messages[-2]["type"] == "progress"
    assert messages[-2]["payload"]["progress"] == 100
    statuses = messages_of(system, state.job_id, "plugin_status")
    for plugin in ("brightness", "slow"):
        said = [m["payload"]["status"] for m in statuses if m["payload"]["plugin"] == plugin]
        assert said == ["started", *["running"] * CLIP_FRAMES, "completed"]
        indexes = [m["payload"]["index"] for m in messages if m["type"] == "frame" and m["payload"]["plugin"] == plugin]
        assert indexes == list(range(CLIP_FRAMES))
    progress = [m["payload"]["progress"] for m in messages_of(system, state.job_id, "progress")]
    assert progress == sorted(progress)
    assert max(progress[:-1]) <= 99
    numbers = [int(message["id"].partition("-")[2]) for message in messages]
    assert numbers == sorted(set(numbers))


async def test_stride_and_max_frames_choose_the_frames(system: System) -> None:
    """With a stride of 3 the indexes go 0, 3, 6, and max_frames counts what is processed."""
    state = await run_job(system, "brightness", stride=3, max_frames=4)
    assert [frame["index"] for frame in await frames_of(system, state)] == [0, 3, 6, 9]
    assert state.frames_total == 4


async def test_a_plugin_that_raises_now_and_then_costs_only_its_own_results(system: System, hostile: None) -> None:
    """It raises on every third frame: the job is done, it warns, and the other plugin's results are complete."""
    alone = await run_job(system, "brightness")
    state = await run_job(system, "every-third", "brightness")
    frames = await frames_of(system, state)
    assert state.status == "done"
    assert [frame["results"]["brightness"] for frame in frames] == [
        frame["results"]["brightness"] for frame in await frames_of(system, alone)
    ]
    assert [frame["index"] for frame in frames if "every-third" not in frame["results"]] == list(range(0, 30, 3))
    assert state.warnings == ("every-third: ValueError: not this one (hostile.py, line 9, in every_third) (10 times)",)
    assert codes_of(system, state.job_id) == [("every-third", "PLUGIN_ERROR")] * 2
    assert state.plugins["every-third"].failures == 10
    assert state.plugins["every-third"].restarts == 0


async def test_a_plugin_whose_process_ends_is_started_again(system: System, hostile: None) -> None:
    """It exits on frame 5: that frame lacks its result, the others have it."""
    state = await run_job(system, "dies-once", "brightness")
    frames = await frames_of(system, state)
    assert [frame["index"] for frame in frames if "dies-once" not in frame["results"]] == [5]
    assert all("brightness" in frame["results"] for frame in frames)
    assert codes_of(system, state.job_id) == [("dies-once", "PLUGIN_CRASH"), ("dies-once", "STATE_LOST")]
    assert state.plugins["dies-once"].restarts == 1
    assert [(group.message, group.frame_id) for group in state.warning_groups] == [
        ("its process ended with exit code 3", "frame-000005"),
        ("began anew at this frame: what it knew of earlier ones is lost", "frame-000006"),
    ]


async def test_a_plugin_that_crashes_again_and_again_is_disabled(system: System, hostile: None) -> None:
    """After three deaths in a row it is given up with PLUGIN_DISABLED and failed, and the job is done."""
    with nothing_left_behind(system):
        state = await run_job(system, "segfaults", "brightness")
    assert state.status == "done"
    codes = codes_of(system, state.job_id)
    assert codes == [("segfaults", "PLUGIN_CRASH"), ("segfaults", "PLUGIN_DISABLED")]
    assert "SIGSEGV" in state.warnings[0]
    assert state.plugins["segfaults"].status == "failed"
    assert state.plugins["segfaults"].health == "failed"
    assert state.plugins["brightness"].frames == CLIP_FRAMES


async def test_a_plugin_that_hangs_in_native_code_is_killed_at_its_deadline(system: System, hostile: None) -> None:
    """It ignores SIGTERM and holds the GIL: three timeouts, then it is disabled, and nothing of it is left."""
    with nothing_left_behind(system):
        state = await run_job(system, "hangs", "brightness", plugin_timeout_ms=HANG_TIMEOUT_MS)
    assert state.status == "done"
    assert [code for _, code in codes_of(system, state.job_id)] == ["PLUGIN_TIMEOUT", "PLUGIN_DISABLED"]
    assert state.plugins["brightness"].frames == CLIP_FRAMES


async def test_exceptions_in_a_row_disable_a_plugin_without_restarting_it(system: System, hostile: None) -> None:
    """25 exceptions in a row are enough; the warning is not repeated for each."""
    state = await run_job(system, "always-raises")
    assert state.status == "done"
    assert state.plugins["always-raises"].failures == 25
    assert state.plugins["always-raises"].restarts == 0
    assert [code for _, code in codes_of(system, state.job_id)] == ["PLUGIN_ERROR"] * 2 + ["PLUGIN_DISABLED"]
    assert all(frame["results"] == {} for frame in await frames_of(system, state))


async def test_a_plugin_that_fails_to_prepare_is_tried_again_and_given_up(system: System, hostile: None) -> None:
    """Three attempts, PLUGIN_DISABLED, and the rest goes on."""
    state = await run_job(system, "bad-prepare", "brightness")
    assert state.status == "done"
    assert state.plugins["bad-prepare"].failures == 3
    assert state.plugins["bad-prepare"].restarts == 2
    assert state.plugins["brightness"].frames == CLIP_FRAMES


async def test_a_plugin_that_fails_to_finalize_has_done_its_frames(system: System, hostile: None) -> None:
    """A warning, and the status completed."""
    state = await run_job(system, "bad-finalize")
    assert state.plugins["bad-finalize"].status == "completed"
    assert state.warnings == ("bad-finalize: finalize: OSError: disk gone (hostile.py, line 43, in finalize)",)


async def test_partial_and_final_results_and_own_warnings_are_shown(system: System, hostile: None) -> None:
    """context.partial and finalize become partial_result, context.warn a warning; None gives neither."""
    state = await run_job(system, "sums")
    partials = [m["payload"]["result"] for m in messages_of(system, state.job_id, "partial_result")]
    assert partials == [{"so_far": 10}, {"total": 30}]
    assert msgspec.json.decode(state.plugins["sums"].finalize) == {"total": 30}
    assert state.warnings == ("sums: halfway",)
    assert all(frame["results"] == {} for frame in await frames_of(system, state))


async def test_nan_becomes_null_with_one_warning(system: System, hostile: None) -> None:
    """The frames are complete, the number is null, and the warning says where."""
    state = await run_job(system, "rubbish")
    assert (await frames_of(system, state))[3]["results"]["rubbish"] == {"value": None, "index": 3}
    assert state.warnings == ("rubbish: value is NaN or infinite and became null (30 times)",)
    assert {code for _, code in codes_of(system, state.job_id)} == {"PLUGIN_BAD_RESULT"}


async def test_cancelling_stops_a_job_and_every_process_of_it(system: System, hostile: None) -> None:
    """One stage hangs in native code and ignores SIGTERM: cancel answers when all is gone, with the time it took."""
    with nothing_left_behind(system):
        state = await submit(system, "brightness", "hangs")
        while state.stage != "running":
            state = await system.jobs.wait_changed(state.job_id, state)
        answer = await system.jobs.cancel(state.job_id)
    assert (answer.status, answer.cancelled) == ("cancelled", True)
    assert answer.cancel_ms is not None
    state = await system.jobs.state(state.job_id)
    assert (state.status, state.cancel_ms) == ("cancelled", answer.cancel_ms)
    assert [m["payload"]["status"] for m in messages_of(system, state.job_id, "complete")] == ["cancelled"]
    again = await system.jobs.cancel(state.job_id)
    assert (again.cancelled, again.cancel_ms) == (True, answer.cancel_ms)


async def test_cancelling_a_job_that_has_ended_says_so(system: System) -> None:
    """A job that is done stays done."""
    state = await run_job(system, "brightness")
    answer = await system.jobs.cancel(state.job_id)
    assert (answer.status, answer.cancelled) == ("done", False)


async def test_cancelling_a_queued_job_ends_it_before_it_ran(settings: Settings, system: System) -> None:
    """It never starts a process, and the jobs before it are not touched."""
    running = [await submit(system, "slow") for _ in range(settings.max_jobs)]
    waiting = await submit(system, "slow")
    assert waiting.queue_position == 1
    answer = await system.jobs.cancel(waiting.job_id)
    assert answer.cancelled
    assert [m["type"] for m in messages_of(system, waiting.job_id)] == ["progress", "complete"]
    for state in running:
        assert (await ended(system, state)).status == "done"


async def test_a_paused_job_takes_no_new_frame_and_goes_on_when_resumed(system: System) -> None:
    """Frames in the pipeline are finished; after that there are none until resume."""
    state = await submit(system, "slow")
    while state.frames_done < 3:
        state = await system.jobs.wait_changed(state.job_id, state)
    assert (await system.jobs.pause(state.job_id)).status == "paused"
    with trio.move_on_after(1):
        while True:
            state = await system.jobs.wait_changed(state.job_id, state)
    assert state.status == "paused"
    assert state.frames_done < 10
    assert (await system.jobs.resume(state.job_id)).status == "running"
    assert (await ended(system, state)).frames_done == CLIP_FRAMES


async def test_only_a_running_job_can_be_paused(system: System) -> None:
    """A job that is done answers with its state."""
    state = await run_job(system, "brightness")
    with pytest.raises(Conflict, match="is done"):
        await system.jobs.pause(state.job_id)


async def test_latest_drops_what_waits_and_counts_it(system: System) -> None:
    """With the policy latest a slow plugin sees the newest frames; what was dropped is counted, and warned of once."""
    state = await run_job(system, "slow", policy="latest")
    assert state.status == "done"
    assert state.frames_dropped > 1
    assert [group.count for group in state.warning_groups if group.code == "FRAMES_DROPPED"] == [1]
    assert state.frames_done + state.frames_dropped == CLIP_FRAMES
    assert ("source: " in warning for warning in state.warnings)
    indexes = [frame["index"] for frame in await frames_of(system, state)]
    assert indexes == sorted(indexes)
    assert indexes[-1] == CLIP_FRAMES - 1


async def test_a_source_that_breaks_off_gives_what_could_be_read(system: System, media: Path) -> None:
    """A file cut in the middle: done, the frames before the cut, and SOURCE_TRUNCATED."""
    whole = (media / "clip.mp4").read_bytes()
    # Audio-less mp4 of PyAV: mdat first, moov last; a cut would lose the moov. Overwrite the end of mdat instead.
    moov = whole.rindex(b"moov") - 4
    (media / "cut.mp4").write_bytes(whole[: moov // 2] + b"\0" * (moov - moov // 2) + whole[moov:])
    state = await run_job(system, "brightness", source="cut.mp4")
    assert state.status == "done"
    assert 0 < state.frames_done < CLIP_FRAMES
    assert codes_of(system, state.job_id) == [(None, "SOURCE_TRUNCATED")]
    assert state.progress == 100


async def test_a_file_that_is_no_video_is_refused_at_once(system: System, media: Path) -> None:
    """The request is refused before the job is acknowledged."""
    (media / "notes.mp4").write_text("this is no video at all" * 100, encoding="utf-8")
    with pytest.raises(UnsupportedSource):
        await submit(system, "brightness", source="notes.mp4")


async def test_frames_of_a_folder_name_their_files_and_what_is_left_out_is_told(system: System, media: Path) -> None:
    """A link within the media folder is followed, and read by the decoder that may read nothing else."""
    (media / "store").mkdir()
    (media / "photos").mkdir()
    for number in range(3):
        cv2.imwrite(str(media / f"store/{number}.png"), np.full((48, 64, 3), 80 * number, np.uint8))
        (media / f"photos/image{number}.png").symlink_to(f"../store/{number}.png")
    (media / "photos/outside.png").symlink_to("/etc/hostname")
    state = await run_job(system, "brightness", source="photos")
    frames = await frames_of(system, state)
    assert [(frame["index"], frame["file"]) for frame in frames] == [(n, f"image{n}.png") for n in range(3)]
    told = [message["payload"]["file"] for message in messages_of(system, state.job_id, "frame")]
    assert told == [f"image{n}.png" for n in range(3)]
    warned = [(warning.code, warning.message, warning.count) for warning in state.warning_groups]
    message = "Left out 1 of 4 entries of the folder photos: 1 link out of the media folder."
    assert warned == [("SOURCE_LEFT_OUT", message, 1)]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("out", "is a link that leads out of the media folder or nowhere"),
        ("out/a.png", "is a link that leads out of the media folder or nowhere"),
        ("gone.mp4", "is a link that leads out of the media folder or nowhere"),
        ("demo", "; the nearest one is demo:"),
        ("missing.mp4", "is not a file or folder below"),
        ("../outside", "is not a file or folder below"),
    ],
)
def test_a_link_that_leads_out_is_called_a_link(tmp_path: Path, source: str, said: str) -> None:
    """Of what is outside nothing is said. Who allows it may follow links, but no path with dots."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.png").touch()
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "gone.mp4").symlink_to("nowhere")
    with pytest.raises(InvalidRequest) as caught:
        find_in_folder(source, folder)
    assert said in caught.value.errors[0].message
    if source.startswith("out"):
        assert find_in_folder(source, folder, follow_links=True) == (folder / source).resolve()
    else:
        with pytest.raises(InvalidRequest):
            find_in_folder(source, folder, follow_links=True)


@pytest.mark.parametrize("source", ["missing.mp4", "../plugins/slow.py", "/etc/passwd", "http://127.0.0.1/x.mp4"])
async def test_sources_outside_the_media_folder_are_refused(system: System, source: str) -> None:
    """A source outside the media folder is not read, and the message says where to put it."""
    with pytest.raises(InvalidRequest) as caught:
        await submit(system, "brightness", source=source)
    assert caught.value.errors[0].path == "source"


async def test_unknown_plugins_and_options_are_named_with_what_there_is(system: System) -> None:
    """All errors are reported at once, each with its path."""
    door = {"name": "door", "polygon": [[0, 0], [9, 0], [9, 9]]}
    zones = {"name": "zones", "options": {"zones": [door, door]}}
    with pytest.raises(InvalidRequest) as caught:
        await submit(system, "nonesuch", {"name": "faces", "options": {"min_siez": 40}}, zones)
    errors = {error.path: error.message for error in caught.value.errors}
    assert set(errors) == {"plugins[0]", "plugins[1].options.min_siez", "plugins[2].options.zones[1].name"}
    assert "brightness" in errors["plugins[0]"]
    assert "min_size" in errors["plugins[1].options.min_siez"]


async def test_a_full_queue_refuses_the_next_job(settings: Settings, tmp_path: Path) -> None:
    """The queue is bounded, and the client is told when to try again."""
    async with open_system(attrs.evolve(settings, max_jobs=1, max_queued=1)) as system:
        await submit(system, "slow")
        await trio.testing.wait_all_tasks_blocked()
        await submit(system, "slow")
        with pytest.raises(QueueFull) as caught:
            await submit(system, "slow")
        assert caught.value.retry_after_s > 0


async def test_a_deleted_job_is_gone_with_its_processes(system: System) -> None:
    """Deleting cancels first; afterwards there is no such job and its messages are not replayed."""
    with nothing_left_behind(system):
        state = await submit(system, "slow")
        await system.jobs.wait_changed(state.job_id, state)
        await system.jobs.delete(state.job_id)
    with pytest.raises(NotFound):
        await system.jobs.state(state.job_id)
    assert [m["payload"]["stage"] for m in messages_of(system, state.job_id)] == ["deleted"]


async def test_jobs_outlive_the_server(settings: Settings) -> None:
    """A queued job runs on the next server, a running one goes on after its last frame; each frame is there once."""
    async with open_system(settings) as system:
        jobs = [await submit(system, "slow") for _ in range(settings.max_jobs + 1)]
        state = jobs[0]
        while state.frames_done < 5:
            state = await system.jobs.wait_changed(state.job_id, state)
    async with open_system(settings) as system:
        for job in jobs:
            state = await ended(system, await system.jobs.state(job.job_id))
            assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
            assert [frame["index"] for frame in await frames_of(system, state)] == list(range(CLIP_FRAMES))


async def test_an_idempotency_key_gives_the_first_job_again(system: System) -> None:
    """The same request with the same key is the same job; another request with it is refused."""
    request = parse_job_request({"source": "clip.mp4", "plugins": ["brightness"]})
    first = await system.jobs.submit(request, idempotency_key="k")
    assert (await system.jobs.submit(request, idempotency_key="k")).state.job_id == first.state.job_id
    other = parse_job_request({"source": "clip.mp4", "plugins": ["slow"]})
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        await system.jobs.submit(other, idempotency_key="k")
