"""Writes the files that a new plugin begins with: one module, or a package with tests that can be installed."""

from __future__ import annotations

import keyword
import sys
from pathlib import Path
from string import Template

import attrs

from kinora.kit import templates
from kinora.plugins.discovery import find_candidates
from kinora.plugins.registry import name_fault


class NotNewError(ValueError):
    """A plugin of that name cannot be made here; the text says why."""


@attrs.frozen
class NewPlugin:
    """The names of a plugin to be."""

    name: str

    @property
    def module(self) -> str:
        """The name by which it is imported."""
        return self.name.replace("-", "_")

    @property
    def title(self) -> str:
        """The name of its class."""
        return "".join(part.capitalize() for part in self.module.split("_"))

    def fill(self, template: str) -> str:
        """The text of a template."""
        return Template(template).substitute(name=self.name, module=self.module, title=self.title)

    def module_files(self) -> dict[Path, str]:
        """The text of the one file."""
        return {Path(f"{self.module}.py"): self.fill(templates.PLUGIN)}

    def package_files(self) -> dict[Path, str]:
        """The text of each file of the package."""
        root = Path(self.name)
        texts = {
            "pyproject.toml": templates.PROJECT,
            "README.md": templates.README,
            f"{self.module}/__init__.py": templates.PLUGIN,
            f"tests/test_{self.module}.py": templates.TEST,
        }
        return {root / path: self.fill(text) for path, text in texts.items()}


def new_plugin(name: str) -> NewPlugin:
    """The plugin of this name. Blocks: it looks at what is installed.

    Raises:
        NotNewError: no plugin may have that name, or one has it already.
    """
    plugin = NewPlugin(name)
    if fault := name_fault(name):
        raise NotNewError(fault)
    if not plugin.module.isidentifier() or keyword.iskeyword(plugin.module) or not plugin.title.isidentifier():
        raise NotNewError(
            f"{plugin.module} cannot be imported by Python: begin with a letter, and take no word of its own"
        )
    if plugin.module in sys.stdlib_module_names:
        raise NotNewError(f"Python has a module {plugin.module} of its own: choose another name")
    if name in {candidate.name for candidate in find_candidates(None, ())}:
        raise NotNewError(f"there is a plugin {name} already: choose another name")
    return plugin


def write_files(folder: Path, files: dict[Path, str]) -> None:
    """Write files below a folder, or none of them. Blocks.

    Raises:
        NotNewError: the outermost file or folder is there already.
        OSError: a file cannot be written; those before it are there.
    """
    for first in {path.parts[0] for path in files}:
        if (folder / first).exists():
            raise NotNewError(f"{first} is there already: choose another name, or another folder to stand in")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
