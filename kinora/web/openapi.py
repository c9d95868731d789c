"""The OpenAPI 3.1 document of everything under ``/v1``, made of one table and the models themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinora import __version__
from kinora.web.documents import REF
from kinora.web.problems import MEDIA_TYPE
from kinora.web.schemas import schemas

_JSON = "application/json"

_DESCRIPTIONS = {
    "after": "Only frames behind this index.",
    "cursor": "The next_cursor of the page before.",
    "Idempotency-Key": "A repeated call with the same key gives the first job.",
    "If-None-Match": "The ETag you have: 304 while it still holds.",
    "images": "url or none: what to say of pictures.",
    "index": "The frame's number in the source.",
    "job_id": "The job's id.",
    "last_event_id": "The last id you have: what came since is sent first.",
    "Last-Event-ID": "The same as last_event_id.",
    "limit": "At most so many.",
    "max_fps": "At most so many frames a second, the latest.",
    "name": "The plugin's name.",
    "overlay": "1 draws the results.",
    "plugin": "Only this plugin's.",
    "Prefer": "wait=N holds the answer up to N seconds (60) until there is something new.",
    "session_id": "A UUID; a second connection with it takes over.",
    "status": "Only jobs of this status.",
    "types": "Only messages of these types, repeated or separated by commas.",
}
_NUMBERS = frozenset({"after", "index", "limit", "overlay"})
_HEADERS = frozenset({"Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer"})


@attrs.frozen
class _Call:
    """One call: what it is for, what can be given, and its good answer."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, str] = {200: ""}
    """Status → schema's name, or empty for an answer that is none of ours."""
    given: tuple[str, ...] = ()
    media_type: str = _JSON
    errors: tuple[int, ...] = ()

    def operation(self) -> dict[str, Any]:
        """As OpenAPI has it."""
        in_path = [part[1:].partition("}")[0] for part in self.path.split("/") if part.startswith("{")]
        responses = {str(status): self._answer(schema) for status, schema in self.answers.items()}
        errors = {str(status): _PROBLEM for status in (403, *self.errors)}
        operation: dict[str, Any] = {"summary": self.summary, "responses": responses | errors}
        if parameters := [_parameter(name, "path") for name in in_path] + [_parameter(name) for name in self.given]:
            operation["parameters"] = parameters
        if self.path == "/v1/jobs" and self.method == "post":
            operation["requestBody"] = _SUBMISSION
        return operation

    def _answer(self, schema: str) -> dict[str, Any]:
        if not schema:
            return {"description": "Done."}
        shape = {"$ref": REF.format(name=schema)} if schema in schemas() else {"type": schema}
        return {"description": schema, "content": {self.media_type: {"schema": shape}}}


_PROBLEM = {
    "description": "What is wrong, and what to do",
    "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}},
}
_SUBMISSION = {
    "required": True,
    "content": {
        _JSON: {"schema": {"$ref": REF.format(name="JobRequest")}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "request"],
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "request": {"description": "The JSON of a JobRequest without source", "type": "string"},
                },
            }
        },
    },
}
_ONE_JOB = "/v1/jobs/{job_id}"
_CALLS = (
    _Call(
        "post",
        "/v1/jobs",
        "Start a job on a source of the server or an uploaded file",
        {202: "JobResponse"},
        ("Idempotency-Key",),
        errors=(400, 409, 413, 415, 422, 429, 503),
    ),
    _Call(
        "get", "/v1/jobs", "List the jobs, newest first", {200: "JobList"}, ("status", "limit", "cursor"), errors=(422,)
    ),
    _Call(
        "get",
        _ONE_JOB,
        "A job and its frames so far",
        {200: "JobResponse", 304: ""},
        ("after", "limit", "If-None-Match", "Prefer"),
        errors=(404, 422),
    ),
    _Call("delete", _ONE_JOB, "Cancel and forget a job", {204: ""}, errors=(404,)),
    _Call(
        "get",
        _ONE_JOB + "/extended",
        "A job with progress, timings and warnings",
        {200: "ExtendedJobResponse", 304: ""},
        ("after", "limit", "If-None-Match", "Prefer"),
        errors=(404, 422),
    ),
    _Call(
        "post",
        _ONE_JOB + "/cancel",
        "Stop a job; answered when every process of it is gone (202 with their pids if some will not go)",
        {200: "CancelAnswer", 202: "CancelAnswer"},
        errors=(404,),
    ),
    _Call(
        "get",
        _ONE_JOB + "/log",
        "What the job's plugins have printed, the last 64 KiB of each",
        {200: "string"},
        ("plugin",),
        "text/plain",
        errors=(404,),
    ),
    _Call("post", _ONE_JOB + "/pause", "Take no new frame", {200: "JobStatusAnswer"}, errors=(404, 409)),
    _Call("post", _ONE_JOB + "/resume", "Go on", {200: "JobStatusAnswer"}, errors=(404, 409)),
    _Call(
        "get",
        _ONE_JOB + "/frames",
        "A page of frames; Accept: application/x-ndjson gives all, a line each; text/csv a row for each detection",
        {200: "FramePage"},
        ("after", "limit"),
        errors=(404, 422),
    ),
    _Call(
        "get",
        _ONE_JOB + "/frames/{index}.jpg",
        "A frame as a picture",
        {200: "string"},
        ("overlay",),
        "image/jpeg",
        errors=(404, 422),
    ),
    _Call(
        "get",
        _ONE_JOB + "/annotated.mp4",
        "The frames so far as a video, what was found drawn on them",
        {200: "string"},
        (),
        "video/mp4",
        errors=(404,),
    ),
    _Call("get", "/v1/plugins", "All plugins, broken ones with the reason", {200: "PluginList"}),
    _Call("post", "/v1/plugins/reload", "Look for plugins again", {200: "PluginList"}),
    _Call("get", "/v1/plugins/{name}", "One plugin", {200: "PluginDetail"}, errors=(404,)),
    _Call("get", "/v1/media", "The videos and images in the media folder", {200: "MediaList"}),
    _Call("get", "/v1/devices", "What there is to run on", {200: "DeviceList"}),
    _Call("get", "/v1/health", "Whether the server is alive", {200: "Liveness"}),
    _Call("get", "/v1/ready", "Whether new jobs are taken", {200: "Readiness"}, errors=(503,)),
    _Call(
        "get",
        "/v1/realtime",
        "What happens, as it happens: RealtimeMessages as server-sent events, or by WebSocket on an upgrade",
        {200: "string"},
        ("session_id", "job_id", "types", "last_event_id", "max_fps", "images", "Last-Event-ID"),
        "text/event-stream",
        errors=(404, 422, 503),
    ),
)


def api_document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for call in _CALLS:
        paths.setdefault(call.path, {})[call.method] = call.operation()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kinora",
            "version": __version__,
            "description": "Runs computer-vision plugins over images, video and live streams, and shows what happens.",
        },
        "paths": paths,
        "components": {"schemas": schemas()},
    }


def _parameter(name: str, place: str | None = None) -> dict[str, Any]:
    place = place or ("header" if name in _HEADERS else "query")
    kind = "integer" if name in _NUMBERS else "number" if name == "max_fps" else "string"
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": _DESCRIPTIONS[name],
        "schema": {"type": kind},
    }
