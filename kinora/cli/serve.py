"""``kinora serve``: the server, until a signal stops it."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

import click
import structlog
import trio

from kinora.cli.exits import Failed
from kinora.cli.flags import options
from kinora.cli.flags.folders import require_existing
from kinora.cli.flags.server_flags import of_server
from kinora.cli.process.root_warning import warn_of_root
from kinora.cli.process.running import end_now, run_to_end, stop_on_signal, stop_signals
from kinora.cli.terminal.output import print_line
from kinora.data_folder import DataDirInUse
from kinora.log import configure_logging, flush_log, held_back
from kinora.runtime.files.temporary import remove_left_folders
from kinora.runtime.linux.heap import give_back_freed_memory, trim_regularly
from kinora.runtime.linux.process_names import name_main_thread
from kinora.runtime.linux.service_manager import ServiceManager, this_service
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.settings.variables import is_of_commands
from kinora.web.connection.server import BindError
from kinora.web.connection.tls import Certificate, TlsError

LAST_S = 2.0
"""The time that all actors together have to end after the grace period; then the process ends, and all others with it.

The sum of both is far below the 10 s after which ``docker stop`` kills.
"""
log = structlog.get_logger()


@click.command
@of_server
def serve(config: Path | None, **flags: Any) -> None:
    """Run the server."""
    name_main_thread("kinora: server")
    give_back_freed_memory()
    warnings: list[str] = []
    settings = options.load(flags, config, warn=warnings.append)
    configure_logging(settings.log_level, settings.log_format)
    with ExitStack() as held:  # on a terminal the address comes first
        held.callback(flush_log)  # behind what was held back comes the sentence of an error
        held.enter_context(held_back(held=sys.stderr.isatty()))
        for warning in warnings:
            log.warning(warning)
        warn_of_root()
        warn_of_token(settings)
        remove_left_folders()
        run_to_end(lambda: _serve(settings, held.close))


def warn_of_token(settings: Settings) -> None:
    """Log that a token in ``KINORA_TOKEN`` protects nothing, if there is one and clients need none."""
    if not settings.token and is_of_commands("KINORA_TOKEN", os.environ.get("KINORA_TOKEN", "")):
        log.warning(
            "KINORA_TOKEN is a token that clients show, and protects nothing here: to have the server ask for tokens,"
            " start it with --token, or on a --host that other machines reach"
        )


async def _serve(settings: Settings, release_log: Callable[[], None]) -> None:
    """Serve until a signal: the first stops the server politely, the second at once. In the start each ends it.

    With TLS, SIGHUP has the certificate read again, and ends nothing.
    """
    service = this_service()
    stopping = Stopping(settings.shutdown_grace_s, service)
    with stop_signals(hangup=settings.tls_cert is None) as signals, _hangups(settings) as hangups:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_on_signal, signals, stopping.begin)
            try:
                with stopping.start:
                    await require_existing(settings, "media_dir", "models_dir", "plugins_dir")
                    async with open_server(settings) as server:
                        stopping.started = True
                        certificate, url = server.certificate, server.url
                        if certificate is not None and hangups is not None:
                            nursery.start_soon(_reload_on, hangups, certificate, service, url)
                        _keep_for_good()
                        if sys.stdout.isatty():
                            print_line(server.url)
                        _print_links(server.links)
                        release_log()
                        folders = {"media_dir": str(settings.media_dir), "data_dir": str(settings.data_dir)}
                        log.info("serving", url=server.url, **folders)
                        service.ready(f"Serving {server.url}")
                        nursery.start_soon(service.feed_watchdog)
                        nursery.start_soon(trim_regularly)
                        await stopping.begun.wait()
            except (BindError, DataDirInUse, TlsError) as error:
                raise Failed(str(error)) from error
            nursery.cancel_scope.cancel()
    stopping.limit.cancel()
    log.info("stopped")


def _print_links(links: Sequence[str]) -> None:
    """Print the links that sign a browser in: they are told nowhere else, as the log may be read by others."""
    if links:
        print_line("Open this link in a browser; it works once, and `kinora token link` makes another one:")
        for link in links:
            print_line(f"  {link}")
        sys.stdout.flush()


def _hangups(settings: Settings) -> AbstractContextManager[AsyncIterator[int] | None]:
    """Receive SIGHUP with TLS, also in the start; without TLS it stops the server."""
    return nullcontext() if settings.tls_cert is None else trio.open_signal_receiver(signal.SIGHUP)


async def _reload_on(hangups: AsyncIterator[int], certificate: Certificate, service: ServiceManager, url: str) -> None:
    async for _ in hangups:
        service.reloading()
        await certificate.reload()
        service.ready(f"Serving {url}")


class Stopping:
    """The stop of the server: cancels its start, or asks it to stop; and sees to it that it ends."""

    def __init__(self, grace_s: float, service: ServiceManager) -> None:
        self.begun = trio.Event()
        self.start = trio.CancelScope()
        """The scope to cancel if the server has not started."""
        self.limit = threading.Timer(grace_s + LAST_S, _give_up)  # a thread, as what hangs may be the event loop
        self.limit.daemon = True
        self.started = False
        """True from the moment on in which the server can be asked to stop."""
        self._grace_s = grace_s
        self._service = service

    def begin(self) -> None:
        """Begin to stop; called once."""
        log.info("stopping", grace_s=self._grace_s)
        self._service.stopping()
        self.limit.start()
        self.begun.set()
        if not self.started:
            self.start.cancel()


def _give_up() -> None:
    log.error("the server did not end in time, so it ends now; the next start takes the jobs up again")
    flush_log()
    end_now(1)


def _keep_for_good() -> None:
    """Exempt objects made so far from garbage collection, which stops all tasks."""
    gc.collect()
    gc.freeze()
