"""The answers that all calls share: JSON, and problems."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import Response

from kinora.web.problems import Problem


def json_response(data: Any, status: int = 200, **headers: str) -> Response:
    """``data`` as JSON, bytes being JSON already; ``last_event_id="…"`` becomes ``Last-Event-ID``."""
    body = data if isinstance(data, bytes) else msgspec.json.encode(data)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status, {"content-type": "application/json", "cache-control": "no-cache", **named})


def problem_response(problem: Problem) -> Response:
    """``problem`` as ``application/problem+json``."""
    return Response(problem.document(), problem.status, problem.all_headers())
