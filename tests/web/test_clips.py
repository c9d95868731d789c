"""Clips around events: cut while the job goes on, kept with it, read by parts, and gone with it."""

from __future__ import annotations

import math
import resource
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
import pytest
import trio
from structlog.testing import capture_logs
from structlog.typing import EventDict

from kinora.actors.clips import clip_table, encoding
from kinora.actors.clips import clips as clips_module
from kinora.actors.clips.clips import ClipFigures
from kinora.actors.requests.standing_job import StandingJob
from kinora.actors.store import store as store_module
from kinora.actors.store.database import Statement
from kinora.actors.store.schema import EVENT_COST, FRAME_COST
from kinora.actors.webhooks import delivery_table
from kinora.actors.webhooks.webhook import Webhook
from kinora.media.messages import CLIP_CUTTER
from kinora.runtime.forking.worker_usage import ProcessUsage, WorkerKind
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.client_kit import ask, get, post
from tests.disk_kit import Disk, full_disk
from tests.jobs_kit import ended, run_job, some_frames, submit, write_plugin
from tests.media.test_clip_cutter import brightness, film
from tests.media.videos import read_number
from tests.push_kit import picture, pushing, start

PLENTY_S = 60.0
"""A safety net."""
BELL = """
class Bell(Plugin):
    metadata = PluginMetadata(name="bell", version="1")

    def prepare(self, context):
        self.context = context
        context.event("ready")

    def process_frame(self, frame):
        if frame.index in (26, 50):
            self.context.event("rang")
        return {}
"""


BULKY_BELL = """
from pathlib import Path

class Bell(Plugin):
    metadata = PluginMetadata(name="bell", version="1")

    def prepare(self, context):
        self.context, self.rung = context, 0

    def process_frame(self, frame):
        time.sleep(0.1)
        if self.rung < int(Path("{rings}").read_text()):
            self.rung += 1
            self.context.event("rang")
        return {{"text": "x" * 100_000}}
"""
"""Rings as often as a file says."""


async def clips(server: RunningServer, job_id: str, wanted: int) -> list[dict[str, Any]]:
    """The clips of a job, once there are so many."""
    with trio.fail_after(PLENTY_S):
        while True:
            answer = await get(f"{server.url}/v1/jobs/{job_id}/clips")
            assert answer.status == 200
            if len(found := answer.json()["clips"]) >= wanted:
                return list(found)
            await trio.sleep(0.05)


async def test_clips_are_kept_with_their_job(
    settings: Settings, media: Path, plugins_dir: Path, tmp_path: Path
) -> None:
    """One for each event of a frame; what is not cut when the server stops is cut by the next one."""
    film(media / "film.mp4", "libx264")
    write_plugin(plugins_dir, "bell", BELL)
    standing = StandingJob(source="film.mp4", plugins=("bell",), restart="never", clip={"before_s": 0.5, "after_s": 1})
    given = attrs.evolve(settings, jobs={"door": standing})
    async with open_server(given) as server:
        with trio.fail_after(PLENTY_S):
            while "door" not in server.system.jobs.standing():  # noqa: ASYNC110 - nobody tells of it
                await trio.sleep(0.01)
            job_id, _ = server.system.jobs.standing()["door"]
            await ended(server.system, await server.system.jobs.state(job_id))
    async with open_server(settings) as server:
        first, second = await clips(server, job_id, 2)
        assert (first["plugin"], first["kind"], first["index"], first["timestamp_ms"]) == ("bell", "rang", 26, 2600)
        assert (first["start_ms"], first["duration_ms"], second["start_ms"]) == (2000, 1800, 4000)
        assert first["url"] == f"/v1/jobs/{job_id}/clips/{first['event']}"
        whole = await get(f"{server.url}{first['url']}")
        part = await get(f"{server.url}{first['url']}", range="bytes=4-7")
        (seen := tmp_path / "seen.mp4").write_bytes(whole.body)
        assert (len(whole.body), whole.headers["content-type"]) == (first["bytes"], "video/mp4")
        assert (part.status, part.body) == (206, b"ftyp")
        assert len(brightness(seen)) == 18  # the last but one, a B-frame, refers to the last
        assert (await get(f"{server.url}/v1/jobs/{job_id}/clips/1")).status == 404
        kept = settings.data_dir / "clips"
        assert len(list((kept / job_id).iterdir())) == 2
        assert (await ask(f"{server.url}/v1/jobs/{job_id}", "DELETE")).status == 204
        assert list(kept.iterdir()) == []
        assert (await get(f"{server.url}/v1/jobs/{job_id}/clips")).status == 404
        other = (await post(f"{server.url}/v1/jobs", {"source": "film.mp4", "plugins": ["bell"]})).json()["job_id"]
        with trio.fail_after(PLENTY_S):
            await ended(server.system, await server.system.jobs.state(other))
        assert await clips(server, other, 0) == []


async def test_the_oldest_clip_of_a_job_goes_for_a_new_one(
    settings: Settings, media: Path, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row, its file and what it took of the room; a file that a kill in between has left goes at the next start."""
    monkeypatch.setattr(clips_module, "MAX_JOB_CLIPS", 1)
    film(media / "film.mp4", "libx264")
    write_plugin(plugins_dir, "bell", BELL)
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 0.5, "after_s": 1})
    given = attrs.evolve(settings, webhooks={"alarm": hook})
    with capture_logs() as logs:
        async with open_system(given) as system:
            job_id = (await run_job(system, "bell", source="film.mp4")).job_id
            await clips_left(system, job_id, [3])
            assert await system.store.read(uncounted) == 0
    (said,) = [entry for entry in logs if entry["event"] == "the oldest clips of a job are removed"]
    assert (said["job_id"], said["reason"]) == (job_id, clips_module.OLDEST_GO)
    (stray := settings.data_dir / "clips" / job_id / "2.mp4").write_bytes(b"made")
    async with open_system(given) as system:
        await clips_left(system, job_id, [3])
        assert not stray.exists()


def uncounted(connection: sqlite3.Connection) -> int:
    """The bytes by which what is noted of the only job's size is wrong."""
    (wrong,) = connection.execute(
        f"SELECT frame_bytes - (SELECT sum(length(data) + {FRAME_COST}) FROM frames)"  # noqa: S608 - constants
        f" - (SELECT sum(length(data) + {EVENT_COST}) FROM events) - (SELECT sum(bytes) FROM clips) FROM sizes"
    ).fetchone()
    return int(wrong)


async def test_clips_that_a_full_disk_refuses_do_not_count_as_waiting(
    settings: Settings, media: Path, plugins_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says why there are none, and later events of the job have clips again."""
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)
    film(media / "film.mp4", "libx264")
    (rings := tmp_path / "rings").write_text("0")
    write_plugin(plugins_dir, "bell", BULKY_BELL.format(rings=rings))
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 0.5, "after_s": 1})
    with capture_logs() as logs, trio.fail_after(PLENTY_S):
        async with open_system(attrs.evolve(settings, webhooks={"alarm": hook})) as system:
            state = await some_frames(system, await submit(system, "bell", source="film.mp4"))
            with full_disk(system):
                await system.store.wait_failing()
                rings.write_text("1")
                await reported(logs)
            await system.store.wait_writable()
            rings.write_text("2")
            await ended(system, state)
            await clips_left(system, state.job_id, [2])
            assert (system.clips.waiting, system.clips.figures) == (0, ClipFigures(1, Counter({"not_stored": 1})))
    (said,) = [entry for entry in logs if entry["event"] == "a clip could not be cut"]
    assert (said["job_id"], said["number"], "full" in said["reason"]) == (state.job_id, 1, True)


async def reported(logs: list[EventDict]) -> None:
    """Wait until the log says that there is no clip of an event."""
    while not any(entry["event"] == "a clip could not be cut" for entry in logs):  # noqa: ASYNC110 - no event for it
        await trio.sleep(0.01)


async def clips_left(system: System, job_id: str, events: list[int]) -> None:
    """Wait until a job has the clips of these events, and the files of no others."""
    with trio.fail_after(PLENTY_S):
        while (  # noqa: ASYNC110 - nobody tells of it
            [clip.event for clip in await system.clips.of_job(job_id)] != events
            or {path.name for path in system.clips.path(job_id, 1).parent.iterdir()}
            != {f"{event}.mp4" for event in events}
        ):
            await trio.sleep(0.02)


@pytest.mark.parametrize(("kind", "other"), [(".jpg", ".png"), (".png", ".jpg")])
async def test_pushed_pictures_have_clips(
    settings: Settings, plugins_dir: Path, tmp_path: Path, kind: str, other: str
) -> None:
    """Those of the kind of the first one, which are encoded as browsers play them; the client need not push on."""
    write_plugin(plugins_dir, "bell", BELL)
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 0.5, "after_s": 1})
    async with open_server(attrs.evolve(settings, webhooks={"alarm": hook})) as server:
        job_id = await start(server, "bell", policy="wait")
        pushed = [picture(number, other if number == 20 else kind) for number in range(30)]
        async with pushing(server, job_id, "?timestamps=1") as opened:
            for number, data in enumerate(pushed):
                await opened.send_message((number * 100_000).to_bytes(8, "big") + data)
            clip = await encoded(server, job_id)
        assert (clip["start_ms"], clip["duration_ms"], clip["codec"]) == (2100, 900, "h264")
        answer = await get(f"{server.url}{clip['url']}")
        assert (len(answer.body), answer.headers["cache-control"]) == (clip["bytes"], "private, no-cache")
        (seen := tmp_path / "seen.mp4").write_bytes(answer.body)
        assert await server.system.store.read(uncounted) == 0
    with av.open(str(seen)) as container:
        shown = [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]
    assert [read_number(image) for image in shown] == [*range(21, 30)]


async def encoded(server: RunningServer, job_id: str) -> dict[str, Any]:
    """The only clip of a job, once it is not to be encoded any more."""
    with trio.fail_after(PLENTY_S):
        while (clip := (await clips(server, job_id, 1))[0])["to_encode"]:  # noqa: ASYNC110 - as clients of the REST API do
            await trio.sleep(0.05)
    return clip


async def test_why_clips_cannot_be_cut_is_logged_once(settings: Settings, media: Path, plugins_dir: Path) -> None:
    """Not for each event."""
    film(media / "film.webm", "libvpx")
    (media / "album").mkdir()
    for number in range(60):
        (media / "album" / f"{number:02}.jpg").write_bytes(picture(number))
    write_plugin(plugins_dir, "bell", BELL)
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 1, "after_s": 1})
    with capture_logs() as logs:
        async with open_system(attrs.evolve(settings, webhooks={"alarm": hook})) as system:
            with trio.fail_after(PLENTY_S):
                await run_job(system, "bell", source="film.webm")
                await run_job(system, "bell", source="album")
                await system.store.change(delivery_table.forget_old())  # what was noted before is on disk with it
                while await system.store.read(clip_table.next_wanted):  # noqa: ASYNC110 - the store has no event for it
                    await trio.sleep(0.01)
    of_film, of_album = [entry for entry in logs if entry["event"] == "a clip could not be cut"]
    assert (of_film["number"], of_album["number"]) == (2, 2)
    assert "vp8" in of_film["reason"]
    assert "no video" in of_album["reason"]


async def test_a_clip_that_cannot_be_encoded_stays_as_it_was_copied(
    settings: Settings, media: Path, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that would be too large. The log says so once for the job; a restart does not try again."""
    limits = {**CLIP_CUTTER.limits, resource.RLIMIT_FSIZE: 500}
    monkeypatch.setattr(encoding, "CLIP_CUTTER", attrs.evolve(CLIP_CUTTER, limits=limits))
    film(media / "film.avi", "mpeg4")
    write_plugin(plugins_dir, "bell", BELL)
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 0.5, "after_s": 1})
    given = attrs.evolve(settings, webhooks={"alarm": hook})
    with capture_logs() as logs:
        async with open_system(given) as system:
            job_id = (await run_job(system, "bell", source="film.avi")).job_id
            with trio.fail_after(PLENTY_S):
                await are_encoded(system, job_id)
            first, _ = await system.clips.of_job(job_id)
            path = system.clips.path(job_id, first.event)
            assert (first.codec, path.stat().st_size) == ("mpeg4", first.bytes)
    (said,) = [entry for entry in logs if "encoded" in entry["event"]]
    assert (said["job_id"], said["reason"]) == (job_id, "File too large")


async def test_a_deleted_job_ends_the_encoding_of_its_clip(
    settings: Settings, media: Path, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if its encoder would go on for ever: those of other jobs wait for their turn."""
    monkeypatch.setattr(encoding, "CLIP_CUTTER", attrs.evolve(CLIP_CUTTER, target="tests.runtime.targets:mute"))
    monkeypatch.setattr(encoding, "PROGRESS_S", math.inf)
    film(media / "film.avi", "mpeg4")
    write_plugin(plugins_dir, "bell", BELL)
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 0.5, "after_s": 1})
    async with open_system(attrs.evolve(settings, webhooks={"alarm": hook})) as system:
        with trio.fail_after(PLENTY_S):
            job_id = (await run_job(system, "bell", source="film.avi")).job_id
            await until_encoders(system, 1)
            await system.jobs.delete(job_id)
            await until_encoders(system, 0)


async def until_encoders(system: System, count: int) -> None:
    """Wait until so many processes encode, where ``mute`` is what does."""
    mute = WorkerKind("targets", "")
    while (await system.fork_server.usage()).get(mute, ProcessUsage()).processes != count:  # noqa: ASYNC110 - as above
        await trio.sleep(0.02)


async def test_clips_are_encoded_where_the_disk_has_just_its_floor(
    settings: Settings, media: Path, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is encoded takes the place of what was copied; it is not encoded anew until there is more room."""
    film(media / "film.avi", "mpeg4")
    write_plugin(plugins_dir, "bell", BELL)
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 0.5, "after_s": 1})
    with trio.fail_after(PLENTY_S):
        async with open_system(attrs.evolve(settings, webhooks={"alarm": hook})) as system:
            job_id = (await run_job(system, "bell", source="film.avi")).job_id
            await are_encoded(system, job_id)
            await system.store.change(Statement("UPDATE clips SET to_encode = 1", ()))
        Disk(monkeypatch, settings.min_free_bytes)
        async with open_system(settings) as system:
            await are_encoded(system, job_id)


async def are_encoded(system: System, job_id: str) -> None:
    """Wait until a job has two clips, none of which is to be encoded any more."""
    while [one.to_encode for one in await system.clips.of_job(job_id)] != [False, False]:  # noqa: ASYNC110 - nobody tells of it
        await trio.sleep(0.02)
