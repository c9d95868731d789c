"""The storms, each a function that does too much of one thing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import trio

from benchmarks.fanout_load import HANDSHAKE
from benchmarks.pipeline import make_clip
from benchmarks.storms.arena import Arena, Storm, at_once, free_bytes, nothing
from benchmarks.storms.http import OTHER, connect, head, rest_of_answer
from benchmarks.storms.inputs import FORM, LARGE, flat_clip, form, hostile_options
from benchmarks.storms.tools import FAT_BYTES

MB = 2**20
IDLE = 768
NEWCOMER_S = 25.0
"""An idle connection is closed after 10 s, so there is room for a new client well within this time."""
FAT_FRAMES = 1_400
READERS = 8
UNREAD_S = 10.0
SMALL_BUFFER = 4096
POSTS = 150
DRIPPING = 20
DRIP_S = 0.5
ROOM = 200 * MB
"""The free space above the floor when uploads begin: one of those that are sent fits."""
UPLOADS, UPLOAD_BYTES = 4, 150 * MB
CHECKED_EVERY = 4 * MB
"""The disk is to be looked at again whenever so many bytes of an upload have come."""
DISK_LOOK_S = 0.02
PICTURES = 300
VIDEOS = 20
RELOADS = 30
FILES, LISTINGS = 20_000, 60
WATCHERS, READING_NOTHING = 200, 2_000
LONG_FRAMES = 3_000
AT_ONCE = 100


async def options(arena: Arena) -> None:
    """Options that take long to check, four times each."""
    await at_once([partial(arena.clients.ask, "POST", "/v1/jobs", body) for body in 4 * hostile_options()])


async def idle(arena: Arena) -> None:
    """Connections that each had one answer and then stay; then a new client comes."""
    async with trio.open_nursery() as nursery:
        limit = trio.CapacityLimiter(AT_ONCE)
        held: list[trio.SocketStream] = []
        async with trio.open_nursery() as opening:
            for _ in range(IDLE):
                opening.start_soon(_have_one_answer, arena, limit, held)
        arena.find(f"{len(held)} connections had an answer")
        newcomer = partial(arena.clients.ask, "GET", "/v1/health", address=OTHER)
        await arena.within(NEWCOMER_S, "a new client gets in", partial(arena.until, "200", newcomer))
        nursery.cancel_scope.cancel()


async def _have_one_answer(arena: Arena, limit: trio.CapacityLimiter, held: list[trio.SocketStream]) -> None:
    async with limit:
        stream = await connect(arena.clients.port)
        try:
            await stream.send_all(head("GET", "/v1/health", {}))
            answer = await stream.receive_some()
        except trio.BrokenResourceError:
            answer = b""
        arena.clients.answers[answer[9:12].decode() or "cut"] += 1
        if b" 200 " in answer[:13]:
            held.append(stream)


async def fat_jobs(arena: Arena) -> None:
    """A job with 140 MB of frames, and a small one."""
    await arena.finished("long.mp4", "storm-fat")
    await arena.finished("clip.mp4", "storm-empty")


def long_clip(media: Path) -> None:
    """A small video of many frames."""
    make_clip(media / "long.mp4", FAT_FRAMES, 64, 36)


async def _job_ids(arena: Arena) -> tuple[str, str]:
    """The fat job and the small one."""
    small, fat = (await arena.api.jobs())["jobs"]
    return fat["job_id"], small["job_id"]


async def fat_json(arena: Arena) -> None:
    """The whole fat job, several times at once."""
    fat, small = await _job_ids(arena)
    await beside_small(arena, small, [arena.get(f"/v1/jobs/{fat}")] * READERS)
    _find_all_read(arena)


async def fat_ndjson(arena: Arena) -> None:
    """All its frames as lines, several times at once."""
    fat, small = await _job_ids(arena)
    lines = arena.get(f"/v1/jobs/{fat}/frames", Accept="application/x-ndjson")
    await beside_small(arena, small, [lines] * READERS)
    _find_all_read(arena)


def _find_all_read(arena: Arena) -> None:
    wanted = READERS * FAT_FRAMES * FAT_BYTES
    arena.find(f"{arena.clients.received / 1e6:,.0f} MB read", arena.clients.received > wanted)


async def fat_unread(arena: Arena) -> None:
    """The same by clients that read nothing of the answer."""
    fat, small = await _job_ids(arena)
    targets = [f"/v1/jobs/{fat}", f"/v1/jobs/{fat}/extended"]
    await beside_small(arena, small, [partial(_read_nothing, arena, target) for target in targets * (READERS // 2)])


async def _read_nothing(arena: Arena, target: str) -> None:
    async with await connect(arena.clients.port, buffer=SMALL_BUFFER) as stream:
        await stream.send_all(head("GET", target, {}))
        arena.clients.answers["not read"] += 1
        await trio.sleep(UNREAD_S)


async def beside_small(arena: Arena, small: str, calls: list[Callable[[], Awaitable[object]]]) -> None:
    """Do all at once, and meanwhile have another client ask for the small job again and again."""
    waits: list[float] = []
    ask = partial(arena.clients.ask, "GET", f"/v1/jobs/{small}", address=OTHER)

    async def keep_asking() -> None:
        while True:
            waits.append(trio.current_time())
            waits[-1] = (await ask()).waited_s
            await trio.sleep(0.1)

    with trio.move_on_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_asking)
            await at_once(calls)
            nursery.cancel_scope.cancel()
    longest = max(waits[:-1], default=0)
    arena.find(f"another client's read of a small job: {longest:.1f} s at most", longest <= 1)


async def checks(arena: Arena, source: str) -> None:
    """Many jobs on one video at once."""
    await at_once([arena.post_job(source, "storm-empty")] * POSTS)


def checked_clip(media: Path) -> None:
    """An ordinary video."""
    make_clip(media / "checked.mp4", 300, 640, 360)


def large_clip(media: Path) -> None:
    """A video of few bytes and very large pictures."""
    flat_clip(media / "large.mp4", 2, LARGE)


async def dripping(arena: Arena) -> None:
    """Uploads that send a byte now and then, and another client's honest one."""
    video = (arena.folder / "media" / "clip.mp4").read_bytes()
    honest = partial(arena.clients.ask, "POST", "/v1/jobs", form(video, "storm-empty"), headers=FORM, address=OTHER)
    async with trio.open_nursery() as nursery:
        for _ in range(DRIPPING):
            nursery.start_soon(_drip, arena)
        await trio.sleep(1)
        await arena.within(15, "another client's upload is taken", partial(arena.until, "202", honest, 1.0))
        nursery.cancel_scope.cancel()


async def _drip(arena: Arena) -> None:
    body = form(bytes(MB), "storm-empty")
    status = "dripped to the end"
    try:
        async with await connect(arena.clients.port) as stream, trio.open_nursery() as nursery:
            await stream.send_all(head("POST", "/v1/jobs", FORM, len(body)))
            nursery.start_soon(_send_slowly, stream, body)
            status, _ = await rest_of_answer(stream)
            nursery.cancel_scope.cancel()
    finally:
        arena.clients.answers[status] += 1


async def _send_slowly(stream: trio.SocketStream, body: bytes) -> None:
    try:
        for at in range(len(body)):
            await stream.send_all(body[at : at + 1])
            await trio.sleep(DRIP_S)
    except trio.BrokenResourceError:
        pass  # the server has had enough


def near_floor(folder: Path) -> dict[str, str]:
    """A floor that the uploads would pass."""
    return {"KINORA_MIN_FREE_BYTES": str(free_bytes(folder) - ROOM)}


async def floor(arena: Arena) -> None:
    """Uploads that together are larger than the disk allows."""
    video = (arena.folder / "media" / "clip.mp4").read_bytes().ljust(UPLOAD_BYTES, b"\0")
    upload = partial(arena.clients.ask, "POST", "/v1/jobs", form(video, "storm-empty"), headers=FORM)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch_disk, arena)
        await at_once([upload] * UPLOADS)
        nursery.cancel_scope.cancel()


async def _watch_disk(arena: Arena) -> None:
    """Look at the disk until cancelled, then report the most that was taken of it."""
    before = least = free_bytes(arena.folder)
    try:
        while True:
            least = min(least, free_bytes(arena.folder))
            await trio.sleep(DISK_LOOK_S)
    finally:
        taken = before - least
        arena.find(
            f"disk taken at most: {taken / MB:.0f} MB of the {ROOM // MB} above the floor",
            taken <= ROOM + UPLOADS * CHECKED_EVERY,
        )


async def finished_job(arena: Arena, source: str) -> None:
    """A finished job."""
    await arena.finished(source, "storm-empty")


def pictured_clip(media: Path) -> None:
    """A video with as many frames as pictures are wanted."""
    make_clip(media / "pictured.mp4", PICTURES, 640, 360)


async def _only_job(arena: Arena) -> str:
    [only] = (await arena.api.jobs())["jobs"]
    return str(only["job_id"])


async def pictures(arena: Arena) -> None:
    """All pictures of a job at once by one client; another asks for one."""
    job_id = await _only_job(arena)
    other = partial(arena.clients.ask, "GET", f"/v1/jobs/{job_id}/frames/7.jpg?overlay=1", address=OTHER)
    async with trio.open_nursery() as nursery:
        for index in range(PICTURES):
            nursery.start_soon(arena.get(f"/v1/jobs/{job_id}/frames/{index}.jpg"))
        await trio.sleep(1)
        await arena.within(15, "another client's picture", partial(arena.until, "200", other))
        nursery.cancel_scope.cancel()


async def annotated(arena: Arena) -> None:
    """The annotated video of a job, read whole and by its head only; some are told to come again later."""
    target = f"/v1/jobs/{await _only_job(arena)}/annotated.mp4"
    try:
        await at_once([partial(arena.clients.ask, method, target) for method in VIDEOS * ("GET", "HEAD")])
    finally:
        given, later = arena.clients.answers["200"], arena.clients.answers["503"]
        arena.find(f"{given} given, {later} told to try later", given > 0 and given + later == 2 * VIDEOS)


async def reloads(arena: Arena) -> None:
    """Plugins looked for again and again."""
    await at_once([partial(arena.clients.ask, "POST", "/v1/plugins/reload")] * RELOADS)


def many_files(media: Path) -> None:
    """A large media folder."""
    for number in range(FILES):
        (media / f"{number:05}.mp4").touch()


async def listings(arena: Arena) -> None:
    """The media folder listed many times at once."""
    await at_once([arena.get("/v1/media")] * LISTINGS)


async def queue(arena: Arena) -> None:
    """One client fills the queue; another has one job."""
    await at_once([arena.post_job("clip.mp4", "storm-slow")] * POSTS)
    answer = await arena.post_job("clip.mp4", "storm-slow", OTHER)()
    arena.find(f"another client's job: {answer.status} after {answer.waited_s:.1f} s", answer.status == "202")


async def paused(arena: Arena) -> None:
    """Both places held by paused jobs; a third job is to run."""
    held = [await arena.submit("clip.mp4", "storm-slow") for _ in range(2)]
    for job_id in held:
        await arena.reach(job_id, "running")
        await arena.clients.ask("POST", f"/v1/jobs/{job_id}/pause")
    third = await arena.submit("clip.mp4", "storm-empty")
    await arena.within(10, "the third job is done", partial(arena.reach, third, "done"))


def full_speed_clip(media: Path) -> None:
    """A small video that takes some seconds at full speed."""
    make_clip(media / "fast.mp4", LONG_FRAMES, 64, 36)


async def two_jobs(arena: Arena) -> None:
    """Run two jobs at full speed, and tell how fast they were."""
    jobs = [await arena.submit("fast.mp4", "storm-empty") for _ in range(2)]
    states = [await arena.reach(job_id, "done", "failed") for job_id in jobs]
    paces = ", ".join(f"{state['fps'] or 0:.0f}" for state in states)
    arena.find(f"frames/s of the two jobs: {paces}", all(state["status"] == "done" for state in states))


async def watched(arena: Arena) -> None:
    """Realtime clients that take everything of two jobs."""
    command = (
        sys.executable,
        "-m",
        "benchmarks.fanout_load",
        str(arena.clients.port),
        "/v1/realtime",
        str(WATCHERS),
        "0",
    )
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            await process.stdout.receive_some()  # they are connected
            await two_jobs(arena)
        finally:
            process.kill()
        nursery.cancel_scope.cancel()


async def unread(arena: Arena) -> None:
    """Realtime clients that read nothing of two jobs."""
    limit = trio.CapacityLimiter(AT_ONCE)
    held: list[trio.SocketStream] = []
    async with trio.open_nursery() as nursery:
        for _ in range(READING_NOTHING):
            nursery.start_soon(_watch_blindly, arena, limit, held)
    await two_jobs(arena)
    await trio.sleep(2)


async def _watch_blindly(arena: Arena, limit: trio.CapacityLimiter, held: list[trio.SocketStream]) -> None:
    async with limit:
        stream = await connect(arena.clients.port, buffer=SMALL_BUFFER)
        await stream.send_all(HANDSHAKE % b"/v1/realtime")
        answer = await stream.receive_some(512)
        arena.clients.answers[answer[9:12].decode() or "cut"] += 1
        held.append(stream)


STORMS = (
    Storm("calm", "no storm", nothing),
    Storm("options", "options that take long to check: 16 posts", options),
    Storm("idle", f"{IDLE} idle connections, 1,024 files", idle, files=1024, deadline_s=40),
    Storm(
        "fat-json", f"140 MB of frames as JSON, {READERS} times at once", fat_json, fat_jobs, long_clip, deadline_s=30
    ),
    Storm("fat-ndjson", "the same as lines", fat_ndjson, fat_jobs, long_clip, deadline_s=30),
    Storm("fat-unread", "the same, read by nobody", fat_unread, fat_jobs, long_clip),
    Storm("checks", f"{POSTS} jobs on a video at once", partial(checks, source="checked.mp4"), fill=checked_clip),
    Storm("checks-large", "the same of 49 megapixels", partial(checks, source="large.mp4"), fill=large_clip),
    Storm("dripping", f"{DRIPPING} uploads that drip", dripping),
    Storm("floor", f"{UPLOADS} uploads of {UPLOAD_BYTES // MB} MB, one fits", floor, settings=near_floor),
    Storm(
        "pictures",
        f"{PICTURES} pictures at once",
        pictures,
        partial(finished_job, source="pictured.mp4"),
        pictured_clip,
    ),
    Storm("pictures-demo", "the same of demo:", pictures, partial(finished_job, source="demo:")),
    Storm(
        "annotated",
        f"{VIDEOS} GETs and HEADs of an annotated video",
        annotated,
        partial(finished_job, source="demo:"),
        deadline_s=40,
    ),
    Storm("reloads", f"{RELOADS} reloads of the plugins", reloads),
    Storm("media", f"{FILES:,} files listed {LISTINGS} times at once", listings, fill=many_files),
    Storm("queue", f"{POSTS} jobs of one client", queue),
    Storm("paused", "two paused jobs", paused),
    Storm("watched", f"{WATCHERS} realtime clients of two fast jobs", watched, fill=full_speed_clip),
    Storm("unread", f"{READING_NOTHING:,} that read nothing", unread, fill=full_speed_clip, files=8192, deadline_s=40),
)
