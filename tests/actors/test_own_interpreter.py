"""A plugin in a folder runs under the interpreter that its pyproject.toml names, with packages of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kinora.kit.install import NotInstalledError, commands, install
from kinora.plugins.own_python import ENVIRONMENT, INSTALLED, OwnPythonError, own_python
from kinora.plugins.registry import PluginEntry
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.environments import make_environment
from tests.jobs_kit import frames_of, run_job

PLUGIN = """
import importlib.util, sys
from kinora.plugins import Plugin, PluginMetadata
import only_here


class Apart(Plugin):
    metadata = PluginMetadata(
        name="apart", stateless=True, config_schema={"properties": {"add": {"type": "integer", "default": 1}}}
    )

    def prepare(self, context):
        self.add = context.options["add"]

    def process_frame(self, frame):
        return {
            "prefix": sys.prefix,
            "word": only_here.WORD,
            "strangers": [name for name in ("trio", "quart", "cv2", "tests") if importlib.util.find_spec(name)],
            "sum": int(frame.image.sum(dtype="int64")) + self.add,
        }

    def finalize(self):
        return {"frames": 1}

    def merge(self, results):
        return {"frames": sum(result["frames"] for result in results)}
"""
HERE = """
from kinora.plugins import tool

@tool
def here(frame):
    return {"sum": int(frame.image.sum(dtype="int64"))}
"""


def write_folder(folder: Path, says: str, plugin: str = PLUGIN) -> Path:
    """A plugin in a folder whose project file says this of its interpreter."""
    folder.mkdir()
    (folder / "__init__.py").write_text(plugin)
    (folder / "pyproject.toml").write_text(f"[tool.kinora]\n{says}\n")
    return folder


def entry_of(system: System, name: str) -> PluginEntry:
    """The plugin of this name."""
    entry = system.plugins.get(name)
    assert entry is not None
    return entry


async def test_a_plugin_has_packages_of_its_own(settings: Settings, plugins_dir: Path, tmp_path: Path) -> None:
    """It imports what only its environment has, and nothing of Kinora's but the package; its frames are the same."""
    python = make_environment(tmp_path / "env")
    write_folder(plugins_dir / "apart", f'python = "{python}"')
    (plugins_dir / "here.py").write_text(HERE)
    async with open_system(settings) as system:
        assert entry_of(system, "apart").broken is None
        assert entry_of(system, "apart").origin.python == str(python)
        state = await run_job(system, "here", {"name": "apart", "options": {"add": 2}})
        frames = await frames_of(system, state)
    assert (state.status, state.warnings, len(frames)) == ("done", (), 30)
    for results in (frame["results"] for frame in frames):
        assert results["apart"] == {
            "prefix": str(tmp_path / "env"),
            "word": "from the environment",
            "strangers": [],
            "sum": results["here"]["sum"] + 2,
        }


async def test_an_interpreter_that_cannot_be_used_is_told_with_what_to_do(
    settings: Settings, plugins_dir: Path, tmp_path: Path
) -> None:
    """Such a plugin is listed as broken; the others work."""
    lacking = make_environment(tmp_path / "lacking", ("numpy",))
    (tmp_path / "text").write_text("nothing that runs")
    (tmp_path / "text").chmod(0o755)
    said = {
        "lacks": f'python = "{lacking}"',
        "absent": 'python = "bin/python"',
        "text": f'python = "{tmp_path / "text"}"',
        "uninstalled": 'requirements = ["torch"]',
        "misspelt": 'pyhton = "bin/python"',
    }
    for name, says in said.items():
        write_folder(plugins_dir / name, says)
    (plugins_dir / "here.py").write_text(HERE)
    async with open_system(settings) as system:
        broken = {name: str(entry_of(system, name).broken) for name in said}
        assert entry_of(system, "here").broken is None
    assert f"{lacking} lacks attrs, msgspec: install what is missing there" in broken["lacks"]
    assert f"there is no interpreter {plugins_dir}/absent/bin/python: correct python in" in broken["absent"]
    assert "text cannot be started: Exec format error" in broken["text"]
    assert f"are not installed: run kinora plugins install {plugins_dir}/uninstalled" in broken["uninstalled"]
    assert "may have python and requirements, and nothing else" in broken["misspelt"]


def test_the_file_of_the_folder_around_a_package_counts_too(tmp_path: Path) -> None:
    """As ``kinora plugins new`` writes it; a file that says nothing of an interpreter does not count."""
    (tmp_path / "lamps").mkdir()
    (tmp_path / "lamps" / "pyproject.toml").write_text("[project]\nname = 'lamps'\n")
    assert own_python(tmp_path / "lamps") is None
    (tmp_path / "pyproject.toml").write_text("[tool.kinora]\npython = 'bin/python'\n")
    own = own_python(tmp_path / "lamps")
    assert own is not None
    assert own.interpreter == tmp_path / "bin/python"


def test_an_environment_made_for_other_requirements_is_not_used(tmp_path: Path) -> None:
    """They may have changed since."""
    folder = write_folder(tmp_path / "apart", 'requirements = ["torch==2"]')
    own = own_python(folder)
    assert own is not None
    (folder / ENVIRONMENT / "bin").mkdir(parents=True)
    own.interpreter.symlink_to(sys.executable)
    (folder / ENVIRONMENT / INSTALLED).write_text(json.dumps(["torch==1"]))
    assert "not installed" in str(own.fault)
    (folder / ENVIRONMENT / INSTALLED).write_text(json.dumps(["torch==2"]))
    assert own.fault is None


DEEP = f"requirements = {'[' * 100_000}"


@pytest.mark.parametrize(
    "says", ["python = 3", r'python = "a\u0000b"', "requirements = 'torch'", "requirements = [1]", "= ", "", DEEP]
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, says: str) -> None:
    """The reason names it."""
    with pytest.raises(OwnPythonError, match=r"pyproject\.toml"):
        own_python(write_folder(tmp_path / "apart", says))


def test_a_home_folder_of_nobody_is_a_fault_of_the_plugin_alone(tmp_path: Path) -> None:
    """So one plugin's file takes no server down."""
    own = own_python(write_folder(tmp_path / "apart", 'python = "~nobody42/bin/python"'))
    assert own is not None
    assert "there is no interpreter" in str(own.fault)


def test_an_environment_is_made_by_venv_and_pip(tmp_path: Path) -> None:
    """With what a worker needs, beside the requirements; by the interpreter that is named, if one is."""
    own = own_python(write_folder(tmp_path / "apart", f'requirements = ["torch==2"]\npython = "{sys.executable}"'))
    assert own is not None
    environment = str(tmp_path / "apart" / ENVIRONMENT)
    make, (python, *pip) = commands(own)
    assert make == [sys.executable, "-m", "venv", "--clear", environment]
    assert python == f"{environment}/bin/python"
    assert pip[:3] == ["-m", "pip", "install"]
    assert pip[-1] == "torch==2"
    assert {"attrs", "msgspec", "numpy"} == {Requirement(text).name for text in pip[4:-1]}


def test_a_step_that_fails_leaves_nothing_that_counts_as_installed(tmp_path: Path) -> None:
    """The environment of before is gone for the plugin too."""
    own = own_python(write_folder(tmp_path / "apart", 'requirements = ["torch==2"]\npython = "/bin/false"'))
    assert own is not None
    (tmp_path / "apart" / ENVIRONMENT).mkdir()
    (tmp_path / "apart" / ENVIRONMENT / INSTALLED).write_text(json.dumps(["torch==2"]))
    with pytest.raises(NotInstalledError, match="/bin/false -m venv"):
        install(own)
    assert "not installed" in str(own.fault)
