"""Each fact has one place: stored and sent data, OpenAPI and the web UI's types are made from the same models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
import msgspec
import pytest
from jsonschema import Draft202012Validator

import kinora.web
from kinora.actors.messages import TYPES, FrameImage, FrameImageHeader, MetadataPayload, RealtimeMessage
from kinora.actors.models import FrameData, JobState, StageError, StageState, TimingSummary, WarningGroup
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest, parse_job_request
from kinora.plugins.api import PluginMetadata
from kinora.serve import RunningServer
from kinora.web.documents.documents import JobResponse, JobSummary
from kinora.web.openapi.document import api_document
from kinora.web.openapi.schemas import schemas
from kinora.web.openapi.typescript import type_of, typescript
from tests.client_kit import events, get, post
from tests.jobs_kit import write_plugin

REQUESTS = (JobRequest, JobOptions, PluginRequest)
STATES = (JobState, StageState, TimingSummary, StageError, WarningGroup, FrameData)
SENT_AS: dict[type, str] = {JobState: "ExtendedJobResponse"}
PLUGINS = """
@tool("raises")
def raises(frame):
    raise ValueError("not this one")
"""


def example(model: type, *, full: bool = False) -> Any:
    """An example of ``model``; unless ``full``, fields with a default have that."""
    (schema,), parts = msgspec.json.schema_components((model,))
    return msgspec.json.decode(msgspec.json.encode(_value(schema, parts, full)), type=model)


def _value(schema: dict[str, Any], parts: dict[str, Any], full: bool) -> Any:
    match schema:
        case {"$ref": ref}:
            return _value(parts[ref.rpartition("/")[2]], parts, full)
        case {"enum": [first, *_]}:
            return first
        case {"anyOf": [first, *_]}:
            return _value(first, parts, full)
        case {"type": "array"}:
            return [_value(schema["items"], parts, full)]
        case {"properties": properties}:
            names = properties if full else schema["required"]
            return {name: _value(properties[name], parts, full) for name in names}
        case {"pattern": _}:  # of all the models, only frames' names have one
            return "frame-000003"
        case {"type": "object"}:
            return {"key": _value(schema.get("additionalProperties", {}), parts, full)}
        case _:
            return {"string": "text", "integer": 3, "number": 1.5, "boolean": True}.get(schema.get("type", ""), "any")


def fields_of(model: type) -> Iterator[tuple[str, bool, bool]]:
    """For each field: its name as sent, True if it can be null, True if it can be left out."""
    sent = msgspec.json.decode(encoded(example(model)))
    for field in attrs.fields(model):
        name = field.name.rstrip("_")
        nullable = type(None) in get_args(get_type_hints(model)[field.name])
        yield name, nullable, field.default is not attrs.NOTHING if model in REQUESTS else name not in sent


def encoded(thing: Any) -> bytes:
    """The JSON that clients get of it."""
    if type(thing) not in TYPES:
        return msgspec.json.encode(thing)
    message = msgspec.json.decode(RealtimeMessage(thing).encode("a-1"), type=dict[str, msgspec.Raw])
    return bytes(message["payload"])


def members_of(name: str) -> dict[str, tuple[bool, bool]]:
    """For each member of an interface in the UI's types: True if it can be null, True if it can be left out."""
    body = re.search(rf"export interface {name} {{\n(.*?)\n}}", typescript(), re.DOTALL)
    assert body is not None, name
    lines = re.findall(r"^  (\w+)(\??): (.*);$", body[1], re.MULTILINE)
    return {member: ("null" in kind.split(" | "), mark == "?") for member, mark, kind in lines}


def check(name: str, answer: Any) -> None:
    """Raise unless ``answer`` has this schema and no other fields."""
    parts = {part: _closed(schema) for part, schema in schemas().items()}
    document = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": parts}}
    Draft202012Validator(document).validate(answer)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"additionalProperties": False} if "properties" in schema else schema


@pytest.mark.parametrize("model", [*REQUESTS, *STATES, *TYPES], ids=lambda model: model.__name__)
def test_a_model_its_schema_and_its_type_have_the_same_fields(model: type) -> None:
    """OpenAPI and the UI's types have each field with the same name, and agree if it can be null or left out."""
    name = SENT_AS.get(model, model.__name__)
    expected = {field: (nullable, optional) for field, nullable, optional in fields_of(model)}
    if model is JobState:
        expected["frames"] = (False, False)
    schema = api_document()["components"]["schemas"][name]
    assert members_of(name) == expected
    assert {
        field: ({"type": "null"} in kind.get("anyOf", ()), field not in schema["required"])
        for field, kind in schema["properties"].items()
    } == expected


@pytest.mark.parametrize(
    ("schema", "field", "words"),
    [
        ("ExtendedJobResponse", "queue_position", "1 for the next job to run; null if the job is not queued."),
        ("PluginError", "at", "The time, as ISO 8601 in UTC."),
        ("GapPayload", "dropped", "The number of messages; only with the reason ``slow``."),
    ],
)
def test_what_a_field_says_of_itself_is_told(schema: str, field: str, words: str) -> None:
    """The docstring under a field, its class's own or inherited, is in OpenAPI and in the UI's types."""
    assert schemas()[schema]["properties"][field]["description"] == words
    assert f"  /** {words.replace('``', '`')} */\n  {field}" in typescript()


@pytest.mark.parametrize("model", [JobState, JobRequest])
def test_what_is_stored_comes_back_as_it_was(model: type) -> None:
    """A job's state and request keep every field in the database's JSON."""
    thing = example(model, full=True)
    stored = msgspec.json.encode(thing)
    assert set(msgspec.json.decode(stored)) == {field.name for field in attrs.fields(model)}
    assert msgspec.json.encode(msgspec.json.decode(stored, type=model)) == stored


def test_every_option_of_a_request_can_be_asked_for() -> None:
    """``POST /v1/jobs`` accepts each field of a JobRequest under the same name."""
    request = JobRequest(source="clip.mp4", plugins=(PluginRequest(name="motion", options={"a": 1}),))
    assert parse_job_request(msgspec.json.decode(msgspec.json.encode(request))) == request


@pytest.mark.parametrize("part", [JobResponse, JobSummary])
def test_a_part_of_a_job_has_the_types_of_the_whole(part: type) -> None:
    """A job in a list, and its five keys, have fields of the same types as its state."""
    of_part, of_whole = get_type_hints(part), get_type_hints(JobState)
    for own in ("frames",) if part is JobResponse else ("plugins", "plugins_failed", "warnings_count"):
        del of_part[own]
    assert of_part == {name: of_whole[name] for name in of_part}


@pytest.mark.parametrize("payload", TYPES, ids=lambda payload: payload.__name__)
@pytest.mark.parametrize("full", [False, True])
def test_every_message_has_its_schema(payload: type, full: bool) -> None:
    """A message is a RealtimeMessage of OpenAPI, and of no other type than its own."""
    thing = example(payload, full=full)
    if isinstance(thing, MetadataPayload):
        thing = attrs.evolve(thing, metadata=attrs.asdict(PluginMetadata(name="motion")))
    message = msgspec.json.decode(RealtimeMessage(thing).encode("a-1"))
    check("RealtimeMessage", message)
    check(f"{payload.__name__.removesuffix('Payload')}Message", message)


def test_a_picture_has_the_header_that_openapi_knows() -> None:
    """The header before the JPEG is a FrameImageHeader."""
    image = FrameImage(job_id="j", frame_id="frame-000003", index=3, width=4, height=3, jpeg=b"\xff")
    data = image.encode()
    header = msgspec.json.decode(data[4 : 4 + int.from_bytes(data[:4])])
    check(FrameImageHeader.__name__, header)


async def test_real_answers_have_their_schemas(server: RunningServer, plugins_dir: Path) -> None:
    """A job with a failing plugin, its messages, and the server's other answers."""
    write_plugin(plugins_dir, "plugins", PLUGINS)
    write_plugin(plugins_dir, "broken", "import there_is_no_such_module")
    check("PluginList", (await post(f"{server.url}/v1/plugins/reload")).json())
    async with events(f"{server.url}/v1/realtime") as stream:
        started = await post(f"{server.url}/v1/jobs", {"source": "clip.mp4", "plugins": ["motion", "raises"]})
        check("JobResponse", started.json())
        kinds = set()
        async for event in stream:
            if "data" in event.fields:
                check("RealtimeMessage", event.message)
                kinds.add(event.message["type"])
            if "complete" in kinds:
                break
    assert kinds >= {"metadata", "progress", "frame", "plugin_status", "warning"}
    job = f"{server.url}{started.headers['location']}"
    check("JobResponse", (await get(job)).json())
    check("ExtendedJobResponse", (await get(f"{job}/extended")).json())
    check("FramePage", (await get(f"{job}/frames?limit=3")).json())
    check("CancelAnswer", (await post(f"{job}/cancel")).json())
    for path, name in ANSWERS.items():
        check(name, (await get(f"{server.url}/v1/{path}")).json())


ANSWERS = {
    "jobs": "JobList",
    "plugins": "PluginList",
    "plugins/raises": "PluginDetail",
    "plugins/broken": "PluginDetail",
    "devices": "DeviceList",
    "media": "MediaList",
    "health": "Liveness",
    "ready": "Readiness",
    "plugins/nothing": "Problem",
    "jobs?limit=x": "Problem",
}


def test_the_types_that_the_ui_is_checked_with_are_those_of_the_models() -> None:
    """If ``generated.ts`` exists, it is up to date; ``make ui-types`` generates it again."""
    file = Path(kinora.web.__file__).with_name("ui") / "src/api/generated.ts"
    assert not file.exists() or file.read_text() == typescript()


def test_a_schema_that_has_no_type_is_an_error() -> None:
    """No field is skipped: a new kind of field is an error here, not a wrong type in the UI."""
    with pytest.raises(ValueError, match=r"teach kinora\.web\.openapi\.typescript"):
        type_of({"type": "of tomorrow"})
