"""The server's devices, health and readiness, its OpenAPI document and its pages."""

from __future__ import annotations

import attrs
from quart import Blueprint, Response, request

from kinora.system import System
from kinora.web.answers.responses import json_response, problem_response
from kinora.web.api.health import health_details
from kinora.web.documents.documents import DeviceList, LibraryStatus, Liveness, Readiness
from kinora.web.openapi.document import api_document
from kinora.web.openapi.parameters import DETAILS
from kinora.web.pages.own_pages import docs_page
from kinora.web.problems import Problem


def about_routes(system: System) -> Blueprint:
    """The routes for devices, health, readiness and the API's description."""
    routes = Blueprint("about", __name__)
    _add_state(routes, system)
    _add_pages(routes, system.settings.root_path)
    return routes


def _add_state(routes: Blueprint, system: System) -> None:
    @routes.get("/v1/devices")
    async def devices() -> Response:
        libraries = [
            LibraryStatus(name=library.name, version=library.version, kinds=library.kinds, reason=library.reason)
            for library in await system.libraries.get()
        ]
        found = system.devices()
        best = next((device.id for device in found if device.available and device.kind != "cpu"), "cpu")
        return json_response(
            DeviceList(devices=[attrs.asdict(device) for device in found], default=best, libraries=libraries)
        )

    @routes.get("/v1/health")
    async def health() -> Response:
        if not DETAILS.read(request.args):
            return json_response(Liveness(status="ok"))
        usage = await system.usage.get()
        return json_response(Liveness(status="ok", details=health_details(usage, system.settings)))

    @routes.get("/v1/ready")
    async def ready() -> Response:
        reasons = list(system.ready())
        if reasons:
            return problem_response(Problem(503, " ".join(reasons), extra={"ready": False, "reasons": reasons}))
        return json_response(Readiness(ready=True, reasons=list(system.degraded())))


def _add_pages(routes: Blueprint, root_path: str) -> None:
    document = api_document(root_path)
    docs = docs_page(document)

    @routes.get("/openapi.json")
    async def openapi() -> Response:
        return json_response(document)

    @routes.get("/docs")
    async def show_docs() -> Response:
        return docs.response()
