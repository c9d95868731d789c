"""Each command of Kinora on the pages names only commands, flags and arguments that there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from kinora.cli.main import cli
from tests.docs.snippets import DOCS

_BLOCKS = re.compile(r"^```\w*\n(.*?)^```$|^((?: {4}\S[^\n]*\n)+)", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:\S*=\S+ |JOB=\$\(|.*\| )*(?:\.venv/bin/)?kinora (?P<arguments>[^|)&>]+)")
"""The first of a line, behind variables and what is piped into it."""


def commands() -> Iterator[tuple[str, str]]:
    """Page and arguments of each command of Kinora in a block of code."""
    for page in [*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"]:
        for block in _BLOCKS.finditer(page.read_text(encoding="utf-8")):
            text = re.sub(r"\\\n\s*", " ", block[1] or re.sub("(?m)^    ", "", block[2]))
            for line in text.splitlines():
                if found := re.match(
                    r"(?:\S*=\S+ |JOB=\$\(|.*\| )*(?:\.venv/bin/)?kinora (?P<arguments>[^|)&>]+)", line
                ):
                    yield page.name, found["arguments"]


def parse(group: click.Group, arguments: list[str], parent: click.Context) -> None:
    """Read the arguments as the command would, without running it."""
    _, command, rest = group.resolve_command(parent, arguments)
    assert command is not None
    if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        parse(command, rest, click.Context(command, parent=parent, info_name=command.name))
    else:
        command.make_context(command.name, rest, parent=parent).close()


@pytest.mark.parametrize(("page", "arguments"), list(commands()))
def test_a_command_can_be_given_as_it_stands(page: str, arguments: str) -> None:
    """Its words are read; what they name, such as files and jobs, is the reader's."""
    words = shlex.split(arguments, comments=True)
    if words[0].startswith("-"):
        words = ["doctor"]
    parse(cli, words, click.Context(cli))
