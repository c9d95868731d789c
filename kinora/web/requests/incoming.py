"""The values in a request's path, query and headers, and who has sent it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from quart import request
from werkzeug.datastructures import Headers

from kinora.actors.errors import FieldError, InvalidRequest, NotFound
from kinora.actors.field_types import MAX_INDEX
from kinora.actors.job_ids import canonical_job_id
from kinora.web.access.rights import access_of
from kinora.web.problems import Problem
from kinora.web.scopes import client_address

MAX_WAIT_S = 60
MAX_KEY_LENGTH = 200
_JOB_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_PREFERRED_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;])", re.IGNORECASE | re.ASCII)


def client_of(*about: str) -> tuple[str, ...]:
    """Return what tells the sender of the current request from others that ask for something ``about`` this or another.

    Clients on one machine, or behind one tunnel, share an address: tokens, programs, and the jobs they ask about, tell
    them apart.
    """
    return (*sender(), *about)


def sender() -> tuple[str, ...]:
    """Return what tells the sender of the current request from others: its address, its program, and its token."""
    access = access_of(request.scope)
    token = access.token.id if access is not None and access.token is not None else ""
    return client_address(request.scope), request.headers.get("User-Agent", ""), token


def job_id_of(text: str) -> str:
    """Return ``text`` if it has the form of a job's id; a UUID in lower case.

    Raises:
        NotFound: it has not.
    """
    if _JOB_ID.fullmatch(text) is None:
        raise NotFound("There is no such job: see GET /v1/jobs for those that exist.")
    return canonical_job_id(text)


def frame_index_of(text: str) -> int:
    """Return ``text`` as the index of a frame.

    Raises:
        NotFound: it is not such a number, or has leading zeros.
    """
    if re.fullmatch(r"0|[1-9]\d{0,15}", text, re.ASCII) is None or int(text) > MAX_INDEX:
        raise NotFound("There is no such frame: see GET /v1/jobs/{job_id}/frames for those that exist.")
    return int(text)


def invalid_parameter(name: str, message: str) -> InvalidRequest:
    """The error to raise for an invalid parameter in the query string."""
    return InvalidRequest("A parameter in the query string is not valid.", [FieldError(name, message)])


def whole_number(args: Mapping[str, str], name: str, lowest: int, highest: int) -> int | None:
    """Return the number in the query parameter ``name``, or None if that is missing or empty.

    Raises:
        InvalidRequest: it is not a whole number from ``lowest`` to ``highest``.
    """
    text = args.get(name, "")
    if not text:
        return None
    if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) is None or not lowest <= int(text) <= highest:
        message = f"must be a whole number from {lowest:,} to {highest:,}"
        raise invalid_parameter(name, message)
    return int(text)


def idempotency_key(headers: Headers) -> str | None:
    """Return the ``Idempotency-Key``, or None if there is none.

    Raises:
        InvalidRequest: it is too long, or not printable ASCII.
        Problem: 400 if there is more than one.
    """
    if len(headers.getlist("Idempotency-Key")) > 1:
        raise Problem(400, "The request has two Idempotency-Keys, and only one can count: send one.")
    key = headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        message = f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters"
        raise InvalidRequest("A header is not valid.", [FieldError("Idempotency-Key", message)])
    return key


def preferred_wait_s(headers: Headers) -> int:
    """The seconds that the client is willing to wait for something new: ``Prefer: wait=N``, or 0 without it."""
    match = _PREFERRED_WAIT.search(headers.get("Prefer", ""))
    return min(int(match[1]), MAX_WAIT_S) if match else 0
