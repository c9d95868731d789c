"""``/v1/cameras``: the cameras and webcams that clients may watch, and whether each can be reached now."""

from __future__ import annotations

import attrs
from quart import Blueprint, Response

from kinora.actors.sources.camera_checks import CameraState
from kinora.system import System
from kinora.web.answers.responses import json_response
from kinora.web.documents.documents import CameraList, CameraStatus


def camera_routes(system: System) -> Blueprint:
    """The call under ``/v1/cameras``."""
    routes = Blueprint("cameras", __name__, url_prefix="/v1/cameras")

    @routes.get("")
    async def list_cameras() -> Response:
        return json_response(CameraList(cameras=[_shown(state) for state in await system.camera_checks.states()]))

    return routes


def _shown(state: CameraState) -> CameraStatus:
    return CameraStatus(name=state.source.removeprefix("camera:"), **attrs.asdict(state))
