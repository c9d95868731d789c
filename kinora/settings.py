"""The settings of this installation: flags, over ``KINORA_*`` variables, over ``kinora.toml``, over defaults."""

from __future__ import annotations

import difflib
import os
import re
import stat
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_type_hints

import attrs

from kinora.media.source_types import SourceLimits
from kinora.runtime.machine import memory_bytes

CONFIG_NAME = "kinora.toml"
ENV_PREFIX = "KINORA_"
ENV_OF_COMMANDS = frozenset({"KINORA_CONFIG", "KINORA_URL"})
"""Variables that commands read themselves: the path of ``kinora.toml``, and the server that clients talk to."""
_SERVICE_LINK = re.compile(
    r"KINORA(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?|_NAME|_ENV_\w+)"
)
"""What Kubernetes and Docker call the variables that tell a container of a service called ``kinora``."""
_NEAR = 0.7
"""How much alike a wrong name and a right one must be, of 1, for the right one to be named."""
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://.+")
"""The value of such a service's ``KINORA_PORT``, which is no setting then."""

GIB = 2**30
MIB = 2**20


class SettingsError(Exception):
    """A setting that cannot be used; ``str()`` of the error says where it is set and which values are valid."""


def _default_data_dir() -> Path:
    try:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise SettingsError("This user has no home folder: say with --data-dir where to keep jobs.") from error
    return Path(base) / "kinora"


def _absolute(path: Path) -> Path:
    return path.absolute()


_positive = attrs.validators.ge(1)
_not_negative = attrs.validators.ge(0)


def _host(_settings: object, _field: object, value: str) -> None:
    if not re.fullmatch(r"\*|[a-z0-9._:-]+", value):
        raise ValueError(f"{value!r} is not a host: write it in lower case as camera.local or camera.local:8080, or *")


def _host_name(_settings: object, _field: object, value: str) -> None:
    with suppress(ValueError):
        ip_address(value)
        return
    if not re.fullmatch(r"[A-Za-z0-9._-]+", value):
        raise ValueError(
            f"{value!r} is not the name of a host: write it as kinora.example, without a port; it holds for all ports"
        )


def _variable(_settings: object, _field: object, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*\*?", value):
        raise ValueError(f"{value!r} is not the name of a variable: write it as HF_TOKEN, or HF_* for all such names")


@attrs.frozen(kw_only=True)
class Settings:
    """All choices of an operator. Sizes are in bytes, ``_s`` in seconds, ``_ms`` in milliseconds."""

    host: str = "127.0.0.1"
    port: int = attrs.field(default=8000, validator=[_not_negative, attrs.validators.le(65535)])
    """0 takes any free port."""
    allowed_hosts: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(_host_name))
    """Further names that a request's ``Host`` may carry, as behind a reverse proxy; each holds for all ports."""
    realtime: bool = True
    """Without it there is no ``/v1/realtime``; jobs and REST work as usual."""
    max_connections: int = attrs.field(default=10_000, validator=_positive)
    """Realtime clients at once."""

    data_dir: Path = attrs.field(factory=_default_data_dir, converter=_absolute)
    """The folder of jobs, results and uploads; made if missing. It may be moved between two runs of the server."""
    media_dir: Path = attrs.field(factory=Path.cwd, converter=_absolute)
    """The folder of sources; no file outside it is read."""
    follow_links: bool = False
    """Links in the media folder are followed out of it too, as ``kinora run`` does: only for links of one's own."""
    url_hosts: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(_host))
    """Hosts that sources may be read from by URL, each with or without its port; ``*`` allows every host with a public
    address. Others are refused, also when a redirect leads to them."""
    models_dir: Path = attrs.field(factory=Path.cwd, converter=_absolute)
    """The folder of models; plugins must not read models outside it."""
    max_upload_bytes: int = attrs.field(default=2 * GIB, validator=_positive)
    max_pixels: int = attrs.field(default=50_000_000, validator=_positive)
    """Pixels of one frame beyond which a source is refused. OpenCV reads no larger images in any worker, for plugins
    either."""
    min_free_bytes: int = attrs.field(default=200 * MIB, validator=_not_negative)
    """With less free disk space under ``data_dir`` no new job is accepted; below half of it the results of running jobs
    wait. A quarter of it, at most 16 MiB, is kept in a file, so that jobs can be deleted when the disk is full."""

    plugins_dir: Path | None = None
    """A folder of further plugins, ``*.py`` files and packages."""
    plugin_files: tuple[Path, ...] = ()
    """Files of further plugins."""
    max_failures: int = attrs.field(default=3, validator=_positive)
    """Deaths or timeouts in a row after which a plugin is disabled for its job."""
    max_errors: int = attrs.field(default=25, validator=_positive)
    """Exceptions in a row after which a plugin is disabled for its job."""

    worker_memory_mb: int = attrs.field(factory=lambda: memory_bytes() // MIB // 2, validator=_positive)
    """The most resident memory of one worker process and all that it starts, by default half of the machine's. A plugin
    may set a lower limit by its memory_limit_mb."""
    workers_memory_mb: int = attrs.field(factory=lambda: memory_bytes() // MIB * 3 // 4, validator=_positive)
    """The most resident memory of all worker processes together, by default three quarters of the machine's. Beyond it
    the largest is killed."""

    worker_env: tuple[str, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(_variable))
    """Further variables of the server's environment that its workers get, as plugins may need them: names, with a ``*``
    at the end for all that begin so. Workers always get those listed in kinora/runtime/worker_environment.py."""

    device_cool_down_s: float = attrs.field(default=60.0, validator=attrs.validators.ge(0.0))
    """The time for which a plugin is kept off a GPU that failed under it; the first job after that tries it again."""

    max_jobs: int = attrs.field(default=2, validator=_positive)
    """Jobs that run at once."""
    paused_keep_s: float = attrs.field(default=600.0, validator=attrs.validators.ge(0.0))
    """The time for which a paused job's workers stay; after that they are prepared again when it goes on. A paused job
    does not count as one that runs."""
    max_queued: int = attrs.field(default=100, validator=_positive)
    """Jobs that may wait; a further one is refused and told when to try again. A client that has few may add some to a
    queue that others have filled; see kinora/actors/queue_shares.py."""
    ring_bytes: int = attrs.field(default=64 * MIB, validator=_positive)
    """Shared memory for the frames of one job; at least two frames."""
    cancel_grace_ms: int = attrs.field(default=50, validator=_not_negative)
    """The time for a cancelled job's workers to end by themselves before they are killed."""
    shutdown_grace_s: float = attrs.field(default=5.0, validator=attrs.validators.ge(0.0))
    """The time for clients to take what is under way when the server stops. ``docker stop`` kills after 10 s, and the
    rest of the stop needs time as well."""

    log_level: str = attrs.field(default="info", validator=attrs.validators.in_(("debug", "info", "warning", "error")))


def source_limits(settings: Settings) -> SourceLimits:
    """The limits on sources in these settings."""
    folders = () if settings.follow_links else (str(settings.media_dir.absolute()), str(settings.data_dir.absolute()))
    return SourceLimits(max_pixels=settings.max_pixels, url_hosts=settings.url_hosts, folders=folders)


def require_usable_paths(settings: Settings) -> None:
    """Check that all folders and files can be named to the file system, and in messages to workers.

    Raises:
        SettingsError: one cannot, as with an umlaut where the locale is ASCII.
    """
    paths = (settings.data_dir, settings.media_dir, settings.models_dir, settings.plugins_dir, *settings.plugin_files)
    for path in filter(None, paths):
        try:
            os.fsencode(path)
            str(path).encode()
        except UnicodeEncodeError as error:
            raise SettingsError(
                f"The name {path} cannot be used, as names of files are {sys.getfilesystemencoding()} here: "
                "set LC_ALL=C.UTF-8, or choose another name."
            ) from error


def require_folders(settings: Settings, *names: str) -> None:
    """Check that the folders in these settings are there. Blocks, for as long as a file system does not answer.

    Raises:
        SettingsError: one is not.
    """
    for name in names:
        folder = getattr(settings, name)
        if folder is not None and (fault := _fault_of_folder(folder)):
            raise SettingsError(f"{folder} {fault}: name another folder with --{name.replace('_', '-')}, or make it.")


def _fault_of_folder(folder: Path) -> str | None:
    try:
        return None if stat.S_ISDIR(folder.expanduser().stat().st_mode) else "is not a folder"
    except OSError as error:
        return "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"


def load_settings(flags: Mapping[str, Any], env: Mapping[str, str], toml_path: Path | None = None) -> Settings:
    """The settings from all four places.

    Args:
        flags: field → value as given on the command line; None stands for "not given".
        env: the environment; ``KINORA_MAX_JOBS=4`` sets ``max_jobs``, lists are separated by commas. Variables that
            name no setting are passed over; :func:`passed_over` tells which.
        toml_path: the configuration file, which must exist; None looks for ``kinora.toml`` in the current
            folder. Relative paths in the file are relative to its own folder.

    Raises:
        SettingsError: a setting is unknown, of the wrong type or out of range; the text says where it was found. A
            value that a higher place overrides is not looked at.
    """
    found: dict[str, tuple[str, Any]] = {}
    for origin, name, value in (*_from_toml(toml_path), *_from_env(env), *_from_flags(flags)):
        found[name] = (origin, value)
    checked: dict[str, Any] = {name: _checked(origin, name, value) for name, (origin, value) in found.items()}
    return Settings(**checked)


def passed_over(env: Mapping[str, str]) -> list[str]:
    """A sentence for each ``KINORA_*`` variable that sets nothing, and one for all those of a service."""
    strangers = [name for name in sorted(env) if name.startswith(ENV_PREFIX) and not _is_read(name, env[name])]
    links = [name for name in strangers if _is_service_link(name, env[name])]
    sentences = [_passed_over(name) for name in strangers if name not in links]
    if links:
        sentences.append(
            f"{', '.join(links)}: passed over, as Kubernetes and Docker set such variables for a service called kinora"
        )
    return sentences


def _passed_over(variable: str) -> str:
    known = [*(name.upper() for name in _KINDS), *(name.removeprefix(ENV_PREFIX) for name in ENV_OF_COMMANDS)]
    near = difflib.get_close_matches(variable.removeprefix(ENV_PREFIX), known, n=1, cutoff=_NEAR)
    hint = f"; the nearest one is {ENV_PREFIX}{near[0]}" if near else ""
    return f"{variable}: passed over, as there is no such setting{hint}"


def _is_read(variable: str, value: str) -> bool:
    """Whether the variable means something to Kinora."""
    if variable in ENV_OF_COMMANDS:
        return True
    return variable.removeprefix(ENV_PREFIX).lower() in _KINDS and not _is_service_link(variable, value)


def _is_service_link(variable: str, value: str) -> bool:
    if variable == "KINORA_PORT":
        return _SERVICE_ADDRESS.fullmatch(value) is not None
    return _SERVICE_LINK.fullmatch(variable) is not None


def _from_flags(flags: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for name, value in flags.items():
        if value is not None:
            yield f"--{name.replace('_', '-')}", name, value


def _from_env(env: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for variable in sorted(env):
        if variable.startswith(ENV_PREFIX) and variable not in ENV_OF_COMMANDS and _is_read(variable, env[variable]):
            yield variable, variable.removeprefix(ENV_PREFIX).lower(), env[variable]


def _from_toml(path: Path | None) -> Iterator[tuple[str, str, Any]]:
    if path is None:
        path = Path(CONFIG_NAME)
        if not path.is_file():
            return
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Notepad and PowerShell write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The configuration file {path} is not valid TOML: {error}") from error
    for name, value in table.items():
        kind = _KINDS.get(name)
        yield f"{path}: {name}", name, _from_folder(path.parent, value) if kind in _PATHS else value


def _from_folder(folder: Path, value: object) -> object:
    if isinstance(value, list):
        return [_from_folder(folder, item) for item in value]
    return folder / Path(value).expanduser() if isinstance(value, str) else value


_KINDS: Mapping[str, Any] = get_type_hints(Settings)
_PATHS = (Path, Path | None, tuple[Path, ...])


def _checked(origin: str, name: str, value: object) -> object:
    if name not in _KINDS:
        raise SettingsError(f"{origin}: there is no setting '{name}'; there are: {', '.join(sorted(_KINDS))}")
    try:
        converted = _converted(_KINDS[name], value)
        field = attrs.fields_dict(Settings)[name]
        if field.validator is not None:
            field.validator(None, field, converted)
    except (TypeError, ValueError, RuntimeError) as error:  # a RuntimeError of expanduser: there is no home folder
        raise SettingsError(f"{origin}: {error.args[0] if error.args else error}") from error
    return converted


_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_KIND_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _converted(kind: Any, value: object) -> object:
    """``value`` converted to ``kind``; text, as from the environment, is parsed as that kind."""
    if kind in (tuple[str, ...], tuple[Path, ...]):
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise TypeError(f"must be a list, not {value!r}")
        return tuple(_converted(kind.__args__[0], item) for item in items if item != "")
    if kind in _PATHS:
        if not isinstance(value, str | Path):
            raise TypeError(f"must be a path, not {value!r}")
        return Path(value).expanduser()
    read = _from_text(kind, value) if isinstance(value, str) else value
    if type(read) is int and kind is float:
        return float(read)
    if type(read) is not kind:
        raise TypeError(f"must be {_KIND_NAMES[kind]}, not {value!r}")
    return read


def _from_text(kind: Any, text: str) -> object:
    if kind is bool:
        return _WORDS.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text
