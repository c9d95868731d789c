"""The OpenAPI 3.1 document of the API, made from the table of calls and from the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kinora import __version__
from kinora.web.access.first_message import FIRST_MESSAGE_S
from kinora.web.openapi.answers import problem_responses
from kinora.web.openapi.calls import CALLS, Call
from kinora.web.openapi.schemas import schemas

_Document = dict[str, Any]
SECURITY: _Document = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token, where one is needed: see docs/access.md."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "kinora-ID",
        "description": "A browser's cookie, set by sign_in or a login link; ID is that of the server's data folder.",
    },
}
LINKS = {
    "submit_job": ("202", {"job_id": "$response.body#/job_id"}),
    "list_jobs": ("200", {"job_id": "$response.body#/jobs/0/job_id"}),
    "list_frames": ("200", {"job_id": "$request.path.job_id", "index": "$response.body#/frames/0/index"}),
    "list_plugins": ("200", {"name": "$response.body#/plugins/0/name"}),
    "list_agents": ("200", {"agent_id": "$response.body#/agents/0/id"}),
    "make_token": ("201", {"token_id": "$response.body#/id"}),
}
"""For a call: the status of the answer that has the path of further calls, and where it has each part of it."""


def api_document(root_path: str = "") -> _Document:
    """The whole document; ``root_path`` stands before each path in it."""
    paths: dict[str, _Document] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method] = _linked(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kinora",
            "version": __version__,
            "description": "Runs computer-vision plugins over images, videos and live streams, and shows results live. "
            "Over the WebSocket of /v1/realtime each text message is a RealtimeMessage, and of the client a "
            "ClientMessage; a binary one is a picture: the length of its FrameImageHeader in 4 bytes, big-endian, the "
            "FrameImageHeader as JSON, then the JPEG. Where a token is needed, a WebSocket that comes without one has "
            f"{FIRST_MESSAGE_S:g} s to send a ClientAuth, before anything else. The pictures of a job with the source "
            "push: are sent over the WebSocket of /v1/jobs/{job_id}/push: see docs/pushing.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        **({"servers": [{"url": root_path}]} if root_path else {}),
        "paths": paths,
        "security": [{}, *({name: []} for name in SECURITY)],
        "components": {"schemas": schemas(), "responses": problem_responses(), "securitySchemes": SECURITY},
    }


def _linked(call: Call) -> _Document:
    """The operation of ``call``, with links from its answer to the calls that take their path from it."""
    operation = call.operation()
    if call.name in LINKS:
        status, found = LINKS[call.name]
        answer = operation["responses"][status]
        operation["responses"][status] = answer | {"links": dict(_links(found))}
    return operation


def _links(found: dict[str, str]) -> Iterator[tuple[str, _Document]]:
    for call in CALLS:
        if {parameter.name for parameter in call.in_path()} == set(found):
            yield call.name, {"operationId": call.name, "parameters": found}
