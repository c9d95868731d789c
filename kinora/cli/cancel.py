"""``kinora cancel``: stop jobs of a server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from kinora.cli import options
from kinora.cli.output import print_json, print_table
from kinora.cli.running import run_interruptible
from kinora.client import KinoraClient

COLUMNS = ("job_id", "status", "cancelled", "cancel_ms")


@click.command
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB_ID...")
@options.url
@options.as_json
def cancel(job_ids: Sequence[str], url: str, as_json: bool) -> None:
    """Cancel jobs of a server, and return when they and all their processes are gone."""
    answers = run_interruptible(partial(_cancel, KinoraClient(url), job_ids))
    if as_json:
        print_json(answers)
    else:
        print_table(COLUMNS, [[answer[column] for column in COLUMNS] for answer in answers])


async def _cancel(client: KinoraClient, job_ids: Sequence[str]) -> list[dict[str, Any]]:
    return [await client.cancel(job_id) for job_id in job_ids]
