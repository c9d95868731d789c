"""The access log: a line for each request that an operator would ask about, with nothing secret in it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs
import structlog

from kinora.web.access.guard import METHODS, WRITING
from kinora.web.middleware.http_figures import CLIENT_GONE, FAILED

SHORTEST_SECRET = 20
"""No secret is shorter: a login code has 22 characters. A longer part of a path is left out, unless it is a job's id.

Clients put secrets where none belong, and unknown paths are logged as well.
"""
MAX_PATH = 200
"""The most characters of a path."""
MAX_REASON = 500
"""The most characters of the reason for which a request was refused; what is longer is cut."""
LEFT_OUT = "…"
_SECRETS = re.compile(rf"\S*@\S*|\?\S+|[\w-]{{{SHORTEST_SECRET},}}")
"""What could be one in a sentence: a user with a password, the query of a URL, a long word."""
_JOB_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REFUSED = 400

log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class AnsweredRequest:
    """A request and its answer."""

    method: str
    path: str
    status: int
    bytes: int
    """The bytes of the answer's body; those of a WebSocket's messages are not counted."""
    seconds: float
    """The time until the answer had ended, or the client had gone."""
    client: str
    """The client's address."""
    token_name: str | None = None
    """The name of the token that it was let in by, which the operator has given."""


def level_of(request: AnsweredRequest) -> str:
    """The level of a request's line."""
    if request.status == FAILED:
        return "warning"
    refused = request.status >= _REFUSED and request.status != CLIENT_GONE
    return "info" if refused or request.method in WRITING else "debug"


def without_secrets(path: str) -> str:
    """The path with ``…`` for each part that could be a secret, cut to a bounded length."""
    parts = path[: 2 * MAX_PATH].split("/")
    return "/".join(part if _is_harmless(part) else LEFT_OUT for part in parts)[:MAX_PATH]


def reason_without_secrets(reason: str) -> str:
    """A sentence with ``…`` for each part that could be a secret, cut to a bounded length."""
    return _SECRETS.sub(LEFT_OUT, reason[: 2 * MAX_REASON])[:MAX_REASON]


def _is_harmless(part: str) -> bool:
    return len(part) < SHORTEST_SECRET or _JOB_ID.fullmatch(part) is not None


class AccessLog:
    """Writes the lines; those at ``debug`` only if ``all_calls`` is true."""

    def __init__(self, *, all_calls: bool) -> None:
        self.all_calls = all_calls

    def write(self, request: AnsweredRequest) -> None:
        """Write the line of a request that has ended."""
        level = level_of(request)
        if level == "debug" and not self.all_calls:
            return
        known = {"token_name": request.token_name} if request.token_name is not None else {}
        log.log(
            _LEVELS[level],
            "request",
            method=request.method if request.method in METHODS else LEFT_OUT,
            path=without_secrets(request.path),
            status=request.status,
            bytes=request.bytes,
            ms=round(request.seconds * 1000, 1),
            client=request.client,
            **known,
        )


_LEVELS: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30}
