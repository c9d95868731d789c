"""A whole server: the system and its web face, on an address."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import attrs
import trio

from kinora.settings import Settings
from kinora.system import System, open_system
from kinora.web.app import create_app
from kinora.web.server import Server, bind


@attrs.frozen(eq=False)
class RunningServer:
    """A server that answers."""

    url: str
    system: System


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncIterator[RunningServer]:
    """Serve while the block runs; leaving it stops politely, cancelling it stops at once.

    Raises:
        BindError: nothing can listen on that address; nothing has been started then.
        DataDirInUse: another server works on the data folder.
    """
    _allow_many_files()
    with ExitStack() as stack:
        sockets = bind(settings.host, settings.port)
        for listening in sockets:
            stack.enter_context(listening)
        host, port = sockets[0].getsockname()[:2]
        async with open_system(settings) as system, trio.open_nursery() as nursery:
            server = Server(
                create_app(system),
                sockets,
                max_sessions=settings.max_connections,
                grace_s=settings.shutdown_grace_s,
            )
            await nursery.start(server.run)
            yield RunningServer(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}", system)
            server.stop()


def _allow_many_files() -> None:
    """Each client and each worker takes a descriptor or two: use what the system grants, not its cautious default."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
