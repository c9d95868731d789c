"""The pictures of a job: its frames one by one, and its annotated video. Parts of both can be asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import BinaryIO

import trio
from quart import Blueprint, Response, request
from werkzeug.http import quote_etag

from kinora.actors.pictures.annotated_videos import Video
from kinora.system import System
from kinora.web.answers.file_names import attachment
from kinora.web.answers.responses import no_pieces, streamed
from kinora.web.openapi.parameters import OVERLAY
from kinora.web.requests.bodies import hold_open
from kinora.web.requests.conditions import is_known, require_match
from kinora.web.requests.incoming import client_of, frame_index_of, job_id_of
from kinora.web.requests.ranges import status_and_headers, wanted_part

FILE_PIECE = 256 * 1024
"""The most bytes of a file that are read at a time."""
PICTURE_CACHING = "private, max-age=86400, immutable"
PROGRESS = "kinora-progress"
"""The header of a HEAD of a video that is being made: how much of it is made, in per cent."""
VIDEO_CACHING = "private, no-cache"
"""A client that keeps a video asks each time if there is a newer one: the job may go on."""


def add_picture_calls(routes: Blueprint, system: System) -> None:
    """Add the calls for pictures to those under ``/v1/jobs``."""

    @routes.get("/<job_id>/frames/<index>.jpg")
    async def picture(job_id: str, index: str) -> Response:
        job_id, number = job_id_of(job_id), frame_index_of(index)
        overlay = OVERLAY.read(request.args) == 1
        tag = f"{job_id}-{number}-{overlay:d}"  # a frame and its results never change
        headers = {"etag": quote_etag(tag), "cache-control": PICTURE_CACHING}
        require_match(tag)
        if is_known(tag):
            await system.jobs.state(job_id)
            return Response(b"", 304, headers)
        data = await system.jobs.picture(job_id, number, overlay=overlay, client=client_of(job_id))
        part = wanted_part(request.method, request.headers, len(data), tag)
        status, about = status_and_headers(part, len(data))
        body = data if part is None else data[part.start : part.stop]
        return Response(body, status, {**headers, **about, "content-type": "image/jpeg"})

    @routes.get("/<job_id>/annotated.mp4")
    async def video(job_id: str) -> Response:
        job_id = job_id_of(job_id)
        state = await system.jobs.state(job_id)
        headers = {
            "content-type": "video/mp4",
            "content-disposition": attachment(state.source, job_id, "mp4"),
            "cache-control": VIDEO_CACHING,
        }
        if request.method == "HEAD":
            if (progress := system.jobs.video_progress(job_id)) is not None:
                headers[PROGRESS] = str(progress)
            return _video_head(await system.jobs.kept_video(job_id), headers)
        return _video_answer(await system.jobs.video(job_id, client=client_of()), headers)


def _video_head(video: Video | None, headers: dict[str, str]) -> Response:
    """The answer to a HEAD: what is known only once the video is made may be missing in it."""
    if video is None:
        return streamed(no_pieces(), {**headers, "accept-ranges": "bytes"})
    return _video_answer(video, headers)


def _video_answer(video: Video, headers: dict[str, str]) -> Response:
    headers = {**headers, "etag": quote_etag(video.digest)}
    require_match(video.digest)
    if is_known(video.digest):
        return Response(b"", 304, headers)
    part = wanted_part(request.method, request.headers, video.size, video.digest)
    status, about = status_and_headers(part, video.size)
    file = hold_open(video.open())
    return streamed(pieces_of(file, range(video.size) if part is None else part), {**headers, **about}, status)


async def pieces_of(file: BinaryIO, part: range) -> AsyncIterator[bytes]:  # noqa: ASYNC900 - the request holds the file
    """Read a part of the file; it ends early only if the file does."""
    left = len(part)
    await trio.to_thread.run_sync(file.seek, part.start)
    while piece := await trio.to_thread.run_sync(file.read, min(left, FILE_PIECE)):
        left -= len(piece)
        yield piece
