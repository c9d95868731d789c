"""What a job needs of the place where it runs, as far as that is known before it has one."""

from __future__ import annotations

from kinora.actors.jobs.engine import Needs
from kinora.actors.requests.job_request import JobRequest
from kinora.media.source_names import PUSH, WEBCAM
from kinora.media.source_types import SourceInfo


def needs_of(
    job_id: str, request: JobRequest, info: SourceInfo | None, *, uploaded: bool, keeps_clips: bool = False
) -> Needs:
    """Return the needs of a job; ``info`` is None as long as nothing is known about its source.

    ``keeps_clips``: the server itself runs jobs of all kinds, and keeps clips of this one if its source is live.
    """
    wanted = request.options
    return Needs(
        job_id=job_id,
        plugins=tuple(plugin.name for plugin in request.plugins),
        cpus=wanted.cpus,
        gpus=wanted.gpus,
        resources=wanted.resources,
        device=request.device_requested,
        where="anywhere" if uploaded else _where(request, info, keeps_clips=keeps_clips),
    )


def _where(request: JobRequest, info: SourceInfo | None, *, keeps_clips: bool) -> str:
    source, wanted = request.source, request.options
    if source == PUSH:
        return "server"
    only_agents_may_have = wanted.gpus or any(wanted.resources.values())
    if keeps_clips and info is not None and info.kind == "stream" and not only_agents_may_have:
        return "server"
    is_local = source.startswith(WEBCAM) or (info is not None and info.kind == "folder")
    return "this_machine" if is_local else "anywhere"
