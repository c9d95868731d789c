"""The hash of a plugin's code: the same code has the same one everywhere, other code another."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kinora.plugins import code_hash
from kinora.plugins.code_hash import codes_of
from kinora.plugins.discovery import Candidate, find_candidates
from kinora.plugins.protocol import Origin

PLUGIN = "from helpers import gain\nfrom kinora.plugins import Plugin\n"


def codes_in(folder: Path) -> dict[str, str]:
    """The hashes of all that is in a folder of plugins, by the names of the files."""
    candidates = [found for found in find_candidates(folder, ()) if found.origin.kind == "file"]
    return {candidate.name: code for candidate, code in codes_of(candidates).items()}


def of_module(module: str, distribution: str = "acme 1.0") -> str:
    """The hash of an entry point in this module."""
    origin = Origin(kind="entry_point", location=module, attribute="Tool")
    (code,) = codes_of([Candidate("tool", origin, distribution=distribution)]).values()
    return code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, a package, and a module that the file imports."""
    folder = tmp_path / "here"
    (folder / "packed" / "inner").mkdir(parents=True)
    (folder / "mine.py").write_text(PLUGIN)
    (folder / "helpers.py").write_text("gain = 1\n")
    (folder / "alone.py").write_text("x = 1\n")
    (folder / "packed" / "__init__.py").write_text("from .inner import tool\n")
    (folder / "packed" / "inner" / "tool.py").write_text("y = 1\n")
    (folder / "packed" / "labels.txt").write_text("cat\n")
    return folder


def test_the_same_code_has_the_same_hash_in_another_folder(folder: Path, tmp_path: Path) -> None:
    """What Python and editors put beside the code does not count."""
    there = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(folder, there)
    (there / "packed" / "__pycache__").mkdir()
    (there / "packed" / "__pycache__" / "tool.pyc").write_bytes(b"made")
    (there / "packed" / ".swp").write_text("hidden")
    codes = codes_in(folder)
    assert codes_in(there) == codes
    assert len(set(codes.values())) == len(codes) == 4
    assert all(len(code) == 64 for code in codes.values())


@pytest.mark.parametrize(
    ("change", "others"),
    [
        (lambda folder: (folder / "alone.py").write_text("x = 2\n"), {"alone"}),
        (lambda folder: (folder / "helpers.py").write_text("gain = 2\n"), {"helpers", "mine"}),
        (lambda folder: (folder / "packed" / "inner" / "tool.py").write_text("y = 2\n"), {"packed"}),
        (lambda folder: (folder / "packed" / "labels.txt").write_text("dog\n"), {"packed"}),
        (lambda folder: (folder / "packed" / "labels.txt").rename(folder / "packed" / "names.txt"), {"packed"}),
        (lambda folder: (folder / "packed" / "more.txt").touch(), {"packed"}),
    ],
)
def test_a_change_is_one_of_the_plugins_that_it_is_in(
    folder: Path, change: Callable[[Path], object], others: set[str]
) -> None:
    """A file has its own code and that of its neighbours that it imports, a package all its files."""
    before = codes_in(folder)
    change(folder)
    after = codes_in(folder)
    assert {name for name in before if before[name] != after[name]} == others


def test_what_cannot_be_read_has_a_hash_too(tmp_path: Path) -> None:
    """A plugin that is broken is listed; a pipe has no contents, and nobody waits for a writer."""
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "__init__.py").touch()
    subprocess.run(["mkfifo", tmp_path / "packed" / "pipe"], check=True)
    (tmp_path / "packed" / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "packed" / "round").symlink_to(tmp_path / "packed")
    assert len(codes_in(tmp_path)["packed"]) == 64
    assert len(of_module("there.is.no.such")) == 64


def test_files_and_bytes_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what lies beyond the bound the size still counts."""
    monkeypatch.setattr(code_hash, "MAX_CODE_BYTES", 1_000)
    big = folder / "packed" / "model.bin"
    big.write_bytes(b"a" * 5_000)
    before = codes_in(folder)
    big.write_bytes(b"a" * 4_999 + b"b")
    assert codes_in(folder) == before
    big.write_bytes(b"a" * 5_001)
    assert codes_in(folder)["packed"] != before["packed"]
    monkeypatch.setattr(code_hash, "MAX_CODE_FILES", 2)
    few = codes_in(folder)
    (folder / "packed" / "zebra.txt").write_text("z")
    assert codes_in(folder) == few


def test_an_entry_point_is_its_whole_package_and_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported to find that out, though the packages would raise."""
    package = tmp_path / "acme_tools"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit")
    (package / "deep.py").write_text("raise SystemExit")
    shared = tmp_path / "acme_shared" / "vision"
    shared.mkdir(parents=True)
    (shared / "__init__.py").write_text("raise SystemExit")
    (tmp_path / "acme_single.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)

    before = [of_module(name) for name in ("acme_tools.deep", "acme_shared.vision", "acme_single")]
    assert len(set(before)) == 3
    assert of_module("acme_tools") == before[0]
    assert of_module("acme_tools.deep", "acme 1.1") != before[0]
    (tmp_path / "acme_shared" / "another.py").touch()
    assert of_module("acme_shared.vision") == before[1]
    (package / "__init__.py").write_text("raise SystemExit(1)")
    (shared / "new.py").touch()
    (tmp_path / "acme_single.py").write_text("raise SystemExit(1)")
    after = [of_module(name) for name in ("acme_tools.deep", "acme_shared.vision", "acme_single")]
    assert not set(before) & set(after)
    assert not {name for name in sys.modules if name.startswith("acme_")}


def test_the_built_in_plugins_share_the_hash_of_their_package() -> None:
    """Its code is read once for all of them."""
    builtin = [found for found in find_candidates(None, ()) if found.origin.kind == "builtin"]
    assert len({found.distribution for found in builtin}) == 1
    assert builtin[0].distribution.startswith("kinora ")
    assert len(set(codes_of(builtin).values())) == 1
