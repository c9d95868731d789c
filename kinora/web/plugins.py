"""``/v1/plugins``: what there is to run, broken ones with the reason."""

from __future__ import annotations

from typing import Any

import attrs
from quart import Blueprint, Response

from kinora.actors.errors import NotFound
from kinora.actors.plugin_records import PluginRecord
from kinora.plugins.registry import PluginEntry
from kinora.system import System
from kinora.web.responses import json_response


def plugin_document(entry: PluginEntry, record: PluginRecord) -> dict[str, Any]:
    """One plugin in the list: what it says of itself, null if it is broken, and how it has done since the start."""
    metadata = None if entry.metadata is None else attrs.asdict(entry.metadata)
    return {
        "name": entry.name,
        "health": record.health if entry.broken is None else "broken",
        "failures": record.failures,
        "restarts": record.restarts,
        "reason": entry.broken,
        "origin": entry.origin,
        "metadata": metadata,
    }


def plugin_routes(system: System) -> Blueprint:
    """All calls under ``/v1/plugins``."""
    routes = Blueprint("plugins", __name__, url_prefix="/v1/plugins")

    @routes.get("")
    async def list_plugins() -> Response:
        return _list(system)

    @routes.post("/reload")
    async def reload() -> Response:
        await system.plugins.reload()
        return _list(system)

    @routes.get("/<name>")
    async def show(name: str) -> Response:
        entry = system.plugins.get(name)
        if entry is None:
            known = ", ".join(sorted({known.name for known in system.plugins.all()}))
            raise NotFound(f"There is no such plugin; there are {known}.")
        document = plugin_document(entry, _record(system, entry))
        return json_response(document | {"traceback": entry.traceback, "last_error": _last_error(system, entry)})

    return routes


def _list(system: System) -> Response:
    found = [plugin_document(entry, _record(system, entry)) for entry in system.plugins.all()]
    return json_response({"plugins": found})


def _record(system: System, entry: PluginEntry) -> PluginRecord:
    """That of its name, which is a working plugin's; one that is broken has never run."""
    return system.plugin_records.of(entry.name) if entry.broken is None else PluginRecord()


def _last_error(system: System, entry: PluginEntry) -> dict[str, Any] | None:
    record = _record(system, entry)
    return None if record.last_error is None else attrs.asdict(record.last_error) | {"job_id": record.last_job}
