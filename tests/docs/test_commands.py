"""Each command of Kinora on the pages names only commands, flags and arguments that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import filterfalse

import click
import pytest

from kinora.cli.main import cli
from tests.docs.shell import commands, is_run, words
from tests.docs.snippets import PAGES, all_snippets, without_blocks

_COMMAND = re.compile(r"(?:^|[(|] ?|-- |exec kinora |^(?:\w+=\S+ )+)kinora (?P<arguments>[^|)&>]+)")
"""The first words, and those behind a pipe, in a substitution or in a container."""
_IN_TEXT = re.compile(r"`kinora ([a-z]+(?: [^`|…]+)?)`")


def in_blocks() -> Iterator[str]:
    """The arguments of each command of Kinora in a block of code that no reader runs."""
    for block in all_snippets("sh"):
        for command in filterfalse(is_run, commands(block.text)):
            yield from (found["arguments"] for found in _COMMAND.finditer(command))


def in_text() -> Iterator[str]:
    """Those that stand in a sentence, where some are not given in full."""
    for page in PAGES:
        yield from _IN_TEXT.findall(without_blocks(page))


def found_by(arguments: list[str], group: click.Group, parent: click.Context) -> tuple[click.Command, list[str]]:
    """The command that the first words name, and the other words."""
    _, command, rest = group.resolve_command(parent, arguments)
    assert command is not None
    if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        return found_by(rest, command, click.Context(command, parent=parent, info_name=command.name))
    return command, rest


@pytest.mark.parametrize("arguments", sorted(set(in_blocks())))
def test_a_command_can_be_given_as_it_stands(arguments: str) -> None:
    """Its words are read; what they name, such as files and jobs, is the reader's."""
    context = click.Context(cli)
    command, rest = found_by(words(arguments), cli, context)
    command.make_context(command.name, rest, parent=context).close()


@pytest.mark.parametrize("arguments", sorted(set(in_text())))
def test_a_command_in_a_sentence_has_the_flags_that_it_names(arguments: str) -> None:
    """It may lack what the sentence is not about."""
    command, rest = found_by(arguments.split(), cli, click.Context(cli))
    known = {"--help", *(flag for parameter in command.params for flag in parameter.opts)}
    assert [word for word in rest if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known] == []
