"""``kinora delete``: forget jobs of a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.each_job import for_each_job
from kinora.cli.flags import options
from kinora.client import KinoraClient


@click.command
@options.job_ids
@of_client
@options.as_json
def delete(job_ids: Sequence[str], client: KinoraClient, as_json: bool) -> None:
    """Delete jobs of a server with all their results and uploads, for good; those that run are cancelled first."""
    for_each_job(client, job_ids, _delete, ("job_id", "deleted"), as_json=as_json)


async def _delete(client: KinoraClient, job_id: str) -> dict[str, Any]:
    await client.delete(job_id)
    return {"job_id": job_id, "deleted": True}
