"""``/v1/jobs/{job_id}/events``: what plugins say has happened."""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response, request

from kinora.system import System
from kinora.web.answers.responses import json_response
from kinora.web.documents.documents import EventList
from kinora.web.openapi.parameters import AFTER_EVENT, EVENT_KIND, EVENT_PLUGIN, EVENTS_LIMIT
from kinora.web.requests.incoming import job_id_of


def add_event_calls(routes: Blueprint, system: System) -> None:
    """Add the call that reads a page of events."""

    @routes.get("/<job_id>/events")
    async def events(job_id: str) -> Response:
        query = request.args
        page = await system.jobs.events(
            job_id_of(job_id),
            after=AFTER_EVENT.read(query) or 0,
            limit=EVENTS_LIMIT.read(query),
            kind=EVENT_KIND.read(query),
            plugin=EVENT_PLUGIN.read(query),
        )
        found = [msgspec.Raw(event.data) for event in page.events]
        return json_response(EventList(events=found, next=page.next))
