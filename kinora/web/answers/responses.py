"""The kinds of answer that all calls share: JSON, problems, and streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from quart import Response, request

from kinora.web.problems import Problem

EVERY_ANSWER: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
"""The headers that all answers of the app have."""


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


def streamed(pieces: AsyncIterator[bytes], headers: Mapping[str, str], status: int = 200) -> Response:
    """An answer of any length; a HEAD makes none of its pieces."""
    response = Response(no_pieces() if request.method == "HEAD" else pieces, status, dict(headers))
    response.timeout = None
    return response


async def no_pieces() -> AsyncIterator[bytes]:  # noqa: ASYNC900 - it holds nothing
    """An empty body."""
    none: tuple[bytes, ...] = ()
    for piece in none:
        yield piece
