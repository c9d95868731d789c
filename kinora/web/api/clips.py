"""``/v1/jobs/{job_id}/clips``: the parts of the video around events, which are kept with the job."""

from __future__ import annotations

import os
import re

from quart import Blueprint, Response, request
from werkzeug.http import quote_etag

from kinora.actors.clips.clip_table import Clip
from kinora.actors.errors import NotFound
from kinora.system import System
from kinora.web.answers.responses import json_response, streamed
from kinora.web.api.pictures import pieces_of
from kinora.web.documents.documents import ClipList, ClipState
from kinora.web.requests.bodies import hold_open
from kinora.web.requests.conditions import is_known, require_match
from kinora.web.requests.incoming import job_id_of
from kinora.web.requests.ranges import status_and_headers, wanted_part

CACHING = "private, no-cache"
"""Browsers ask whether a clip is still the same: it changes when it is encoded."""


def add_clip_calls(routes: Blueprint, system: System) -> None:
    """Add the calls for clips to those under ``/v1/jobs``."""
    root_path = system.settings.root_path

    @routes.get("/<job_id>/clips")
    async def list_clips(job_id: str) -> Response:
        job_id = job_id_of(job_id)
        clips = await system.archive.clips(job_id)
        return json_response(ClipList(clips=[_shown(f"{root_path}/v1/jobs/{job_id}/clips", clip) for clip in clips]))

    @routes.get("/<job_id>/clips/<event>")
    async def clip(job_id: str, event: str) -> Response:
        job_id, number = job_id_of(job_id), _event_number(event)
        file = hold_open(await system.archive.open_clip(job_id, number))
        size = os.fstat(file.fileno()).st_size
        tag = f"{job_id}-{number}-{size}"
        headers = {"content-type": "video/mp4", "etag": quote_etag(tag), "cache-control": CACHING}
        require_match(tag)
        if is_known(tag):
            return Response(b"", 304, headers)
        part = wanted_part(request.method, request.headers, size, tag)
        status, about = status_and_headers(part, size)
        return streamed(pieces_of(file, range(size) if part is None else part), {**headers, **about}, status)


def _event_number(text: str) -> int:
    if re.fullmatch(r"[1-9]\d{0,15}", text, re.ASCII) is None:
        raise NotFound("There is no such clip: see GET /v1/jobs/{job_id}/clips for those that exist.")
    return int(text)


def _shown(folder: str, clip: Clip) -> ClipState:
    return ClipState(
        event=clip.event,
        plugin=clip.plugin,
        kind=clip.kind,
        index=clip.frame_index,
        timestamp_ms=clip.timestamp_ms,
        start_ms=clip.start_ms,
        duration_ms=clip.duration_ms,
        bytes=clip.bytes,
        codec=clip.codec,
        to_encode=clip.to_encode,
        url=f"{folder}/{clip.event}",
    )
