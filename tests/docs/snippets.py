"""The commands and programs on a page of docs/."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Snippet:
    """A block of code on a page."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is to be saved as, which its first line says, such as ``# brightness.py``."""
        named = re.match(r"# (\w+\.py)\n", self.text)
        return named[1] if named else None

    @property
    def serves(self) -> bool:
        """True if it starts a server, and so does not end."""
        return self.text.startswith("kinora serve")


def snippets(page: str) -> list[Snippet]:
    """All blocks of a page, in their order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [Snippet(found[1], found[2]) for found in _BLOCK.finditer(text)]
