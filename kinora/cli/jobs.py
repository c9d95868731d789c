"""``kinora jobs``: list a server's jobs, or delete many of them."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import SHORT_ID
from kinora.cli.flags import options
from kinora.cli.flags.groups import Group
from kinora.cli.process.running import run_interruptible
from kinora.cli.prune import prune
from kinora.cli.terminal.output import counted, local_time, print_json, print_line, print_table
from kinora.cli.terminal.report import state_in_words
from kinora.client import KinoraClient

COLUMNS = ("job_id", "status", "progress", "frames_done", "source", "created_at")


class Jobs(Group):
    """A group that lists unless another of its commands is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; those that begin without a command are those of ``list``."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Tell the flags of ``list``, then the commands."""
        list_jobs.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group(cls=Jobs, subcommand_metavar="| COMMAND [ARGS]...")
def jobs() -> None:
    """List a server's jobs, newest first; or delete many of them."""


@jobs.command("list")
@click.option("--status", help="Only jobs in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Jobs to list at most.")
@click.option("--cursor", help="Start after an earlier page, by its next_cursor.")
@of_client
@options.as_json
def list_jobs(status: str | None, limit: int, cursor: str | None, client: KinoraClient, as_json: bool) -> None:
    """List a server's jobs, newest first."""
    page = run_interruptible(partial(client.jobs, status=status, limit=limit, cursor=cursor))
    if as_json:
        print_json(page)
        return
    shown = map(for_people, page["jobs"]) if sys.stdout.isatty() else page["jobs"]
    print_table(COLUMNS, [[job[column] for column in COLUMNS] for job in shown])
    if page["next_cursor"]:
        print_line(f"There are more: --cursor {page['next_cursor']}", file="stderr")


jobs.add_command(prune)


def for_people(job: dict[str, Any]) -> dict[str, Any]:
    """A job with its short id, which commands take too, its state in words, its failed plugins, and in local time."""
    failed = f", {counted(len(names), 'plugin')} failed" if (names := job.get("plugins_failed")) else ""
    status, created_at = state_in_words(job) + failed, local_time(job["created_at"])
    return {**job, "job_id": job["job_id"][:SHORT_ID], "status": status, "created_at": created_at}
