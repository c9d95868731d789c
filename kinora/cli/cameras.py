"""``kinora cameras``: a server's cameras, and whether each can be reached now."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import SHORT_ID
from kinora.cli.flags import options
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json, print_table
from kinora.client import KinoraClient

MAX_ASKED = 6
"""The times that a server is asked, which waits some seconds each time, until it knows of all cameras."""
COLUMNS = ("camera", "reachable", "reason", "in use by", "found")
_WORDS = {True: "yes", False: "no", None: "not known"}


@click.command
@of_client
@options.as_json
@click.pass_context
def cameras(ctx: click.Context, /, client: KinoraClient, as_json: bool) -> None:
    """List a server's cameras, and whether each can be reached now.

    Webcams too; each is tested unless a job watches it. Exit codes: 0 all can be reached, 1 one cannot.
    """
    found = run_interruptible(partial(_tested, client))
    if as_json:
        print_json(found)
    else:
        shown = map(for_people, found["cameras"]) if sys.stdout.isatty() else found["cameras"]
        print_table(COLUMNS, [_row(camera) for camera in shown])
    ctx.exit(0 if all(camera["reachable"] for camera in found["cameras"]) else 1)


async def _tested(client: KinoraClient) -> dict[str, Any]:
    found = await client.cameras()
    for _ in range(MAX_ASKED - 1):
        if all(camera["checked_at"] for camera in found["cameras"]):
            break
        found = await client.cameras()
    return found


def for_people(camera: dict[str, Any]) -> dict[str, Any]:
    """A camera with the short id of its job, and with its reason in that column alone."""
    message, job = camera["message"].removeprefix(f"{camera['reason']}: "), camera["in_use_by"]
    if job is None:
        return {**camera, "message": message}
    return {**camera, "message": message.replace(job, job[:SHORT_ID]), "in_use_by": job[:SHORT_ID]}


def _row(camera: dict[str, Any]) -> tuple[str, ...]:
    reachable, job = _WORDS[camera["reachable"]], camera["in_use_by"]
    return camera["source"], reachable, camera["reason"] or "", job or "", camera["message"]
