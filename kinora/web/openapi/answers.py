"""The answers of calls as the OpenAPI document describes them: successes one by one, problems once for all calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinora.web.openapi.schemas import ref
from kinora.web.problems import MEDIA_TYPE

JSON = "application/json"
_Document = dict[str, Any]
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}

HEADERS: Mapping[str, _Document] = {
    "Accept-Ranges": {"description": "bytes: parts can be asked for.", "schema": _TEXT},
    "Allow": {"description": "The methods that the address has.", "schema": _TEXT},
    "Content-Disposition": {"description": "A name to save the file under.", "schema": _TEXT},
    "Content-Range": {"description": "The part, and the size of the whole.", "schema": _TEXT},
    "ETag": {"description": "For If-None-Match.", "schema": {"type": "string", "pattern": '^(W/)?"[^"]*"$'}},
    "Kinora-Plugins": {"description": "The plugins whose detections the file has.", "schema": _TEXT},
    "Last-Event-ID": {
        "description": "The newest message before the job's: follow the job from there. Missing without realtime.",
        "schema": _TEXT,
    },
    "Location": {"description": "The job's address.", "schema": {"type": "string", "format": "uri-reference"}},
    "Preference-Applied": {"description": "The part of Prefer that was followed.", "schema": _TEXT},
    "Retry-After": {"description": "The seconds after which to try again.", "schema": _COUNT},
    "Set-Cookie": {"description": "The cookie that signs the browser in, or takes that back.", "schema": _TEXT},
    "WWW-Authenticate": {"description": "How to send a token.", "schema": _TEXT},
}
"""The headers that tell something; those that every answer has are left out."""

PROBLEMS: Mapping[int, str] = {
    400: "The request is not valid HTTP, or its body is not valid JSON or no valid form.",
    401: "The request has no token, where one is needed, or a wrong one.",
    403: "The request comes from another site, has a Host that names another server, or its token may only read.",
    404: "There is no such job, frame, plugin or address.",
    405: "The address does not have this method.",
    406: "The call gives none of the media types in Accept.",
    408: "The request did not arrive in time.",
    409: "The request does not fit the present state, such as that of the job.",
    412: "What the request is about has changed since the answer with the ETag in If-Match.",
    413: "The request or the source is larger than this server accepts.",
    414: "The address is longer than this server accepts.",
    415: "The body has another media type than the call takes, or the source is no video or image.",
    416: "The file has no such part.",
    422: "A parameter, a header or a part of the body is not valid; errors tells which.",
    429: "Too many jobs wait, or too many wrong tokens came from the client's address.",
    431: "The headers are longer than this server accepts.",
    500: "The server failed because of an error of its own.",
    501: "The request has a transfer coding that this server does not know.",
    503: "The server is busy or stopping, or a part of it is down or out of room.",
    505: "The request has another version of HTTP than this server speaks.",
}
ALWAYS = (400, 401, 403, 405, 408, 414, 429, 431, 500, 501, 503, 505)
"""The problems that any call can be answered with."""
_ALWAYS_HAS = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After"}
_MAY_HAVE = {409: "Retry-After", 416: "Content-Range", 503: "Retry-After"}


@attrs.frozen
class Answer:
    """A success: what it says, in which media types, with which headers."""

    description: str
    content: Mapping[str, _Document] = attrs.field(factory=dict)
    """Media type → the schema."""
    has: tuple[str, ...] = ()
    """The headers that it always has."""
    may_have: tuple[str, ...] = ()

    def document(self) -> _Document:
        """The answer as an OpenAPI object."""
        content = {media_type: {"schema": schema} for media_type, schema in self.content.items()}
        headers = _headers(self.has, required=True) | _headers(self.may_have, required=False)
        return {
            "description": self.description,
            **({"content": content} if content else {}),
            **({"headers": headers} if headers else {}),
        }


def of(schema: str, *has: str, may_have: tuple[str, ...] = ()) -> Answer:
    """An answer in JSON with this schema."""
    return Answer(schema, {JSON: ref(schema)}, has, may_have)


def text(media_type: str, description: str, *has: str) -> Answer:
    """An answer that is text, but no JSON."""
    return Answer(description, {media_type: _TEXT}, has)


def file(media_type: str, description: str, *may_have: str) -> Mapping[int, Answer]:
    """The answers of a file, of which parts can be asked for."""
    content = {media_type: {"type": "string", "format": "binary"}}
    part_has = ("Content-Range",)
    return {
        200: Answer(description, content, may_have=("Accept-Ranges", *may_have)),
        206: Answer("The part of it that Range asks for.", content, part_has, ("Accept-Ranges", *may_have)),
        304: Answer("Nothing has changed since the answer with this ETag.", may_have=("ETag",)),
    }


def problem_responses() -> _Document:
    """All problems, for ``components``, each under the name that ``problem_ref`` refers to."""
    return {_name(status): _problem(status).document() for status in PROBLEMS}


def problem_ref(status: int) -> _Document:
    """The reference to the problem with this status."""
    return {"$ref": f"#/components/responses/{_name(status)}"}


def _name(status: int) -> str:
    return f"Problem{status}"


def _problem(status: int) -> Answer:
    content = {MEDIA_TYPE: ref("Problem")}
    return Answer(PROBLEMS[status], content, *((names[status],) if status in names else () for names in _BY_STATUS))


_BY_STATUS = (_ALWAYS_HAS, _MAY_HAVE)


def _headers(names: tuple[str, ...], *, required: bool) -> _Document:
    return {name: {**HEADERS[name], "required": required} for name in names}
