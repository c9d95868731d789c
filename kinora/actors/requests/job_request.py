"""The request of ``POST /v1/jobs``, and how it is read from JSON.

A new option is one field here: its type, its default, and its reader in the field's metadata.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Literal, TypeVar

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn, override

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.actors.requests.request_values import (
    READER,
    Reader,
    Refused,
    amounts,
    device,
    either,
    flag,
    integer,
    mapping,
    number,
    one_of,
    optional,
    read_by,
    text,
)
from kinora.plugins.option_errors import MAX_ERRORS, dotted

MAX_PLUGINS = 32
MAX_NAME = 100
"""The most characters of a plugin's name."""
MAX_SOURCE = 4096
"""The most characters of a source, as of a path on Linux."""
MAX_FRAMES = 1_000_000_000
MAX_STRIDE = 1_000_000
MAX_EVERY = 1_000_000
MAX_TIMEOUT_MS = 3_600_000
MAX_OUTAGE_S = 31_536_000
"""A year."""
MAX_CPUS = 10_000
MAX_GPUS = 1_000
MAX_RESOURCES = 16
"""The most kinds of further resources that a job may ask for."""
MAX_AMOUNT = 1_000_000
"""The most of one of them."""
MAX_DEPTH = 32
"""The most levels of nested objects and lists, far below Python's own limit."""
MAX_OPTIONS_BYTES = 64 * 1024
"""The most bytes of all plugins' options together, as JSON."""
DEFAULT_PLUGIN_TIMEOUT_MS = 10_000
DEFAULT_PREPARE_TIMEOUT_MS = 120_000

MAX_REPLICAS = 64
"""The most replicas of a stage, each of which is a process; a larger number is refused."""
MAX_SEGMENTS = 64
"""The most pipelines that one file may be cut up for; a larger number is refused."""
AUTO: Literal["auto"] = "auto"

Replicas = int | Literal["auto"]
Segments = int | Literal["auto"]
Policy = Literal["wait", "latest"]
_TOO_DEEP = f"is nested too deeply: {MAX_DEPTH} levels are the limit"
_Place = tuple[str | int, ...]
_Wrong = tuple[_Place, str]
_T = TypeVar("_T", bound=attrs.AttrsInstance)
_NAME = text(MAX_NAME)


@attrs.frozen(kw_only=True)
class PluginRequest:
    """One plugin of the pipeline and its options. Its name alone stands for the plugin without options."""

    name: str = attrs.field(metadata=read_by(_NAME))
    options: Mapping[str, Any] = attrs.field(factory=dict, metadata=read_by(mapping))
    replicas: Replicas = attrs.field(default=AUTO, metadata=read_by(either(AUTO, integer(1, MAX_REPLICAS))))
    """The most processes that it runs in at once. ``auto``: idle cores if it is stateless and on the CPU, else 1."""
    every: int = attrs.field(default=1, metadata=read_by(integer(1, MAX_EVERY)))
    """It works on every Nth of the frames that are processed, from the job's first one on; the others pass it."""
    side: bool = attrs.field(default=False, metadata=read_by(flag))
    """It works at the side of the others and never slows them: when it is free, it takes the newest frame."""


@attrs.frozen(kw_only=True)
class JobOptions:
    """The choice of frames, the time limits of plugins, and what the job needs of the place where it runs."""

    max_frames: int | None = attrs.field(default=None, metadata=read_by(optional(integer(1, MAX_FRAMES))))
    stride: int = attrs.field(default=1, metadata=read_by(integer(1, MAX_STRIDE)))
    policy: Policy | None = attrs.field(default=None, metadata=read_by(optional(one_of("wait", "latest"))))
    """``wait`` for every frame, ``latest`` to drop waiting frames for newer ones. Null: by kind of source."""
    max_outage_s: float | None = attrs.field(default=None, metadata=read_by(optional(number(0, MAX_OUTAGE_S))))
    """A live source that is away for so long ends the job as done: 0 at once, null never."""
    segments: Segments = attrs.field(default=1, metadata=read_by(either(AUTO, integer(1, MAX_SEGMENTS))))
    """The most pipelines that a file is cut up for, if its plugins are all stateless. ``auto``: as many as help."""
    plugin_timeout_ms: int = attrs.field(
        default=DEFAULT_PLUGIN_TIMEOUT_MS, metadata=read_by(integer(1, MAX_TIMEOUT_MS))
    )
    prepare_timeout_ms: int = attrs.field(
        default=DEFAULT_PREPARE_TIMEOUT_MS, metadata=read_by(integer(1, MAX_TIMEOUT_MS))
    )
    cpus: float = attrs.field(default=1.0, metadata=read_by(number(0, MAX_CPUS)))
    """The cores that an agent must have left for it. The server itself shares its cores among all jobs."""
    gpus: float = attrs.field(default=0.0, metadata=read_by(number(0, MAX_GPUS)))
    """The GPUs that it must have left for it; half a GPU is 0.5."""
    resources: Mapping[str, float] = attrs.field(
        factory=dict, metadata=read_by(amounts(MAX_RESOURCES, MAX_NAME, MAX_AMOUNT))
    )
    """Further things that an agent must have left for it, by the names that its operator gave them."""


def _plugins(value: Any, _type: Any) -> tuple[PluginRequest, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_PLUGINS:
        raise Refused(f'must be a list of 1 to {MAX_PLUGINS} plugins, such as ["motion"]')
    plugins = _CONVERTER.structure(value, tuple[PluginRequest, ...])
    names = [plugin.name for plugin in plugins]
    twice = [index for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise cattrs.IterableValidationError("duplicates", [_duplicate(index) for index in twice], tuple)
    return plugins


def _duplicate(index: int) -> Refused:
    error = Refused("is in the list twice; name each plugin once")
    error.add_note(cattrs.IterableValidationNote("", index, PluginRequest))
    return error


def _options(value: Any, type_: Any) -> JobOptions:
    return _OPTIONS_FIELDS(mapping(value, type_), type_)


_PLUGINS = Reader(
    _plugins,
    Annotated[
        list[_NAME.accepts | PluginRequest],  # type: ignore[name-defined]  # a type made at run time
        msgspec.Meta(min_length=1, max_length=MAX_PLUGINS, extra_json_schema={"uniqueItems": True}),
    ],
)
_OPTIONS = Reader(_options, JobOptions)


@attrs.frozen(kw_only=True)
class JobRequest:
    """One source, and the plugins that process its frames, in order."""

    source: str = attrs.field(metadata=read_by(text(MAX_SOURCE)))
    plugins: tuple[PluginRequest, ...] = attrs.field(metadata=read_by(_PLUGINS))
    device_requested: str = attrs.field(default="auto", metadata=read_by(device))
    options: JobOptions = attrs.field(default=JobOptions(), metadata=read_by(_OPTIONS))


def parse_job_request(data: object, *, upload: str | None = None) -> JobRequest:
    """Return the request in ``data``, which is decoded JSON. ``upload``, the name of an uploaded file, is its source.

    Raises:
        InvalidRequest: with the path and a sentence for each error.
    """
    if not isinstance(data, dict):
        raise InvalidRequest('The request must be a JSON object, such as {"source": "demo:", "plugins": ["motion"]}.')
    if upload is not None:
        if "source" in data:
            raise _invalid([(("source",), "leave it out: the uploaded file is the source")])
        data = {"source": upload, **data}
    if oversized := _oversized(data):
        raise _invalid([oversized])
    if unstorable := list(islice(_unstorable(data, ()), MAX_ERRORS + 1)):
        raise _invalid(unstorable)
    try:
        return _CONVERTER.structure(data, JobRequest)
    except cattrs.BaseValidationError as error:
        raise _invalid(_explain(error, ())) from error


def _invalid(wrong: list[_Wrong]) -> InvalidRequest:
    errors = [FieldError(dotted(place), message) for place, message in wrong[:MAX_ERRORS]]
    return InvalidRequest("The request is not valid.", errors, len(wrong))


def _oversized(data: Mapping[str, Any]) -> _Wrong | None:
    """Return the error of the plugin with whose options the limit is exceeded; None if there is none."""
    plugins, total = data.get("plugins"), 0
    for at, plugin in enumerate(plugins[:MAX_PLUGINS] if isinstance(plugins, list) else ()):
        place = ("plugins", at, "options")
        try:
            total += len(msgspec.json.encode(plugin.get("options"))) if isinstance(plugin, dict) else 0
        except RecursionError:
            return place, _TOO_DEEP
        except (TypeError, ValueError, OverflowError):  # JSON cannot express it: _unstorable finds the place
            continue
        if total > MAX_OPTIONS_BYTES:
            return place, f"makes {total:,} bytes of options; {MAX_OPTIONS_BYTES:,} for all plugins are the limit"
    return None


def _unstorable(value: object, place: _Place) -> Iterator[_Wrong]:
    """Yield the values that JSON allows and the database, a path or our own JSON cannot hold."""
    if len(place) > MAX_DEPTH:
        yield place, _TOO_DEEP
        return
    match value:
        case dict():
            for key, item in value.items():
                yield from _unstorable(key, (*place, str(key)))
                yield from _unstorable(item, (*place, str(key)))
        case list():
            for index, item in enumerate(value):
                yield from _unstorable(item, (*place, index))
        case _:
            if fault := _fault(value):
                yield place, fault


def _fault(value: object) -> str | None:
    match value:
        case str() if "\0" in value:
            return "must not contain the character NUL"
        case str() if not _encodable(value):
            return "must be valid Unicode: it contains half of a surrogate pair"
        case int() if not -(2**63) <= value < 2**63:
            return "must fit in 64 bits"
        case float() if not math.isfinite(value):
            return "must be a finite number"
        case None | str() | int() | float():
            return None
        case _:
            return "must be a JSON value"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _explain(error: Exception, place: _Place) -> list[_Wrong]:
    """Return the errors that cattrs collected as a flat list, each with its place."""
    match error:
        case cattrs.ClassValidationError() | cattrs.IterableValidationError():
            located, unlocated = error.group_exceptions()
            wrong: list[_Wrong] = []
            for inner, note in located:
                step = note.index if isinstance(note, cattrs.IterableValidationNote) else note.name
                wrong += _explain(inner, (*place, step))
            return wrong + [fault for inner in unlocated for fault in _explain(inner, place)]
        case cattrs.ForbiddenExtraKeysError():
            known = ", ".join(field.name for field in attrs.fields(error.cl))
            return [((*place, key), f"is unknown; known here are: {known}") for key in sorted(error.extra_fields)]
        case KeyError():
            return [(place, "is missing")]
        case _:
            return [(place, str(error))]


def _plugin(value: Any, type_: Any) -> PluginRequest:
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        raise Refused('must be a plugin\'s name, or an object such as {"name": "motion", "options": {}}')
    return _PLUGIN_FIELDS(value, type_)


def _fields(cls: type[_T]) -> Callable[[Mapping[str, Any], Any], _T]:
    """Return a function that reads an object into ``cls``, each field by its own reader."""
    readers: dict[str, Any] = {field.name: override(struct_hook=field.metadata[READER]) for field in attrs.fields(cls)}
    return make_dict_structure_fn(cls, _CONVERTER, **readers)


_CONVERTER = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
_PLUGIN_FIELDS = _fields(PluginRequest)
_OPTIONS_FIELDS = _fields(JobOptions)
_CONVERTER.register_structure_hook(PluginRequest, _plugin)
_CONVERTER.register_structure_hook(JobRequest, _fields(JobRequest))
