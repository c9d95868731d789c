"""``kinora submit``: give a job to a server."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from kinora.cli.client.client_flags import of_client
from kinora.cli.client.short_ids import SHORT_ID, whole_id
from kinora.cli.exits import Misuse
from kinora.cli.flags import options
from kinora.cli.process.errors import naming_flags
from kinora.cli.process.running import run_interruptible
from kinora.cli.terminal.output import print_json, print_line
from kinora.client import KinoraClient, Submitted
from kinora.runtime.files.missing_paths import no_such_path

WITH_REPEAT = frozenset({"source", "upload", "repeat", "url", "token", "token_file", "as_json"})
"""The parameters that can be given together with ``--repeat``."""


@click.command
@click.argument("source", required=False)
@options.plugins_if_any
@options.of_plugins
@options.device
@options.of_job
@click.option("--upload", is_flag=True, help="Send SOURCE, a file of this machine.")
@click.option("--repeat", metavar="JOB_ID", help="Ask for the same as that job did; with SOURCE, on another source.")
@of_client
@options.as_json
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    source: str | None,
    *,
    upload: bool,
    repeat: str | None,
    client: KinoraClient,
    as_json: bool,
    **asked: Any,
) -> None:
    """Give a job to a server, and print its id.

    SOURCE is a path under the server's media folder, a URL of a host that it allows, camera:NAME or webcam:0 for
    one of its cameras, push: for pictures that `kinora push` sends, demo: for a bundled clip, or with --upload a file
    of this machine.
    """
    if upload and source is not None:
        _require_file(source)
    if repeat is not None:
        _refuse_others(ctx)
        work = partial(_repeat, client, repeat, source, upload=upload)
    elif source is None or not asked["plugins"]:
        raise click.UsageError(f"Missing {'argument SOURCE' if source is None else 'option -p / --plugin'}", ctx)
    else:
        work = partial(_submit, client, source, _request(asked), upload=upload)
    submitted = run_interruptible(work)
    if as_json:
        print_json(submitted.response)
    else:
        print_line(submitted.job_id)


def _request(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "plugins": options.plugin_requests(
            asked["plugins"],
            asked["plugin_options"],
            every=asked["every"],
            side=asked["side"],
            replicas=asked["replicas"],
        ),
        "device_requested": asked["device"],
        "options": options.job_options(asked),
    }


def _require_file(source: str) -> None:
    """Refuse to send what is not a file, before any server is asked."""
    if Path(source).is_dir():
        raise Misuse(f"{source} is a folder: --upload sends one file")
    if not Path(source).exists():
        raise Misuse(no_such_path("file", source))


def _refuse_others(ctx: click.Context) -> None:
    """Refuse flags that the repeated job decides."""
    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and parameter.name not in WITH_REPEAT:
            raise Misuse(f"--repeat takes everything but SOURCE from the job: leave out {parameter.opts[-1]}")


async def _submit(client: KinoraClient, source: str, request: dict[str, Any], *, upload: bool) -> Submitted:
    with naming_flags([plugin["name"] for plugin in request["plugins"]]):
        if upload:
            return await client.upload(Path(source), request)
        return await client.submit({**request, "source": source})


async def _repeat(client: KinoraClient, given: str, source: str | None, *, upload: bool) -> Submitted:
    """Submit what another job was asked for, on its source or on another one."""
    job_id = await whole_id(client, given)
    request = (await client.extended(job_id, limit=0))["request"]
    earlier = request.pop("source", None)
    if source is None and (upload or earlier is None):
        raise Misuse(f"Name the file to send: kinora submit FILE --upload --repeat {job_id[:SHORT_ID]}")
    return await _submit(client, source or earlier, request, upload=upload)
