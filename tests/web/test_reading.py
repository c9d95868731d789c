"""Reading the frames of long jobs: answers come in pages, and need little of the server's memory."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from kinora.actors.errors import NotFound
from kinora.actors.models import JobState
from kinora.actors.store import database
from kinora.actors.store.database import JobRecord
from kinora.serve import RunningServer
from kinora.system import System
from kinora.web.documents.documents import ExtendedJobResponse, FramePage, JobResponse, document_of
from kinora.web.reads import ready_answers
from tests.client_kit import Exchange, exchange, get, request
from tests.jobs_kit import run_job

FRAMES, FRAME_BYTES = 1_200, 100_000
ROOM_BYTES = 64 * 2**20
"""The memory that eight answers of 120 MB may take together; one whole answer takes more."""
SERVER = """
import sys
from pathlib import Path

import trio

from kinora.serve import open_server
from kinora.settings import Settings


async def main() -> None:
    folder = Path(sys.argv[1])
    async with open_server(Settings(port=0, data_dir=folder, media_dir=folder, min_free_bytes=0)) as server:
        print(f"\\n{server.url}", flush=True)
        await trio.sleep_forever()


trio.run(main)
"""


def state_of(job_id: str, frames: int) -> JobState:
    """A job that is done."""
    return JobState(
        job_id=job_id,
        device_requested="auto",
        device_used="cpu",
        fallback=False,
        progress=100,
        plugin_timings={"motion": 1.5},
        warnings=('motion: "frames":[] is not a fault',),
        status="done",
        stage="finalizing",
        error=None,
        fallback_reason=None,
        created_at="2026-11-26T00:00:00.000Z",
        started_at=None,
        finished_at=None,
        frames_done=frames,
        frames_total=frames,
        frames_dropped=0,
        fps=None,
        cancel_ms=None,
        plugins={},
        source="clip.mp4",
        options={},
        queue_position=None,
    )


def record_of(job_id: str, frames: int) -> JobRecord:
    """The record of a job that is done."""
    return JobRecord(
        job_id=job_id,
        created_at="2026-11-26T00:00:00.000Z",
        status="done",
        request=b'{"source": "clip.mp4", "plugins": []}',
        state=msgspec.json.encode(state_of(job_id, frames)),
    )


def frame(index: int, size: int = FRAME_BYTES) -> bytes:
    """A frame of about this many bytes."""
    head = '{"frame_id":"frame-%06d","index":%d,"timestamp_ms":1.0,"width":1,"height":1,"results":{"motion":"'
    return (head % (index, index)).encode() + b"x" * size + b'"}}'


def fill(path: Path, frames: int = FRAMES) -> None:
    """Store a job with many large frames, and one with a single small frame."""
    with closing(database.open_writer(str(path))) as writer:
        database.write(writer, [database.add_job(record_of("big", frames)), database.add_job(record_of("tiny", 1))])
        database.write(writer, [database.put_frame("tiny", 0, frame(0, 10))])
        for index in range(frames):
            database.write(writer, [database.put_frame("big", index, frame(index))])


@asynccontextmanager
async def server_process(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """A server of its own process on this data folder: its address and pid."""
    async with trio.open_nursery() as nursery:
        command = [sys.executable, "-c", SERVER, str(folder)]
        process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE, check=False))
        printed = b""
        while not printed.rpartition(b"\nhttp://")[2].endswith(b"\n"):
            printed += await process.stdout.receive_some()
        yield "http://" + printed.rpartition(b"\nhttp://")[2].decode().strip(), process.pid
        process.terminate()


def memory(pid: int, field: str) -> int:
    """``VmRSS`` or ``VmHWM`` of a process, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


async def digest_of(opened: Exchange) -> str:
    """Read the whole body, and return its hash."""
    digest = hashlib.blake2b()
    await opened.head()
    while (piece := await opened.piece()) is not None:
        digest.update(piece)
    return digest.hexdigest()


def digest(pieces: Iterator[bytes]) -> str:
    """The hash of the pieces."""
    made = hashlib.blake2b()
    for piece in pieces:
        made.update(piece)
    return made.hexdigest()


def document(around: bytes, frames: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces of a document; ``around`` is the document without frames."""
    head, _, tail = around.partition(b'"frames":[]')
    yield head + b'"frames":['
    for index, data in enumerate(frames):
        yield (b"," if index else b"") + data
    yield b"]" + tail


async def test_memory_stays_flat_while_many_read_a_long_job(tmp_path: Path) -> None:
    """Four clients read 120 MB each and four read nothing: others are answered, and memory stays within a bound."""
    await trio.to_thread.run_sync(fill, tmp_path / "kinora.db")
    async with server_process(tmp_path) as (url, pid):
        big = f"{url}/v1/jobs/big"
        around = {path: (await get(f"{big}{path}?limit=0")).body for path in ("", "/extended")}
        everything = partial(map, frame, range(FRAMES))
        expected = {
            ("", "*/*"): digest(document(around[""], everything())),
            ("/extended", "*/*"): digest(document(around["/extended"], everything())),
            ("/frames?limit=1000", "*/*"): digest(document(b'{"frames":[],"next_after":999}', map(frame, range(1000)))),
            ("/frames", "application/x-ndjson"): digest(data + b"\n" for data in everything()),
        }
        got: dict[tuple[str, str], str] = {}
        before = memory(pid, "VmRSS")
        await trio.Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew

        async def read(asked: tuple[str, str]) -> None:
            async with exchange(big + asked[0], headers={"accept": asked[1]}) as opened:
                got[asked] = await digest_of(opened)

        async def read_nothing(*, task_status: trio.TaskStatus[None]) -> None:
            async with exchange(big) as opened:
                await opened.head()
                task_status.started()
                await trio.sleep_forever()

        async with trio.open_nursery() as stalled:
            for _ in range(4):
                await stalled.start(read_nothing)
            async with trio.open_nursery() as readers:
                for asked in expected:
                    readers.start_soon(read, asked)
                assert (await get(f"{url}/v1/jobs/tiny")).json()["frames"][0]["index"] == 0
            assert (await get(f"{url}/v1/jobs/tiny/extended")).status == 200
            stalled.cancel_scope.cancel()
        assert got == expected
        assert memory(pid, "VmHWM") - before < ROOM_BYTES


async def test_an_answer_in_pages_is_the_same_to_the_byte(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short answer has a length; in pages of any size it has the same bytes, in every form, and the same tag."""
    monkeypatch.setattr(ready_answers, "KEPT_S", 0.0)  # what is kept was made with another size of pages
    state = await run_job(server.system, "motion")
    frames = [data async for page in server.system.jobs.frame_pages(state.job_id) for _, data in page]
    url = f"{server.url}/v1/jobs/{state.job_id}"

    def encoded(kind: type[msgspec.Struct], cut: slice) -> bytes:
        return msgspec.json.encode(document_of(state, kind, frames=[msgspec.Raw(data) for data in frames[cut]]))

    def page(cut: slice, next_after: int | None) -> bytes:
        return msgspec.json.encode(FramePage(frames=[msgspec.Raw(data) for data in frames[cut]], next_after=next_after))

    expected: dict[str, bytes] = {
        "": encoded(JobResponse, slice(None)),
        "?after=3": encoded(JobResponse, slice(4, None)),
        "?after=3&limit=2": encoded(JobResponse, slice(4, 6)),
        "?after=29": encoded(JobResponse, slice(0)),
        "?limit=0": encoded(JobResponse, slice(0)),
        "/extended": encoded(ExtendedJobResponse, slice(None)),
        "/extended?after=27&limit=9": encoded(ExtendedJobResponse, slice(28, 30)),
        "/frames": page(slice(None), None),
        "/frames?limit=30": page(slice(None), None),
        "/frames?limit=29": page(slice(29), 28),
        "/frames?after=10&limit=7": page(slice(11, 18), 17),
        "/frames?after=29": page(slice(0), None),
    }
    lines = {form: (await get(f"{url}/frames", accept=form)).body for form in ("application/x-ndjson", "text/csv")}
    assert lines["application/x-ndjson"].splitlines() == frames
    for path, body in expected.items():
        answer = await get(url + path)
        assert (answer.body, answer.headers["content-length"]) == (body, str(len(body))), path
    for size in (1, len(frames[0]) * 3, len(frames[0]) * 29):
        monkeypatch.setattr(database, "PAGE_BYTES", size)
        for path, body in expected.items():
            answer = await get(url + path)
            assert answer.body == body, (size, path)
            head = await request(url + path, "HEAD")
            assert (head.status, head.body, head.headers.get("etag")) == (200, b"", answer.headers.get("etag"))
        for form, body in lines.items():
            assert (await get(f"{url}/frames", accept=form)).body == body


async def test_a_tag_matches_as_a_weak_one_too(server: RunningServer) -> None:
    """A cache may send the tag of an answer as a weak one: the answer is 304."""
    state = await run_job(server.system, "motion")
    for path in ("", "/extended", "?after=3&limit=2"):
        url = f"{server.url}/v1/jobs/{state.job_id}{path}"
        tag = (await get(url)).headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", W/{tag}', "*"):
            assert (await get(url, if_none_match=known)).status == 304


async def test_a_cut_of_a_job_stays_as_it_was(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that are done while an answer is read are not in it; a job deleted meanwhile is an error."""
    monkeypatch.setattr(database, "PAGE_BYTES", 1)
    await system.store.add_job(record_of("job", 0))
    for index in range(3):
        await system.store.put_frame("job", index, frame(index, 10))
    cut = await system.jobs.cut("job")
    short = await system.jobs.cut("job", 0, 1)
    await system.store.put_frame("job", 3, frame(3, 10))
    pages = [page async for page in system.jobs.cut_pages(cut)]
    assert pages == [[(index, frame(index, 10))] for index in range(3)]
    assert (await system.jobs.cut("job", 0, 1)).key == short.key
    assert (await system.jobs.cut("job")).key != cut.key
    await system.store.delete_job("job")
    with pytest.raises(NotFound):
        _ = [page async for page in system.jobs.cut_pages(cut)]
