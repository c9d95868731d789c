"""Errors as RFC 9457 ``application/problem+json``: what went wrong, and what to do about it, in a sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import attrs
import msgspec
from werkzeug.exceptions import HTTPException

from kinora.actors.errors import (
    Busy,
    Conflict,
    FieldError,
    InvalidRequest,
    KinoraError,
    NotFound,
    QueueFull,
    TooLarge,
    TryLater,
    Unavailable,
    UnsupportedSource,
)
from kinora.runtime.actor import ActorGone
from kinora.runtime.forking.workers import ForkServerGone

MEDIA_TYPE = "application/problem+json"

STATUS: Sequence[tuple[type[KinoraError], int]] = (
    (NotFound, 404),
    (Conflict, 409),
    (UnsupportedSource, 415),
    (TooLarge, 413),
    (Unavailable, 503),
    (Busy, 503),
    (QueueFull, 429),
)
"""The statuses of errors that consist of a sentence; an error that is not listed is a 422."""
DISK_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""The errors of a disk that is full or failing."""
DETAILS: Mapping[int, str] = {
    400: "The request is not valid HTTP/1.1: check the program that sends it.",
    404: "There is nothing at this address: see /docs for the addresses that exist.",
    408: "The request did not arrive in time: send it again, faster.",
    413: "The request is larger than this server accepts: send less.",
    414: "The address is longer than this server accepts: use a shorter one.",
    431: "The request's headers are longer than this server accepts: send fewer or shorter ones.",
    500: "The server failed because of an error of its own, which is in its log: please report it.",
    501: "The request uses a transfer coding that this server does not know: use chunked.",
    503: "The server is busy or stopping: try again in a moment.",
    505: "This server speaks HTTP/1.1 and HTTP/1.0: use one of them.",
}
"""The details of errors of which only the status is known."""
NO_PROCESS = "The server cannot start a process now: try again in a moment."
RESTARTING = "A part of the server is being restarted: try again in a moment."


@attrs.frozen
class Problem(Exception):
    """An error as an answer; handlers raise it, and every other exception is turned into one."""

    status: int
    detail: str
    errors: Sequence[FieldError] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict)
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    """Additional members of the document."""

    def document(self) -> bytes:
        """The problem as JSON."""
        members: dict[str, Any] = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            members["errors"] = self.errors
        return msgspec.json.encode(members | dict(self.extra))

    def all_headers(self) -> dict[str, str]:
        """The answer's headers, except for its length."""
        return {"content-type": MEDIA_TYPE, "cache-control": "no-store", **self.headers}


def plain_problem(status: int) -> Problem:
    """The problem for an error of which only the status is known."""
    return Problem(status, DETAILS.get(status, f"{HTTPStatus(status).description or HTTPStatus(status).phrase}."))


def problem_of(error: Exception) -> Problem:
    """The answer to an exception that a handler raised; an unexpected one is a 500."""
    match error:
        case Problem():
            return error
        case InvalidRequest():
            return Problem(422, error.detail, error.errors)
        case TryLater():
            return Problem(_status_of(error), error.detail, headers={"retry-after": str(error.retry_after_s)})
        case KinoraError():
            return Problem(_status_of(error), str(error))
        case ActorGone() | ForkServerGone():
            return Problem(503, NO_PROCESS if isinstance(error, ForkServerGone) else RESTARTING)
        case HTTPException(code=int(status)):
            return _of_werkzeug(error, status)
        case _:
            return _of_unexpected(error)


def _of_unexpected(error: Exception) -> Problem:
    if isinstance(error, OSError) and error.errno in DISK_FAULTS:
        reason = os.strerror(error.errno)
        return Problem(503, f"The server's disk cannot be used ({reason}): make room on it, or mend it.")
    return plain_problem(500)


def _status_of(error: KinoraError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 422)


def _of_werkzeug(error: HTTPException, status: int) -> Problem:
    if status < HTTPStatus.BAD_REQUEST:  # a redirect to the address as it is written
        return Problem(404, DETAILS[404])
    allowed = getattr(error, "valid_methods", None)
    if status == HTTPStatus.METHOD_NOT_ALLOWED and allowed:
        methods = ", ".join(sorted(allowed))
        return Problem(405, f"This address supports only {methods}.", headers={"allow": methods})
    return plain_problem(status)


STARTING = Problem(503, "The server is starting: try again in a moment.", headers={"retry-after": "1"})
"""The answer to a request that has waited long enough for the start."""


def _whole_answer(problem: Problem) -> bytes:
    """The last answer of a connection whose request is not read."""
    body = problem.document()
    headers = {**problem.all_headers(), "connection": "close", "content-length": str(len(body))}
    head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, "", ""]).encode() + body


FULL = _whole_answer(
    Problem(
        503,
        "This server has reached its limit of connections: try again in a moment.",
        headers={"retry-after": "1"},
    )
)
"""The whole answer to a connection beyond the limit; its request is not read."""
HTTPS_ONLY = _whole_answer(Problem(400, "This server speaks HTTPS: write https:// at the beginning of its address."))
"""The whole answer to a request without TLS on a port with TLS."""
