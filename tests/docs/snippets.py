"""The blocks of code on the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (*sorted(DOCS.glob("*.md")), *(ROOT / name for name in ("ARCHITECTURE.md", "README.md", "SECURITY.md")))
_BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Snippet:
    """A block of code on a page."""

    page: str
    """The page's path from the root of the project."""
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is to be saved as, which its first line says, such as ``# brightness.py``."""
        named = re.match(r"# (\w+\.py)\n", self.text)
        return named[1] if named else None


def snippets(page: Path) -> Iterator[Snippet]:
    """All blocks of a page, in their order."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Snippet(str(page.relative_to(ROOT)), found[1], found[2])


def all_snippets(language: str) -> list[Snippet]:
    """All blocks of this language on all pages."""
    return [each for page in PAGES for each in snippets(page) if each.language == language]


def without_blocks(page: Path) -> str:
    """The text of a page between its blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))
