"""The JSON Schemas of everything that the API takes and sends, generated from the models."""

from __future__ import annotations

import sys
from functools import cache
from http import HTTPStatus
from typing import Any

import attrs
import msgspec

from kinora.actors.access.token_request import NewLink, NewToken, SignIn
from kinora.actors.errors import FieldError
from kinora.actors.messages import TYPES, FrameImageHeader, GapPayload
from kinora.actors.models import FrameData, JobState
from kinora.actors.realtime.filters import CLIENT_MESSAGES, ShownToken, Subscription
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.actors.requests.request_values import READER
from kinora.actors.retention.prune_request import CHOICES, PruneRequest
from kinora.fleet.agent_state import AgentState
from kinora.plugins.api import PluginMetadata
from kinora.plugins.devices import Device
from kinora.plugins.option_errors import MAX_ERRORS
from kinora.web.documents.access_documents import LoginLink, Session, TokenList, TokenMade
from kinora.web.documents.documents import (
    REF,
    AgentList,
    CameraList,
    CancelAnswer,
    ClipList,
    DeliveryList,
    DeviceList,
    EventList,
    ExtendedJobResponse,
    FramePage,
    JobList,
    JobResponse,
    JobStatusAnswer,
    Liveness,
    MediaList,
    PluginDetail,
    PluginError,
    PluginList,
    Readiness,
    WebhookTest,
)
from kinora.web.documents.room_documents import PruneAnswer
from kinora.web.openapi.field_docs import field_docs

_Schema = dict[str, Any]
_TAKEN = (JobRequest, PluginRequest, JobOptions, NewLink, NewToken, PruneRequest, SignIn)
_SAID = (Subscription, ShownToken, *CLIENT_MESSAGES)
_ANSWERS = (
    AgentList,
    AgentState,
    CameraList,
    CancelAnswer,
    ClipList,
    DeliveryList,
    DeviceList,
    EventList,
    ExtendedJobResponse,
    FramePage,
    JobList,
    JobResponse,
    JobStatusAnswer,
    Liveness,
    LoginLink,
    MediaList,
    PluginDetail,
    PluginList,
    PruneAnswer,
    Readiness,
    Session,
    TokenList,
    TokenMade,
    WebhookTest,
)
_PARTS = (Device, FieldError, FrameData, FrameImageHeader, PluginError, PluginMetadata)
_MODELS = (*_TAKEN, *_SAID, *_ANSWERS, *TYPES, *_PARTS)
_MAY_LACK_FIELDS = frozenset(model.__name__ for model in (*_TAKEN, *_SAID, CancelAnswer, GapPayload, Liveness))
"""The models whose fields may be left out. All others have every field, defaults too, but unset ones."""
_TEXT = {"type": "string"}


@cache
def schemas() -> dict[str, _Schema]:
    """The schemas by name, as in OpenAPI's ``components``. All callers get the same object: do not change it."""
    _, found = msgspec.json.schema_components(_MODELS, ref_template=REF)
    for model in _TAKEN:
        found[model.__name__] = _as_taken(model, found[model.__name__])
    for name, schema in found.items():
        if "properties" in schema:
            left_out = _unset(name)
            found[name] = _as_sent(_described(name, schema), whole=name not in _MAY_LACK_FIELDS, left_out=left_out)
    found["UploadRequest"] = _without_source(found[JobRequest.__name__])
    found[PruneRequest.__name__]["anyOf"] = [{"required": [name]} for name in CHOICES]
    found["MetadataPayload"]["properties"]["metadata"] = ref(PluginMetadata.__name__)
    return {**found, **_messages(), "Problem": _problem(), "NotReady": _not_ready()}


def ref(name: str) -> dict[str, str]:
    """The reference to the schema ``name``."""
    return {"$ref": REF.format(name=name)}


def schema_of(kind: Any) -> _Schema:
    """The schema of a type that is no model, such as ``int`` with bounds."""
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REF)
    return schema


def _as_taken(model: type[attrs.AttrsInstance], schema: _Schema) -> _Schema:
    """The schema of a part of a request: for each field what its reader accepts, and no other fields."""
    properties = {
        field.name: _with_default(schema_of(field.metadata[READER].accepts), schema["properties"][field.name])
        for field in attrs.fields(model)
    }
    return schema | {"properties": properties, "additionalProperties": False}


def _with_default(accepted: _Schema, field: _Schema) -> _Schema:
    default = field.get("default", msgspec.UNSET)
    may_be_null = {"type": "null"} in accepted.get("anyOf", ())
    told = default is not msgspec.UNSET and (default is not None or may_be_null)
    return accepted | {"default": default} if told else accepted


def _without_source(request: _Schema) -> _Schema:
    """The schema of the part ``request`` of an upload: a JobRequest whose source is the uploaded file."""
    return request | {
        "title": "UploadRequest",
        "description": "A JobRequest without its source, which is the uploaded file.",
        "properties": {name: kind for name, kind in request["properties"].items() if name != "source"},
        "required": [name for name in request["required"] if name != "source"],
    }


def _described(name: str, schema: _Schema) -> _Schema:
    """The schema of the model ``name`` with its fields' docstrings as descriptions."""
    docs = field_docs(_class_of(name))
    described = {
        field: kind | {"description": docs[field]} if field in docs else kind
        for field, kind in schema["properties"].items()
    }
    return schema | {"properties": described}


def _class_of(name: str) -> type:
    """The model called ``name``, which may be a part of another model."""
    if name == ExtendedJobResponse.__name__:
        return JobState
    models = {model.__name__: model for model in _MODELS}
    parts = (vars(sys.modules[model.__module__]).get(name) for model in _MODELS)
    return models.get(name) or next(part for part in parts if isinstance(part, type))


def _unset(name: str) -> frozenset[str]:
    """The fields of the model ``name`` that are left out unless they are set."""
    model = _class_of(name)
    fields = attrs.fields(model) if attrs.has(model) else ()
    return frozenset(field.name for field in fields if field.default is msgspec.UNSET)


def _as_sent(schema: _Schema, *, whole: bool, left_out: frozenset[str]) -> _Schema:
    """The schema of what is sent: names without the underscore that Python needs, and all fields if ``whole``.

    The fields ``left_out`` may be missing all the same.
    """
    properties = {name.rstrip("_"): kind for name, kind in schema["properties"].items()}
    required = list(properties) if whole else [name.rstrip("_") for name in schema.get("required", ())]
    required = [name for name in required if name not in left_out]
    return schema | {"properties": properties, "required": required}


def _messages() -> dict[str, _Schema]:
    """The messages of ``/v1/realtime``, in both directions and in both transports."""
    named = {_message_name(payload): _message(payload, type_) for payload, type_ in TYPES.items()}
    mapping = {type_: _message_name(payload) for payload, type_ in TYPES.items()}
    said = {str(message.__struct_config__.tag): message.__name__ for message in CLIENT_MESSAGES}
    return {
        **named,
        "RealtimeMessage": _any_of(mapping, "One message of /v1/realtime."),
        "RealtimeEvent": _event(),
        "ClientMessage": _any_of(said, "One message of a client, as text over the WebSocket of /v1/realtime."),
    }


def _message_name(payload: type) -> str:
    return payload.__name__.removesuffix("Payload") + "Message"


def _message(payload: type, type_: str) -> _Schema:
    time = {"type": "string", "format": "date-time"}
    return _object({"type": {"const": type_}, "payload": ref(payload.__name__), "timestamp": time, "id": _TEXT})


def _any_of(names: dict[str, str], description: str) -> _Schema:
    """The schema of any of the messages called ``names``, told apart by ``type``, which are the keys."""
    mapping = {type_: REF.format(name=name) for type_, name in names.items()}
    return {
        "description": description,
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def _event() -> _Schema:
    data = {**_TEXT, "contentMediaType": "application/json", "contentSchema": ref("RealtimeMessage")}
    return {
        "description": "One server-sent event: a RealtimeMessage as one line of JSON, and its id.",
        **_object({"id": _TEXT, "data": data}),
    }


def _problem() -> _Schema:
    status = {"type": "integer", "minimum": int(HTTPStatus.BAD_REQUEST), "maximum": 599}
    problem = _object({"title": _TEXT, "status": status, "detail": _TEXT})
    problem["properties"]["errors"] = {
        "description": "The errors in the input.",
        "type": "array",
        "items": ref(FieldError.__name__),
        "minItems": 1,
        "maxItems": MAX_ERRORS,
    }
    return {"description": "An error, as RFC 9457 defines it; its type is about:blank.", **problem}


def _not_ready() -> _Schema:
    """The problem with which ``/v1/ready`` answers."""
    problem = _problem()
    reasons = {"type": "array", "items": _TEXT, "minItems": 1}
    return problem | {
        "description": "A Problem that tells why the server takes no new jobs.",
        "properties": problem["properties"] | {"ready": {"const": False}, "reasons": reasons},
        "required": [*problem["required"], "ready", "reasons"],
    }


def _object(properties: _Schema) -> _Schema:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}
