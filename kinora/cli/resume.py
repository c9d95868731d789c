"""``kinora resume``: let paused jobs of a server go on."""

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
def resume(job_ids: Sequence[str], client: KinoraClient, as_json: bool) -> None:
    """Let paused jobs of a server go on where they stopped; those of a server that was stopped, too."""
    for_each_job(client, job_ids, KinoraClient.resume, ("job_id", "status"), as_json=as_json)
