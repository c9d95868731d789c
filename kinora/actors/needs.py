"""What a job needs of the place where it runs, as far as that is known before it has one."""

from __future__ import annotations

from kinora.actors.engine import Needs
from kinora.actors.job_request import JobRequest
from kinora.media.pushed import PUSH
from kinora.media.source_names import WEBCAM
from kinora.media.source_types import SourceInfo


def needs_of(job_id: str, request: JobRequest, info: SourceInfo | None, *, uploaded: bool) -> Needs:
    """Return the needs of a job; ``info`` is None as long as nothing is known about its source."""
    wanted = request.options
    return Needs(
        job_id=job_id,
        plugins=tuple(plugin.name for plugin in request.plugins),
        cpus=wanted.cpus,
        gpus=wanted.gpus,
        resources=wanted.resources,
        device=request.device_requested,
        where="anywhere" if uploaded else _where(request.source, info),
    )


def _where(source: str, info: SourceInfo | None) -> str:
    if source == PUSH:
        return "server"
    is_local = source.startswith(WEBCAM) or (info is not None and info.kind == "folder")
    return "this_machine" if is_local else "anywhere"
