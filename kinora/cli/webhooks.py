"""``kinora webhooks``: the webhooks of a server, and a test of one."""

from __future__ import annotations

from functools import partial

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.exits import Failed
from kinora.cli.flags import options
from kinora.cli.flags.groups import Group
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json, print_line, print_table
from kinora.client import KinoraClient

COLUMNS = ("name", "waiting", "delivered", "given_up", "left_out", "fault")


@click.group(cls=Group)
def webhooks() -> None:
    """List a server's webhooks, and test one."""


@webhooks.command("list")
@of_client
@options.as_json
@click.pass_context
def list_webhooks(ctx: click.Context, /, client: KinoraClient, as_json: bool) -> None:
    """List a server's webhooks, with what has come of their messages since it started.

    Exit codes: 0 all receivers take messages, 1 the last attempt of one has failed.
    """
    found = run_interruptible(partial(client.deliveries, limit=1))["webhooks"]
    if as_json:
        print_json({"webhooks": found})
    else:
        print_table(COLUMNS, [[webhook[column] for column in COLUMNS] for webhook in found])
        if not found:
            print_line(
                "There are no webhooks: [webhooks.NAME] in kinora.toml is one, see docs/webhooks.md.", file="stderr"
            )
    ctx.exit(1 if any(webhook["fault"] for webhook in found) else 0)


@webhooks.command("test")
@click.argument("name")
@of_client
@options.as_json
@click.pass_context
def test_webhook(ctx: click.Context, /, name: str, client: KinoraClient, as_json: bool) -> None:
    """Have a server post a test message to the receiver of a webhook, now, and show what comes of it.

    Exit codes: 0 the receiver has taken it, 1 it has not.
    """
    tested = run_interruptible(partial(client.test_webhook, name))
    told = f"{name}: {tested['answer']}"
    if as_json:
        print_json(tested)
    elif not tested["accepted"]:
        raise Failed(told)
    else:
        print_line(f"{told}, after {tested['took_ms']:g} ms")
    ctx.exit(0 if tested["accepted"] else 1)
