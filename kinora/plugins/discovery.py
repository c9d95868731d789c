"""Finds where plugins may be: entry points of installed packages, a folder, and single files. Imports no plugin."""

from __future__ import annotations

import importlib
import importlib.metadata
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import attrs

from kinora.plugins.own_python import OwnPythonError, own_python
from kinora.plugins.protocol import Origin

GROUP = "kinora.plugins"
MAX_FILES = 1_000
"""The most files of the folder in which imports are looked for; those of the rest are not seen."""
MAX_BYTES = 2**20
"""The part of a file in which imports are looked for, from its beginning."""
_BUILTIN = "kinora.plugins.builtin."
_TESTS = ("test_*.py", "*_test.py", "conftest.py")
"""The files that pytest takes for tests or for help with them; they may stand beside the plugins that they test."""
_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+(?P<source>\w+)|import[ \t]+(?P<modules>\w[\w., \t]*))", re.MULTILINE)


@attrs.frozen
class Candidate:
    """A place to look for plugins."""

    name: str
    """The name to use until the plugin's own is known."""
    origin: Origin
    fault: str | None = None
    """Why nothing can be loaded from it."""
    imported: bool = False
    """True if other files of its folder import it, so that it may be there only for them."""
    distribution: str = attrs.field(default="", eq=False)
    """The name and the version of the installed package that it is of; empty for files."""


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
    packaged = "" if point.dist is None else f"{point.dist.name} {point.dist.version}"
    return Candidate(point.name, Origin(kind=kind, location=module, attribute=attribute), distribution=packaged)


def _files(plugins_dir: Path | None, plugin_files: Iterable[Path]) -> Iterator[Candidate]:
    seen: set[Path] = set()
    inside = _in_folder(plugins_dir)
    helpers = _imported(inside)
    given = [path.expanduser().absolute() for path in sorted(plugin_files)]
    for path in [*(path.expanduser().absolute() for path in inside), *given]:
        if path in seen:
            continue
        seen.add(path)
        imported = path.stem in helpers and path not in given
        yield _from_file(path, imported=imported)


def _from_file(path: Path, *, imported: bool) -> Candidate:
    fault = None if path.exists() else f"{path} does not exist"
    python = ""
    try:
        if path.is_dir() and (own := own_python(path)) is not None:
            python, fault = str(own.interpreter), own.fault
    except OwnPythonError as error:
        fault = str(error)
    return Candidate(path.stem, Origin(kind="file", location=str(path), attribute="", python=python), fault, imported)


def _imported(paths: Iterable[Path]) -> set[str]:
    """The names of the modules that files and packages import, each apart from its own."""
    files = ((path.stem, file) for path in paths for file in ([path] if path.suffix == ".py" else path.rglob("*.py")))
    named: set[str] = set()
    for own, file in itertools.islice(files, MAX_FILES):
        named |= imports_of(file) - {own}
    return named


def imports_of(file: Path) -> set[str]:
    """The outermost names of the modules that a file of Python imports; none if it cannot be read. Blocks."""
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return set()
    statements = (found["source"] or found["modules"] for found in _IMPORT.finditer(text))
    modules = (module.split(".")[0].split() for statement in statements for module in statement.split(","))
    return {words[0] for words in modules if words}


def _in_folder(folder: Path | None) -> list[Path]:
    """A folder's ``*.py`` files and packages apart from tests, or itself if it cannot be read, so that this is told."""
    if folder is None:
        return []
    try:
        inside = sorted(folder.expanduser().iterdir())
    except OSError:
        return [folder]
    return [path for path in inside if not path.name.startswith(("_", ".")) and _is_plugin(path)]


def _is_plugin(path: Path) -> bool:
    if path.suffix == ".py" and path.is_file():
        return not any(path.match(pattern) for pattern in _TESTS)
    return (path / "__init__.py").is_file()
