"""``/v1/jobs``: starting, listing, reading and controlling jobs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from typing import BinaryIO, get_args

import attrs
import msgspec
import trio
from quart import Blueprint, Response, request

from kinora.actors.errors import NotFound
from kinora.actors.job_manager import Submitted
from kinora.actors.job_request import parse_job_request
from kinora.actors.models import JobState, JobStatus
from kinora.system import System
from kinora.web.csv_rows import csv_head, csv_rows
from kinora.web.documents import (
    CancelAnswer,
    ExtendedJobResponse,
    FramePage,
    JobList,
    JobResponse,
    JobStatusAnswer,
    JobSummary,
    document_of,
)
from kinora.web.incoming import (
    MAX_INDEX,
    frame_index_of,
    hold_open,
    idempotency_key,
    invalid_parameter,
    job_id_of,
    preferred_wait_s,
    read_json,
    whole_number,
)
from kinora.web.responses import json_response
from kinora.web.uploads import receive_upload

JOBS_PER_PAGE, MAX_JOBS_PER_PAGE = 50, 200
FRAMES_PER_PAGE, MAX_FRAMES_PER_PAGE = 100, 1000
FILE_PIECE = 256 * 1024
NDJSON = "application/x-ndjson"
PICTURE_CACHING = "private, max-age=86400, immutable"
CSV = "text/csv"
_Render = Callable[[JobState], Awaitable[tuple[bytes, bool]]]
"""Gives an answer's body, and True if it has frames after the client's ``after``."""


def job_routes(system: System) -> Blueprint:
    """All calls under ``/v1/jobs``."""
    routes = Blueprint("jobs", __name__, url_prefix="/v1/jobs")
    _add_list_calls(routes, system)
    _add_read_calls(routes, system)
    _add_control_calls(routes, system)
    _add_frame_calls(routes, system)
    return routes


def _add_list_calls(routes: Blueprint, system: System) -> None:
    @routes.post("")
    async def submit() -> Response:
        if request.mimetype == "multipart/form-data":
            accepted = await _submit_upload(system)
        else:
            asked = parse_job_request(await read_json())
            accepted = await system.jobs.submit(asked, idempotency_key=idempotency_key(request.headers))
        headers = {"location": f"/v1/jobs/{accepted.state.job_id}"}
        if accepted.last_event_id is not None:
            headers["last_event_id"] = accepted.last_event_id
        return json_response(document_of(accepted.state, JobResponse, frames=[]), 202, **headers)

    @routes.get("")
    async def list_jobs() -> Response:
        limit = whole_number(request.args, "limit", 1, MAX_JOBS_PER_PAGE)
        page = await system.jobs.jobs(
            _status(), JOBS_PER_PAGE if limit is None else limit, request.args.get("cursor") or None
        )
        jobs = [document_of(job, JobSummary, plugins=list(job.plugins)) for job in page.jobs]
        return json_response(JobList(jobs=jobs, next_cursor=page.next_cursor))


async def _submit_upload(system: System) -> Submitted:
    key = idempotency_key(request.headers)
    async with receive_upload(system.uploads, system.settings.max_upload_bytes) as upload:
        asked = parse_job_request(upload.request, upload=upload.name)
        return await system.jobs.submit(asked, upload=upload.path, idempotency_key=key)


def _status() -> str | None:
    status = request.args.get("status") or None
    known = get_args(JobStatus)
    if status is not None and status not in known:
        message = f"must be one of {', '.join(known)}"
        raise invalid_parameter("status", message)
    return status


def _add_read_calls(routes: Blueprint, system: System) -> None:
    @routes.get("/<job_id>")
    async def show(job_id: str) -> Response:
        return await _show(system, job_id, JobResponse)

    @routes.get("/<job_id>/extended")
    async def show_extended(job_id: str) -> Response:
        return await _show(system, job_id, ExtendedJobResponse)

    @routes.get("/<job_id>/log")
    async def show_log(job_id: str) -> Response:
        text = await _log(system, job_id_of(job_id), request.args.get("plugin") or None)
        return Response(text, 200, {"content-type": "text/plain; charset=utf-8", "cache-control": "no-cache"})


async def _log(system: System, job_id: str, plugin: str | None) -> str:
    """The text that ``plugin`` printed; for None, that of all plugins, each line with its plugin's name in front."""
    logs = await system.jobs.logs(job_id)
    if plugin is None:
        return "".join(f"{name}: {line}\n" for name, text in logs.items() for line in text.splitlines())
    if plugin not in logs:
        raise NotFound(f"This job has no such plugin: use one of {', '.join(logs)}.")
    return logs[plugin]


async def _show(system: System, job_id: str, kind: type[msgspec.Struct]) -> Response:
    after = whole_number(request.args, "after", -1, MAX_INDEX)
    limit = whole_number(request.args, "limit", 0, MAX_INDEX)

    async def render(state: JobState) -> tuple[bytes, bool]:
        found = [] if limit == 0 else await system.jobs.frames(state.job_id, after, limit)
        document = document_of(state, kind, frames=[msgspec.Raw(frame) for _, frame in found])
        return msgspec.json.encode(document), after is not None and bool(found)

    body = await _newest(system, job_id_of(job_id), render)
    tag = _tag(body)
    if tag in request.if_none_match:
        return Response(b"", 304, {"etag": f'"{tag}"', "cache-control": "no-cache"})
    return json_response(body, etag=f'"{tag}"')


async def _newest(system: System, job_id: str, render: _Render) -> bytes:
    """Return the current answer or, with ``Prefer: wait``, wait for one that is new to the client.

    An answer is new if its tag is not in the client's ``If-None-Match``. Without that header it is new if it has frames
    after the client's ``after``, or differs from the first answer.
    """
    state = await system.jobs.state(job_id)
    body, has_frames = await render(state)
    known: Container[str] = request.if_none_match or {_tag(body)}
    has_frames = has_frames and not request.if_none_match
    with trio.move_on_after(preferred_wait_s(request.headers)):
        while _tag(body) in known and not has_frames and not state.ended:
            state = await system.jobs.wait_changed(job_id, state)
            body, has_frames = await render(state)
    return body


def _tag(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def _add_control_calls(routes: Blueprint, system: System) -> None:
    @routes.post("/<job_id>/cancel")
    async def cancel(job_id: str) -> Response:
        answer = await system.jobs.cancel(job_id_of(job_id))
        document = CancelAnswer(
            job_id=answer.job_id,
            status="cancelling" if answer.pids else answer.status,
            cancelled=answer.cancelled,
            cancel_ms=answer.cancel_ms,
            pids=answer.pids,
        )
        return json_response(document, 202 if answer.pids else 200)

    @routes.post("/<job_id>/pause")
    async def pause(job_id: str) -> Response:
        return _status_response(await system.jobs.pause(job_id_of(job_id)))

    @routes.post("/<job_id>/resume")
    async def resume(job_id: str) -> Response:
        return _status_response(await system.jobs.resume(job_id_of(job_id)))

    @routes.delete("/<job_id>")
    async def delete(job_id: str) -> Response:
        await system.jobs.delete(job_id_of(job_id))
        return Response(b"", 204)


def _status_response(state: JobState) -> Response:
    return json_response(document_of(state, JobStatusAnswer))


def _add_frame_calls(routes: Blueprint, system: System) -> None:
    @routes.get("/<job_id>/frames")
    async def frames(job_id: str) -> Response:
        after = whole_number(request.args, "after", -1, MAX_INDEX)
        media_type = request.accept_mimetypes.best or ""
        if (stream := _STREAMS.get(media_type)) is not None:
            await system.jobs.state(job_id_of(job_id))
            response = Response(stream.body(system, job_id, after), 200, {"content-type": media_type})
            response.timeout = None
            return response
        limit = whole_number(request.args, "limit", 1, MAX_FRAMES_PER_PAGE)
        return await _frame_page(system, job_id_of(job_id), after, FRAMES_PER_PAGE if limit is None else limit)

    @routes.get("/<job_id>/frames/<index>.jpg")
    async def picture(job_id: str, index: str) -> Response:
        job_id, number = job_id_of(job_id), frame_index_of(index)
        overlay = whole_number(request.args, "overlay", 0, 1) == 1
        tag = f"{job_id}-{number}-{overlay:d}"  # a frame and its results never change
        headers = {"etag": f'"{tag}"', "cache-control": PICTURE_CACHING}
        if tag in request.if_none_match:
            await system.jobs.state(job_id)
            return Response(b"", 304, headers)
        data = await system.jobs.picture(job_id, number, overlay=overlay)
        return Response(data, 200, headers | {"content-type": "image/jpeg"})

    @routes.get("/<job_id>/annotated.mp4")
    async def video(job_id: str) -> Response:
        job_id = job_id_of(job_id)
        file = hold_open(await system.jobs.video(job_id))
        size = os.fstat(file.fileno()).st_size
        name = f"kinora-{job_id[:8]}.mp4"
        headers = {"content-length": str(size), "content-disposition": f'attachment; filename="{name}"'}
        response = Response(_pieces(file), 200, {**headers, "content-type": "video/mp4"})
        response.timeout = None
        return response


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:  # noqa: ASYNC900 - the request holds the file
    while piece := await trio.to_thread.run_sync(file.read, FILE_PIECE):
        yield piece


async def _frame_page(system: System, job_id: str, after: int | None, limit: int) -> Response:
    await system.jobs.state(job_id)
    found = await system.jobs.frames(job_id, after, limit + 1)
    page = found[:limit]
    next_after = page[-1][0] if len(found) > limit else None
    return json_response(FramePage(frames=[msgspec.Raw(frame) for _, frame in page], next_after=next_after))


@attrs.frozen
class _Stream:
    """A media type in which all frames of a job are sent, a page at a time."""

    head: bytes
    render: Callable[[list[bytes]], bytes]

    async def body(  # noqa: ASYNC900 - it holds nothing that would have to be closed
        self, system: System, job_id: str, after: int | None
    ) -> AsyncIterator[bytes]:
        """The pieces of an answer with all frames after ``after``."""
        yield self.head
        async for page in system.jobs.frame_pages(job_id, after):
            yield self.render([frame for _, frame in page])


_STREAMS = {
    NDJSON: _Stream(b"", lambda page: b"\n".join(page) + b"\n"),
    CSV: _Stream(csv_head(), csv_rows),
}
