"""``kinora cancel``: stop jobs of a server."""

from __future__ import annotations

from collections.abc import Sequence

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.each_job import for_each_job
from kinora.cli.flags import options
from kinora.client import KinoraClient

COLUMNS = ("job_id", "status", "cancelled", "cancel_ms")


@click.command
@options.job_ids
@of_client
@options.as_json
def cancel(job_ids: Sequence[str], client: KinoraClient, as_json: bool) -> None:
    """Cancel jobs of a server, and return when they and all their processes are gone."""
    for_each_job(client, job_ids, KinoraClient.cancel, COLUMNS, as_json=as_json)
