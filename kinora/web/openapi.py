"""The OpenAPI 3.1 document of everything under ``/v1``, made from a table of the calls and from the models."""

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
    "after": "Only frames with a higher index than this.",
    "cursor": "The next_cursor of the previous page.",
    "Idempotency-Key": "A key of your choice: repeating the call with it returns the same job instead of a new one.",
    "If-None-Match": "The ETag of the answer that you have: the answer is 304 if it has not changed.",
    "If-Range": "The ETag of what you have a part of: if it has changed, the answer is all of it.",
    "images": "url or none: no pictures, only their addresses. Over a WebSocket also binary: the pictures themselves.",
    "index": "The frame's index in the source, from 0.",
    "job_id": "The job's id.",
    "last_event_id": "The id of the last message that you received: messages since then are sent first.",
    "Last-Event-ID": "The same as last_event_id.",
    "limit": "The most items in the answer.",
    "max_fps": "The most frames a second; if there are more, the latest are sent.",
    "name": "The plugin's name.",
    "overlay": "1 draws the results on the picture.",
    "plugin": "Only the output of this plugin.",
    "Prefer": "wait=N waits up to N seconds (at most 60) for something new before answering.",
    "Range": "bytes=FIRST-LAST, bytes=FIRST- or bytes=-LENGTH: the answer is 206 with only these bytes.",
    "session_id": "A UUID; a second connection with the same one replaces the first.",
    "status": "Only jobs with this status.",
    "types": "Only messages of these types; repeat the parameter, or separate them with commas.",
}
_NUMBERS = frozenset({"after", "index", "limit", "overlay"})
_HEADERS = frozenset({"Idempotency-Key", "If-None-Match", "If-Range", "Last-Event-ID", "Prefer", "Range"})


@attrs.frozen
class _Call:
    """One call of the API: its purpose, parameters and answers."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, str] = {200: ""}
    """The name of the schema for each status of success; empty for an answer without a body."""
    given: tuple[str, ...] = ()
    media_type: str = _JSON
    errors: tuple[int, ...] = ()

    def operation(self) -> dict[str, Any]:
        """The call as an OpenAPI operation."""
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
    "description": "What is wrong and what to do about it",
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
        "Start a job on a source that the server can read, or on an uploaded file",
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
        "Get a job and its frames so far",
        {200: "JobResponse", 304: ""},
        ("after", "limit", "If-None-Match", "Prefer"),
        errors=(404, 422),
    ),
    _Call("delete", _ONE_JOB, "Cancel a job if it runs, and delete it with its results", {204: ""}, errors=(404,)),
    _Call(
        "get",
        _ONE_JOB + "/extended",
        "Get a job with its progress, timings and warnings",
        {200: "ExtendedJobResponse", 304: ""},
        ("after", "limit", "If-None-Match", "Prefer"),
        errors=(404, 422),
    ),
    _Call(
        "post",
        _ONE_JOB + "/cancel",
        "Cancel a job; answered when all its processes have ended (202 with the pids of those that have not)",
        {200: "CancelAnswer", 202: "CancelAnswer"},
        errors=(404,),
    ),
    _Call(
        "get",
        _ONE_JOB + "/log",
        "Get the text that the job's plugins printed, the last 64 KiB of each",
        {200: "string"},
        ("plugin",),
        "text/plain",
        errors=(404,),
    ),
    _Call("post", _ONE_JOB + "/pause", "Pause a job", {200: "JobStatusAnswer"}, errors=(404, 409)),
    _Call("post", _ONE_JOB + "/resume", "Resume a paused job", {200: "JobStatusAnswer"}, errors=(404, 409)),
    _Call(
        "get",
        _ONE_JOB + "/frames",
        "Get a page of frames; or all of them with Accept: application/x-ndjson (one frame per line) or text/csv "
        "(one detection per row)",
        {200: "FramePage"},
        ("after", "limit"),
        errors=(404, 422),
    ),
    _Call(
        "get",
        _ONE_JOB + "/frames/{index}.jpg",
        "Get a frame as a JPEG picture",
        {200: "string", 206: "string", 304: ""},
        ("overlay", "If-None-Match", "Range", "If-Range"),
        "image/jpeg",
        errors=(404, 416, 422, 503),
    ),
    _Call(
        "get",
        _ONE_JOB + "/annotated.mp4",
        "Get the frames so far as a video, with the detections drawn in",
        {200: "string", 206: "string", 304: ""},
        ("If-None-Match", "Range", "If-Range"),
        "video/mp4",
        errors=(404, 416, 503),
    ),
    _Call("get", "/v1/plugins", "List all plugins; for broken ones, the reason", {200: "PluginList"}),
    _Call("post", "/v1/plugins/reload", "Search for plugins again", {200: "PluginList"}),
    _Call("get", "/v1/plugins/{name}", "Get one plugin with all details", {200: "PluginDetail"}, errors=(404,)),
    _Call("get", "/v1/media", "List the videos and images in the media folder", {200: "MediaList"}),
    _Call("get", "/v1/devices", "List the devices that jobs can run on", {200: "DeviceList"}),
    _Call("get", "/v1/health", "Check that the server is alive", {200: "Liveness"}),
    _Call("get", "/v1/ready", "Check that the server takes new jobs", {200: "Readiness"}, errors=(503,)),
    _Call(
        "get",
        "/v1/realtime",
        "Follow jobs live: RealtimeMessages as server-sent events, or over a WebSocket if the request asks for one",
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
            "description": "Runs computer-vision plugins over images, videos and live streams, and shows results live.",
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
