"""The exceptions that end a command, each with its exit code."""

from __future__ import annotations

import click


class Failed(click.ClickException):
    """The command could not do its work."""

    exit_code = 1


class Misuse(click.ClickException):
    """The command was given wrong arguments or wrong input."""

    exit_code = 2


class Interrupted(click.ClickException):
    """A signal ended the command, which has cleaned up."""

    exit_code = 130
