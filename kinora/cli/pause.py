"""``kinora pause``: let jobs of a server wait."""

from __future__ import annotations

from collections.abc import Sequence

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.each_job import for_each_job
from kinora.cli.flags import options
from kinora.client import KinoraClient


@click.command
@options.job_ids
@of_client
@options.as_json
def pause(job_ids: Sequence[str], client: KinoraClient, as_json: bool) -> None:
    """Pause jobs of a server: they take no new frames, and others run in their place, until `kinora resume`."""
    for_each_job(client, job_ids, KinoraClient.pause, ("job_id", "status"), as_json=as_json)
