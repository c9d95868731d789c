"""``kinora plugins``: the plugins that are installed here."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import click
import msgspec

from kinora.cli.client.client_flags import of_client
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.flags.folders import require_existing
from kinora.cli.flags.groups import Group
from kinora.cli.flags.paths import real_path
from kinora.cli.plugin_kit import check, install, new
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json, print_table
from kinora.client import KinoraClient
from kinora.log import configure_logging
from kinora.nearest import no_such
from kinora.plugins.registry import PluginEntry
from kinora.printable import printable_lines
from kinora.runtime.files.missing_paths import no_such_path
from kinora.settings import Settings
from kinora.system import open_system

COLUMNS = ("name", "version", "state", "description")


@click.group(cls=Group)
def plugins() -> None:
    """List the plugins that are installed here, show one, write a new one, or have a server look for them."""


plugins.add_command(new)
plugins.add_command(check)
plugins.add_command(install)


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
    documents = [_document(entry) for entry in entries]
    print_table(COLUMNS, [(told["name"], *_told(told["metadata"], told["broken"], "ok")) for told in documents])


@plugins.command("show")
@click.argument("name", metavar="NAME|FILE")
@options.plugins_dir
@options.config
@options.as_json
def show_plugin(name: str, plugins_dir: Path | None, config: Path | None, as_json: bool) -> None:
    """Show one plugin, or those that a file defines: description and options, or what is broken about it.

    --json prints an object for a NAME and a list for a FILE, such as ./my.py
    """
    if is_file := options.is_plugin_file(name):
        location = str(real_path(name))
        if not Path(location).exists():
            raise Misuse(no_such_path("file", name))
        found = [entry for entry in _find(plugins_dir, config, Path(location)) if entry.origin.location == location]
    else:
        entries = _find(plugins_dir, config)
        found = [entry for entry in entries if entry.name == name][:1]
        if not found:
            raise Misuse(no_such("plugin", name, [entry.name for entry in entries]))
    if as_json:
        documents = [_document(entry) for entry in found]
        print_json(documents if is_file else documents[0])
        return
    for entry in found:
        _print(entry)


def _print(entry: PluginEntry) -> None:
    """Print a plugin as two tables, a broken one with its traceback."""
    metadata: Mapping[str, Any] = _document(entry)["metadata"] or {"name": entry.name}
    origin = {"origin": entry.origin.location, "interpreter": entry.origin.python}
    shown = {**origin, **metadata, "broken": entry.broken, "config_schema": None}
    print_table(("field", "value"), [(key, _flat(value)) for key, value in shown.items() if value])
    if entry.broken is not None:
        click.echo(printable_lines(entry.traceback or ""), nl=False)
    schema = metadata.get("config_schema") or {}
    if properties := schema.get("properties"):
        print_table(
            ("option", "default", "description"),
            [
                (f"{entry.name}.{key}", _as_given(option), option.get("description"))
                for key, option in properties.items()
                if isinstance(option, Mapping)
            ],
        )


def _as_given(option: Mapping[str, Any]) -> str | None:
    """The option's default as ``-o`` takes it; None if it has none."""
    return msgspec.json.encode(option["default"]).decode() if "default" in option else None


@plugins.command("reload")
@of_client
@options.as_json
def reload_plugins(client: KinoraClient, as_json: bool) -> None:
    """Have a server look for plugins again, and list those that it finds. Running jobs go on with what they have."""
    found = run_interruptible(client.reload_plugins)
    if as_json:
        print_json(found)
        return
    rows = [
        (plugin["name"], *_told(plugin["metadata"], plugin["reason"], plugin["health"])) for plugin in found["plugins"]
    ]
    print_table(COLUMNS, rows)


def _told(metadata: Mapping[str, Any] | None, broken: str | None, state: str) -> tuple[object, ...]:
    """Version, state and description of a plugin; of a broken one, the reason."""
    if metadata is None or broken is not None:
        return None, "broken", broken
    return metadata["version"], state, metadata["description"]


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


def _find(plugins_dir: Path | None, config: Path | None, *files: Path) -> Sequence[PluginEntry]:
    settings = options.load({"plugins_dir": plugins_dir, "realtime": False, **options.NO_DATA_DIR}, config)
    settings = attrs.evolve(settings, plugin_files=(*settings.plugin_files, *files))
    configure_logging("error")
    return run_interruptible(partial(_entries, settings))


async def _entries(settings: Settings) -> Sequence[PluginEntry]:
    await require_existing(settings, "plugins_dir")
    with tempfile.TemporaryDirectory(prefix="kinora-") as folder:
        async with open_system(attrs.evolve(settings, data_dir=Path(folder))) as system:
            return tuple(system.plugins.all())
