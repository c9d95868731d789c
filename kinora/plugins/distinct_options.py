"""The keyword ``distinct`` of a ``config_schema``: it names the places in the options whose values must all differ.

A place is written as ``zones[].name``: the ``name`` of each item of the list ``zones``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kinora.nearest import no_such
from kinora.plugins.option_errors import dotted

DISTINCT = "distinct"
_PLACE = re.compile(r"[\w-]+(\[\])?(\.[\w-]+(\[\])?)*")
_ITEMS = "[]"
_MORE = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "patternProperties"})
"""Keywords by which a schema may allow more properties than its ``properties`` lists."""

_Path = tuple[str | int, ...]


def distinct_fault(schema: Mapping[str, Any]) -> str | None:
    """The reason, as a sentence, for which the schema's ``distinct`` cannot be used; None if it can."""
    places = schema.get(DISTINCT, [])
    if not isinstance(places, list) or not all(isinstance(place, str) and _PLACE.fullmatch(place) for place in places):
        return f'config_schema.{DISTINCT} must be a list of places in the options, such as "zones[].name"'
    dead_ends = ((place, _dead_end(schema, _steps(place))) for place in places)
    return next(
        (f"config_schema.{DISTINCT}: {place} leads nowhere. {why}" for place, why in dead_ends if why is not None), None
    )


def _steps(place: str) -> list[str]:
    """The names in a place, with ``[]`` for the items of a list."""
    return place.replace(_ITEMS, f".{_ITEMS}").split(".")


def _dead_end(schema: Any, steps: list[str]) -> str | None:
    """Why no options have such a place, as a sentence; None if some may."""
    for number, step in enumerate(steps):
        if not isinstance(schema, Mapping) or not _MORE.isdisjoint(schema):
            return None
        kind, wanted = schema.get("type"), "array" if step == _ITEMS else "object"
        if isinstance(kind, str) and kind != wanted:
            before = ".".join(steps[:number]).replace(f".{_ITEMS}", _ITEMS) or "config_schema"
            return f"The type of {before} is {kind}, not {wanted}"
        known = schema.get("properties")
        if step == _ITEMS:
            schema = schema.get("items")
        elif not isinstance(known, Mapping) or schema.get("additionalProperties", False) is not False:
            return None
        elif step not in known:
            return no_such("property", step, known)
        else:
            schema = known[step]
    return None


def repeated(schema: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the place of each value that equals an earlier one, and a sentence about it."""
    first: dict[str, _Path] = {}
    for place in schema.get(DISTINCT, ()):
        for path, value in _values(options, _steps(place), ()):
            earlier = first.setdefault(json.dumps(value, sort_keys=True), path)
            if earlier != path:
                yield dotted(path), f"must differ from {dotted(earlier)}, which is the same"


def _values(value: Any, steps: list[str], path: _Path) -> Iterator[tuple[_Path, Any]]:
    """Yield the values at a place, with the path of each; none where the options have no such place."""
    if not steps:
        yield path, value
    elif steps[0] == _ITEMS:
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _values(item, steps[1:], (*path, index))
    elif isinstance(value, dict) and steps[0] in value:
        yield from _values(value[steps[0]], steps[1:], (*path, steps[0]))
