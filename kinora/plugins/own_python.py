"""The interpreter that a plugin's folder names for itself, in its ``pyproject.toml``. Imports no plugin.

```toml
[tool.kinora]
requirements = ["torch==2.4.1"]       # in a virtual environment beside this file, which `kinora plugins install` makes
python = "/opt/torch/bin/python"      # or an interpreter that is there already
```
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import attrs

from kinora.runtime.files.home_paths import in_home

PROJECT = "pyproject.toml"
ENVIRONMENT = ".venv"
"""The folder of the environment for ``requirements``, beside the project's file."""
INSTALLED = "kinora-requirements.json"
"""The file in it with the requirements that were installed."""
MAX_BYTES = 2**20
"""The largest project file that is read."""
_KEYS = {"python", "requirements"}


class OwnPythonError(ValueError):
    """What a plugin's folder says of its interpreter cannot be used; the text says what to change."""


@attrs.frozen
class OwnPython:
    """What a project's file says."""

    project: Path
    """The file."""
    python: Path | None
    """The interpreter; with ``requirements`` the one that their environment is made with, None for Kinora's own."""
    requirements: tuple[str, ...] = ()

    @property
    def environment(self) -> Path:
        """The folder of the environment for the requirements."""
        return self.project.parent / ENVIRONMENT

    @property
    def interpreter(self) -> Path:
        """The interpreter that the plugin runs under."""
        if self.requirements or self.python is None:
            return self.environment / "bin" / "python"
        return self.python

    @property
    def fault(self) -> str | None:
        """Why the plugin cannot run under it now, as a sentence that says what to do; None if it can. Blocks."""
        if self.requirements and self.installed() != list(self.requirements):
            folder = self.project.parent
            return f"the requirements in {self.project} are not installed: run kinora plugins install {folder}"
        if not os.access(self.interpreter, os.X_OK):
            return f"there is no interpreter {self.interpreter}: correct python in {self.project}"
        return None

    def installed(self) -> object:
        """The requirements that the environment was made for; None if there is none. Blocks."""
        try:
            return json.loads((self.environment / INSTALLED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def own_python(package: Path) -> OwnPython | None:
    """What the project's file in a plugin's folder, or in the folder around it, says; None if it says nothing. Blocks.

    Raises:
        OwnPythonError: the file cannot be read, or says something else than this module's example.
    """
    for folder in (package, package.parent):
        if (project := folder / PROJECT).is_file() and (told := _table(project)) is not None:
            return _read(project, told)
    return None


def files_about(package: Path) -> set[Path]:
    """The files, there or not, that say which interpreter a plugin's folder has, and what is installed for it."""
    about = (Path(PROJECT), Path(ENVIRONMENT, INSTALLED))
    return {folder / file for folder in (package, package.parent) for file in about}


def _table(project: Path) -> object:
    try:
        with project.open("rb") as file:
            text = file.read(MAX_BYTES).decode()
        return tomllib.loads(text).get("tool", {}).get("kinora")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise OwnPythonError(f"{project} cannot be read: {error}") from error


def _read(project: Path, told: Any) -> OwnPython:
    if not isinstance(told, dict) or not told or told.keys() - _KEYS:
        raise OwnPythonError(f"in {project}, [tool.kinora] may have python and requirements, and nothing else")
    python, requirements = told.get("python"), told.get("requirements", [])
    if not isinstance(python, str | None) or "\0" in (python or ""):
        raise OwnPythonError(f"in {project}, python must be the path of an interpreter")
    if not isinstance(requirements, list) or not all(isinstance(name, str) for name in requirements):
        raise OwnPythonError(f"in {project}, requirements must be a list of texts")
    path = None if python is None else project.parent / in_home(python)
    return OwnPython(project, path, tuple(requirements))
