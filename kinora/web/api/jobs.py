"""``/v1/jobs``: starting, listing, reading and controlling jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import trio
from quart import Blueprint, Response, request
from werkzeug.routing import BaseConverter

from kinora.actors.errors import require_plugin
from kinora.actors.jobs.job_manager import Submitted
from kinora.actors.models import JobState
from kinora.actors.requests.job_request import parse_job_request
from kinora.system import System
from kinora.web.answers.file_names import attachment
from kinora.web.answers.frame_documents import FRAME_LINES, FRAME_TYPES, FrameAnswers, frame_page
from kinora.web.answers.responses import json_response
from kinora.web.answers.shown_jobs import ShownJob, shown_job
from kinora.web.api.clips import add_clip_calls
from kinora.web.api.events import add_event_calls
from kinora.web.api.exports import add_export_calls
from kinora.web.api.pictures import add_picture_calls
from kinora.web.api.prune import add_prune_call
from kinora.web.documents.documents import (
    CancelAnswer,
    ExtendedJobResponse,
    JobList,
    JobResponse,
    JobStatusAnswer,
    document_of,
    job_summary,
)
from kinora.web.middleware.http_figures import UploadFigures
from kinora.web.openapi.parameters import AFTER, FRAMES_LIMIT, JOB_LIMIT, JOBS_LIMIT, SEARCH, STATUS
from kinora.web.requests.bodies import read_json
from kinora.web.requests.conditions import Tags, is_known, require_match
from kinora.web.requests.incoming import idempotency_key, job_id_of, preferred_wait_s, sender
from kinora.web.requests.negotiation import VARY, preferred_type
from kinora.web.requests.upload_room import UploadRoom
from kinora.web.requests.uploads import receive_upload
from kinora.web.scopes import until_stop


class JobName(BaseConverter):
    """A job's id in an address: anything but the word that is an address itself."""

    regex = r"(?!prune$)[^/]+"


_Show = Callable[[JobState], Awaitable[ShownJob]]


def job_routes(system: System, uploads: UploadFigures) -> Blueprint:
    """All calls under ``/v1/jobs``; uploads are counted in ``uploads``."""
    routes = Blueprint("jobs", __name__, url_prefix="/v1/jobs")
    answers = FrameAnswers(system)
    _add_list_calls(routes, system, uploads)
    add_prune_call(routes, system)
    _add_read_calls(routes, system, answers)
    _add_control_calls(routes, system)
    _add_frame_calls(routes, system, answers)
    add_event_calls(routes, system)
    add_clip_calls(routes, system)
    add_export_calls(routes, system, answers)
    add_picture_calls(routes, system)
    return routes


def _add_list_calls(routes: Blueprint, system: System, uploads: UploadFigures) -> None:
    room = UploadRoom(system.jobs.require_disk, uploads)

    @routes.post("")
    async def submit() -> Response:
        if request.mimetype == "multipart/form-data":
            accepted = await _submit_upload(system, room)
        else:
            key = idempotency_key(request.headers)
            asked = parse_job_request(await read_json())
            accepted = await system.jobs.submit(asked, idempotency_key=key, client=sender())
        headers = {"location": f"{request.root_path}/v1/jobs/{accepted.state.job_id}"}
        if accepted.last_event_id is not None:
            headers["last_event_id"] = accepted.last_event_id
        return json_response(document_of(accepted.state, JobResponse, frames=[]), 202, **headers)

    @routes.get("")
    async def list_jobs() -> Response:
        status, limit = STATUS.read(request.args), JOBS_LIMIT.read(request.args)
        cursor, id_prefix = request.args.get("cursor") or None, request.args.get("id_prefix") or None
        page = await system.jobs.jobs(
            status, limit, cursor, id_prefix=id_prefix and id_prefix.lower(), search=SEARCH.read(request.args)
        )
        return json_response(JobList(jobs=[*map(job_summary, page.jobs)], next_cursor=page.next_cursor))


async def _submit_upload(system: System, room: UploadRoom) -> Submitted:
    key = idempotency_key(request.headers)
    await system.jobs.require_place(key, sender())
    async with receive_upload(system.uploads, system.settings.max_upload_bytes, room) as upload:
        asked = parse_job_request(upload.request, upload=upload.name)
        return await system.jobs.submit(asked, upload=upload.path, idempotency_key=key, client=sender())


def _add_read_calls(routes: Blueprint, system: System, answers: FrameAnswers) -> None:
    @routes.get("/<job:job_id>")
    async def show(job_id: str) -> Response:
        return await _show(system, answers, job_id, JobResponse)

    @routes.get("/<job_id>/extended")
    async def show_extended(job_id: str) -> Response:
        return await _show(system, answers, job_id, ExtendedJobResponse)

    @routes.get("/<job_id>/log")
    async def show_log(job_id: str) -> Response:
        text = await _log(system, job_id_of(job_id), request.args.get("plugin") or None)
        return Response(text, 200, {"content-type": "text/plain; charset=utf-8", "cache-control": "no-cache"})


async def _log(system: System, job_id: str, plugin: str | None) -> str:
    """The text that ``plugin`` printed; for None, that of all plugins, each line with its plugin's name in front."""
    logs = await system.jobs.logs(job_id)
    if plugin is None:
        return "".join(f"{name}: {line}\n" for name, text in logs.items() for line in text.splitlines())
    require_plugin(plugin, logs)
    return logs[plugin]


async def _show(system: System, answers: FrameAnswers, job_id: str, kind: type[msgspec.Struct]) -> Response:
    after, limit = AFTER.read(request.args), JOB_LIMIT.read(request.args)

    async def show(state: JobState) -> ShownJob:
        return await shown_job(system, state, kind, after, limit)

    shown = await _newest(system, job_id_of(job_id), show, cut_after=after is not None)
    headers = {"etag": f'"{shown.tag}"', "cache-control": "no-cache"}
    if wait_s := preferred_wait_s(request.headers):
        headers["preference-applied"] = f"wait={wait_s}"
    if is_known(shown.tag):
        return Response(b"", 304, headers)
    return answers.json(shown.cut, shown.around, headers)


async def _newest(system: System, job_id: str, show: _Show, *, cut_after: bool) -> ShownJob:
    """Return the current answer or, with ``Prefer: wait``, wait for one that is new to the client, or for a stop.

    If there is an ``If-Match``, the current answer must match it, or Problem is raised.

    An answer is new if its tag is not in the client's ``If-None-Match``. Without that header it is new if it has frames
    after the client's ``after`` (``cut_after`` says that there is one), or differs from the first answer.
    """
    state = await system.jobs.state(job_id)
    shown = await show(state)
    first_tag = shown.tag
    require_match(first_tag)

    def is_new() -> bool:
        if Tags.of("If-None-Match"):
            return not is_known(shown.tag)
        return shown.tag != first_tag or (cut_after and bool(shown.cut.first_page))

    with trio.move_on_after(preferred_wait_s(request.headers)), until_stop(request.scope):
        while not is_new() and not state.ended:
            state = await system.jobs.wait_changed(job_id, state)
            shown = await show(state)
    return shown


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
        return _status_response(await system.jobs.resume(job_id_of(job_id), client=sender()))

    @routes.delete("/<job:job_id>")
    async def delete(job_id: str) -> Response:
        job_id = job_id_of(job_id)
        if Tags.of("If-Match"):
            require_match(await _current_tag(system, job_id))
        await system.jobs.delete(job_id)
        return Response(b"", 204)


async def _current_tag(system: System, job_id: str) -> str:
    """The tag of the whole JobResponse, which is what a client deletes."""
    state = await system.jobs.state(job_id)
    return (await shown_job(system, state, JobResponse)).tag


def _status_response(state: JobState) -> Response:
    return json_response(document_of(state, JobStatusAnswer))


def _add_frame_calls(routes: Blueprint, system: System, answers: FrameAnswers) -> None:
    @routes.get("/<job_id>/frames")
    async def frames(job_id: str) -> Response:
        job_id = job_id_of(job_id)
        after, limit = AFTER.read(request.args), FRAMES_LIMIT.read(request.args)
        state = await system.jobs.state(job_id)
        form = FRAME_LINES.get(preferred_type(FRAME_TYPES))
        if form is not None:
            headers = {"content-disposition": attachment(state.source, job_id, form.extension), **VARY}
            return answers.lines(form, await system.jobs.cut(job_id, after), headers)
        cut = await system.jobs.cut(job_id, after, limit)
        return answers.json(cut, frame_page(cut), VARY)
