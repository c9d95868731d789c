"""The hash of a plugin's code, by which two machines know that they have the same plugin. Imports no plugin."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from itertools import islice
from pathlib import Path
from stat import S_ISREG

from kinora.plugins.discovery import Candidate, imports_of

MAX_CODE_FILES = 2_000
"""The most files of one plugin; those beyond it, by the order of their names, do not count."""
MAX_CODE_BYTES = 64 * 2**20
"""The most bytes that are read of one plugin. What lies beyond them counts by the names and sizes of its files."""
_PIECE = 2**20
_BUILTIN = Path(__file__).parent
"""The package of the built-in plugins, with all that they share."""
_MADE = "__pycache__"
_MADE_SUFFIXES = (".pyc", ".pyo")
"""What Python itself puts beside the code."""


def codes_of(candidates: Iterable[Candidate]) -> dict[Candidate, str]:
    """The hash of the code in each place. Blocks: it reads files. What several places share is read once."""
    read: dict[tuple[str, Path | None, str], str] = {}
    found = {}
    for candidate in candidates:
        root = _root(candidate)
        known = candidate.origin.kind, root, candidate.distribution
        if known not in read:
            read[known] = _code_of(candidate, root)
        found[candidate] = read[known]
    return found


def files_of(candidates: Iterable[Candidate]) -> set[Path]:
    """The files of the plugins that do not come with Kinora, as many as count for the hash. Blocks."""
    own = [candidate for candidate in candidates if candidate.origin.kind != "builtin"]
    return {path for candidate in own for path in islice(_files(candidate, _root(candidate)), MAX_CODE_FILES)}


def _files(candidate: Candidate, root: Path | None) -> Iterator[Path]:
    if root is None:
        return iter(())
    return _with_neighbours(root) if candidate.origin.kind == "file" else _below(root)


def _root(candidate: Candidate) -> Path | None:
    """The file or folder with a plugin's code; None if there is none."""
    match candidate.origin.kind:
        case "builtin":
            return _BUILTIN
        case "entry_point":
            return _outermost(candidate.origin.location)
        case _:
            return Path(candidate.origin.location)


def _code_of(candidate: Candidate, root: Path | None) -> str:
    """The SHA-256 of the files' names and contents, and of the distribution's name and version; in hexadecimal digits.

    The same bytes in another folder have the same hash.
    """
    whole = hashlib.sha256(candidate.distribution.encode())
    if root is None:
        return whole.hexdigest()
    found = _files(candidate, root)
    left = MAX_CODE_BYTES
    for path in sorted(islice(found, MAX_CODE_FILES)):
        contents, read = _contents(path, left)
        left -= read
        whole.update(f"\0{path.relative_to(root.parent)}\0{contents}".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _contents(path: Path, most: int) -> tuple[str, int]:
    """The size and the hash of a file, and the number of its bytes that were read, at most ``most``.

    A file that cannot be read counts as empty.
    """
    own = hashlib.sha256()
    size = read = 0
    with suppress(OSError), os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        about = os.fstat(file.fileno())
        size = about.st_size
        while S_ISREG(about.st_mode) and (piece := file.read(min(_PIECE, most - read))):
            own.update(piece)
            read += len(piece)
    return f"{size}:{own.hexdigest()}", read


def _with_neighbours(root: Path) -> Iterator[Path]:
    """The files of a plugin's file or folder, and of what it imports from beside it."""
    seen, waiting = {root}, [root]
    while waiting:
        own = list(islice(_below(waiting.pop()), MAX_CODE_FILES))
        yield from own
        named = {name for file in own if file.suffix == ".py" for name in imports_of(file)}
        new = _modules(root.parent, named) - seen
        seen |= new
        waiting += sorted(new)


def _modules(folder: Path, names: Iterable[str]) -> set[Path]:
    """The modules and packages of these names in a folder."""
    files = {folder / f"{name}.py" for name in names}
    packages = {folder / name for name in names}
    return {path for path in files if path.is_file()} | {path for path in packages if (path / "__init__.py").is_file()}


def _outermost(module: str) -> Path | None:
    """The folder of the outermost package that a module is in, or its own file if it is in none. Nothing is imported.

    A package without an ``__init__.py`` is passed over: several distributions may share it.
    """
    spec: ModuleSpec | None = None
    within = ""
    for part in module.split("."):
        within = f"{within}.{part}".lstrip(".")
        spec = _spec(within, spec)
        if spec is None or spec.has_location:
            break
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    path = Path(spec.origin)
    return path if spec.submodule_search_locations is None else path.parent


def _spec(name: str, parent: ModuleSpec | None) -> ModuleSpec | None:
    if parent is not None:
        return PathFinder.find_spec(name, parent.submodule_search_locations)
    with suppress(ImportError, ValueError):  # ValueError: such a module is loaded, and has no specification
        return importlib.util.find_spec(name)
    return None


def _below(path: Path) -> Iterator[Path]:
    """A file itself; of a folder the files in it that are neither hidden nor made by Python. No links to folders."""
    if not path.is_dir():
        yield path
        return
    for folder, inner, files in os.walk(path):
        inner[:] = sorted(name for name in inner if name != _MADE and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if _counts(name))


def _counts(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(_MADE_SUFFIXES)
