"""The API's schemas as TypeScript, for the web UI: ``python -m kinora.web.typescript FILE`` writes them there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kinora.web.schemas import schemas

HEAD = """\
/** Made by kinora.web.typescript of what the server takes and sends. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = Record<string, Json>;
"""
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_NAME = re.compile(r"[A-Za-z_$][\w$]*")

_Schema = Mapping[str, Any]


def typescript() -> str:
    """The whole file: a declaration for each schema, sorted by name."""
    return "\n".join([HEAD, *(declaration(name, schema) for name, schema in sorted(schemas().items()))])


def declaration(name: str, schema: _Schema) -> str:
    """One schema under its name."""
    if "properties" not in schema:
        return f"{_comment(schema)}export type {name} = {type_of(schema)};\n"
    required = schema.get("required", ())
    members = (_member(key, inner, key in required) for key, inner in schema["properties"].items())
    return f"{_comment(schema)}export interface {name} {{\n{''.join(members)}}}\n"


def _member(name: str, schema: _Schema, required: bool) -> str:
    key = name if _NAME.fullmatch(name) else json.dumps(name)
    return f"{_comment(schema, '  ')}  {key}{'' if required else '?'}: {type_of(schema)};\n"


def _comment(schema: _Schema, indent: str = "") -> str:
    text = " ".join(schema.get("description", "").replace("``", "`").replace("*/", "* /").split())
    return f"{indent}/** {text} */\n" if text else ""


def type_of(schema: _Schema) -> str:
    """What stands behind the colon.

    Raises:
        ValueError: the schema uses a word that this module does not know.
    """
    match schema:
        case {"$ref": str(ref)}:
            return ref.rpartition("/")[2]
        case {"const": value}:
            return json.dumps(value)
        case {"enum": values}:
            return _union(json.dumps(value) for value in values)
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return _union(type_of(kind) for kind in kinds)
        case {"type": "array", "items": items}:
            return _array(type_of(items))
        case {"type": "object"}:
            return _record(schema)
        case {"type": str(kind)} if kind in _PLAIN:
            return _PLAIN[kind]
        case _ if "type" not in schema:
            return "Json"
        case _:
            raise ValueError(f"There is no TypeScript for {json.dumps(schema)} yet: teach kinora.web.typescript.")


def _union(kinds: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(kinds))


def _array(items: str) -> str:
    return f"({items})[]" if " " in items else f"{items}[]"


def _record(schema: _Schema) -> str:
    values = schema.get("additionalProperties")
    return f"Record<string, {type_of(values)}>" if values else "JsonObject"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(typescript())
