"""The keyword ``distinct`` of a ``config_schema``: it names the places in the options whose values must all differ.

A place is written as ``zones[].name``: the ``name`` of each item of the list ``zones``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kinora.plugins.option_errors import dotted

DISTINCT = "distinct"
_PLACE = re.compile(r"[\w-]+(\[\])?(\.[\w-]+(\[\])?)*")

_Path = tuple[str | int, ...]


def distinct_fault(schema: Mapping[str, Any]) -> str | None:
    """The reason, as a sentence, for which the schema's ``distinct`` cannot be used; None if it can."""
    places = schema.get(DISTINCT, [])
    if isinstance(places, list) and all(isinstance(place, str) and _PLACE.fullmatch(place) for place in places):
        return None
    return f'config_schema.{DISTINCT} must be a list of places in the options, such as "zones[].name"'


def repeated(schema: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the place of each value that equals an earlier one, and a sentence about it."""
    first: dict[str, _Path] = {}
    for place in schema.get(DISTINCT, ()):
        for path, value in _values(options, place.replace("[]", ".[]").split("."), ()):
            earlier = first.setdefault(json.dumps(value, sort_keys=True), path)
            if earlier != path:
                yield dotted(path), f"must differ from {dotted(earlier)}, which is the same"


def _values(value: Any, steps: list[str], path: _Path) -> Iterator[tuple[_Path, Any]]:
    """Yield the values at a place, with the path of each; none where the options have no such place."""
    if not steps:
        yield path, value
    elif steps[0] == "[]":
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _values(item, steps[1:], (*path, index))
    elif isinstance(value, dict) and steps[0] in value:
        yield from _values(value[steps[0]], steps[1:], (*path, steps[0]))
