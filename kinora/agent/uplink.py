"""Uplink: the agent's one connection to its server, opened again whenever it is lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import msgspec
import structlog
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection

from kinora.actors.pipeline.pipeline_link import PipelineLost
from kinora.agent.attempts import Attempts
from kinora.agent.bell import Bell
from kinora.agent.ends import Dismissed, end_of, why
from kinora.agent.home import Home
from kinora.agent.tenure import Tenure
from kinora.client.errors import ClientError
from kinora.client.websocket import open_socket
from kinora.fleet.link import (
    MAX_MESSAGE_BYTES,
    PROTOCOL,
    RENEW_S,
    Facts,
    FromAgent,
    FromServer,
    Hello,
    Leave,
    Leaving,
    Load,
    Refused,
    Reloaded,
    Renew,
    Renewed,
    Welcome,
    decode_from_server,
    encode,
)
from kinora.runtime.clocks.boot_clock import boot_s
from kinora.runtime.clocks.growing_pauses import GrowingPauses

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
"""The pauses before another attempt to connect grow from the one to the other, so that several fit into a lease."""
CONNECT_S = 2.0
"""The time for a connection, its handshake and the server's welcome."""
SILENCE_S = 2.5
"""The server answers each renewal; after this time without a word the connection is given up for a new one."""
CLOSE_S = 1.0
"""The time for the server to answer our close; then the connection is cut."""
ENDINGS = (
    OSError,
    trio.TooSlowError,
    trio.BrokenResourceError,
    HandshakeError,
    ConnectionClosed,
    ClientError,
    Dismissed,
    msgspec.DecodeError,
)
"""What ends a connection."""

log = structlog.get_logger()


class Uplink:
    """Tells the server what the attempts tell, and passes its words on to them.

    What is to be sent is kept by the attempts, each within its window, so there is no queue here.

    Args:
        home: the server.
        facts: returns what the agent has.
        load: returns how busy it is.
        attempts: of the agent.
        tenure: the agent's time with the server.
        bell: is rung when the attempts have something to send.
    """

    def __init__(
        self,
        home: Home,
        *,
        facts: Callable[[], Facts],
        load: Callable[[], Load],
        attempts: Attempts,
        tenure: Tenure,
        bell: Bell,
    ) -> None:
        self._home = home
        self._facts = facts
        self._load = load
        self._attempts = attempts
        self._tenure = tenure
        self._bell = bell
        self._pauses = GrowingPauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._leaving: Leaving | None = None
        self._reloaded = False
        """True until the server is told that the plugins were looked for again."""
        self._noted = set[str]()
        self._disconnected = trio.Event()
        self._disconnected.set()
        self._scope = trio.CancelScope()
        self._talking = trio.CancelScope()
        """What is said on the present connection; cancelled, the connection is closed."""

    async def run(self) -> None:
        """Stay connected until closed.

        When a lease ends, so do all attempts, and the agent begins anew.

        Raises:
            ClientError: the server refuses this agent for good.
            Dismissed: it wants the agent to end.
        """
        with self._scope:
            while (end := await self._serve_tenure()) is None:
                await self._begin_anew()
            raise end

    def tell_plugins(self) -> None:
        """Tell the server which plugins there are now."""
        self._reloaded = True
        self._bell.ring()

    def leave(self, reason: str) -> None:
        """Tell the server that this agent wants no further attempt; those that it has end soon, and go on elsewhere."""
        self._leaving = Leaving(reason)
        self._attempts.leave(PipelineLost(reason, self._tenure.agent))
        self._bell.ring()

    async def hand_back(self) -> None:
        """Wait until all attempts have ended and the server has what they told, or until the connection is lost."""
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await self._disconnected.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up)
            await self._attempts.wait_acknowledged()
            nursery.cancel_scope.cancel()

    async def close(self) -> None:
        """Close the connection, and let :meth:`run` return; after :meth:`leave`, as it would open another one else."""
        self._talking.cancel(reason="the agent ends")
        with trio.move_on_after(CLOSE_S):
            await self._disconnected.wait()
        self._scope.cancel(reason="the agent ends")

    async def _serve_tenure(self) -> Exception | None:
        """Stay connected until the lease ends; return the reason if the agent is to end before."""
        end = None

        def lose(nursery: trio.Nursery) -> None:
            self._attempts.drop_all()
            nursery.cancel_scope.cancel(reason="the lease has ended")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tenure.watch, partial(lose, nursery))
            end = await self._stay_connected()
            nursery.cancel_scope.cancel()
        return end

    async def _begin_anew(self) -> None:
        log.warning("the lease has ended, as the server was not heard: all attempts end")
        await self._attempts.wait_ended()
        await self._tenure.begin_anew()

    async def _stay_connected(self) -> Exception:
        """Connect again and again; return the reason not to."""
        while True:
            end, reason = None, "the server has no use for this agent now"
            try:
                await self._run_connection()
            except* ENDINGS as lost:
                end, reason = end_of(lost), why(lost)
            if end is not None:
                return end
            await self._pause(reason)

    async def _pause(self, reason: str) -> None:
        """Wait until it is time for another connection; once the agent leaves there is none."""
        if self._leaving is None:
            self._note_loss(reason)
            await trio.sleep(self._pauses.next_s())
        if self._leaving is not None:
            await trio.sleep_forever()

    def _note_loss(self, reason: str) -> None:
        """Log why there is no connection, unless that was logged since the last one."""
        if reason not in self._noted:
            self._noted.add(reason)
            log.warning("no connection to the server", url=self._home.url, reason=reason)

    async def _run_connection(self) -> None:
        home = self._home
        opening = open_socket(
            home.address,
            home.target,
            home.headers,
            home.ca_file,
            certificate=home.certificate,
            max_message_bytes=MAX_MESSAGE_BYTES,
        )
        with trio.fail_after(CONNECT_S) as connecting:
            async with opening as socket:
                self._disconnected, self._talking = trio.Event(), trio.CancelScope()
                try:
                    with self._talking:
                        if await self._introduce(socket):
                            connecting.deadline = math.inf
                            await self._talk(socket)
                    await socket.aclose()
                finally:
                    self._disconnected.set()

    async def _introduce(self, socket: WebSocketConnection) -> bool:
        """Say Hello; return False if the server will have the agent later.

        Raises:
            ClientError: the server never will.
        """
        tenure = self._tenure
        if tenure.is_over:  # as after the process was stopped: the server is to know the next tenure alone
            await trio.sleep_forever()
        asked_at = boot_s()
        hello = Hello(
            protocol=PROTOCOL,
            instance=tenure.instance,
            server=tenure.server,
            facts=self._facts(),
            running=self._attempts.running(),
        )
        await _send(socket, hello)
        match await _receive(socket):
            case Welcome() as welcome:
                await tenure.grant(asked_at)
                kept = welcome.running if tenure.server in {None, welcome.server} else ()
                tenure.server, tenure.agent = welcome.server, welcome.agent
                self._attempts.go_on_with(kept)
                self._noted.clear()
                log.info("connected", url=self._home.url, agent=welcome.agent)
                return True
            case Refused(reason, final):
                if final:
                    raise ClientError(reason)
                log.warning("the server has no use for this agent now", reason=reason)
                return False
            case other:
                raise ClientError(f"The server at {self._home.url} began with {type(other).__name__}: update it.")

    async def _talk(self, socket: WebSocketConnection) -> None:
        self._pauses.reset()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._renew, socket)
            nursery.start_soon(self._tell, socket)
            while True:
                with trio.fail_after(SILENCE_S):
                    message = await _receive(socket)
                match message:
                    case Renewed(asked_at):
                        await self._tenure.grant(asked_at)
                    case Leave(reason):
                        raise Dismissed(reason)
                    case Welcome() | Refused():
                        raise ClientError(f"The server at {self._home.url} began twice: update it.")
                    case _:
                        self._attempts.obey(message)

    async def _renew(self, socket: WebSocketConnection) -> None:
        while True:
            await _send(socket, Renew(asked_at=boot_s(), load=self._load()))
            await trio.sleep(RENEW_S)

    async def _tell(self, socket: WebSocketConnection) -> None:
        """Send what there is to send; nothing after the end of the lease."""
        is_told = False
        self._bell.ring()
        while True:
            await self._bell.wait()
            if self._reloaded:
                self._reloaded = False
                await _send(socket, Reloaded(self._facts().plugins))
            if self._leaving is not None and not is_told:
                await _send(socket, self._leaving)
                is_told = True
            for message in self._attempts.to_send():
                if self._tenure.is_over:
                    return
                await _send(socket, message)
                self._bell.ring()  # there may be more than one batch


async def _send(socket: WebSocketConnection, message: FromAgent) -> None:
    await socket.send_message(encode(message))


async def _receive(socket: WebSocketConnection) -> FromServer:
    data = await socket.get_message()
    message: FromServer = decode_from_server(data if isinstance(data, bytes) else data.encode())
    return message
