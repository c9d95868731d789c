"""A whole server: the system and its web interface, on an address."""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

import attrs
import structlog
import trio

from kinora.actors.job_request import MAX_PLUGINS
from kinora.runtime.confinement import gaps
from kinora.settings import Settings
from kinora.system import System, make_system
from kinora.web.app import create_app
from kinora.web.server import Server, bind
from kinora.web.stack import stack_faults

log = structlog.get_logger()

OTHER_FILES = 80
"""Open files for all but connections and running jobs: the store, checks of sources, pictures, videos and uploads."""
FILES_PER_JOB = 2 * (MAX_PLUGINS + 2) + 2
"""Open files for a running job: two for its decoder, its live pictures and each plugin, and its frames."""


@attrs.frozen(eq=False)
class RunningServer:
    """A server that has started."""

    url: str
    system: System


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncIterator[RunningServer]:
    """Serve while the block runs; leaving it stops politely, cancelling it stops at once.

    The web interface starts first, and says until the system is up that the server is starting. It also ends first.

    Raises:
        BindError: the address cannot be listened on; nothing has been started.
        MachineUnfit, SettingsError, DataDirInUse: as :func:`~kinora.system.make_system`.
        ExceptionGroup: of RestartIntensityExceeded, if a needed actor crashes again and again.
    """
    _warn_of_faults()
    _allow_many_files()
    with ExitStack() as stack:
        sockets = bind(settings.host, settings.port)
        for listening in sockets:
            stack.enter_context(listening)
        host, port = sockets[0].getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        system = stack.enter_context(make_system(settings))
        server = _web_server(system, sockets)
        async with trio.open_nursery() as actors:
            async with trio.open_nursery() as connections:
                await connections.start(server.run)
                await system.start(actors)
                yield RunningServer(url, system)
                server.stop()
            actors.cancel_scope.cancel(reason="the server is closed")


def _web_server(system: System, sockets: Sequence[socket.socket]) -> Server:
    settings = system.settings
    server = Server(
        create_app(system),
        sockets,
        max_sessions=settings.max_connections,
        grace_s=settings.shutdown_grace_s,
        file_reserve=OTHER_FILES + settings.max_jobs * FILES_PER_JOB,
    )
    _warn_of_few_files(server.statistics().max_connections, settings.max_connections)
    return server


def _warn_of_faults() -> None:
    """Say what is not as it should be, and go on: connections may still work, and decoders are still apart."""
    for fault in stack_faults():
        log.warning("the connection layer may not work", reason=fault)
    if sys.getfilesystemencoding() != "utf-8":
        log.warning(
            "files whose names have other characters cannot be sources: set LC_ALL=C.UTF-8",
            names_are=sys.getfilesystemencoding(),
        )
    for gap in gaps():
        log.warning("decoders are confined less than they could be", reason=gap)


def _warn_of_few_files(connections: int, wanted: int) -> None:
    """Tell an operator who allows more clients than the system does."""
    if connections < wanted:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        log.warning(
            "the limit on open files allows few clients: raise it, as by ulimit -n or LimitNOFILE=",
            limit=files,
            connections=connections,
        )


def _allow_many_files() -> None:
    """Raise the limit on open files to the most that the system grants: clients and workers need one or two each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
