"""``/v1/plugins``: the plugins, broken ones with the reason."""

from __future__ import annotations

from typing import Any

import attrs
from quart import Blueprint, Response
from werkzeug.routing import BaseConverter

from kinora.actors.errors import NotFound
from kinora.actors.plugins.plugin_records import PluginRecord
from kinora.nearest import no_such
from kinora.plugins.registry import RESERVED_NAMES, PluginEntry
from kinora.system import System
from kinora.web.answers.responses import json_response
from kinora.web.documents.documents import PluginDetail, PluginError, PluginList, PluginSummary


class PluginName(BaseConverter):
    """A plugin's name in an address: anything but the words that are addresses themselves."""

    regex = rf"(?!(?:{'|'.join(RESERVED_NAMES)})$)[^/]+"


def plugin_routes(system: System) -> Blueprint:
    """All calls under ``/v1/plugins``."""
    routes = Blueprint("plugins", __name__, url_prefix="/v1/plugins")

    @routes.get("")
    async def list_plugins() -> Response:
        return _list(system)

    @routes.post("/reload")
    async def reload() -> Response:
        await system.plugins.reload()
        system.plugin_records.trust_again()
        return _list(system)

    @routes.get("/<plugin:name>")
    async def show(name: str) -> Response:
        entry = system.plugins.get(name)
        if entry is None:
            raise NotFound(f"{no_such('plugin', name, sorted({known.name for known in system.plugins.all()}))}.")
        record = _record(system, entry)
        return json_response(
            PluginDetail(
                **_facts(entry, record),
                traceback=entry.traceback,
                last_error=_last_error(record),
                code=entry.code,
            )
        )

    return routes


def _list(system: System) -> Response:
    found = [PluginSummary(**_facts(entry, _record(system, entry))) for entry in system.plugins.all()]
    return json_response(PluginList(plugins=found))


def _record(system: System, entry: PluginEntry) -> PluginRecord:
    """The record of the working plugin with this name; an empty one for a broken plugin, which has never run."""
    return system.plugin_records.of(entry.name) if entry.broken is None else PluginRecord()


def _facts(entry: PluginEntry, record: PluginRecord) -> dict[str, Any]:
    """The fields of a PluginSummary."""
    return {
        "name": entry.name,
        "health": record.health if entry.broken is None else "broken",
        "failures": record.failures,
        "restarts": record.restarts,
        "reason": entry.broken,
        "origin": entry.origin,
        "metadata": None if entry.metadata is None else attrs.asdict(entry.metadata),
    }


def _last_error(record: PluginRecord) -> dict[str, Any] | None:
    error = record.last_error
    return None if error is None else attrs.asdict(PluginError(**attrs.asdict(error), job_id=record.last_job))
