"""The plugins of a run, as a program names them: by name, file, class, or plain function."""

from __future__ import annotations

import inspect
import itertools
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from kinora.plugins.api import Frame, Plugin, PluginMetadata
from kinora.python.errors import RunError
from kinora.python.pickling import pickled
from kinora.runtime.files.home_paths import in_home

PluginLike = str | os.PathLike[str] | Callable[[Frame], Mapping[str, Any] | None] | type[Plugin] | Mapping[str, Any]
"""A plugin: its name, the path of its file, a function of a frame, a class of Plugin; or a mapping with one of these as
``name`` and, as in ``POST /v1/jobs``, ``options``, ``every``, ``side`` or ``replicas``."""
Plugins = PluginLike | Sequence[PluginLike]

MAX_NAME = 90
"""The longest name made of that of a function, with room for a number; the rest of a longer one is cut off."""
_UNFIT = re.compile(r"[^a-z0-9_-]+")
_FILE = '''"""A function or class of a program, as a plugin."""
from pathlib import Path

import cloudpickle

from kinora.plugins import Plugin, tool

_given = cloudpickle.loads(Path(__file__).with_suffix(".pickle").read_bytes())
if not (isinstance(_given, type) and issubclass(_given, Plugin)):
    _given = tool({name!r})(_given)
_given.__module__ = __name__
globals()[_given.__name__.lstrip("_") or "plugin"] = _given
'''


@attrs.frozen(kw_only=True)
class WantedPlugin:
    """A plugin of a run, and how it is to work."""

    name: str
    """Its name; for a file its path, for a function or class of the program the name that it gets."""
    path: Path | None = None
    """The file that defines it, and maybe others."""
    pickle: bytes | None = None
    """The function or class, if it is the program's own."""
    numbered: bool = False
    """Whether a number is put behind its name where an earlier plugin has it, as with two lambdas."""
    request: Mapping[str, Any] = attrs.field(factory=dict)
    """The rest of its entry in the job's request."""


def wanted_plugins(given: Plugins) -> tuple[WantedPlugin, ...]:
    """Read the plugins of a run.

    Raises:
        RunError: one cannot be used; the text says why.
    """
    several = isinstance(given, Sequence) and not isinstance(given, str)
    listed: Iterable[PluginLike] = given if several else (given,)  # type: ignore[assignment]
    wanted: list[WantedPlugin] = []
    for plugin in map(_wanted, listed):
        taken = {other.name for other in wanted}
        wanted.append(attrs.evolve(plugin, name=_free_name(plugin.name, taken)) if plugin.numbered else plugin)
    if not wanted:
        raise RunError('Name at least one plugin, as plugins=["motion"]')
    return tuple(wanted)


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name, or with a number if an earlier plugin of the run has it, as two lambdas do: ``lambda-2``."""
    numbered = (f"{name}-{count}" for count in itertools.count(2))
    return next(free for free in itertools.chain([name], numbered) if free not in taken)


def _wanted(plugin: PluginLike) -> WantedPlugin:
    if isinstance(plugin, Mapping):
        rest = {key: value for key, value in plugin.items() if key != "name"}
        if "name" not in plugin:
            raise RunError(f'A plugin with options needs a name, as {{"name": "faces", "options": {{}}}}: {plugin!r}')
        return attrs.evolve(_wanted(plugin["name"]), request=rest)
    if isinstance(plugin, str) and not (plugin.endswith(".py") or "/" in plugin):
        return WantedPlugin(name=plugin)
    if isinstance(plugin, str | os.PathLike):
        return WantedPlugin(name=str(plugin), path=in_home(plugin).absolute())
    return _own(plugin)


def _own(plugin: object) -> WantedPlugin:
    """A function or class of the program."""
    if isinstance(plugin, Plugin):
        raise RunError(f"{plugin!r} is an object of a plugin: give its class, {type(plugin).__name__}")
    if not callable(plugin):
        raise RunError(f"{plugin!r} is not a plugin: give a name, the path of a file, a function or a class")
    title = _title(plugin)
    if not isinstance(plugin, type) and inspect.iscoroutinefunction(plugin):
        raise RunError(f"{title} is async: a plugin is a plain function, which may wait, as it has its own process")
    if isinstance(plugin, type) and not issubclass(plugin, Plugin):
        raise RunError(f"The class {title} is not a plugin: derive it from kinora.plugins.Plugin")
    try:
        pickle = pickled(plugin)
    except Exception as error:
        raise RunError(
            f"{title} cannot be handed to the process that it runs in ({error}): make what it needs in it, "
            "or in prepare of a class of kinora.plugins.Plugin"
        ) from error
    return WantedPlugin(name=_fit(title), pickle=pickle, numbered=not isinstance(plugin, type))


def _fit(title: str) -> str:
    """The name of a plugin that is nearest to a title: small letters, without accents; ``function`` if none is left."""
    letters = unicodedata.normalize("NFKD", title.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return _UNFIT.sub("-", plain).strip("-_")[:MAX_NAME] or "function"


def _title(plugin: object) -> str:
    """What the program calls it: by its metadata, its own name, that of the function in a partial, or its class."""
    if isinstance(metadata := getattr(plugin, "metadata", None), PluginMetadata):
        return metadata.name
    named = plugin.func if isinstance(plugin, partial) else plugin
    return str(getattr(named, "__name__", type(named).__name__))


def write_plugin(plugin: WantedPlugin, folder: Path) -> WantedPlugin:
    """Write a function or class of the program as a file in ``folder``; other plugins are returned as they are."""
    if plugin.pickle is None:
        return plugin
    path = folder / f"{plugin.name}.py"
    path.with_suffix(".pickle").write_bytes(plugin.pickle)
    path.write_text(_FILE.format(name=plugin.name))
    return attrs.evolve(plugin, path=path)
