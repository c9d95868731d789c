"""The JSON Schemas of everything that the API takes and sends, generated from the models."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import msgspec

from kinora.actors.errors import FieldError
from kinora.actors.job_request import JobOptions, JobRequest, PluginRequest
from kinora.actors.messages import TYPES, FrameImageHeader, GapPayload
from kinora.actors.models import FrameData, JobState
from kinora.plugins.api import PluginMetadata
from kinora.plugins.devices import Device
from kinora.web.documents import (
    REF,
    CancelAnswer,
    DeviceList,
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
)
from kinora.web.field_docs import field_docs

_TAKEN = (JobRequest, PluginRequest, JobOptions)
_ANSWERS = (
    CancelAnswer,
    DeviceList,
    ExtendedJobResponse,
    FramePage,
    JobList,
    JobResponse,
    JobStatusAnswer,
    Liveness,
    MediaList,
    PluginDetail,
    PluginList,
    Readiness,
)
_PARTS = (Device, FieldError, FrameData, FrameImageHeader, PluginError, PluginMetadata)
_MODELS = (*_TAKEN, *_ANSWERS, *TYPES, *_PARTS)
_MAY_LACK_FIELDS = frozenset(model.__name__ for model in (*_TAKEN, CancelAnswer, GapPayload))
"""The models whose fields may be left out. All others are sent with every field, including defaults."""


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """The schemas by name, as in OpenAPI's ``components``. All callers get the same object: do not change it."""
    _, found = msgspec.json.schema_components(_MODELS, ref_template=REF)
    for name, schema in found.items():
        if "properties" in schema:
            found[name] = _as_sent(_described(name, schema), whole=name not in _MAY_LACK_FIELDS)
    found["MetadataPayload"]["properties"]["metadata"] = _ref(PluginMetadata.__name__)
    messages = {_message_name(payload): _message(payload, type_) for payload, type_ in TYPES.items()}
    return {**found, **messages, "RealtimeMessage": _any_message(), "Problem": _problem()}


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
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


def _as_sent(schema: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """The schema of what is sent: names without the underscore that Python needs, and all fields if ``whole``."""
    properties = {name.rstrip("_"): kind for name, kind in schema["properties"].items()}
    required = list(properties) if whole else [name.rstrip("_") for name in schema.get("required", ())]
    return schema | {"properties": properties, "required": required}


def _message_name(payload: type) -> str:
    return payload.__name__.removesuffix("Payload") + "Message"


def _message(payload: type, type_: str) -> dict[str, Any]:
    text = {"type": "string"}
    return _object({"type": {"const": type_}, "payload": _ref(payload.__name__), "timestamp": text, "id": text})


def _any_message() -> dict[str, Any]:
    """The schema of any message, told apart by its ``type``."""
    mapping = {type_: REF.format(name=_message_name(payload)) for payload, type_ in TYPES.items()}
    return {
        "description": "One message of /v1/realtime.",
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def _problem() -> dict[str, Any]:
    members = {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}}
    problem = _object(members)
    problem["properties"]["errors"] = {"type": "array", "items": _ref(FieldError.__name__)}
    return {"description": "An error, as RFC 9457 defines it.", **problem}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": REF.format(name=name)}
