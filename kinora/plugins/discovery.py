"""Finds where plugins may be: entry points of installed packages, a folder, and single files. Imports no plugin."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import attrs

from kinora.plugins.protocol import Origin

GROUP = "kinora.plugins"
_BUILTIN = "kinora.plugins.builtin."


@attrs.frozen
class Candidate:
    """A place to look for plugins."""

    name: str
    """The name to use until the plugin's own is known."""
    origin: Origin
    fault: str | None = None
    """Why nothing can be loaded from it."""


def find_candidates(plugins_dir: Path | None, plugin_files: Iterable[Path]) -> list[Candidate]:
    """All candidates by precedence: built-in, entry points, files; each group sorted by name.

    Blocks: it reads folders.
    """
    importlib.invalidate_caches()  # find packages installed since the last call
    return [*_entry_points(), *_files(plugins_dir, plugin_files)]


def _entry_points() -> list[Candidate]:
    found = {_from_entry_point(point) for point in importlib.metadata.entry_points(group=GROUP)}
    return sorted(found, key=lambda candidate: (candidate.origin.kind != "builtin", candidate.name))


def _from_entry_point(point: importlib.metadata.EntryPoint) -> Candidate:
    kind: Literal["builtin", "entry_point"] = "builtin" if point.value.startswith(_BUILTIN) else "entry_point"
    module, _, attribute = (part.strip() for part in point.value.partition(":"))
    if not all(part.isidentifier() for part in (*module.split("."), *(attribute.split(".") if attribute else ()))):
        fault = f"its entry point {point.value!r} is not of the form package.module:Class"
        return Candidate(point.name, Origin(kind=kind, location=point.value, attribute=""), fault)
    return Candidate(point.name, Origin(kind=kind, location=module, attribute=attribute))


def _files(plugins_dir: Path | None, plugin_files: Iterable[Path]) -> Iterator[Candidate]:
    seen: set[Path] = set()
    for path in [*_in_folder(plugins_dir), *sorted(plugin_files)]:
        absolute = path.expanduser().absolute()
        if absolute in seen:
            continue
        seen.add(absolute)
        fault = None if absolute.exists() else f"{absolute} does not exist"
        yield Candidate(absolute.stem, Origin(kind="file", location=str(absolute), attribute=""), fault)


def _in_folder(folder: Path | None) -> list[Path]:
    """A folder's ``*.py`` files and packages, or the folder itself if it cannot be read, so that this is reported."""
    if folder is None:
        return []
    try:
        inside = sorted(folder.expanduser().iterdir())
    except OSError:
        return [folder]
    return [path for path in inside if not path.name.startswith(("_", ".")) and _is_plugin(path)]


def _is_plugin(path: Path) -> bool:
    return (path.suffix == ".py" and path.is_file()) or (path / "__init__.py").is_file()
