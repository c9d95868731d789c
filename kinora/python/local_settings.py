"""The settings of a run in this program: as for a command, with its source allowed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from kinora.actors.source_finder import DEMO_SOURCE
from kinora.media.source_names import is_watched
from kinora.media.url_access import ANY_PUBLIC, SourceUrl, is_url
from kinora.python.errors import RunError
from kinora.runtime.temporary import FLOOR_BYTES
from kinora.settings import Settings, read_settings
from kinora.settings.fields import MAX_WEBCAM


def found_settings(flags: Mapping[str, Any], config: Path | None) -> Settings:
    """The settings from arguments, variables and ``kinora.toml``, but for those of servers.

    Raises:
        SettingsError: one is wrong.
    """
    none_of_servers = {"realtime": False, "data_dir": Path(os.devnull)}
    settings = read_settings({**flags, **none_of_servers}, os.environ, config).settings
    return attrs.evolve(settings, jobs={}, webhooks={}, agents=0)


def settings_for(settings: Settings, source: str, files: Sequence[Path], folder: Path) -> tuple[Settings, str]:
    """Settings that keep all data in ``folder`` and allow the source, and the source's name under them."""
    floor = min(settings.min_free_bytes, FLOOR_BYTES)
    plugin_files = (*settings.plugin_files, *files)
    settings = attrs.evolve(settings, data_dir=folder, min_free_bytes=floor, plugin_files=plugin_files)
    if source == DEMO_SOURCE or is_watched(source):
        return attrs.evolve(settings, webcams=tuple(range(MAX_WEBCAM + 1))), source
    if is_url(source):
        hosts = (*settings.url_hosts, SourceUrl.parse(source).host, ANY_PUBLIC)
        return attrs.evolve(settings, url_hosts=hosts), source
    path = Path(source)
    return attrs.evolve(settings, media_dir=path.parent, follow_links=True), path.name


def settled_source(source: str | os.PathLike[str]) -> str:
    """The source by its absolute path, if it is one of this machine.

    Raises:
        RunError: there is no such file or folder.
    """
    text = os.fspath(source)
    if isinstance(source, str) and (text == DEMO_SOURCE or is_watched(text) or is_url(text)):
        return text
    path = Path(text).expanduser().resolve()
    if not path.exists():
        raise RunError(f"There is no file or folder {text}")
    return str(path)
