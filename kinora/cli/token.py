"""``kinora token``: the tokens of a server, and links that sign a browser in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.flags.groups import Group
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json, print_line, print_table
from kinora.client import ClientError, KinoraClient
from kinora.nearest import nearest

COLUMNS = ("id", "name", "role", "created_at", "last_used_at")
NOT_NEEDED = 409
"""The status with which a server that needs no token refuses to make a link."""


@click.group(cls=Group)
def token() -> None:
    """Make, list and revoke tokens of a server, and links that sign a browser in."""


@token.command("new")
@click.option("--name", required=True, help="What it is for, by which you will know it.")
@click.option(
    "--role",
    type=click.Choice(["view", "operate"]),
    default="view",
    show_default=True,
    help="view reads and watches, operate does everything.",
)
@of_client
@options.as_json
def new_token(name: str, role: str, client: KinoraClient, as_json: bool) -> None:
    """Make a token, and print it: it is told this once. A link that signs a browser in by it comes on stderr."""
    made, links = run_interruptible(partial(_make, client, name, role))
    if as_json:
        print_json(made | {"links": links})
        return
    print_line(made["token"])
    if not links:
        print_line("This server lets everybody in without one: see --token of `kinora serve`.", file="stderr")
    for link in links:
        print_line(f"For a browser, once: {link}", file="stderr")


async def _make(client: KinoraClient, name: str, role: str) -> tuple[dict[str, Any], list[str]]:
    made = await client.make_token(name, role)
    try:
        return made, await client.login_links(made["token"])
    except ClientError as error:
        if error.status != NOT_NEEDED:
            raise
        return made, []


@token.command("list")
@of_client
@options.as_json
def list_tokens(client: KinoraClient, as_json: bool) -> None:
    """List the tokens of a server, without their secrets."""
    found = run_interruptible(client.tokens)
    if as_json:
        print_json({"tokens": found})
    else:
        print_table(COLUMNS, [[entry[column] for column in COLUMNS] for entry in found])


@token.command("revoke")
@click.argument("tokens", nargs=-1, required=True, metavar="ID|NAME...")
@of_client
def revoke_tokens(tokens: Sequence[str], client: KinoraClient) -> None:
    """Revoke tokens, and end all that runs for them."""
    run_interruptible(partial(_revoke, client, tokens))


async def _revoke(client: KinoraClient, given: Sequence[str]) -> None:
    found = await client.tokens()
    ids = {entry["name"]: entry["id"] for entry in found} | {entry["id"]: entry["id"] for entry in found}
    if unknown := [text for text in given if text not in ids]:
        names = [entry["name"] for entry in found]
        raise Misuse(f"There is no token {unknown[0]!r}{nearest(unknown[0], names)}: see `kinora token list`")
    for token_id in dict.fromkeys(ids[text] for text in given):
        await client.revoke_token(token_id)


@token.command("link")
@of_client
@options.as_json
def make_link(client: KinoraClient, as_json: bool) -> None:
    """Make a link that signs a browser in, once, and print it by each address of the server."""
    links = run_interruptible(client.login_links)
    if as_json:
        print_json({"links": links})
        return
    for link in links:
        print_line(link)
