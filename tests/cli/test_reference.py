"""docs/cli.md names every command and every flag, docs/settings.md every setting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kinora.cli.main import COMMANDS, cli
from kinora.cli.settings_page import settings_page

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cli.md").read_text(encoding="utf-8")


def command(name: str) -> click.Command:
    """The command of this name."""
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def flags(of: click.Command) -> Iterator[str]:
    """The flags of a command and of its subcommands."""
    if isinstance(of, click.Group):
        for inner in of.commands.values():
            yield from flags(inner)
    for parameter in of.params:
        if isinstance(parameter, click.Option):
            yield from parameter.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_flag_is_described(name: str) -> None:
    """None is left out of the page."""
    assert f"kinora {name}" in PAGE or f"`{name} JOB_ID" in PAGE
    assert {flag for flag in flags(command(name)) if not re.search(rf"`[^`]*{flag}\b", PAGE)} == set()


def test_every_flag_on_the_page_exists() -> None:
    """Nor does it tell of others."""
    known = {flag for name in COMMANDS for flag in flags(command(name))} | {"--help", "--version", "-h"}
    assert set(re.findall(r"`(--?[a-z][a-z-]*)`", PAGE)) <= known


def test_the_page_of_settings_is_fresh() -> None:
    """It says what the fields, their docstrings and the flags of ``serve`` say: ``make settings-page`` writes it."""
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings_page()
