"""docs/cli.md names every command, every flag and every setting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import click
import pytest

from kinora.cli.main import COMMANDS, cli
from kinora.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


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


def test_every_setting_is_described() -> None:
    """The table has all settings and no others."""
    table = PAGE.partition("| setting |")[2]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert named == {field.name for field in attrs.fields(Settings)}
