"""A job's results as one file that a browser saves by a link, without a script that holds it in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing

import trio
from quart import Blueprint, Response, request

from kinora.actors.jobs.job_archive import FrameCut
from kinora.results import parquet
from kinora.results.endings import ENDINGS
from kinora.results.exporter import ExportedJob, Piece
from kinora.results.formats import FORMATS, Format
from kinora.results.job import exported_job
from kinora.results.zip_stream import ZipStream
from kinora.system import System
from kinora.web.answers.file_names import attachment
from kinora.web.answers.frame_documents import FRAME_LINES, FrameAnswers, around_frames
from kinora.web.documents.documents import ExtendedJobResponse, document_of
from kinora.web.openapi.parameters import EXPORT_FORMAT, EXPORT_PLUGINS
from kinora.web.requests.incoming import invalid_parameter, job_id_of

PART_BYTES = 256 * 1024
"""The bytes of an export that go out together."""
_LINES = {lines.extension: lines for lines in FRAME_LINES.values()}


def add_export_calls(routes: Blueprint, system: System, answers: FrameAnswers) -> None:
    """Add the call for files of results to those under ``/v1/jobs``."""

    @routes.get("/<job_id>/export")
    async def export(job_id: str) -> Response:
        job_id, name = job_id_of(job_id), EXPORT_FORMAT.read(request.args) or "json"
        wanted = EXPORT_PLUGINS.read(request.args)
        state = await system.jobs.state(job_id)
        form = FORMATS.get(name)
        job = None if form is None else exported_job(system.plugins, state, wanted or "")
        if name == "parquet" and not parquet.is_there():
            raise invalid_parameter("format", parquet.MISSING)
        cut = await system.jobs.cut(job_id)
        headers = {"content-disposition": attachment(state.source, job_id, ENDINGS[name])}
        if form is not None and job is not None:
            typed = {"content-type": form.media_type, "kinora-plugins": ", ".join(job.plugins)}
            return answers.pieces(export_pieces(system, cut, form, job), cut, headers | typed)
        if name in _LINES:
            return answers.lines(_LINES[name], cut, headers)
        return answers.json(cut, around_frames(document_of(state, ExtendedJobResponse, frames=[])), headers)


async def export_pieces(  # noqa: ASYNC900 - it holds nothing that must be closed
    system: System, cut: FrameCut, form: Format, job: ExportedJob
) -> AsyncIterator[bytes]:
    """Yield the export of the frames of ``cut``, made in threads from a page at a time."""
    exporter = await trio.to_thread.run_sync(form.make, job)
    archive = ZipStream() if form.zipped else None
    async with aclosing(system.jobs.cut_pages(cut)) as pages:
        async for page in pages:
            made = _packed(exporter.frames([frame for _, frame in page]), archive)
            while part := await trio.to_thread.run_sync(_next_part, made):
                yield part  # noqa: ASYNC119 - the answer's end closes it
    made = _packed(exporter.end(), archive)
    while part := await trio.to_thread.run_sync(_next_part, made):
        yield part
    if archive is not None:
        yield archive.end()


def _packed(pieces: Iterable[Piece], archive: ZipStream | None) -> Iterator[bytes]:
    """The pieces of files as the bytes of one: of the only file, or of an archive."""
    return (data for _, data in pieces) if archive is None else archive.add(pieces)


def _next_part(made: Iterator[bytes]) -> bytes:
    """Join what comes next to a part that is worth a thread's turn; empty at the end. Blocks."""
    parts, size = [], 0
    for data in made:
        parts.append(data)
        size += len(data)
        if size >= PART_BYTES:
            break
    return b"".join(parts)
