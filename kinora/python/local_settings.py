"""The settings of a run in this program: as for a command, with its source allowed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from kinora.actors.sources.source_finder import DEMO_SOURCE
from kinora.media.network.url_access import SourceUrl, is_url
from kinora.media.source_types import SourceError
from kinora.python.errors import RunError
from kinora.python.wanted import source_text
from kinora.runtime.files.home_paths import in_home
from kinora.runtime.files.missing_paths import no_such_path
from kinora.settings import Settings, read_settings, require_folders
from kinora.settings.of_run import allowing, is_path, settings_of_run


def found_settings(flags: Mapping[str, Any], config: Path | None) -> Settings:
    """The settings from arguments, variables and ``kinora.toml``, without those of servers.

    Raises:
        SettingsError: one is wrong, or a folder that it names does not exist.
    """
    none_of_servers = {"realtime": False, "data_dir": Path(os.devnull)}
    settings = read_settings({**flags, **none_of_servers}, os.environ, config).settings
    require_folders(settings, "models_dir", "plugins_dir")
    return attrs.evolve(settings, agents=0)


def settings_for(settings: Settings, source: str, files: Sequence[Path], folder: Path) -> tuple[Settings, str]:
    """Settings that keep all data in ``folder`` and allow the source, and the source's name under them."""
    settings = settings_of_run(settings, folder, files)
    return allowing(settings, Path(source) if is_path(source) else source)


def settled_source(source: str | os.PathLike[str]) -> str:
    """The source, by its absolute path if it is a file or folder of this machine.

    Raises:
        RunError: it is no source, there is no such file or folder, or the URL cannot be read.
    """
    text = source_text(source)
    if isinstance(source, str) and not is_path(text):
        if is_url(text):
            _check_url(text)
        return text
    path = in_home(text).resolve()
    if not path.exists():
        raise RunError(no_such_path("file or folder", text, DEMO_SOURCE))
    return str(path)


def _check_url(url: str) -> None:
    try:
        SourceUrl.parse(url)
    except SourceError as error:
        raise RunError(str(error)) from error
