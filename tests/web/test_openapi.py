"""The OpenAPI document is valid, has every route, and the server keeps to it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from kinora.actors.errors import InvalidRequest
from kinora.actors.requests.job_request import parse_job_request
from kinora.serve import RunningServer
from kinora.settings import Settings
from kinora.system import System
from kinora.web.app import create_app
from kinora.web.openapi.document import api_document
from tests import fuzz_api
from tests.client_kit import get
from tests.clips import make_clip
from tests.schemathesis_source import SOURCE

BY_ITSELF = {"HEAD", "OPTIONS"}
"""The methods that every address has by itself."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A server that accepts jobs faster than it runs them, with a clip that takes little time."""
    make_clip(settings.media_dir / SOURCE, frames=fuzz_api.FRAMES)
    return attrs.evolve(settings, max_jobs=fuzz_api.AT_ONCE, max_queued=fuzz_api.QUEUED)


def test_the_document_is_valid() -> None:
    """It keeps to OpenAPI 3.1, the schemas in it to JSON Schema."""
    validate(json.loads(msgspec.json.encode(api_document())))


async def test_it_has_every_route(system: System) -> None:  # noqa: ASYNC124 - for its fixture
    """Each address of the API with each of its methods is an operation, and there are no others.

    OpenAPI knows no WebSockets.
    """
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in create_app(system).url_map.iter_rules()
        for method in (rule.methods or set()) - BY_ITSELF
        if not rule.websocket and (rule.rule.startswith("/v1/") or rule.rule == "/metrics")
    }
    assert routes == {(path, method) for path, item in api_document()["paths"].items() for method in item}


async def test_the_server_keeps_to_it(server: RunningServer, tmp_path: Path) -> None:
    """Whatever Schemathesis sends, alone and in chains, is answered as the document says."""
    status, report = await fuzz_api.fuzz(server.url, tmp_path, examples=fuzz_api.SHORT)
    assert status == 0, report


async def test_a_wrong_document_is_found_out(server: RunningServer, tmp_path: Path) -> None:
    """The same run fails if the document has another type, bound or status than the server."""
    document = (await get(f"{server.url}/openapi.json")).json()
    list_jobs = document["paths"]["/v1/jobs"]["get"]
    document["paths"] = {"/v1/health": document["paths"]["/v1/health"], "/v1/jobs": {"get": list_jobs}}
    document["components"]["schemas"]["Liveness"]["properties"]["status"] = {"type": "integer"}
    next(given for given in list_jobs["parameters"] if given["name"] == "limit")["schema"]["maximum"] = 201
    del list_jobs["responses"]["422"]
    del list_jobs["responses"]["200"]["links"]
    (tmp_path / "wrong.json").write_text(json.dumps(document))
    status, report = await fuzz_api.fuzz(server.url, tmp_path, examples=1, document=str(tmp_path / "wrong.json"))
    assert status == 1
    for found in ("Response violates schema", "Undocumented status code", "Schema-valid request rejected"):
        assert found in report, report


@pytest.mark.parametrize(
    ("request_", "valid"),
    [
        ({"source": "demo:", "plugins": ["motion", {"name": "faces", "options": {"min_size": 40}}]}, True),
        ({"source": "demo:", "plugins": ["motion"], "options": {"max_frames": None, "policy": "latest"}}, True),
        ({"source": " ", "plugins": ["motion"]}, False),
        ({"source": "a\0", "plugins": ["motion"]}, False),
        ({"source": "demo:", "plugins": []}, False),
        ({"source": "demo:", "plugins": ["motion", "motion"]}, False),
        ({"source": "demo:", "plugins": ["motion"] * 33}, False),
        ({"source": "demo:", "plugins": ["m" * 101]}, False),
        ({"source": "demo:", "plugins": [{"name": "motion", "option": {}}]}, False),
        ({"source": "demo:", "plugins": ["motion"], "more": 1}, False),
        ({"source": "demo:", "plugins": ["motion"], "device_requested": "cuda:01"}, False),
        ({"source": "demo:", "plugins": ["motion"], "options": {"stride": 0}}, False),
        ({"source": "demo:", "plugins": ["motion"], "options": {"policy": "block"}}, False),
        ({"source": "demo:", "plugins": ["motion"], "options": {"plugin_timeout_ms": None}}, False),
    ],
)
def test_a_request_is_valid_for_both(request_: object, valid: bool) -> None:
    """The published schema and the server's own reader accept and refuse the same requests."""
    schema = {"$ref": "#/components/schemas/JobRequest", "components": api_document()["components"]}
    assert Draft202012Validator(schema).is_valid(request_) == valid
    if valid:
        parse_job_request(request_)
    else:
        with pytest.raises(InvalidRequest):
            parse_job_request(request_)
