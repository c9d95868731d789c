"""Reads the settings: flags, over ``KINORA_*`` variables, over ``kinora.toml``, over defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from kinora.runtime.files.missing_paths import no_such_path
from kinora.settings.conversion import PATHS
from kinora.settings.fields import Settings, SettingsError
from kinora.settings.tables import class_of_tables, in_folder, placed
from kinora.settings.values import KINDS, checked_value
from kinora.settings.variables import ENV_PREFIX, is_of_commands, is_read

CONFIG_NAME = "kinora.toml"


DEFAULT = "default"


@attrs.frozen
class Reading:
    """The settings, and where each one comes from."""

    settings: Settings
    origins: Mapping[str, str]
    """Setting → the flag, the variable or the file and key that has set it, or ``default``."""


def load_settings(flags: Mapping[str, Any], env: Mapping[str, str], toml_path: Path | None = None) -> Settings:
    """The settings from all four places; see :func:`read_settings`."""
    return read_settings(flags, env, toml_path).settings


def read_settings(flags: Mapping[str, Any], env: Mapping[str, str], toml_path: Path | None = None) -> Reading:
    """The settings from all four places, with the place of each.

    Args:
        flags: field → value as given on the command line; None stands for "not given".
        env: the environment; ``KINORA_MAX_JOBS=4`` sets ``max_jobs``, lists are separated by commas. Variables that
            name no setting are passed over; :func:`~kinora.settings.variables.passed_over` tells which.
        toml_path: the configuration file, which must exist; None looks for ``kinora.toml`` in the current
            folder. Relative paths in the file are relative to its own folder.

    Raises:
        SettingsError: a setting is unknown, of the wrong type or out of range; the text says where it was found. A
            value that a higher place overrides is not looked at.
    """
    found: dict[str, tuple[str, Any]] = {}
    for origin, name, value in (*_from_toml(toml_path), *_from_env(env), *_from_flags(flags)):
        found[name] = (origin, value)
    checked: dict[str, Any] = {name: checked_value(origin, name, value) for name, (origin, value) in found.items()}
    origins = {field.name: found[field.name][0] if field.name in found else DEFAULT for field in attrs.fields(Settings)}
    return Reading(Settings(**checked), origins)


def _from_flags(flags: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for name, value in flags.items():
        if value is not None:
            yield f"--{'no-' if value is False else ''}{name.replace('_', '-')}", name, value


def _from_env(env: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for variable in sorted(env):
        value = env[variable]
        if variable.startswith(ENV_PREFIX) and not is_of_commands(variable, value) and is_read(variable, value):
            yield variable, variable.removeprefix(ENV_PREFIX).lower(), value


def _from_toml(path: Path | None) -> Iterator[tuple[str, str, Any]]:
    if path is None:
        path = Path(CONFIG_NAME)
        if not path.is_file():
            return
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Notepad and PowerShell write a byte order mark
    except FileNotFoundError as error:
        raise SettingsError(no_such_path("configuration file", str(path))) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"The configuration file {path} cannot be read: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The configuration file {path} is not valid TOML: {error}") from error
    for name, value in table.items():
        yield f"{path.absolute()}: {name}", name, _in_its_folder(KINDS.get(name), path.parent, value)


def _in_its_folder(kind: Any, folder: Path, value: object) -> object:
    if (tables := class_of_tables(kind)) is not None:
        return placed(tables, folder, value)
    return in_folder(folder, value) if kind in PATHS else value
