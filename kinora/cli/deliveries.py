"""``kinora deliveries``: what a server posts to webhooks, and what has come of it."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import SHORT_ID
from kinora.cli.flags import options
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import local_time, print_json, print_line, print_table
from kinora.client import KinoraClient

COLUMNS = ("created_at", "webhook", "job_id", "type", "kind", "status", "attempts", "answer")
OPTIONAL = ("type", "job_id", "attempts")
"""The columns that a narrow terminal goes without, the first one first."""


@click.command
@click.option("--webhook", metavar="NAME", help="Only deliveries of this webhook.")
@click.option("--failed", is_flag=True, help="Only those whose last attempt has failed, and those given up.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Deliveries to list at most.")
@click.option("--before", type=click.IntRange(min=0), help="Start after an earlier page, by its next.")
@of_client
@options.as_json
def deliveries(
    *, webhook: str | None, failed: bool, limit: int, before: int | None, client: KinoraClient, as_json: bool
) -> None:
    """List what a server posts to webhooks, newest first, and what has come of it."""
    page = run_interruptible(partial(client.deliveries, webhook=webhook, failed=failed, before=before, limit=limit))
    if as_json:
        print_json(page)
        return
    shown = map(for_people, page["deliveries"]) if sys.stdout.isatty() else page["deliveries"]
    print_table(COLUMNS, [[delivery[column] for column in COLUMNS] for delivery in shown], optional=OPTIONAL)
    if page["next"] is not None:
        print_line(f"There are more: --before {page['next']}", file="stderr")


def for_people(delivery: dict[str, Any]) -> dict[str, Any]:
    """A delivery with the short id of its job, and in local time."""
    created_at = local_time(delivery["created_at"])
    return {**delivery, "job_id": delivery["job_id"][:SHORT_ID], "created_at": created_at}
