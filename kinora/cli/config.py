"""``kinora config``: the settings that a server would have here, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import click

from kinora.actors.webhooks.webhook import Webhook
from kinora.cli.flags import options
from kinora.cli.flags.groups import Group
from kinora.cli.flags.server_flags import of_server
from kinora.cli.terminal.output import print_json, print_table
from kinora.media.live.placed_camera import PlacedCamera
from kinora.media.source_names import without_query
from kinora.settings import Settings
from kinora.settings.fields import HIDDEN


@click.group(cls=Group)
def config() -> None:
    """Show the settings that a server would have here, and where each comes from."""


@config.command("show")
@of_server
@options.as_json
def show_config(config: Path | None, as_json: bool, **flags: Any) -> None:
    """Show each setting, its value, and the flag, variable or file that has set it."""
    reading = options.read(flags, config)
    shown = {
        field.name: (shown_value(field, getattr(reading.settings, field.name)), reading.origins[field.name])
        for field in attrs.fields(Settings)
    }
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, (value, origin) in shown.items()})
        return
    print_table(("setting", "value", "origin"), [(name, *told) for name, told in shown.items()])


def shown_value(field: attrs.Attribute[Any], value: object) -> object:
    """The value as it may be shown: paths as text, of a secret only that there is one, of a URL no query."""
    if field.metadata.get(HIDDEN) and value is not None:
        return "(secret)"
    if isinstance(value, tuple):
        return [shown_value(field, item) for item in value]
    if isinstance(value, Mapping):
        return {name: shown_value(field, item) for name, item in value.items()}
    if isinstance(value, PlacedCamera):
        given = {**attrs.asdict(value), "url": without_query(value.url)}
        return {name: shown_value(field, item) for name, item in given.items() if item is not None}
    if isinstance(value, Webhook):
        given = {**attrs.asdict(value), "url": value.shown_url}
        return {name: shown_value(field, item) for name, item in given.items() if item is not None}
    return str(value) if isinstance(value, Path) else value
