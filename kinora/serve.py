"""A whole server: the system and its web interface, on an address."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

import attrs
import structlog
import trio

from kinora.actors.requests.job_request import MAX_PLUGINS
from kinora.fleet.local_agents import core_shares, spread
from kinora.fleet.local_start import LocalStart
from kinora.fleet.ray.recipe import Recipe
from kinora.runtime.linux.confinement import gaps
from kinora.settings import Settings, password_faults
from kinora.settings.transfer import encode_settings
from kinora.system import System, make_system
from kinora.web.access.login_links import LoginLinks
from kinora.web.access.rights import Credential, access_by
from kinora.web.app import create_app
from kinora.web.connection.addresses import is_reachable, local_base, outer_bases
from kinora.web.connection.server import Server, bind
from kinora.web.connection.stack import stack_faults
from kinora.web.connection.tls import Certificate, certificate_in

log = structlog.get_logger()

PASSWORDS_S = 5.0
"""The time to look at the password files of cameras at the start; after it nothing is said of them."""
OTHER_FILES = 80
"""Open files for all but connections and running jobs: the store, checks of sources, pictures, videos and uploads."""
FILES_PER_JOB = 2 * (MAX_PLUGINS + 2) + 2
"""Open files for a running job: two for its decoder, its live pictures and each plugin, and its frames."""


@attrs.frozen(eq=False)
class RunningServer:
    """A server that has started."""

    url: str
    """The address for clients on this machine."""
    system: System
    links: Sequence[str] = ()
    """The links that sign a browser in; each has the same code, which works once. Empty if no token is needed."""
    token: str | None = attrs.field(default=None, repr=False)
    """A token for clients on this machine, if one is needed."""
    certificate: Certificate | None = None
    """The certificate in use, with TLS."""


@asynccontextmanager
async def open_server(settings: Settings, *, reading_lane: bool = True) -> AsyncIterator[RunningServer]:
    """Serve while the block runs; leaving it stops politely, cancelling it stops at once.

    Without ``reading_lane`` the app answers all requests, as it does where the lane is of no use.

    The web interface starts first, and says until the system is up that the server is starting. It also ends first,
    but for the links of agents: these tell what their plugins know while the jobs stop.

    Raises:
        BindError: the address cannot be listened on; nothing has been started.
        TlsError: the certificate or its key cannot be used; nothing has been started.
        MachineUnfit, SettingsError, DataDirInUse: as :func:`~kinora.system.make_system`.
        ExceptionGroup: of RestartIntensityExceeded, if a needed actor crashes again and again.
    """
    _warn_of_faults()
    await _warn_of_passwords(settings)
    _allow_many_files()
    certificate = certificate_in(settings.tls_cert, settings.tls_key)
    with ExitStack() as stack:
        sockets = bind(settings.host, settings.port)
        for listening in sockets:
            stack.enter_context(listening)
        needed = settings.token or is_reachable(sockets)
        _warn_of_open_proxy(settings, token_needed=needed)
        system = stack.enter_context(make_system(settings, token_needed=needed))
        scheme = "http" if certificate is None else "https"
        url = local_base(sockets, scheme)
        links = LoginLinks(outer_bases(sockets, scheme) or [url])
        server = _web_server(system, sockets, links, certificate, reading_lane=reading_lane)
        async with trio.open_nursery() as connections:
            await connections.start(server.run)
            async with trio.open_nursery() as actors:
                await system.start(actors)
                system.local_agents.begin(_local_starts(system, url))
                if system.ray is not None:
                    system.ray.begin(_recipe(system, url, outer_bases(sockets, scheme)))
                yield attrs.evolve(_running(url, system, links), certificate=certificate)
                server.stop()
                await server.quiet.wait()
                actors.cancel_scope.cancel(reason="the server is closed")


def _recipe(system: System, url: str, outer: Sequence[str]) -> Recipe:
    """How Ray starts agents, on this machine or elsewhere; ``outer`` are the addresses for other machines."""
    settings, token = system.settings, system.tokens.local_secret
    if not settings.ray_address:
        certificate = None if settings.tls_cert is None else settings.tls_cert.absolute()
        return Recipe(url=url, token=token, certificate=certificate, settings=encode_settings(settings))
    if not (outer or settings.agent_url):
        log.warning("agents on other machines cannot reach this server: give it a --host that they reach, or agent_url")
    return Recipe(url=settings.agent_url or next(iter(outer), url), token=token)


def _running(url: str, system: System, links: LoginLinks) -> RunningServer:
    """What a server that has started tells, with a link for the first browser if clients need a token."""
    secret = system.tokens.local_secret
    access = None if secret is None else access_by(system.tokens, Credential(secret, is_cookie=False))
    if access is None:
        return RunningServer(url, system)
    return RunningServer(url, system, links.make(access), secret)


def _local_starts(system: System, url: str) -> list[LocalStart]:
    """How the agents on this machine are started, which jobs run in then."""
    settings = system.settings
    encoded = encode_settings(attrs.evolve(settings, workers_memory_mb=_share(settings)))
    places = spread(settings.max_jobs, settings.agents)
    shares = core_shares(system.cores.count, places)
    return [
        LocalStart(
            server_pid=os.getpid(),
            url=url,
            token=system.tokens.local_secret,
            certificate=None if settings.tls_cert is None else str(settings.tls_cert.absolute()),
            name=f"local-{number}",
            places=own,
            cpus=share,
            settings=encoded,
        )
        for number, (own, share) in enumerate(zip(places, shares, strict=True), 1)
    ]


def _share(settings: Settings) -> int:
    """The part of the workers' memory for each agent: all of them share the machine's."""
    return max(1, settings.workers_memory_mb // max(1, settings.agents))


def _web_server(
    system: System,
    sockets: Sequence[socket.socket],
    links: LoginLinks,
    certificate: Certificate | None,
    *,
    reading_lane: bool,
) -> Server:
    settings, app = system.settings, create_app(system, links)
    server = Server(
        app,
        sockets,
        max_sessions=settings.max_connections,
        grace_s=settings.shutdown_grace_s,
        file_reserve=OTHER_FILES + settings.max_jobs * FILES_PER_JOB,
        certificate=certificate,
        lane=app.reading_lane.answer if reading_lane and app.reading_lane is not None else None,
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


async def _warn_of_passwords(settings: Settings) -> None:
    """Say which cameras' passwords cannot be read, or can be by others; no disk is waited for that does not answer."""
    with trio.move_on_after(PASSWORDS_S):
        for fault in await trio.to_thread.run_sync(password_faults, settings, abandon_on_cancel=True):
            log.warning("a camera's password file is not as it should be", reason=fault)


def _warn_of_open_proxy(settings: Settings, *, token_needed: bool) -> None:
    """Tell an operator whose proxy may let in others than this machine's clients."""
    if settings.trusted_proxies and not token_needed:
        log.warning("all clients of the proxy may do everything, as on this machine no token is needed: use --token")


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
