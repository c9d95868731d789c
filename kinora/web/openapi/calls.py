"""The table of all calls of the API, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from kinora.results.formats import FORMATS
from kinora.web.answers.frame_documents import CSV, NDJSON
from kinora.web.metrics import MEDIA_TYPE as METRICS
from kinora.web.openapi import answers, parameters
from kinora.web.openapi.answers import ALWAYS, Answer, file, of, problem_ref, text
from kinora.web.openapi.parameters import Parameter
from kinora.web.openapi.schemas import ref
from kinora.web.problems import MEDIA_TYPE as PROBLEM

_Document = dict[str, Any]
_UNREAD_BODY = 415
"""The problem of every writing call: a body that no call takes is refused before it is read."""


@attrs.frozen
class Call:
    """One call: its name, purpose, parameters and answers."""

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[int, Answer]
    errors: tuple[int, ...] = ()
    """The problems that it can be answered with, beside those of every call."""
    given: tuple[Parameter, ...] = ()
    """The parameters in the query string and in headers."""
    body: _Document | None = None
    open: bool = False
    """True if it needs no token."""

    def operation(self) -> _Document:
        """The call as an OpenAPI operation."""
        writes = (_UNREAD_BODY,) if self.method != "get" else ()
        problems = {str(status): problem_ref(status) for status in sorted({*ALWAYS, *writes, *self.errors})}
        successes = {str(status): answer.document() for status, answer in self.answers.items()}
        parameters = [parameter.document() for parameter in (*self.in_path(), *self.given)]
        return {
            "operationId": self.name,
            "summary": self.summary,
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": self.body} if self.body else {}),
            **({"security": []} if self.open else {}),
            "responses": successes | {status: found for status, found in problems.items() if status not in successes},
        }

    def in_path(self) -> Iterator[Parameter]:
        """The parameters in the path."""
        known = (
            parameters.JOB_ID,
            parameters.INDEX,
            parameters.EVENT_NUMBER,
            parameters.NAME,
            parameters.SCHEMA,
            parameters.TOKEN_ID,
            parameters.AGENT_ID,
            parameters.WEBHOOK_NAME,
        )
        return (parameter for parameter in known if f"{{{parameter.name}}}" in self.path)


_SUBMISSION = {
    "required": True,
    "content": {
        answers.JSON: {
            "schema": ref("JobRequest"),
            "examples": {"clip": {"value": {"source": "demo:", "plugins": ["motion"]}}},
        },
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "request"],
                "properties": {"file": {"type": "string", "format": "binary"}, "request": ref("UploadRequest")},
                "additionalProperties": False,
            },
            "encoding": {"request": {"contentType": answers.JSON}},
        },
    },
}


def _json_body(schema: str) -> _Document:
    return {"required": True, "content": {answers.JSON: {"schema": ref(schema)}}}


_ONE_JOB = "/v1/jobs/{job_id}"
_UNCHANGED = Answer("Nothing has changed since the answer with this ETag.", has=("ETag",))
_READ_JOB = (parameters.AFTER, parameters.JOB_LIMIT, parameters.IF_NONE_MATCH, parameters.PREFER)

CALLS = (
    Call(
        "post",
        "/v1/jobs",
        "submit_job",
        "Start a job on a source that the server can read, or on an uploaded file",
        {202: of("JobResponse", "Location", may_have=("Last-Event-ID",))},
        (409, 413, 422, 429),
        (parameters.IDEMPOTENCY_KEY,),
        _SUBMISSION,
    ),
    Call(
        "get",
        "/v1/jobs",
        "list_jobs",
        "List the jobs, newest first",
        {200: of("JobList")},
        (422,),
        (parameters.STATUS, parameters.SEARCH, parameters.ID_PREFIX, parameters.JOBS_LIMIT, parameters.CURSOR),
    ),
    Call(
        "post",
        "/v1/jobs/prune",
        "prune_jobs",
        "Delete jobs that have ended, the first to end first: old ones, those that are too much, or of some statuses",
        {200: of("PruneAnswer")},
        (422,),
        body={
            "required": True,
            "content": {
                answers.JSON: {
                    "schema": ref("PruneRequest"),
                    "examples": {"month": {"value": {"older_than_s": 2_592_000, "dry_run": True}}},
                }
            },
        },
    ),
    Call(
        "get",
        _ONE_JOB,
        "get_job",
        "Get a job and its frames so far",
        {200: of("JobResponse", "ETag", may_have=("Preference-Applied",)), 304: _UNCHANGED},
        (404, 412, 422),
        _READ_JOB,
    ),
    Call(
        "delete",
        _ONE_JOB,
        "delete_job",
        "Cancel a job if it runs, and delete it with its results",
        {204: Answer("The job is deleted.")},
        (404, 412),
    ),
    Call(
        "get",
        _ONE_JOB + "/extended",
        "get_extended_job",
        "Get a job with its progress, timings and warnings",
        {200: of("ExtendedJobResponse", "ETag", may_have=("Preference-Applied",)), 304: _UNCHANGED},
        (404, 412, 422),
        _READ_JOB,
    ),
    Call(
        "post",
        _ONE_JOB + "/cancel",
        "cancel_job",
        "Cancel a job; answered when all its processes have ended (202 with the pids of those that have not)",
        {200: of("CancelAnswer"), 202: of("CancelAnswer")},
        (404,),
    ),
    Call(
        "get",
        _ONE_JOB + "/log",
        "get_job_log",
        "Get the text that the job's plugins printed, the last 64 KiB of each",
        {200: text("text/plain", "The text; that of several plugins has their names before each line.")},
        (404,),
        (parameters.PLUGIN,),
    ),
    Call("post", _ONE_JOB + "/pause", "pause_job", "Pause a job", {200: of("JobStatusAnswer")}, (404, 409)),
    Call("post", _ONE_JOB + "/resume", "resume_job", "Resume a paused job", {200: of("JobStatusAnswer")}, (404, 409)),
    Call(
        "get",
        _ONE_JOB + "/frames",
        "list_frames",
        "Get a page of frames; or all of them with Accept: application/x-ndjson (one frame per line) or text/csv "
        "(a row per detection, metric and text)",
        {
            200: Answer(
                "A FramePage; or each FrameData as a line of JSON, or each detection, metric and text as a row of CSV.",
                {answers.JSON: ref("FramePage"), NDJSON: ref("FrameData"), CSV: {"type": "string"}},
                may_have=("Content-Disposition",),
            )
        },
        (404, 406, 422),
        (parameters.AFTER, parameters.FRAMES_LIMIT),
    ),
    Call(
        "get",
        _ONE_JOB + "/events",
        "list_events",
        "Get a page of what plugins say has happened",
        {200: of("EventList")},
        (404, 422),
        (parameters.AFTER_EVENT, parameters.EVENTS_LIMIT, parameters.EVENT_KIND, parameters.EVENT_PLUGIN),
    ),
    Call(
        "get",
        _ONE_JOB + "/export",
        "export_job",
        "Get all results so far as a file to save, named after the job's source",
        {
            200: Answer(
                "An ExtendedJobResponse; each FrameData as a line of JSON; rows; or a file for another program.",
                {
                    answers.JSON: ref("ExtendedJobResponse"),
                    NDJSON: ref("FrameData"),
                    CSV: {"type": "string"},
                    **{form.media_type: {} for form in FORMATS.values() if form.media_type != answers.JSON},
                },
                has=("Content-Disposition",),
                may_have=("Kinora-Plugins",),
            )
        },
        (404, 422),
        (parameters.EXPORT_FORMAT, parameters.EXPORT_PLUGINS),
    ),
    Call(
        "get",
        _ONE_JOB + "/frames/{index}.jpg",
        "get_frame_picture",
        "Get a frame as a JPEG picture",
        file("image/jpeg", "The picture.", "ETag"),
        (404, 412, 416, 422),
        (parameters.OVERLAY, parameters.IF_NONE_MATCH, parameters.RANGE),
    ),
    Call(
        "get",
        _ONE_JOB + "/clips",
        "list_clips",
        "List the clips of the job's events that are kept",
        {200: of("ClipList")},
        (404,),
    ),
    Call(
        "get",
        _ONE_JOB + "/clips/{event}",
        "get_clip",
        "Get the clip of an event",
        file("video/mp4", "The clip.", "ETag"),
        (404, 412, 416),
        (parameters.IF_NONE_MATCH, parameters.RANGE),
    ),
    Call(
        "get",
        _ONE_JOB + "/annotated.mp4",
        "get_annotated_video",
        "Get the frames so far as a video, with the detections drawn in",
        file("video/mp4", "The video.", "ETag", "Content-Disposition"),
        (404, 416),
        (parameters.IF_NONE_MATCH, parameters.RANGE),
    ),
    Call(
        "get",
        "/v1/agents/files/{job_id}",
        "get_agent_file",
        "Read the file that a job in an agent has as its source, for that agent",
        file("application/octet-stream", "The file.", "ETag"),
        (404, 412, 416),
        (parameters.IF_NONE_MATCH, parameters.RANGE),
    ),
    Call(
        "get",
        "/v1/plugins",
        "list_plugins",
        "List all plugins; for broken ones, the reason",
        {200: of("PluginList")},
    ),
    Call("post", "/v1/plugins/reload", "reload_plugins", "Search for plugins again", {200: of("PluginList")}),
    Call(
        "get", "/v1/plugins/{name}", "get_plugin", "Get one plugin with all details", {200: of("PluginDetail")}, (404,)
    ),
    Call(
        "get",
        "/v1/schemas/{schema}.json",
        "get_schema",
        "Get the JSON Schema of a part of plugins' results",
        {200: Answer("The schema.", {answers.JSON: {"type": "object"}})},
        (404,),
    ),
    Call("get", "/v1/media", "list_media", "List the videos and images in the media folder", {200: of("MediaList")}),
    Call(
        "get",
        "/v1/sources/picture.jpg",
        "get_source_picture",
        "Get the first picture of a source as a JPEG, of a camera the next, to draw on before there is a job",
        {200: Answer("The picture.", {"image/jpeg": {}})},
        (404, 409, 422),
        (parameters.SOURCE,),
    ),
    Call(
        "get",
        "/v1/cameras",
        "list_cameras",
        "List the operator's cameras and webcams, and whether each can be reached now; waits some seconds for that",
        {200: of("CameraList")},
    ),
    Call(
        "get",
        "/v1/deliveries",
        "list_deliveries",
        "List the messages that are posted to the operator's webhooks, the newest first, and all webhooks",
        {200: of("DeliveryList")},
        (422,),
        (
            parameters.WEBHOOK,
            parameters.DELIVERY_STATUS,
            parameters.FAILED,
            parameters.BEFORE,
            parameters.DELIVERIES_LIMIT,
        ),
    ),
    Call(
        "post",
        "/v1/webhooks/{webhook}/test",
        "test_webhook",
        "Post a test message to a webhook's receiver now, and get what came of it",
        {200: of("WebhookTest")},
        (404,),
    ),
    Call(
        "get",
        "/v1/agents",
        "list_agents",
        "List the agents that run jobs for this server, and those that it has lost in the last hour",
        {200: of("AgentList", "ETag"), 304: _UNCHANGED},
        given=(parameters.IF_NONE_MATCH,),
    ),
    Call(
        "get",
        "/v1/agents/{agent_id}",
        "get_agent",
        "Get one agent",
        {200: of("AgentState", "ETag"), 304: _UNCHANGED},
        (404,),
        (parameters.IF_NONE_MATCH,),
    ),
    Call("get", "/v1/devices", "list_devices", "List the devices that jobs can run on", {200: of("DeviceList")}),
    Call(
        "get",
        "/v1/health",
        "get_health",
        "Check that the server is alive; with details, what it uses and will delete by itself",
        {200: of("Liveness")},
        (422,),
        (parameters.DETAILS,),
        open=True,
    ),
    Call(
        "get",
        "/v1/ready",
        "get_readiness",
        "Check that the server takes new jobs",
        {
            200: of("Readiness"),
            503: Answer("It takes none now.", {PROBLEM: ref("NotReady")}, may_have=("Retry-After",)),
        },
        open=True,
    ),
    Call("get", "/v1/session", "get_session", "Get what this client may do", {200: of("Session")}),
    Call(
        "post",
        "/v1/session",
        "sign_in",
        "Sign a browser in: the answer sets a cookie that stands for the token",
        {200: of("Session", may_have=("Set-Cookie",))},
        (413, 422),
        body=_json_body("SignIn"),
        open=True,
    ),
    Call(
        "delete",
        "/v1/session",
        "sign_out",
        "Sign a browser out: the answer takes its cookie away",
        {204: Answer("The cookie is taken away.", has=("Set-Cookie",))},
        open=True,
    ),
    Call(
        "get",
        "/v1/tokens",
        "list_tokens",
        "List the tokens; the secrets themselves are not kept",
        {200: of("TokenList")},
    ),
    Call(
        "post",
        "/v1/tokens",
        "make_token",
        "Make a token; its secret is in the answer, and told this once",
        {201: of("TokenMade")},
        (409, 413, 422),
        body=_json_body("NewToken"),
    ),
    Call(
        "delete",
        "/v1/tokens/{token_id}",
        "revoke_token",
        "Revoke a token, and end all that runs for it: WebSockets, event streams, waiting requests and downloads",
        {204: Answer("The token is revoked.")},
        (404,),
    ),
    Call(
        "post",
        "/v1/session/link",
        "make_login_link",
        "Make a link that signs one browser in, once, by the request's token or another one",
        {201: of("LoginLink")},
        (409, 413, 422),
        body=_json_body("NewLink"),
    ),
    Call(
        "get",
        "/v1/realtime",
        "follow_jobs",
        "Follow jobs live: RealtimeMessages as server-sent events, or over a WebSocket if the request asks for one",
        {200: Answer("Each event is a RealtimeEvent.", {"text/event-stream": ref("RealtimeEvent")})},
        (404, 422),
        (
            parameters.SESSION_ID,
            parameters.JOB_IDS,
            parameters.TYPES,
            parameters.MAX_FPS,
            parameters.IMAGES,
            parameters.LAST_EVENT_ID,
            parameters.LAST_EVENT_ID_HEADER,
        ),
    ),
    Call(
        "get",
        "/metrics",
        "get_metrics",
        "Get the server's figures for Prometheus",
        {200: text(METRICS, "The figures in Prometheus' text format.")},
    ),
)
