"""``kinora plugins``: the plugins that are installed here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import click
import msgspec

from kinora.cli import options
from kinora.cli.errors import Misuse
from kinora.cli.folders import require_existing
from kinora.cli.output import print_json, print_table
from kinora.cli.running import run_interruptible
from kinora.log import configure_logging
from kinora.plugins.registry import PluginEntry
from kinora.settings import Settings
from kinora.system import open_system


@click.group
def plugins() -> None:
    """List the plugins that are installed here, or show one."""


@plugins.command("list")
@options.plugins_dir
@options.config
@options.as_json
def list_plugins(plugins_dir: Path | None, config: Path | None, as_json: bool) -> None:
    """List all plugins, broken ones with the reason."""
    entries = _find(plugins_dir, config)
    if as_json:
        print_json([_document(entry) for entry in entries])
        return
    rows = [
        (entry.name, entry.metadata.version, "ok", entry.metadata.description)
        if entry.metadata is not None and entry.broken is None
        else (entry.name, None, "broken", entry.broken)
        for entry in entries
    ]
    print_table(("name", "version", "state", "description"), rows)


@plugins.command("show")
@click.argument("name")
@options.plugins_dir
@options.config
@options.as_json
def show_plugin(name: str, plugins_dir: Path | None, config: Path | None, as_json: bool) -> None:
    """Show one plugin: its description and its options."""
    entries = _find(plugins_dir, config)
    found = [entry for entry in entries if entry.name == name]
    if not found:
        raise Misuse(f"There is no plugin {name!r}; there are: {', '.join(entry.name for entry in entries)}")
    document = _document(found[0])
    if as_json:
        print_json(document)
        return
    metadata = document["metadata"] or {}
    shown = {"origin": found[0].origin.location, **metadata, "broken": found[0].broken, "config_schema": None}
    print_table(("field", "value"), [(key, _flat(value)) for key, value in shown.items() if value])
    schema = metadata.get("config_schema") or {}
    print_table(
        ("option", "default", "description"),
        [
            (f"{name}.{key}", option.get("default"), option.get("description"))
            for key, option in schema.get("properties", {}).items()
        ],
    )


def _flat(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _document(entry: PluginEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "origin": msgspec.to_builtins(entry.origin),
        "metadata": attrs.asdict(entry.metadata) if entry.metadata is not None else None,
        "broken": entry.broken,
        "traceback": entry.traceback,
    }


def _find(plugins_dir: Path | None, config: Path | None) -> Sequence[PluginEntry]:
    settings = options.load({"plugins_dir": plugins_dir, "realtime": False, **options.NO_DATA_DIR}, config)
    configure_logging("error")
    return run_interruptible(partial(_entries, settings))


async def _entries(settings: Settings) -> Sequence[PluginEntry]:
    await require_existing(settings, "plugins_dir")
    with tempfile.TemporaryDirectory(prefix="kinora-") as folder:
        async with open_system(attrs.evolve(settings, data_dir=Path(folder))) as system:
            return tuple(system.plugins.all())
