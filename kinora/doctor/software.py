"""Python, the libraries in their versions, the parts of them that Kinora overrides, and the web UI."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from kinora.doctor.finding import Finding, failed, ok, warning
from kinora.plugins.opencv import MEND, opencv_damage
from kinora.web.connection.stack import HYPERCORN, stack_faults
from kinora.web.pages.bundle import INDEX
from kinora.web.pages.own_pages import STATIC

OLDEST = (3, 11)


def check_python() -> list[Finding]:
    """The interpreter and the system that it runs on."""
    found = f"Python {platform.python_version()} on {platform.system()} {platform.release()}, {platform.machine()}"
    if sys.version_info < OLDEST:
        return [failed("Python", found, "install Python 3.11 or newer")]
    if sys.getfilesystemencoding() != "utf-8":
        found += f"; names of files are {sys.getfilesystemencoding()}, so those with other characters cannot be sources"
        return [warning("Python", found, "set LC_ALL=C.UTF-8")]
    return [ok("Python", found)]


def check_libraries() -> list[Finding]:
    """The libraries that Kinora's package names, in versions that fit."""
    try:
        needed = [needed for needed in map(Requirement, requires("kinora") or ()) if _is_needed(needed)]
    except PackageNotFoundError:
        found = "Kinora is not installed as a package, so the versions that it needs are not known"
        return [warning("libraries", found, "install it with pip install, or make")]
    installed = {needed.name: _version(needed.name) for needed in needed}
    if wrong := [_wrong(needed, installed) for needed in needed if not _fits(needed, installed)]:
        packages = " ".join(f"'{needed}'" for needed in needed if not _fits(needed, installed))
        return [failed("libraries", "; ".join(wrong), f"run pip install {packages}")]
    listed = [f"{name} {installed[name]}" for name in sorted(installed, key=str.lower)]
    return [ok("libraries", ", ".join([*listed, f"SQLite {sqlite3.sqlite_version}"]))]


def _is_needed(requirement: Requirement) -> bool:
    """Whether it is needed on this machine, and not for an extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _fits(needed: Requirement, installed: Mapping[str, str | None]) -> bool:
    found = installed[needed.name]
    return found is not None and needed.specifier.contains(found, prereleases=True)


def _wrong(needed: Requirement, installed: Mapping[str, str | None]) -> str:
    found = installed[needed.name]
    return f"{needed.name} is {found or 'missing'}, and Kinora needs {needed.specifier or 'it'}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_overridden_parts() -> list[Finding]:
    """The parts of Hypercorn, Quart and Quart-Trio that the connection layer overrides."""
    if faults := stack_faults():
        return [failed("connection layer", " ".join(faults), f"run pip install hypercorn=={HYPERCORN} and restart")]
    return [ok("connection layer", "what it overrides of Hypercorn, Quart and Quart-Trio is as it must be")]


def check_opencv() -> list[Finding]:
    """OpenCV, of which several packages overwrite each other; nothing of it is imported."""
    if damage := opencv_damage():
        return [failed("OpenCV", damage, f"run {MEND}")]
    return []


def check_web_ui() -> list[Finding]:
    """The web UI in the package."""
    if not (STATIC / INDEX).is_file():
        return [warning("web UI", "it has not been built; everything else works", "install Node 22 and install again")]
    return [ok("web UI", "built")]
