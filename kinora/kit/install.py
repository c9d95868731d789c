"""Makes the virtual environment that a plugin's requirements are in."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Sequence

from packaging.requirements import Requirement

from kinora.plugins.own_python import INSTALLED, OwnPython
from kinora.runtime.forking.own_interpreter import NEEDED


class NotInstalledError(Exception):
    """The environment could not be made; the text says at which step."""


def install(own: OwnPython) -> None:
    """Make the environment anew, with what a worker needs and with the requirements. Blocks, as long as pip takes.

    The steps print what they do. Only a whole environment is marked as one, so the plugin stays broken after a failure.

    Raises:
        NotInstalledError: a step failed.
        OSError: the folder cannot be written, or the interpreter not be run.
    """
    (own.environment / INSTALLED).unlink(missing_ok=True)
    for command in commands(own):
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - what the author's project file names
            raise NotInstalledError(f"{' '.join(command[:4])} … failed")
    (own.environment / INSTALLED).write_text(json.dumps(list(own.requirements)), encoding="utf-8")


def commands(own: OwnPython) -> list[list[str]]:
    """The steps."""
    base = sys.executable if own.python is None else str(own.python)
    pip = [str(own.interpreter), "-m", "pip", "install", "--disable-pip-version-check"]
    return [[base, "-m", "venv", "--clear", str(own.environment)], [*pip, *_needed(), *own.requirements]]


def _needed() -> Sequence[str]:
    """What a worker imports, in the versions that Kinora works with."""
    return [text for text in importlib.metadata.requires("kinora") or () if Requirement(text).name in NEEDED]
