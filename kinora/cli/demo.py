"""``kinora demo``: a server, a job given to it over REST, and its realtime messages, in one terminal."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import attrs
import click
import trio

from kinora.actors.sources.source_finder import DEMO_SOURCE
from kinora.cli.client.progress import after
from kinora.cli.exits import Interrupted
from kinora.cli.flags import options
from kinora.cli.process.running import run_interruptible
from kinora.cli.show import fetch_summary
from kinora.cli.terminal.live import Live, Moment, live_progress
from kinora.cli.terminal.output import print_line
from kinora.cli.terminal.report import Tally, print_summary
from kinora.client import KinoraClient, Submitted, connect
from kinora.log import configure_logging
from kinora.runtime.files.temporary import temporary_folder
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.settings.of_run import settings_of_run
from kinora.web.connection.server import BindError, bind

PLUGINS = ("motion", "people", "tracker", "quality", "colors", "scenes")


@click.command
@click.option(
    "--video",
    type=click.Path(exists=True, path_type=Path),
    help="A video, an image or a folder of images.  [default: a bundled clip]",
)
@click.option("--once", is_flag=True, help="End when the job has ended.")
@click.option("--port", type=int, help="Port to listen on.  [default: 8000, or any that is free]")
@options.config
@click.pass_context
def demo(ctx: click.Context, /, video: Path | None, once: bool, port: int | None, config: Path | None) -> None:
    """Run a server and a job on it, and show the job live; then serve until Ctrl-C."""
    media_dir = video.resolve().parent if video else None
    settings = options.load({"port": port, "media_dir": media_dir, **options.NO_DATA_DIR}, config)
    source = video.resolve().name if video else DEMO_SOURCE
    print_line(f"A server starts here, with a job on {video or 'a bundled clip'}. Ctrl-C ends both.")
    configure_logging("error")
    try:
        ctx.exit(run_interruptible(partial(_demo, settings, source, once=once, any_port=port is None)))
    except Interrupted:
        if once:
            raise


async def _demo(settings: Settings, source: str, *, once: bool, any_port: bool) -> int:
    with temporary_folder() as folder:
        port = _free_port(settings) if any_port else settings.port
        settings = attrs.evolve(settings_of_run(settings, folder), port=port, realtime=True)
        settings = attrs.evolve(settings, tls_cert=None, tls_key=None, root_path="")  # its links are for this machine
        async with open_server(settings) as server:
            summed = await _run_job(server, source)
            print_summary(summed)
            if not once:
                _print_links(server.url, summed["job_id"])
                print_line("Serving until Ctrl-C.")
                await trio.sleep_forever()
    return 0 if summed["status"] == "done" else 1


def _free_port(settings: Settings) -> int:
    """The usual port, or 0 (any free one) if that is taken."""
    try:
        for listening in bind(settings.host, settings.port):
            listening.close()
    except BindError:
        return 0
    return settings.port


async def _run_job(server: RunningServer, source: str) -> dict[str, Any]:
    client = KinoraClient(server.url, server.token)
    submitted = await client.submit({"source": source, "plugins": PLUGINS})
    for link in server.links or [_page(server.url, submitted.job_id)]:
        print_line(f"Watch it in a browser: {link}")
    print_line(f"Its plugins: {', '.join(PLUGINS)}")
    with live_progress(lines=True) as live:
        await _follow(client, submitted, live)
    return await fetch_summary(client, submitted.job_id)


async def _follow(client: KinoraClient, submitted: Submitted, live: Live) -> None:
    """Show the job's realtime messages until it ends."""
    moment, tally = Moment(stage="queued", done=0, total=None), Tally()
    async with connect(
        client.url, token=client.token, job_ids=[submitted.job_id], last_event_id=submitted.last_event_id
    ) as realtime:
        async for message in realtime:
            moment = after(message, moment, tally)
            live.show(moment)
            if message.type == "complete":
                return


def _print_links(url: str, job_id: str) -> None:
    print_line(f"This job:     {_page(url, job_id)}")
    print_line(f"A picture:    {url}/v1/jobs/{job_id}/frames/0.jpg?overlay=1")
    print_line(f"More jobs:    {url}/")
    print_line(f"All calls:    {url}/docs")


def _page(url: str, job_id: str) -> str:
    """The job's page in the web UI."""
    return f"{url}/#/jobs/{job_id}"
