"""``kinora show``: one job of a server."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import whole_id
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json
from kinora.cli.terminal.report import Tally, print_summary, summary
from kinora.client import KinoraClient
from kinora.printable import printable_lines

PAGE = 1000
"""Frames, or events, per request."""


@click.command
@options.job_id
@click.option("--log", "log", is_flag=True, help="Show the output of its plugins instead.")
@click.option("--plugin", help="With --log: only this plugin's.")
@of_client
@options.as_json
def show(job_id: str, client: KinoraClient, *, log: bool, plugin: str | None, as_json: bool) -> None:
    """Show one job of a server; with --json all that is known of it, with its frames."""
    if log and as_json:
        raise Misuse("--log is text: leave out --json")
    if plugin is not None and not log:
        raise Misuse("--plugin works only with --log")
    job_id = run_interruptible(partial(whole_id, client, job_id))
    if log:
        text = run_interruptible(partial(client.log, job_id, plugin=plugin))
        click.echo(printable_lines(text) if sys.stdout.isatty() else text, nl=False)
    elif as_json:
        print_json(run_interruptible(partial(client.extended, job_id)))
    else:
        print_summary(run_interruptible(partial(fetch_summary, client, job_id)))


async def fetch_summary(client: KinoraClient, job_id: str) -> dict[str, Any]:
    """Fetch the summary of a server's job; its frames and events are read page by page."""
    state = await client.extended(job_id, limit=0)
    tally, last = Tally(), None
    while frames := await client.frames(job_id, after=last, limit=PAGE):
        for frame in frames:
            for plugin, result in frame["results"].items():
                tally.add(plugin, result)
        last = frames[-1]["index"]
    after: int | None = 0
    while after is not None:
        page = await client.events(job_id, after=after, limit=PAGE)
        for event in page["events"]:
            tally.add_event(event)
        after = page["next"]
    return summary(state, tally)
