"""A job's results as one file that a browser saves by a link, without a script that holds it in memory."""

from __future__ import annotations

from quart import Blueprint, Response, request

from kinora.system import System
from kinora.web.documents import ExtendedJobResponse, document_of
from kinora.web.file_names import attachment
from kinora.web.frame_documents import FRAME_LINES, FrameAnswers, around_frames
from kinora.web.incoming import job_id_of
from kinora.web.parameters import EXPORT_FORMAT

_LINES = {lines.extension: lines for lines in FRAME_LINES.values()}


def add_export_calls(routes: Blueprint, system: System, answers: FrameAnswers) -> None:
    """Add the call for files of results to those under ``/v1/jobs``."""

    @routes.get("/<job_id>/export")
    async def export(job_id: str) -> Response:
        job_id, form = job_id_of(job_id), EXPORT_FORMAT.read(request.args) or "json"
        state = await system.jobs.state(job_id)
        cut = await system.jobs.cut(job_id)
        headers = {"content-disposition": attachment(state.source, job_id, form)}
        if form in _LINES:
            return answers.lines(_LINES[form], cut, headers)
        return answers.json(cut, around_frames(document_of(state, ExtendedJobResponse, frames=[])), headers)
