"""``kinora serve``: the server, until a signal stops it."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Any

import click
import structlog
import trio

from kinora.cli import options
from kinora.cli.errors import Failed
from kinora.cli.running import run_to_end, stop_on_signal
from kinora.cli.temporary import remove_left_folders
from kinora.log import configure_logging
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import DataDirInUse
from kinora.web.server import BindError

log = structlog.get_logger()


@click.command
@click.option("--host", help="Address to listen on; loopback only.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.  [default: 8000]")
@click.option(
    "--allowed-hosts",
    metavar="NAME,...",
    help="Further names of this server, as behind a reverse proxy, without ports.  [default: none]",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where jobs and results are kept.")
@click.option("--media-dir", type=click.Path(path_type=Path), help="The folder of sources.  [default: this one]")
@click.option(
    "--url-hosts",
    metavar="HOST,...",
    help="Hosts that sources may be read from by URL, with or without a port; * for all public ones.  [default: none]",
)
@click.option("--models-dir", type=click.Path(path_type=Path), help="The folder of models.  [default: this one]")
@options.plugins_dir
@click.option("--max-jobs", type=int, help="Jobs that run at once.  [default: 2]")
@click.option("--no-realtime", is_flag=True, help="Jobs and REST only, no live messages.")
@click.option("--log-level", help="debug, info, warning or error.  [default: info]")
@options.config
def serve(config: Path | None, no_realtime: bool, **flags: Any) -> None:
    """Run the server."""
    settings = options.load({**flags, "realtime": False if no_realtime else None}, config)
    configure_logging(settings.log_level)
    warn_of_root()
    remove_left_folders()
    run_to_end(lambda: _serve(settings))


def warn_of_root() -> None:
    """Log once that the server runs as root, if it does."""
    if os.geteuid() == 0:
        log.warning("running as root: give Kinora a user account of its own, as plugins have all rights of this one")


async def _serve(settings: Settings) -> None:
    """Serve until a signal: the first stops the server politely, the second at once."""
    stopped = trio.Event()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_on_signal, signals, stopped.set)
            try:
                async with open_server(settings) as server:
                    _keep_for_good()
                    log.info(
                        "serving", url=server.url, media_dir=str(settings.media_dir), data_dir=str(settings.data_dir)
                    )
                    await stopped.wait()
                    log.info("stopping", grace_s=settings.shutdown_grace_s)
            except (BindError, DataDirInUse) as error:
                raise Failed(str(error)) from error
            nursery.cancel_scope.cancel()
    log.info("stopped")


def _keep_for_good() -> None:
    """Exempt objects made so far from garbage collection: a full collection would stop all tasks for 50 ms."""
    gc.collect()
    gc.freeze()
