"""``kinora submit``: give a job to a server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from kinora.cli import options
from kinora.cli.errors import naming_flags
from kinora.cli.output import print_json, print_line
from kinora.cli.running import run_interruptible
from kinora.client import KinoraClient, Submitted


@click.command
@click.argument("source")
@options.plugins
@options.plugin_options
@options.device
@options.of_job
@click.option("--upload", is_flag=True, help="Send SOURCE, a file of this machine.")
@options.url
@options.as_json
def submit(*, source: str, upload: bool, url: str, as_json: bool, **asked: Any) -> None:
    """Give a job to a server, and print its id.

    SOURCE is a path under the server's media folder, demo: for a bundled clip, or with --upload a file of this
    machine.
    """
    request = {
        "plugins": options.plugin_requests(asked["plugins"], asked["plugin_options"]),
        "device_requested": asked["device"],
        "options": options.job_options(asked),
    }
    submitted = run_interruptible(partial(_submit, KinoraClient(url), source, request, upload=upload))
    if as_json:
        print_json(submitted.response)
    else:
        print_line(submitted.job_id)


async def _submit(client: KinoraClient, source: str, request: dict[str, Any], *, upload: bool) -> Submitted:
    with naming_flags([plugin["name"] for plugin in request["plugins"]]):
        if upload:
            return await client.upload(Path(source), request)
        return await client.submit({"source": source, **request})
