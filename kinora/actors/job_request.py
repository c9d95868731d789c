"""What a client asks for with ``POST /v1/jobs``, and how JSON becomes it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.plugins.options import dotted

DEVICE_PATTERN = re.compile(r"auto|cpu|gpu|cuda:(0|[1-9][0-9]?)")
MAX_PLUGINS = 32
MAX_NAME = 100
"""Characters of a plugin's name."""
MAX_SOURCE = 4096
"""Characters, as of a path on Linux."""
MAX_FRAMES = 1_000_000_000
MAX_STRIDE = 1_000_000
MAX_TIMEOUT_MS = 3_600_000
MAX_DEPTH = 32
"""Objects and lists within each other: far from Python's own limit."""
MAX_ERRORS = 50
"""In one answer; more are of no use to anybody."""
DEFAULT_PLUGIN_TIMEOUT_MS = 10_000
DEFAULT_PREPARE_TIMEOUT_MS = 120_000

_Place = tuple[str | int, ...]
_Wrong = tuple[_Place, str]


@attrs.frozen(kw_only=True)
class PluginRequest:
    """One plugin of the pipeline and its options."""

    name: str
    options: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class JobOptions:
    """How the frames are taken and how long a plugin may take."""

    max_frames: int | None = None
    stride: int = 1
    policy: Literal["wait", "latest"] | None = None
    """None: by kind of source, ``wait`` for files."""
    plugin_timeout_ms: int = DEFAULT_PLUGIN_TIMEOUT_MS
    prepare_timeout_ms: int = DEFAULT_PREPARE_TIMEOUT_MS


@attrs.frozen(kw_only=True)
class JobRequest:
    """One source and the plugins it goes through, in order."""

    source: str
    plugins: tuple[PluginRequest, ...]
    device_requested: str = "auto"
    options: JobOptions = JobOptions()


def parse_job_request(data: object, *, upload: str | None = None) -> JobRequest:
    """The request in ``data``, which is decoded JSON; with an upload, ``upload`` is its name and becomes the source.

    Raises:
        InvalidRequest: with the path and a sentence for everything that is wrong, not only the first.
    """
    if not isinstance(data, dict):
        raise InvalidRequest('The request must be a JSON object, such as {"source": "demo:", "plugins": ["motion"]}')
    if upload is not None:
        if "source" in data:
            raise _invalid([(("source",), "leave it out: the uploaded file is the source")])
        data = {"source": upload, **data}
    if unstorable := list(islice(_unstorable(data, ()), MAX_ERRORS)):
        raise _invalid(unstorable)
    try:
        return _CONVERTER.structure(data, JobRequest)
    except cattrs.BaseValidationError as error:
        raise _invalid(_explain(error, ())) from error


def _invalid(wrong: list[_Wrong]) -> InvalidRequest:
    errors = [FieldError(dotted(place), message) for place, message in wrong[:MAX_ERRORS]]
    return InvalidRequest("The request cannot be carried out as it stands", errors)


def _unstorable(value: object, place: _Place) -> Iterator[_Wrong]:
    """What JSON can say but the database, a path or our own JSON cannot hold."""
    if len(place) > MAX_DEPTH:
        yield place, f"is nested too deeply: {MAX_DEPTH} levels are the limit"
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
            return "is too large a number: 64 bits are the limit"
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
    """What cattrs collected, flat, with the place of each."""
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


class _Refused(Exception):
    """A value is not what is taken in its place; ``str()`` of it says what is."""


_Hook = Callable[[Any, Any], Any]


def _integer(lowest: int, highest: int) -> _Hook:
    def structure(value: Any, _type: Any) -> int:
        # bool is an int to Python, and 1.0 equals 1; neither is what was asked for.
        if type(value) is not int or not lowest <= value <= highest:
            raise _Refused(f"must be a whole number from {lowest:,} to {highest:,}")
        return value

    return structure


def _text(longest: int) -> _Hook:
    def structure(value: Any, _type: Any) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            raise _Refused(f"must be text of 1 to {longest:,} characters")
        return value

    return structure


def _optional(structure: _Hook) -> _Hook:
    return lambda value, type_: None if value is None else structure(value, type_)


def _device(value: Any, _type: Any) -> str:
    if not isinstance(value, str) or not DEVICE_PATTERN.fullmatch(value):
        raise _Refused("must be auto, cpu, gpu or cuda:N, such as cuda:0")
    return value


def _policy(value: Any, _type: Any) -> str:
    if value not in ("wait", "latest"):
        raise _Refused("must be wait or latest")
    return str(value)


def _mapping(value: Any, _type: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Refused("must be an object")
    return value


def _plugins(value: Any, _type: Any) -> tuple[PluginRequest, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_PLUGINS:
        raise _Refused(f'must be a list of 1 to {MAX_PLUGINS} plugins, such as ["motion"]')
    plugins = _CONVERTER.structure(value, tuple[PluginRequest, ...])
    names = [plugin.name for plugin in plugins]
    twice = [index for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise cattrs.IterableValidationError("duplicates", [_duplicate(index) for index in twice], tuple)
    return plugins


def _duplicate(index: int) -> _Refused:
    error = _Refused("stands in the list twice; a plugin may stand in it once")
    error.add_note(cattrs.IterableValidationNote("", index, PluginRequest))
    return error


def _plugin(value: Any, type_: Any) -> PluginRequest:
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        raise _Refused('must be a plugin\'s name, or an object such as {"name": "motion", "options": {}}')
    return _PLUGIN_FIELDS(value, type_)


def _options(value: Any, type_: Any) -> JobOptions:
    return _OPTIONS_FIELDS(_mapping(value, type_), type_)


_CONVERTER = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
_PLUGIN_FIELDS = make_dict_structure_fn(
    PluginRequest,
    _CONVERTER,
    name=override(struct_hook=_text(MAX_NAME)),
    options=override(struct_hook=_mapping),
)
_OPTIONS_FIELDS = make_dict_structure_fn(
    JobOptions,
    _CONVERTER,
    max_frames=override(struct_hook=_optional(_integer(1, MAX_FRAMES))),
    stride=override(struct_hook=_integer(1, MAX_STRIDE)),
    policy=override(struct_hook=_optional(_policy)),
    plugin_timeout_ms=override(struct_hook=_integer(1, MAX_TIMEOUT_MS)),
    prepare_timeout_ms=override(struct_hook=_integer(1, MAX_TIMEOUT_MS)),
)
_CONVERTER.register_structure_hook(PluginRequest, _plugin)
_CONVERTER.register_structure_hook(JobOptions, _options)
_CONVERTER.register_structure_hook(
    JobRequest,
    make_dict_structure_fn(
        JobRequest,
        _CONVERTER,
        source=override(struct_hook=_text(MAX_SOURCE)),
        plugins=override(struct_hook=_plugins),
        device_requested=override(struct_hook=_device),
        options=override(struct_hook=_options),
    ),
)
