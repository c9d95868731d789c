"""Uploads to a real server: what cannot be taken is refused before its body, and nothing is left on the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import h11
import pytest
import trio
from trio.testing import MockClock

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.problems import Problem
from kinora.web.requests import upload_room, uploads
from kinora.web.requests.upload_room import (
    SLOW_AFTER_S,
    SLOW_BYTES_PER_S,
    UPLOADS_AT_ONCE,
    UPLOADS_PER_CLIENT,
    UploadRoom,
)
from tests.client_kit import Part, get, multipart, post, request, upload
from tests.disk_kit import Disk
from tests.jobs_kit import write_plugin

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""
MB = 2**20
BODY = multipart([Part("request", b'{"plugins": ["motion"]}'), Part("file", bytes(64 * MB), "a.mp4")])


class Sending:
    """An upload on a connection of its own, of which a test sends as much as it likes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._connection = h11.Connection(h11.CLIENT)

    async def head(self, announced: int) -> None:
        """Send the request's head."""
        kind = "multipart/form-data; boundary=kinora-test-boundary"
        headers = [("host", "localhost"), ("content-type", kind), ("content-length", str(announced))]
        event = h11.Request(method="POST", target="/v1/jobs", headers=headers)
        await self.stream.send_all(self._connection.send(event) or b"")

    async def answer(self) -> h11.Response:
        """Wait for the answer's head."""
        while (event := self._connection.next_event()) is h11.NEED_DATA:
            self._connection.receive_data(bytes(await self.stream.receive_some(2**16)))
        assert isinstance(event, h11.Response)
        return event


@asynccontextmanager
async def sending(server: RunningServer, announced: int, body: bytes = b"") -> AsyncIterator[Sending]:
    """An upload that has announced its size and sent a part of its body."""
    async with await trio.open_tcp_stream("127.0.0.1", int(server.url.rpartition(":")[2])) as stream:
        opened = Sending(stream)
        await opened.head(announced)
        if body:
            await stream.send_all(body)
        yield opened


async def arrived(server: RunningServer, files: int) -> None:
    """Wait until so many uploads have a file."""
    while len(list(server.system.uploads.iterdir())) != files:
        await get(f"{server.url}/v1/health")


async def test_a_full_queue_is_told_before_the_body(settings: Settings, plugins_dir: Path) -> None:
    """429 with Retry-After, though not a byte of the body was sent; a repeat of a known key is still answered."""
    write_plugin(plugins_dir, "held", "@tool('held')\ndef held(frame):\n    time.sleep(1000)\n")
    order = {"source": "clip.mp4", "plugins": ["held"]}
    async with open_server(attrs.evolve(settings, max_jobs=1, max_queued=1)) as server:
        with trio.fail_after(SAFETY_S):
            clip = [Part("file", (settings.media_dir / "clip.mp4").read_bytes(), "a.mp4")]
            clip.append(Part("request", b'{"plugins": ["held"]}'))
            first = await upload(f"{server.url}/v1/jobs", clip, idempotency_key="k")
            refused = await post(f"{server.url}/v1/jobs", order)
            while refused.status != 429:
                refused = await post(f"{server.url}/v1/jobs", order)
            async with sending(server, 200 * MB) as opened:
                answer = await opened.answer()
            assert answer.status_code == 429
            assert b"retry-after" in dict(answer.headers)
            again = await upload(f"{server.url}/v1/jobs", clip, idempotency_key="k")
            assert (again.status, again.json()["job_id"]) == (202, first.json()["job_id"])
            assert len(list(server.system.uploads.iterdir())) == 1


async def test_uploads_that_would_fill_the_disk_together_are_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the others have announced counts; when one ends, its room is free again."""
    async with open_server(attrs.evolve(settings, min_free_bytes=200 * MB)) as server:
        Disk(monkeypatch, free=400 * MB)
        with trio.fail_after(SAFETY_S):
            async with sending(server, 150 * MB, BODY[:1000]):
                await arrived(server, 1)
                async with sending(server, 150 * MB) as second:
                    assert (await second.answer()).status_code == 503
            await arrived(server, 0)
            async with sending(server, 150 * MB, BODY[:1000]):
                await arrived(server, 1)
            await arrived(server, 0)


async def test_a_disk_that_fills_up_meanwhile_ends_the_upload(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor is looked at again as the bytes arrive; what has arrived is removed."""
    async with open_server(attrs.evolve(settings, min_free_bytes=200 * MB)) as server:
        disk = Disk(monkeypatch, free=400 * MB)
        with trio.fail_after(SAFETY_S):
            async with sending(server, len(BODY), BODY[:1000]) as opened:
                await arrived(server, 1)
                disk.free = 100 * MB
                await opened.stream.send_all(BODY[1000 : 1000 + upload_room.CHECK_EVERY_BYTES + MB])
                assert (await opened.answer()).status_code == 503
            await arrived(server, 0)


async def test_few_uploads_arrive_at_once(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more gets 503 with Retry-After before its body; one that ends makes room."""
    monkeypatch.setattr(upload_room, "UPLOADS_AT_ONCE", 2)
    with trio.fail_after(SAFETY_S):
        async with sending(server, MB, BODY[:1000]), sending(server, MB, BODY[:1000]):
            await arrived(server, 2)
            async with sending(server, MB) as third:
                answer = await third.answer()
            assert answer.status_code == 503
            assert b"retry-after" in dict(answer.headers)
        await arrived(server, 0)
        clip = (server.system.settings.media_dir / "clip.mp4").read_bytes()
        parts = [Part("file", clip, "a.mp4"), Part("request", b'{"plugins": ["motion"]}')]
        assert (await upload(f"{server.url}/v1/jobs", parts)).status == 202


class Visitors:
    """Clients of a room with any disk; each upload sends at its own rate until it is ended."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.room = UploadRoom(lambda _further: None)
        self.ended: list[tuple[str, int]] = []
        """Client and status of each upload that was ended."""
        self._nursery = nursery

    async def bring(self, client: str, bytes_per_s: int = 0) -> None:
        """Have an upload admitted or refused."""
        await self._nursery.start(self._send, client, bytes_per_s)

    async def _send(self, client: str, bytes_per_s: int, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            with self.room.admit(client, None) as upload:
                task_status.started()
                while True:
                    await trio.sleep(1)
                    upload.add(bytes_per_s)
        except Problem as problem:
            self.ended.append((client, problem.status))
            if problem.status == 503:  # it was not admitted
                task_status.started()


@asynccontextmanager
async def visitors() -> AsyncIterator[Visitors]:
    """They leave with the block."""
    async with trio.open_nursery() as nursery:
        yield Visitors(nursery)
        nursery.cancel_scope.cancel()


async def test_one_client_has_a_share_of_the_places(autojump_clock: MockClock) -> None:
    """Its further uploads are refused while there are places for others."""
    async with visitors() as all_:
        for _ in range(UPLOADS_AT_ONCE):
            await all_.bring("greedy")
        assert all_.ended == [("greedy", 503)] * (UPLOADS_AT_ONCE - UPLOADS_PER_CLIENT)
        await all_.bring("other")
        assert len(all_.ended) == UPLOADS_AT_ONCE - UPLOADS_PER_CLIENT


async def test_the_slowest_upload_makes_room(autojump_clock: MockClock) -> None:
    """Where all places are taken, a new client gets the one of the slowest, if it has been slow for a while."""
    async with visitors() as all_:
        for number in range(UPLOADS_AT_ONCE):
            await all_.bring(str(number), 100 if number == 3 else SLOW_BYTES_PER_S // 2 if number == 4 else 2**20)
        await trio.sleep(SLOW_AFTER_S - 0.5)
        await all_.bring("early")
        assert all_.ended == [("early", 503)]
        await trio.sleep(2)
        await all_.bring("new")
        await trio.sleep(1)
        assert all_.ended[1:] == [("3", 408)]
        await all_.bring("new")
        assert all_.ended[2:] == [("new", 503)]
        await all_.bring("newer")
        await trio.sleep(1)
        assert all_.ended[3:] == [("4", 408)]


async def test_uploads_at_a_fair_rate_keep_their_places(autojump_clock: MockClock) -> None:
    """Where none is slow, a new client is refused as before."""
    async with visitors() as all_:
        for number in range(UPLOADS_AT_ONCE):
            await all_.bring(str(number), 2 * SLOW_BYTES_PER_S)
        await trio.sleep(60)
        await all_.bring("new")
        assert all_.ended == [("new", 503)]


async def test_an_upload_that_makes_room_is_told_why(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets 408 and its file is removed; the other client's upload is taken at once."""
    monkeypatch.setattr(upload_room, "UPLOADS_AT_ONCE", 1)
    monkeypatch.setattr(upload_room, "SLOW_AFTER_S", 0.0)
    monkeypatch.setattr(upload_room, "SLOW_BYTES_PER_S", 2**40)
    clip = (server.system.settings.media_dir / "clip.mp4").read_bytes()
    parts = [Part("file", clip, "a.mp4"), Part("request", b'{"plugins": ["motion"]}')]
    with trio.fail_after(SAFETY_S):
        async with sending(server, len(BODY), BODY[:1000]) as opened:
            await arrived(server, 1)
            assert (await upload(f"{server.url}/v1/jobs", parts, user_agent="another")).status == 202
            assert (await opened.answer()).status_code == 408
        await arrived(server, 1)


async def test_a_body_may_not_drip_for_ever(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends a little each moment is cut off with 408 once it is far behind the least rate."""
    monkeypatch.setattr(uploads, "SILENCE_S", 2.0)
    with trio.fail_after(SAFETY_S):
        async with sending(server, len(BODY), BODY[:1000]) as opened, trio.open_nursery() as nursery:

            async def drip() -> None:
                while True:
                    await trio.sleep(0.1)
                    await opened.stream.send_all(b"\0")

            nursery.start_soon(drip)
            assert (await opened.answer()).status_code == 408
            nursery.cancel_scope.cancel()
        await arrived(server, 0)


async def test_what_a_killed_server_left_is_removed_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    """Uploads that no job names and folders of unfinished videos go; uploads of jobs and other people's files stay."""
    clip = (settings.media_dir / "clip.mp4").read_bytes()
    parts = [Part("file", clip, "a.mp4"), Part("request", b'{"plugins": ["motion"]}')]
    data, elsewhere = settings.data_dir, tmp_path / "elsewhere"
    async with open_server(settings) as server:
        job = (await upload(f"{server.url}/v1/jobs", parts)).headers["location"]
    (kept,) = (data / "uploads").iterdir()
    elsewhere.mkdir()
    (elsewhere / "frames.ndjson").write_text("precious")
    stay = [data / "uploads" / "notes.txt", data / "uploads" / "a" / ("b" * 32), data / "video-of-mine" / "holiday.mp4"]
    go = [
        data / "uploads" / ("0" * 32),
        data / "video-abcd1234" / "frames.ndjson",
        data / "video-ab_d1234" / "annotated.mp4",
        data / "video-abcd12_4" / ".annotated.mp4.part",
    ]
    for path in (*stay, *go):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    links = [data / "video-linked12", data / "uploads" / ("c" * 32)]
    links[0].symlink_to(elsewhere)
    links[1].symlink_to(elsewhere / "frames.ndjson")
    async with open_server(settings) as server:
        assert all(path.exists() for path in (*stay, *links, kept, elsewhere / "frames.ndjson"))
        assert not any(path.exists() for path in go)
        assert not any(path.parent.exists() for path in go[1:])
        assert (await request(f"{server.url}{job}", "DELETE")).status == 204
