"""The tables of fields have all fields that there are, and no other."""

from __future__ import annotations

import re
from typing import Any

import attrs
import pytest

from kinora.actors.webhooks.webhook import Webhook
from kinora.plugins.api import PluginContext, PluginMetadata
from kinora.plugins.builtin.zones import Zones
from kinora.web.openapi.document import api_document
from tests.docs.snippets import DOCS

API: dict[str, Any] = api_document()


def schema(name: str) -> set[str]:
    """The members of a schema of the API."""
    return set(API["components"]["schemas"][name]["properties"])


def parameters(path: str) -> set[str]:
    """The parameters of a read, but for headers."""
    return {each["name"] for each in API["paths"][path]["get"]["parameters"] if each["in"] == "query"}


def fields(cls: type[attrs.AttrsInstance]) -> set[str]:
    """The fields of a class."""
    return {field.name for field in attrs.fields(cls)}


def options(schema: Any) -> set[str]:
    """The options that a plugin takes."""
    return set(schema["properties"])


@pytest.mark.parametrize(
    ("page", "head", "expected"),
    [
        ("api.md", "field of an entry of `plugins`", schema("PluginRequest")),
        ("api.md", "`options`", schema("JobOptions")),
        ("api.md", "field", schema("EventPayload")),
        ("operations.md", "field", schema("PruneRequest")),
        ("plugins.md", "of `metadata`", fields(PluginMetadata)),
        ("plugins.md", "of `context`", {name for name in vars(PluginContext) if not name.startswith("_")}),
        ("realtime.md", "parameter", parameters("/v1/realtime")),
        ("webhooks.md", "key", fields(Webhook)),
        ("zones.md", "option", options(Zones.metadata.config_schema)),
    ],
)
def test_a_table_has_each_field_once(page: str, head: str, expected: set[str]) -> None:
    """In its first column, as code."""
    text = (DOCS / page).read_text(encoding="utf-8")
    [table] = re.findall(rf"^\| {re.escape(head)} \|.*\n\|[-|: ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    told = re.findall(r"`(\w+)[^`]*`", " ".join(row.split("|")[1] for row in table.splitlines()))
    assert sorted(told) == sorted(expected)
