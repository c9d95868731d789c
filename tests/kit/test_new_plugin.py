"""``kinora plugins new`` writes a plugin that works, passes its own tests, and overwrites nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kinora.cli.exits import Misuse
from kinora.cli.local.local_request import plugin_file
from kinora.cli.main import cli
from kinora.kit.new_plugin import NotNewError, new_plugin


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, an empty one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_of(folder: Path) -> set[str]:
    """The files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def new(*args: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(cli, ["plugins", "new", *args], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_a_package_is_written_whose_tests_pass(here: Path) -> None:
    """It has a project file, a test, and the plugin; the command tells how to go on, and so do others of its folder."""
    printed = new("bright-spots")
    assert files_of(here) == {
        f"bright-spots/{path}"
        for path in ("pyproject.toml", "README.md", "bright_spots/__init__.py", "tests/test_bright_spots.py")
    }
    assert "kinora run demo: -p ./bright-spots/bright_spots" in printed
    with pytest.raises(Misuse, match=r"for the package in it write \./bright-spots/bright_spots$"):
        plugin_file("./bright-spots")
    own = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=here / "bright-spots",
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert own.returncode == 0, own.stdout


def test_one_file_is_written_on_demand(here: Path) -> None:
    """The plugin is the same."""
    assert "kinora plugins check ./lamps.py" in new("lamps", "--file")
    assert files_of(here) == {"lamps.py"}


def test_nothing_is_overwritten(here: Path) -> None:
    """What is there stays as it is."""
    (here / "lamps.py").write_text("mine")
    with pytest.raises(Exception, match=r"lamps.py is there already"):
        new("lamps", "--file")
    assert (here / "lamps.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Lamps", "lower-case letters"),
        ("reload", "address of a call"),
        ("3d", "begin with a letter"),
        ("class", "cannot be imported"),
        ("random", "Python has a module"),
        ("motion", "there is a plugin motion"),
    ],
)
def test_a_name_that_no_plugin_can_have_is_refused(name: str, why: str) -> None:
    """The reason says what to choose."""
    with pytest.raises(NotNewError, match=why):
        new_plugin(name)
