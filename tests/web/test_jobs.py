"""The REST calls over real sockets, with real jobs."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio

from kinora.actors.jobs.job_manager import JobManager
from kinora.media.sources import SourceLimits, open_source
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.api import jobs
from kinora.web.requests import uploads
from kinora.web.requests.upload_room import UploadRoom
from kinora.web.requests.uploads import Upload, receive_upload
from tests import client_kit
from tests.client_kit import Answer, Part, get, post, request, upload
from tests.clips import make_clip

CLIP: dict[str, Any] = {"source": "clip.mp4", "plugins": ["motion"]}
FIVE_KEYS = {"job_id", "device_requested", "device_used", "fallback", "frames"}
SLOW = """
import time
from kinora.plugins import tool

@tool("slow")
def slow(frame):
    time.sleep(0.2)
    return {"seen": frame.index}
"""


async def started(server: RunningServer, job: dict[str, Any] | None = None) -> str:
    """The id of a job that has been accepted."""
    answer = await post(f"{server.url}/v1/jobs", CLIP if job is None else job)
    assert answer.status == 202, answer.body
    return str(answer.json()["job_id"])


async def ended(server: RunningServer, job_id: str) -> dict[str, Any]:
    """Wait for the end of the job and return its ``/extended``."""
    url = f"{server.url}/v1/jobs/{job_id}/extended?limit=0"
    answer = await get(url)
    while answer.json()["status"] not in {"done", "failed", "cancelled"}:
        answer = await get(url, prefer="wait=60", if_none_match=answer.headers["etag"])
    return dict(answer.json())


async def start_slow(server: RunningServer, plugins_dir: Path) -> str:
    """Start a slow job and return its id."""
    await trio.Path(plugins_dir / "slow.py").write_text(SLOW)
    assert (await post(f"{server.url}/v1/plugins/reload")).status == 200
    return await started(server, {"source": "clip.mp4", "plugins": ["slow"]})


def is_problem(answer: Answer, status: int, *paths: str) -> bool:
    """Return True if the answer is this error, as a problem document that names these paths."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert len(document["detail"]) > 10
    assert [error["path"] for error in document.get("errors", [])] == list(paths)
    return True


async def test_a_job_is_repeated_from_its_request(server: RunningServer) -> None:
    """What ``/extended`` shows under ``request`` can be posted as it is: another job, with the same options in use."""
    asked = {
        "source": "clip.mp4",
        "plugins": ["motion", {"name": "faces", "options": {"min_size": 77}}],
        "options": {"max_frames": 2, "plugin_timeout_ms": 9_000},
    }
    first = await ended(server, await started(server, asked))
    again = await ended(server, await started(server, first["request"]))
    assert again["job_id"] != first["job_id"]
    assert again["request"] == first["request"]
    assert again["options"] == first["options"]
    assert first["options"] == {
        "max_frames": 2,
        "stride": 1,
        "policy": "wait",
        "max_outage_s": None,
        "plugin_timeout_ms": 9_000,
        "prepare_timeout_ms": 120_000,
        "cpus": 1.0,
        "gpus": 0.0,
        "resources": {},
        "segments": 1,
    }
    used = {name: plugin["options"] for name, plugin in again["plugins"].items()}
    assert used == {name: plugin["options"] for name, plugin in first["plugins"].items()}
    assert (used["faces"]["min_size"], used["motion"]["min_area"]) == (77, 0.003)


async def test_json_may_begin_with_a_byte_order_mark(server: RunningServer) -> None:
    """A request that PowerShell or Notepad saved is JSON all the same, by itself and beside an uploaded file."""
    marked = b"\xef\xbb\xbf" + json.dumps(CLIP).encode()
    headers = {"content-type": "application/json"}
    assert (await request(f"{server.url}/v1/jobs", "POST", headers=headers, body=marked)).status == 202
    parts = [Part("request", b'\xef\xbb\xbf{"plugins": ["motion"]}'), Part("file", b"no video", "a.mp4")]
    assert (await upload(f"{server.url}/v1/jobs", parts)).status == 415


async def test_a_job_is_accepted_runs_and_shows_its_frames(server: RunningServer) -> None:
    """POST gives 202 with the job's address; the job there has five keys and, at its end, every frame in order."""
    answer = await post(f"{server.url}/v1/jobs", CLIP)
    assert answer.status == 202
    accepted = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{accepted['job_id']}"
    assert "-" in answer.headers["last-event-id"]
    assert set(accepted) == FIVE_KEYS
    assert accepted["frames"] == []
    extended = await ended(server, accepted["job_id"])
    job = (await get(server.url + answer.headers["location"])).json()
    assert set(job) == FIVE_KEYS
    assert [frame["index"] for frame in job["frames"]] == list(range(30))
    assert set(job["frames"][0]) == {"frame_id", "index", "timestamp_ms", "width", "height", "results"}
    assert set(extended) > FIVE_KEYS | {"progress", "plugin_timings", "warnings", "status", "stage", "plugins"}
    assert extended["progress"] == 100


async def test_frames_can_be_cut_and_paged(server: RunningServer) -> None:
    """``after`` is exclusive, ``limit`` is the page's size, pages follow without gaps, and NDJSON has all frames."""
    job_id = await started(server)
    await ended(server, job_id)
    url = f"{server.url}/v1/jobs/{job_id}"
    cut = (await get(f"{url}?after=3&limit=2")).json()
    assert [frame["index"] for frame in cut["frames"]] == [4, 5]
    seen: list[int] = []
    after: int | None = -1
    while after is not None:
        page = (await get(f"{url}/frames?after={after}&limit=7")).json()
        assert set(page) == {"frames", "next_after"}
        seen += [frame["index"] for frame in page["frames"]]
        after = page["next_after"]
    assert seen == list(range(30))
    lines = await get(f"{url}/frames", accept="application/x-ndjson")
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["index"] for line in lines.body.splitlines()] == seen


async def test_a_frame_is_a_picture_on_demand(server: RunningServer) -> None:
    """A frame is sent as JPEG, with or without its results; a missing one is 404."""
    job_id = await started(server)
    await ended(server, job_id)
    url = f"{server.url}/v1/jobs/{job_id}/frames"
    for query in ("", "?overlay=1"):
        answer = await get(f"{url}/3.jpg{query}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.body.startswith(b"\xff\xd8\xff")
    assert is_problem(await get(f"{url}/3.jpg?overlay=2"), 422, "overlay")
    for missing in ("30", "-1", "x", "03", "9" * 400, "9" * 5000):
        assert is_problem(await get(f"{url}/{missing}.jpg"), 404)


async def test_a_job_is_a_video_with_what_was_found(server: RunningServer, tmp_path: Path) -> None:
    """All frames are sent as one complete MP4; a job without frames or source has none, and no file is left behind."""
    job_id = await started(server)
    await ended(server, job_id)
    answer = await get(f"{server.url}/v1/jobs/{job_id}/annotated.mp4")
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == f'attachment; filename="clip-{job_id[:8]}.mp4"'
    (tmp_path / "got.mp4").write_bytes(answer.body)
    with open_source(str(tmp_path / "got.mp4"), limits=SourceLimits()) as video:
        assert len([picture.index for picture in video.frames()]) == 30
    assert is_problem(await get(f"{server.url}/v1/jobs/{uuid.uuid4()}/annotated.mp4"), 404)


class File(io.FileIO):
    """A file larger than the socket buffers between a server and its client; it tells when it is closed."""

    digest = "of its bytes"
    size = 64 * 2**20

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self.truncate(self.size)
        self.gone = trio.Event()

    def close(self) -> None:
        """Close the file and set ``gone``."""
        super().close()
        self.gone.set()

    def open(self) -> File:
        """The file as a made video opens it."""
        return self


async def test_a_video_is_closed_when_its_client_leaves(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is closed at once, if it is already being sent or has only just been made."""
    url = f"{server.url}/v1/jobs/{await started(server)}/annotated.mp4"
    sent, unsent, asked = File(tmp_path / "sent"), File(tmp_path / "unsent"), trio.Event()

    async def made(*_: object, **__: object) -> File:
        await trio.lowlevel.checkpoint()
        return sent

    async def made_as_the_client_leaves(*_: object, **__: object) -> File:
        asked.set()
        with suppress(trio.Cancelled):
            await trio.sleep_forever()
        return unsent

    monkeypatch.setattr(JobManager, "video", made)
    async with client_kit.exchange(url) as opened:
        await opened.head()
        assert await opened.piece()
    await sent.gone.wait()
    monkeypatch.setattr(JobManager, "video", made_as_the_client_leaves)
    async with client_kit.exchange(url):
        await asked.wait()
    await unsent.gone.wait()


async def test_a_picture_is_kept_by_the_client(server: RunningServer) -> None:
    """A picture may be cached for long; for its own tag the answer is 304, or 404 if the job has been deleted."""
    job_id = await started(server)
    await ended(server, job_id)
    url = f"{server.url}/v1/jobs/{job_id}/frames/3.jpg"
    plain, drawn = await get(url), await get(f"{url}?overlay=1")
    assert plain.headers["cache-control"] == "private, max-age=86400, immutable"
    assert plain.headers["etag"] != drawn.headers["etag"]
    again = await get(url, if_none_match=plain.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", plain.headers["etag"])
    assert (await get(url, if_none_match=drawn.headers["etag"])).body == plain.body
    assert (await request(f"{server.url}/v1/jobs/{job_id}", "DELETE")).status == 204
    assert (await get(url, if_none_match=plain.headers["etag"])).status == 404


async def test_an_answer_is_sent_again_only_if_it_has_changed(server: RunningServer) -> None:
    """With the ETag of the last answer a client gets 304, with an unknown one the whole answer."""
    job_id = await started(server)
    await ended(server, job_id)
    for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/extended"):
        first = await get(server.url + path)
        again = await get(server.url + path, if_none_match=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        assert (await get(server.url + path, if_none_match='"other"')).body == first.body


async def test_a_client_can_wait_for_news(server: RunningServer, plugins_dir: Path) -> None:
    """``Prefer: wait`` delays the answer until it differs from the client's, but not beyond the job's end."""
    job_id = await start_slow(server, plugins_dir)
    url = f"{server.url}/v1/jobs/{job_id}"
    counts = [0]
    first = await get(url)
    tag = first.headers["etag"]
    while counts[-1] < 3:
        answer = await get(url, prefer="wait=60", if_none_match=tag)
        assert answer.status == 200
        tag = answer.headers["etag"]
        counts.append(len(answer.json()["frames"]))
    assert counts == sorted(set(counts))
    assert (await get(f"{url}?after=0", prefer="wait=60")).json()["frames"]
    await post(f"{url}/cancel")
    last = await get(url)
    assert (await get(url, prefer="wait=60", if_none_match=last.headers["etag"])).status == 304


async def test_a_job_can_be_paused_resumed_cancelled_and_deleted(server: RunningServer, plugins_dir: Path) -> None:
    """Each call returns the job's new status; what cannot be done is a conflict; a deleted job is 404."""
    url = f"{server.url}/v1/jobs/{await start_slow(server, plugins_dir)}"
    await get(url, prefer="wait=60")
    paused = await post(f"{url}/pause")
    assert (paused.status, paused.json()["status"]) == (200, "paused")
    assert (await post(f"{url}/resume")).json()["status"] == "running"
    cancelled = await post(f"{url}/cancel")
    assert cancelled.status == 200
    assert set(cancelled.json()) == {"job_id", "status", "cancelled", "cancel_ms"}
    assert (cancelled.json()["status"], cancelled.json()["cancelled"]) == ("cancelled", True)
    assert (await post(f"{url}/cancel")).json() == cancelled.json()
    assert is_problem(await post(f"{url}/pause"), 409)
    deleted = await request(url, "DELETE")
    assert (deleted.status, deleted.body) == (204, b"")
    for method, path in (("GET", ""), ("GET", "/extended"), ("GET", "/frames"), ("POST", "/cancel"), ("DELETE", "")):
        assert is_problem(await request(url + path, method), 404)


async def test_jobs_are_listed_newest_first_in_pages(server: RunningServer) -> None:
    """Pages follow each other by cursor; an invalid filter, limit or cursor is 422."""
    made = [await started(server) for _ in range(3)]
    for job_id in made:
        await ended(server, job_id)
    url = f"{server.url}/v1/jobs"
    first = (await get(f"{url}?limit=2")).json()
    second = (await get(f"{url}?limit=2&cursor={first['next_cursor']}")).json()
    assert [job["job_id"] for job in first["jobs"] + second["jobs"]] == made[::-1]
    assert second["next_cursor"] is None
    assert first["jobs"][0]["plugins"] == ["motion"]
    assert (await get(f"{url}?status=failed")).json()["jobs"] == []
    assert [job["job_id"] for job in (await get(f"{url}?q=MOT+clip")).json()["jobs"]] == made[::-1]
    assert [job["job_id"] for job in (await get(f"{url}?q={made[1][:8]}&status=done")).json()["jobs"]] == [made[1]]
    assert (await get(f"{url}?q=nowhere")).json() == {"jobs": [], "next_cursor": None}
    assert is_problem(await get(f"{url}?q={'x' * 201}"), 422, "q")
    for query in ("status=over", "limit=0", "limit=x", "limit=99999999999999999999", "limit=1.5"):
        assert is_problem(await get(f"{url}?{query}"), 422, query.partition("=")[0])
    assert (await get(f"{url}?cursor=rubbish")).status == 422
    assert (await get(f"{url}?unknown=1&limit=")).status == 200


async def test_a_repeated_post_gives_the_first_job(server: RunningServer) -> None:
    """A repeated request with the same ``Idempotency-Key`` makes one job; for another request the key is refused."""
    url = f"{server.url}/v1/jobs"
    first = await post(url, CLIP, idempotency_key="once")
    again = await post(url, CLIP, idempotency_key="once")
    assert first.json()["job_id"] == again.json()["job_id"]
    assert (await post(url, CLIP | {"device_requested": "cpu"}, idempotency_key="once")).status == 422
    assert is_problem(await post(url, CLIP, idempotency_key="x" * 201), 422, "Idempotency-Key")


async def test_a_file_can_be_uploaded(server: RunningServer, media: Path) -> None:
    """The parts may come in either order, the job shows the client's name for the file, and delete removes the file."""
    video = (media / "clip.mp4").read_bytes()
    parts = [Part("file", video, "../../my\x01 clip.mp4"), Part("request", b'{"plugins": ["motion"]}')]
    for order in (parts, parts[::-1]):
        answer = await upload(f"{server.url}/v1/jobs", order)
        assert answer.status == 202, answer.body
        state = await ended(server, answer.json()["job_id"])
        assert (state["status"], state["frames_done"], state["source"]) == ("done", 30, "my clip.mp4")
        assert (await request(server.url + answer.headers["location"], "DELETE")).status == 204
    assert list(server.system.uploads.iterdir()) == []


GOOD_REQUEST = Part("request", b'{"plugins": ["motion"]}')


async def test_a_job_says_whether_its_source_came_with_it(server: RunningServer, media: Path) -> None:
    """Another job cannot use an uploaded file as its source, and ``/extended`` tells if a source was uploaded."""
    form = [Part("file", (media / "clip.mp4").read_bytes(), "clip.mp4"), GOOD_REQUEST]
    sent = await upload(f"{server.url}/v1/jobs", form)
    named = await started(server)
    assert (await ended(server, sent.json()["job_id"]))["uploaded"] is True
    assert (await ended(server, named))["uploaded"] is False


async def test_messages_call_an_upload_by_its_own_name(server: RunningServer, media: Path) -> None:
    """Messages have the client's name for the file and not the stored file's, while the job runs too."""
    whole = make_clip(media / "a.mkv").read_bytes()
    refused = await upload(f"{server.url}/v1/jobs", [Part("file", b"just words", "a.mp4"), GOOD_REQUEST])
    assert "a.mp4 is not a video" in refused.json()["detail"]
    sent = await upload(
        f"{server.url}/v1/jobs", [Part("file", whole[: len(whole) // 2], "half a clip.mkv"), GOOD_REQUEST]
    )
    [warning] = (await ended(server, sent.json()["job_id"]))["warnings"]
    assert "half a clip.mkv is damaged or incomplete" in warning


WRONG_FORMS: list[tuple[list[Part], int, list[str]]] = [
    ([GOOD_REQUEST], 422, ["file"]),
    ([Part("file", b"x", "a")], 422, ["request"]),
    ([Part("file", b"x", "a"), Part("file", b"x", "a")], 422, ["file"]),
    ([Part("other", b"x")], 422, ["other"]),
    ([Part("file", b"x", "a"), Part("request", b"{")], 400, []),
    ([Part("file", b"x", "a"), Part("request", b"x" * 2_000_000)], 413, []),
    ([Part("file", b"no video at all", "a.mp4"), GOOD_REQUEST], 415, []),
    ([Part("file", bytes(8_000_000), "a.mp4"), GOOD_REQUEST], 415, []),
    ([Part("file", b"", "a.mp4"), GOOD_REQUEST], 422, ["source"]),
]


async def test_a_form_that_is_wrong_is_refused_and_leaves_nothing(server: RunningServer) -> None:
    """Each fault of a form is named, and no file is left behind."""
    for parts, status, paths in WRONG_FORMS:
        assert is_problem(await upload(f"{server.url}/v1/jobs", parts), status, *paths)
    assert list(server.system.uploads.iterdir()) == []


async def test_a_body_that_is_no_form_is_refused_and_leaves_nothing(server: RunningServer) -> None:
    """A form without a boundary or an end, or with invalid data, is 400."""
    url = f"{server.url}/v1/jobs"
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        for body in (b"", b"rubbish", b"--x\r\n\r\n", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc'):
            answer = await request(url, "POST", headers={"content-type": kind}, body=body)
            assert is_problem(answer, 400)
    assert list(server.system.uploads.iterdir()) == []


async def test_a_file_beyond_the_limit_is_refused_while_it_arrives(settings: Settings) -> None:
    """The answer is 413, by the declared length or by the bytes received, and no file is left behind."""
    async with open_server(attrs.evolve(settings, max_upload_bytes=100_000)) as server:
        form = [Part("request", b"{}"), Part("file", bytes(100_001), "a.mp4")]
        assert is_problem(await upload(f"{server.url}/v1/jobs", form), 413)
        form[1] = Part("file", bytes(50 * 2**20), "a.mp4")
        assert is_problem(await upload(f"{server.url}/v1/jobs", form), 413)
        assert list(server.system.uploads.iterdir()) == []


async def test_an_upload_that_breaks_off_leaves_nothing(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a client vanishes in the middle of a file, no file is left behind."""
    begun, given_up = trio.Event(), trio.Event()

    @asynccontextmanager
    async def watched(folder: Path, max_bytes: int, room: UploadRoom) -> AsyncIterator[Upload]:
        try:
            async with receive_upload(folder, max_bytes, room) as received:
                yield received
        finally:
            given_up.set()

    async def next_piece(form: uploads._Form) -> bytes | None:
        begun.set()
        return await take_piece(form)

    take_piece = uploads._Form._next_piece
    monkeypatch.setattr(uploads._Form, "_next_piece", next_piece)
    monkeypatch.setattr(jobs, "receive_upload", watched)
    whole = client_kit.multipart([Part("file", bytes(10_000_000), "a.mp4")])
    headers = {"content-type": "multipart/form-data; boundary=kinora-test-boundary", "content-length": "99999999"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    port = int(server.url.rpartition(":")[2])
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\n{head}\r\n".encode() + whole[:9_000_000])
        await begun.wait()
        assert len(list(server.system.uploads.iterdir())) == 1
    await given_up.wait()
    assert list(server.system.uploads.iterdir()) == []


WRONG_BODIES: list[tuple[bytes, int]] = [
    (b"", 400),
    (b"{", 400),
    (b"\xff\xfe", 400),
    (b"[" * 100_000, 400),
    (b'"\\ud800"', 400),
    (b"[]", 422),
    (b"null", 422),
    (b'{"source": "clip.mp4"}', 422),
    (b'{"source": "clip.mp4", "plugins": ["motion"], "extra": 1}', 422),
    (b'{"source": "clip.mp4", "plugins": [{"name": "motion", "options": {"nope": 1}}]}', 422),
    (b'{"source": "clip.mp4", "plugins": ["nope"]}', 422),
    (b'{"source": "../../etc/passwd", "plugins": ["motion"]}', 422),
    (b'{"source": "http://localhost/x", "plugins": ["motion"]}', 422),
    (b'{"source": "a\\u0000b", "plugins": ["motion"]}', 422),
    (b'{"source": "clip.mp4", "plugins": ["motion"], "options": {"stride": 1e400}}', 400),
    (b'{"source": "clip.mp4", "plugins": ["motion"], "options": {"stride": 99999999999999999999}}', 422),
    (b" " * 2_000_000, 413),
]


async def test_a_wrong_request_is_refused_with_what_is_wrong(server: RunningServer) -> None:
    """No body causes a server error: each is answered with a problem document that names the wrong fields."""
    headers = {"content-type": "application/json"}
    for body, status in WRONG_BODIES:
        answer = await request(f"{server.url}/v1/jobs", "POST", headers=headers, body=body)
        paths = [error["path"] for error in answer.json().get("errors", [])]
        assert is_problem(answer, status, *paths), body
        assert bool(paths) == (body.startswith(b'{"') and status == 422), (body, answer.body)


async def test_no_address_gives_a_server_error(server: RunningServer) -> None:
    """No path and no query causes a server error."""
    names = ("x", "%ff%fe", "..", "%2e%2e%2f", "a" * 5000, "%F0%9F%92%A9", "-1", "'; drop", "%0d%0aX: y")
    queries = ("", "?after=%ff", "?limit=%00", "?a=b&&&=;", "?after=-99", "?limit=1e5", "?cursor=%ff%00")
    for name in names:
        name_in_path = name.replace(" ", "%20").replace("'", "%27")
        for path in (
            f"/{name_in_path}",
            f"/v1/jobs/{name_in_path}",
            f"/v1/jobs/{name_in_path}/frames",
            f"/v1/plugins/{name_in_path}",
        ):
            assert is_problem(await get(server.url + path), 404)
    for query in queries:
        for path in ("/v1/jobs", "/v1/realtime?session_id=x&", "/v1/plugins"):
            answer = await get(server.url + path + (query if "?" not in path else query.replace("?", "")))
            assert answer.status in {200, 422}, (path, query, answer)


async def test_a_wrong_method_is_told_which_are_right(server: RunningServer) -> None:
    """The 405 names the methods that the address supports."""
    answer = await request(f"{server.url}/v1/plugins", "DELETE")
    assert is_problem(answer, 405)
    assert "GET" in answer.headers["allow"]
    for method in ("PATCH", "TRACE", "NONSENSE"):
        assert is_problem(await request(f"{server.url}/v1/health", method), 405)


async def test_plugins_are_shown_with_those_that_do_not_work(server: RunningServer, plugins_dir: Path) -> None:
    """After a reload the list has a broken plugin with the reason, and its own address adds the traceback."""
    await trio.Path(plugins_dir / "bad.py").write_text("raise RuntimeError('out of luck')")
    listed = (await post(f"{server.url}/v1/plugins/reload")).json()["plugins"]
    assert (await get(f"{server.url}/v1/plugins")).json()["plugins"] == listed
    by_name = {plugin["name"]: plugin for plugin in listed}
    assert by_name["motion"]["health"] == "ok"
    assert by_name["motion"]["metadata"]["config_schema"]
    assert by_name["bad"]["health"] == "broken"
    assert "out of luck" in by_name["bad"]["reason"]
    alone = (await get(f"{server.url}/v1/plugins/bad")).json()
    motion = (await get(f"{server.url}/v1/plugins/motion")).json()
    assert len(alone.pop("code")) == len(motion["code"]) == 64
    assert "RuntimeError" in alone["traceback"]


async def test_the_server_says_what_it_is_and_how_it_is(server: RunningServer) -> None:
    """Devices, health, readiness and metrics are served."""
    devices = (await get(f"{server.url}/v1/devices")).json()
    assert devices["default"] in {device["id"] for device in devices["devices"] if device["available"]}
    assert set(devices["devices"][0]) == {"id", "kind", "name", "available", "reason"}
    assert [library["name"] for library in devices["libraries"]] == ["onnxruntime", "torch"]
    assert (await get(f"{server.url}/v1/health")).json() == {"status": "ok"}
    assert (await get(f"{server.url}/v1/ready")).json() == {"ready": True, "reasons": []}
    metrics = await get(f"{server.url}/metrics")
    assert b"kinora_ready 1.0" in metrics.body


async def test_the_pages_need_nothing_from_elsewhere(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a built web UI, each page is complete by itself: its policy allows neither scripts nor other hosts."""
    monkeypatch.setattr("kinora.web.app.read_bundle", dict)
    async with open_server(settings) as server:
        for path in ("/", "/demo", "/docs"):
            answer = await get(server.url + path)
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert b"http://" not in answer.body
            assert b"<script" not in answer.body
            assert answer.body.count(b"<main>") == 1
        assert b"&quot;plugins&quot;: [" in answer.body  # an example of a request's body


async def test_a_call_beside_plugins_names_is_no_plugin(server: RunningServer) -> None:
    """``/v1/plugins/reload`` has the method POST alone, and says so; every other name there can be read."""
    url = f"{server.url}/v1/plugins"
    answer = await get(f"{url}/reload")
    assert is_problem(answer, 405)
    for one in (answer, await request(f"{url}/reload", "OPTIONS")):
        assert set(one.headers["allow"].split(", ")) == {"POST", "OPTIONS"}
    assert is_problem(await get(f"{url}/reloaded"), 404)
    assert (await get(f"{url}/motion")).status == 200


async def test_the_api_document_knows_every_call_and_leads_nowhere_wrong(server: RunningServer) -> None:
    """Every reference in the OpenAPI document can be resolved in it, and it has every route under /v1."""
    document = (await get(f"{server.url}/openapi.json")).json()
    text = msgspec.json.encode(document).decode()
    references = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert references <= set(document["components"]["schemas"])
    assert set(document["paths"]) == {
        "/metrics",
        "/v1/agents",
        "/v1/agents/{agent_id}",
        "/v1/agents/files/{job_id}",
        "/v1/cameras",
        "/v1/deliveries",
        "/v1/media",
        "/v1/jobs",
        "/v1/jobs/prune",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/export",
        "/v1/jobs/{job_id}/clips",
        "/v1/jobs/{job_id}/clips/{event}",
        "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/extended",
        "/v1/jobs/{job_id}/log",
        "/v1/jobs/{job_id}/cancel",
        "/v1/jobs/{job_id}/pause",
        "/v1/jobs/{job_id}/resume",
        "/v1/jobs/{job_id}/frames",
        "/v1/jobs/{job_id}/frames/{index}.jpg",
        "/v1/jobs/{job_id}/annotated.mp4",
        "/v1/plugins",
        "/v1/plugins/reload",
        "/v1/plugins/{name}",
        "/v1/devices",
        "/v1/health",
        "/v1/ready",
        "/v1/realtime",
        "/v1/schemas/{schema}.json",
        "/v1/session",
        "/v1/session/link",
        "/v1/sources/picture.jpg",
        "/v1/tokens",
        "/v1/tokens/{token_id}",
        "/v1/webhooks/{webhook}/test",
    }
    assert document["components"]["schemas"]["JobResponse"]["required"] == [
        "job_id",
        "device_requested",
        "device_used",
        "fallback",
        "frames",
    ]


async def test_the_media_folder_is_listed_and_detections_come_as_rows(server: RunningServer) -> None:
    """``/v1/media`` lists the files that a job can use, and ``text/csv`` has a header and a row for each detection."""
    listed = (await get(f"{server.url}/v1/media")).json()
    assert "clip.mp4" in {file["name"] for file in listed["files"]}
    job_id = (await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["motion"]})).json()["job_id"]
    await get(f"{server.url}/v1/jobs/{job_id}", prefer="wait=5")
    rows = await get(f"{server.url}/v1/jobs/{job_id}/frames", accept="text/csv")
    assert rows.status == 200
    assert rows.headers["content-type"].startswith("text/csv")
    assert b"confidence" in rows.body.splitlines()[0]
