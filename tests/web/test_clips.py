"""Clips around events: cut while the job goes on, kept with it, read by parts, and gone with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import trio
from structlog.testing import capture_logs

from kinora.actors.audience import Nobody
from kinora.actors.clips import clip_table
from kinora.actors.job_request import parse_job_request
from kinora.actors.job_spec import JobSpec
from kinora.actors.standing_job import StandingJob
from kinora.actors.webhooks import delivery_table
from kinora.actors.webhooks.webhook import Webhook
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.system import open_system
from tests.client_kit import ask, get, post
from tests.jobs_kit import ended, run_job, write_plugin
from tests.media.test_clip_cutter import brightness, film

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
        assert len(list(kept.iterdir())) == 2
        assert (await ask(f"{server.url}/v1/jobs/{job_id}", "DELETE")).status == 204
        assert list(kept.iterdir()) == []
        assert (await get(f"{server.url}/v1/jobs/{job_id}/clips")).status == 404
        other = (await post(f"{server.url}/v1/jobs", {"source": "film.mp4", "plugins": ["bell"]})).json()["job_id"]
        with trio.fail_after(PLENTY_S):
            await ended(server.system, await server.system.jobs.state(other))
        assert await clips(server, other, 0) == []


async def test_the_log_says_that_a_live_source_has_no_clips(settings: Settings) -> None:
    """Once for each job; its messages are heard by nobody for clips then."""
    hook = Webhook(url="http://10.0.0.5/", clip={"before_s": 1, "after_s": 1})
    clients = Nobody()
    async with open_system(attrs.evolve(settings, webhooks={"alarm": hook})) as system:
        with capture_logs() as logs:
            for source in ("rtsp://10.0.0.5/yard", "push:", "clip.mp4"):
                request = parse_job_request({"source": source, "plugins": ["motion"]})
                spec = JobSpec(job_id=source, created_at="", request=request, uploaded=False)
                assert (system.clips.audience_of(spec, clients) is clients) == (source != "clip.mp4")
    assert [entry["job_id"] for entry in logs if "clips" in entry["event"]] == ["rtsp://10.0.0.5/yard", "push:"]


async def test_why_clips_cannot_be_cut_is_logged_once(settings: Settings, media: Path, plugins_dir: Path) -> None:
    """Not for each event."""
    film(media / "film.webm", "libvpx")
    write_plugin(plugins_dir, "bell", BELL)
    hook = Webhook(url="http://10.0.0.5/", events=("rang",), clip={"before_s": 1, "after_s": 1})
    with capture_logs() as logs:
        async with open_system(attrs.evolve(settings, webhooks={"alarm": hook})) as system:
            with trio.fail_after(PLENTY_S):
                await run_job(system, "bell", source="film.webm")
                await system.store.change(delivery_table.forget_old())  # what was noted before is on disk with it
                while await system.store.read(clip_table.next_wanted):  # noqa: ASYNC110 - the store has no event for it
                    await trio.sleep(0.01)
    (said,) = [entry for entry in logs if entry["event"] == "a clip could not be cut"]
    assert said["number"] == 2
    assert "vp8" in said["reason"]
