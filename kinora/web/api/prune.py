"""``POST /v1/jobs/prune``: deletes many jobs that have ended."""

from __future__ import annotations

from datetime import UTC, datetime

from quart import Blueprint, Response

from kinora.actors.retention.prune_request import parse_prune_request
from kinora.actors.retention.retention import Pruned
from kinora.system import System
from kinora.web.answers.responses import json_response
from kinora.web.documents.room_documents import PruneAnswer, PrunedJob
from kinora.web.requests.bodies import read_json


def add_prune_call(routes: Blueprint, system: System) -> None:
    """Add the one call to the routes of ``/v1/jobs``."""

    @routes.post("/prune")
    async def prune() -> Response:
        asked = parse_prune_request(await read_json())
        pruned = await system.retention.prune(asked.rule(datetime.now(UTC)), dry_run=asked.dry_run)
        return json_response(_answer(pruned, dry_run=asked.dry_run))


def _answer(pruned: Pruned, *, dry_run: bool) -> PruneAnswer:
    first = [
        PrunedJob(job_id=one.job.job_id, status=one.job.status, finished_at=one.job.ended_at, bytes=one.bytes)
        for one in pruned.first
    ]
    return PruneAnswer(dry_run=dry_run, count=pruned.count, bytes=pruned.bytes, in_use=pruned.in_use, jobs=first)
