"""``/v1/sources/picture.jpg``: the first picture of a source, to draw zones and lines on before there is a job."""

from __future__ import annotations

from quart import Blueprint, Response, request

from kinora.actors.requests.job_request import MAX_SOURCE
from kinora.system import System
from kinora.web.openapi.parameters import SOURCE
from kinora.web.requests.incoming import client_of, invalid_parameter


def source_picture_routes(system: System) -> Blueprint:
    """The one route."""
    routes = Blueprint("source_pictures", __name__)

    @routes.get("/v1/sources/picture.jpg")
    async def picture() -> Response:
        source = request.args.get(SOURCE.name)
        if not source or len(source) > MAX_SOURCE:
            raise invalid_parameter(
                SOURCE.name, f"is needed: what a job would have as its source, at most {MAX_SOURCE} characters"
            )
        data = await system.source_pictures.make(client_of(), source)
        return Response(data, headers={"content-type": "image/jpeg", "cache-control": "no-store"})

    return routes
