"""The gate that lets in nothing but questions about the server's own state until it has started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinora.system import System
from kinora.web.problems import Problem
from kinora.web.realtime import PATH, RETRY, STREAM_HEADERS
from kinora.web.security import send_answer, send_problem

OPEN_AT_ONCE = frozenset({"/v1/health", "/v1/ready", "/metrics"})
"""The addresses that answer while the server starts."""
STARTING = Problem(503, "The server is starting: try again in a moment.", headers={"retry-after": "1"})
"""The answer of all others but event streams.

A browser never opens one again that was refused, so theirs ends at once: then the browser asks again after a second.
"""


class StartGate:
    """An ASGI app in front of ``app``; it refuses requests and WebSocket upgrades until ``system`` has started."""

    def __init__(self, app: Any, system: System) -> None:
        self._app = app
        self._system = system

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Pass one request on, or refuse it."""
        if self._system.started or scope["type"] == "lifespan" or scope["path"] in OPEN_AT_ONCE:
            await self._app(scope, receive, send)
        elif scope["path"] == PATH and scope.get("method") == "GET":
            await send_answer(scope, send, 200, STREAM_HEADERS, RETRY)
        else:
            await send_problem(scope, send, STARTING)
