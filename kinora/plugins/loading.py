"""Imports the module of a plugin, and finds the plugins in it. Runs in a worker, as it is the author's code."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from kinora.plugins import protocol
from kinora.plugins.api import Plugin, PluginMetadata
from kinora.plugins.forms.results import BadResult, encode_result
from kinora.plugins.protocol import MESSAGE_CHARACTERS

STATE_METHODS = ("save_state", "load_state")
METHODS = ("prepare", "process_frame", "process_batch", "finalize", "merge", *STATE_METHODS)


class NoPluginError(TypeError):
    """A module without a plugin, or an object that is none; the text says what to change."""


class UnusablePluginError(TypeError):
    """A plugin that cannot work; the text says what to change."""


def load(origin: protocol.Origin) -> type[Plugin]:
    """Import a plugin's class.

    Raises:
        NoPluginError, UnusablePluginError: the object is not a usable plugin.
        Exception: any error of its import.
    """
    found = _import(origin)
    for part in origin.attribute.split("."):
        found = getattr(found, part)
    return _checked(found, origin.attribute)


def _checked(found: object, name: str) -> type[Plugin]:
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise NoPluginError(f"{name} is not a plugin: subclass kinora.plugins.Plugin, or put @tool above a function")
    if not _has_metadata(found):
        raise NoPluginError(
            f"{name} has no metadata: add `metadata = PluginMetadata(name=…)` to the class, or a _ before its name"
        )
    _require_process(found, name)
    _require_both(found, name)
    for method in METHODS:
        _require_plain(inspect.unwrap(getattr(found, method)), f"{name}.{method}")
    return found


def remembers(plugin: type[Plugin]) -> bool:
    """Whether a plugin's class defines ``save_state`` and ``load_state``."""
    return all(_defines(plugin, method) for method in STATE_METHODS)


def _require_process(plugin: type[Plugin], name: str) -> None:
    """Check that the plugin defines what its metadata says that it takes: frames, or batches of them."""
    frames, batches = (_defines(plugin, method) for method in ("process_frame", "process_batch"))
    most = plugin.metadata.max_batch
    takes_batches = isinstance(most, int) and most > 1
    if takes_batches and not batches:
        raise UnusablePluginError(f"{name} has max_batch={most} and does not define process_batch(self, frames)")
    if not frames and batches and not takes_batches:
        raise UnusablePluginError(
            f"{name} defines process_batch alone: set max_batch in its metadata to the most frames that it takes"
        )
    if not frames and not batches:
        raise UnusablePluginError(f"{name} does not define process_frame(self, frame)")


def _require_both(plugin: type[Plugin], name: str) -> None:
    defined = [method for method in STATE_METHODS if _defines(plugin, method)]
    if len(defined) == 1:
        raise UnusablePluginError(f"{name} defines {defined[0]} alone: define both {' and '.join(STATE_METHODS)}")


def _defines(plugin: type[Plugin], method: str) -> bool:
    return getattr(plugin, method) is not getattr(Plugin, method)


def _has_metadata(plugin: type[Plugin]) -> bool:
    return isinstance(getattr(plugin, "metadata", None), PluginMetadata)


def _require_plain(function: object, name: str) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UnusablePluginError(
            f"{name} is async: write def, as a plugin may wait in its process, or use asyncio.run"
        )
    if inspect.isgeneratorfunction(function):
        raise UnusablePluginError(f"{name} has a yield in it: return one result")


def _import(origin: protocol.Origin) -> Any:
    sys.argv = [origin.location]  # so that a module that reads arguments finds none
    importlib.invalidate_caches()  # the fork server may have listed the folder before this module was put there
    if origin.kind != "file":
        return importlib.import_module(origin.location)
    path = Path(origin.location)
    name = _module_name(path.stem)
    sys.path.insert(0, str(path.parent))  # so that a file may import its neighbours
    file = path / "__init__.py" if path.is_dir() else path
    folders = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _module_name(own: str) -> str:
    """Return the file's own name, by which a package can import itself; another one if that is taken or invalid."""
    taken = not own.isidentifier() or importlib.util.find_spec(own) is not None
    return f"kinora_plugin_{own}" if taken else own


def find(origin: protocol.Origin) -> protocol.Plugins:
    """Import a module and find its plugins, with what is wrong with some of them.

    Raises:
        NoPluginError, UnusablePluginError, BadResult: it has none that can be used.
        Exception: any error of its import.
    """
    if origin.attribute:
        return protocol.Plugins(plugins=[_found(origin.attribute, load(origin))])
    classes = _without_bases(_own_plugins(_import(origin)))
    if not classes:
        raise NoPluginError(f"{origin.location} defines no plugin: add a class of kinora.plugins.Plugin, or use @tool")
    found, faults = [], []
    for name, plugin in classes.items():
        try:
            found.append(_found(name, _checked(plugin, name)))
        except (NoPluginError, UnusablePluginError, BadResult) as error:
            faults.append(error)
    if not found:
        raise faults[0]
    return protocol.Plugins(plugins=found, faults=[str(fault)[:MESSAGE_CHARACTERS] for fault in faults])


def _without_bases(classes: Mapping[str, type[Plugin]]) -> dict[str, type[Plugin]]:
    """The classes but for those without metadata that others of them are derived from."""
    bases = {base for plugin in classes.values() for base in plugin.__mro__[1:]}
    return {name: plugin for name, plugin in classes.items() if plugin not in bases or _has_metadata(plugin)}


def _own_plugins(module: ModuleType) -> dict[str, type[Plugin]]:
    """Return the plugins that a module defines, or a package re-exports from its modules; without private ones.

    A plugin with several names goes by the first.
    """
    named = {
        value: name
        for name, value in reversed(vars(module).items())
        if isinstance(value, type)
        and issubclass(value, Plugin)
        and not name.startswith("_")
        and f"{value.__module__}.".startswith(f"{module.__name__}.")
    }
    return {name: plugin for plugin, name in reversed(named.items())}


def _found(attribute: str, plugin: type[Plugin]) -> protocol.Found:
    encoded = encode_result(attrs.asdict(plugin.metadata, recurse=False))
    assert encoded is not None  # noqa: S101 - a mapping always has a text
    if encoded.lost is not None:
        raise BadResult(f"of the metadata of {attribute}, {encoded.lost}")
    return protocol.Found(
        attribute=attribute,
        metadata=encoded.data,
        sums_up=_defines(plugin, "finalize"),
        merges=_defines(plugin, "merge"),
    )
