"""Answers to requests and WebSocket upgrades that the app itself does not get to see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinora.web.problems import Problem


async def send_problem(scope: Mapping[str, Any], send: Any, problem: Problem) -> None:
    """Answer a request or a WebSocket upgrade with ``problem``."""
    body = problem.document()
    await send_answer(scope, send, problem.status, {**problem.all_headers(), "content-length": str(len(body))}, body)


async def send_answer(
    scope: Mapping[str, Any], send: Any, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Answer a request or a WebSocket upgrade, without the app."""
    prefix = "http.response" if scope["type"] == "http" else "websocket.http.response"
    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": f"{prefix}.start", "status": status, "headers": named})
    await send({"type": f"{prefix}.body", "body": body, "more_body": False})
