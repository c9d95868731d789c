"""``/v1/schemas/{name}.json``: the JSON Schemas of what a result may say."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from quart import Blueprint, Response

from kinora.actors.errors import NotFound
from kinora.plugins.forms.catalogue import CATALOGUE
from kinora.system import System
from kinora.web.answers.responses import json_response
from kinora.web.openapi.field_docs import field_docs

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_Schema = dict[str, Any]


def catalogue_routes(_system: System) -> Blueprint:
    """The route of the schemas."""
    routes = Blueprint("catalogue", __name__)

    @routes.get("/v1/schemas/<schema>.json")
    async def show(schema: str) -> Response:
        if schema not in CATALOGUE:
            raise NotFound(f"There is no such schema: use one of {', '.join(CATALOGUE)}.")
        return json_response(catalogue_schema(schema))

    return routes


@cache
def catalogue_schema(name: str) -> _Schema:
    """The schema of a form, with all that it refers to in it. All callers get the same object: do not change it."""
    schema = msgspec.json.schema(CATALOGUE[name])
    parts = {part: _described(part, schema["$defs"][part]) for part in schema["$defs"]}
    return {"$schema": DIALECT, **schema, "$defs": parts}


def _described(part: str, schema: _Schema) -> _Schema:
    """The schema of one class of the catalogue, with the docstrings of its fields as descriptions."""
    form = next(form for form in CATALOGUE.values() if form.__name__ == part)
    docs, fields = field_docs(form), {field.encode_name: field.name for field in msgspec.structs.fields(form)}
    described = {
        key: kind | ({"description": docs[fields[key]]} if fields[key] in docs else {})
        for key, kind in schema["properties"].items()
    }
    return schema | {"properties": described}
