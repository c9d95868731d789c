"""The ``kinora`` command: finds its subcommands, imports only the one that is used, and prints errors."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence

import click

from kinora import __version__
from kinora.cli.flags.groups import Group, no_such_flag
from kinora.cli.process.lean_imports import import_structlog
from kinora.cli.process.standard_streams import open_missing_streams
from kinora.printable import printable

COMMANDS = {
    "serve": "Run the server.",
    "agent": "Run jobs of a server here, on its behalf.",
    "run": "Run a source, or many, through plugins here, without a server.",
    "demo": "Run a server and a job on it, and show the job live.",
    "submit": "Give a job to a server.",
    "push": "Push pictures into a job of a server.",
    "watch": "Show a server's jobs live.",
    "jobs": "List a server's jobs, newest first; or delete many of them.",
    "show": "Show one job of a server.",
    "download": "Download what a job of a server has found.",
    "export": "Export what a job of a server has found, for another program.",
    "pause": "Pause jobs of a server.",
    "resume": "Let paused jobs of a server go on.",
    "cancel": "Cancel jobs of a server.",
    "delete": "Delete jobs of a server.",
    "plugins": "List the plugins that are installed here, show one, write a new one, or have a server look for them.",
    "cameras": "List a server's cameras, and whether each can be reached now.",
    "webhooks": "List a server's webhooks, and test one.",
    "deliveries": "List what a server posts to webhooks, newest first, and what has come of it.",
    "agents": "List the agents that run jobs for a server.",
    "token": "Make, list and revoke tokens of a server, and links that sign a browser in.",
    "doctor": "Check all that a server needs here, with the same flags, and say what mends what is wrong.",
    "config": "Show the settings that a server would have here, and where each comes from.",
}
"""The name of every command, which its module and its function share, and the first line of its help."""
YOUNG_OBJECTS = 10_000
"""The objects made and still there at which Python looks for garbage among the new ones; its own value is 700.

With 700 a tenth of the start is spent on looking among what imports make, and all of that stays. And idle clients of a
server renew some objects at each sign of life: with 700 those count as lasting before they are gone, and a look at all
objects follows. It holds up every task, with 5,000 clients for 0.4 s.
"""
IMPORT_LATER = {"run"}
"""The commands that start something before they import what they need."""


class Commands(Group):
    """Subcommands that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name not in IMPORT_LATER:
            import_structlog()
        command: click.Command = getattr(importlib.import_module(f"kinora.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """List them without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="kinora %(version)s")
def cli() -> None:
    """Run computer-vision plugins over images and video, and watch the results live."""


def main(args: Sequence[str] | None = None, command: click.Command = cli) -> None:
    """Run ``args`` (None: this process's arguments) and exit with the code; errors are a sentence on stderr."""
    open_missing_streams()
    if os.getpid() == 1:  # as in a container: until a command handles signals, the kernel would drop them
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    _, middle, all_of_them = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, middle, all_of_them)
    atexit.register(gc.freeze)  # what is left at the end needs no last collection, which takes as long as much of a run
    try:
        sys.exit(command.main(args, prog_name="kinora", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.NoSuchOption as error:
        click.echo(f"kinora: {printable(no_such_flag(error))}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"kinora: {printable(error.format_message())}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
