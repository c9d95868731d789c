"""Options of a plugin, checked against the JSON Schema in its metadata before a job starts.

A check may take any time, as the schema is the plugin's and the options are a client's: the server runs it in a worker.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import jsonschema
import referencing

from kinora.plugins.api import PluginMetadata
from kinora.plugins.distinct_options import distinct_fault, repeated
from kinora.plugins.option_errors import MAX_ERRORS, MAX_MESSAGE, OptionsError, dotted

MAX_COUNTED = 500
"""The check ends after this many of jsonschema's errors: those after it are neither listed nor counted."""
_QUOTED = 80
"""The characters of a refused value that are quoted if the whole would be too long."""
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BOUNDS = {
    "minItems": "more",
    "maxItems": "fewer",
    "minimum": "more",
    "maximum": "less",
    "exclusiveMinimum": "more",
    "exclusiveMaximum": "less",
}
"""Keyword of JSON Schema → on which side of its bound a value must be."""
PATTERNS_IN_WORDS = {"^[^:]*$": "must not contain a colon"}
"""The patterns in the schemas of the built-in plugins → what they ask for."""


def schema_fault(schema: object) -> str | None:
    """The reason, as a sentence, for which ``schema`` cannot be a ``config_schema``; None if it can."""
    if not isinstance(schema, Mapping):
        return "config_schema must be a JSON Schema, an object"
    try:
        _validator(schema).check_schema(schema)
    except jsonschema.SchemaError as error:
        place = dotted(("config_schema", *error.absolute_path))
        return f"{place} is not valid JSON Schema (2020-12): {error.message[:MAX_MESSAGE]}"
    return distinct_fault(schema)


def check_options(metadata: PluginMetadata, options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the options with the defaults of the plugin's ``config_schema`` filled in.

    Without a schema any options are accepted. With one, unknown keys are refused unless it sets
    ``additionalProperties`` or ``unevaluatedProperties`` itself.

    Raises:
        OptionsError: lists the wrong options, at most ``MAX_ERRORS``, and the known ones if one is unknown.
    """
    filled = copy.deepcopy(dict(options))
    schema = metadata.config_schema
    if schema is None:
        return filled
    if "additionalProperties" not in schema:
        schema = {"unevaluatedProperties": False, **schema}
    try:
        _fill(schema, filled)
        found = islice(_validator(schema).iter_errors(filled), MAX_COUNTED)
        errors = {(path, message[:MAX_MESSAGE]) for error in found for path, message in _explain(error)}
        errors |= {(path, message[:MAX_MESSAGE]) for path, message in islice(repeated(schema, filled), MAX_COUNTED)}
    except Exception as error:  # the schema is the plugin's: it may be wrong in any way
        fault = f"the config_schema of {metadata.name} cannot be applied: {str(error)[:MAX_MESSAGE]}"
        raise OptionsError([("", fault)]) from error
    if errors:
        raise OptionsError(sorted(errors)[:MAX_ERRORS], len(errors))
    return filled


def _validator(schema: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
    """A validator with an empty registry, so that a ``$ref`` never reaches into the network."""
    return jsonschema.Draft202012Validator(schema, registry=referencing.Registry())


def _fill(schema: Mapping[str, Any], value: dict[str, Any]) -> None:
    """Fill in the defaults of ``properties`` where they are missing, in nested objects too."""
    for name, property_schema in schema.get("properties", {}).items():
        if not isinstance(property_schema, Mapping):  # true and false are schemas too
            continue
        if name not in value and "default" in property_schema:
            value[name] = copy.deepcopy(property_schema["default"])
        if isinstance(value.get(name), dict):
            _fill(property_schema, value[name])


def _explain(error: jsonschema.ValidationError) -> list[tuple[str, str]]:
    """An error as (path, sentence) pairs."""
    place = tuple(error.absolute_path)
    if error.validator in {"additionalProperties", "unevaluatedProperties"} and isinstance(error.instance, dict):
        known, patterns = _known(error.schema), error.schema.get("patternProperties", {})
        unknown = [key for key in error.instance if key not in known and not any(re.search(p, key) for p in patterns)]
        others = "".join(f", and names that match the regular expression {pattern}" for pattern in patterns)
        sentence = f"is unknown; known here are: {', '.join(sorted(known)) or 'none'}{others}"
        return [(dotted((*place, key)), sentence) for key in unknown] or [(dotted(place), _sentence(error))]
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = [key for key in error.validator_value if key not in error.instance]
        return [(dotted((*place, key)), "must be given" + _described(error.schema, key)) for key in missing]
    if _is_about_a_name(error):
        return [(dotted((*place, str(error.instance))), f"its name {_sentence(error)}")]
    return [(dotted(place), _sentence(error))]


def _is_about_a_name(error: jsonschema.ValidationError) -> bool:
    """True for an error of a key, by the keyword ``propertyNames``; a property may be called so too."""
    before, keyword, _ = map(str, ("", "", "", *error.schema_path)[-3:])
    return keyword == "propertyNames" and before != "properties"


def _described(schema: Any, key: str) -> str:
    """A colon and the schema's description of a property; empty if it has none."""
    return _description(schema.get("properties", {}).get(key))


def _description(schema: Any) -> str:
    """A colon and a schema's own description; empty if it has none."""
    text = schema.get("description") if isinstance(schema, Mapping) else None
    return f": {text}" if isinstance(text, str) else ""


def _known(schema: Any) -> set[str]:
    """The property names in a schema and in the schemas that it combines."""
    if not isinstance(schema, Mapping):
        return set()
    parts = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ())]
    return set(schema.get("properties", ())).union(*map(_known, parts))


def _sentence(error: jsonschema.ValidationError) -> str:
    """The requirement that is not met: in plain English for common keywords, in jsonschema's words for the others."""
    limit = error.validator_value
    match error.validator:
        case "type":
            kinds = [limit] if isinstance(limit, str) else limit
            return f"must be {' or '.join(_TYPES[kind] for kind in kinds)}"
        case "minItems" | "maxItems":
            return f"must be a list of {limit} or {_BOUNDS[error.validator]}, not of {len(error.instance)}"
        case "minimum" | "maximum":
            return f"must be {limit} or {_BOUNDS[error.validator]}"
        case "exclusiveMinimum" | "exclusiveMaximum":
            return f"must be {_BOUNDS[error.validator]} than {limit}"
        case "enum":
            return f"must be one of {', '.join(json.dumps(choice) for choice in limit)}"
        case "pattern":
            return (
                PATTERNS_IN_WORDS.get(limit) or f"must match the regular expression {limit}{_description(error.schema)}"
            )
        case _:
            return _jsonschemas_sentence(error)


def _jsonschemas_sentence(error: jsonschema.ValidationError) -> str:
    """The message of jsonschema; the refused value in it is shortened if the whole is too long."""
    message = str(error.message)
    if len(message) > MAX_MESSAGE:
        value = repr(error.instance)
        message = message.replace(value, f"{value[:_QUOTED]}…", 1)
    return message
