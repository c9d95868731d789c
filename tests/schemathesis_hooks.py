"""What Schemathesis cannot know of this server; it loads this file in its own process, see ``tests.fuzz_api``."""

from __future__ import annotations

import struct
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

from tests.schemathesis_source import SOURCE

_HEAD = struct.pack("<2sIII IIIHHIIIIII", b"BM", 54 + 16 * 16 * 3, 0, 54, 40, 16, 16, 1, 24, 0, 0, 0, 0, 0, 0)
IMAGE = _HEAD.decode("ascii") + "@" * 16 * 16 * 3
"""A BMP of 16x16. All its bytes are ASCII: Schemathesis cannot validate a body that is no text."""
_NOT_FOR_ALL = {"gpus", "resources", "segments"}
"""The options that are refused where the server, its agents or the source cannot do what they ask for."""
_used_keys: set[str] = set()


def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """In a request that is to be accepted, name what exists; leave all else."""
    if case.meta is not None and not case.meta.generation.mode.is_positive:
        return
    body: Any = case.body
    if case.operation.label == "POST /v1/jobs" and isinstance(body, dict):
        case.body = _runnable_body(body)
        _use_key_once(case)
    if case.operation.label == "POST /v1/jobs/prune" and isinstance(body, dict):
        asked: dict[str, Any] = {name: _whole(value) for name, value in body.items()}
        case.body = {**asked, "dry_run": True}  # the jobs are used by others
    if case.operation.label == "GET /v1/sources/picture.jpg":
        case.query["source"] = SOURCE
    if case.operation.label == "GET /v1/jobs":
        case.query.pop("cursor", None)  # only the server itself can give one


def _runnable_body(body: dict[str, Any]) -> dict[str, Any]:
    if "file" in body:
        return {"file": IMAGE, "request": _runnable(body["request"])}
    return {**_runnable(body), "source": SOURCE}


def _use_key_once(case: Case[Any]) -> None:
    """Leave out a key that was sent before: for another request it is refused."""
    key = case.headers.get("Idempotency-Key", "")
    if key and key in _used_keys:
        del case.headers["Idempotency-Key"]
    _used_keys.add(key)


def _runnable(request: dict[str, Any]) -> dict[str, Any]:
    by_name = isinstance(request["plugins"][0], str)
    plugins = ["motion" if by_name else {"name": "motion", "options": {}}]
    asked: dict[str, Any] = request.get("options", {})
    options = {name: _whole(value) for name, value in asked.items() if name not in _NOT_FOR_ALL}
    return {**request, "plugins": plugins, **({"options": options} if "options" in request else {})}


def _whole(value: object) -> object:
    """``value`` as the server takes it: for JSON Schema 2.0 is a whole number, for the server it is a mistake."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


schemathesis.hook(before_call)
