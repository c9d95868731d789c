"""The kinds of answer that all calls share: JSON and problems."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import Response

from kinora.web.problems import Problem


def json_response(data: Any, status: int = 200, **headers: str) -> Response:
    """An answer with ``data`` as JSON; bytes are taken to be JSON already.

    A keyword such as ``last_event_id`` becomes the header ``Last-Event-ID``.
    """
    body = data if isinstance(data, bytes) else msgspec.json.encode(data)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status, {"content-type": "application/json", "cache-control": "no-cache", **named})


def problem_response(problem: Problem) -> Response:
    """An answer with ``problem`` as ``application/problem+json``."""
    return Response(problem.document(), problem.status, problem.all_headers())
