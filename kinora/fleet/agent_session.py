"""AgentSession: one connection of an agent, from its Hello to its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import msgspec
import structlog
import trio

from kinora.actors.store.store import StoreFailing
from kinora.fleet.agent_book import Admitted, AgentBook
from kinora.fleet.assigned import Assigned, LinkMisused
from kinora.fleet.events import encode_answer
from kinora.fleet.joined import Joined
from kinora.fleet.link import (
    LEASE_S,
    Answer,
    Ask,
    FromAgent,
    FromServer,
    Hello,
    Leaving,
    Reloaded,
    Renew,
    Renewed,
    Told,
    decode_from_agent,
    encode,
)
from kinora.runtime.actor import ActorGone

HELLO_S = 10.0
"""The time for the first message; beyond it the connection ends."""
SEND_S = LEASE_S
"""The time in which an agent must take what is sent; a slower one is cut off."""
MAX_OUTGOING_BYTES = 64 * 2**20
"""The most bytes that wait for an agent; one that takes them more slowly is cut off."""
MAX_ASKED = 32
"""The most questions of a connection that wait for their answer; further ones end it."""
MAX_HELLO_BYTES = 2**20
"""The most bytes of a Hello; a longer one ends the connection."""

FRAME = "frame_done"
"""The kind of the event that is told once for each frame."""

log = structlog.get_logger()
SendNowait = Callable[[bytes], bool]
Send = Callable[[bytes], Awaitable[None]]


class AgentSession:
    """Reads what one connection brings, and writes what the agent is to get.

    ``send_nowait`` writes a message if nothing waits before it, and returns whether it did; ``send`` waits until the
    socket has taken it.
    """

    def __init__(self, book: AgentBook, send_nowait: SendNowait, send: Send) -> None:
        self.end_reason: str | None = None
        """The reason, as a sentence, why it has ended; None before that."""
        self._book = book
        self._send_nowait = send_nowait
        self._send = send
        self._agent: Joined | None = None
        self._renewed: bytes | None = None
        """The newest renewal if it waits; it goes before all others."""
        self._outgoing: deque[bytes] = deque()
        self._outgoing_bytes = 0
        self._asked: deque[Ask] = deque()
        self._greeted, self._ended = trio.Event(), trio.Event()
        self._work, self._questions = trio.Event(), trio.Event()

    async def run(self) -> str:
        """Write until the connection is to end, and return the reason; if it has lasted, the agent is away then."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._answer)
                nursery.start_soon(self._require_hello)
                await self._ended.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.end("The connection has ended.")
            if self._agent is not None:
                self._book.note_away(self._agent, self)
        return self.end_reason or ""

    # As the agent's line

    def send(self, message: FromServer) -> None:
        """Send a message behind all others; an agent for which too much waits is cut off."""
        data = encode(message)
        self._count(data)
        if not self._waits and self._send_nowait(data):
            return
        self._outgoing.append(data)
        self._outgoing_bytes += len(data)
        if self._outgoing_bytes > MAX_OUTGOING_BYTES:
            self.end("The agent takes what it is sent too slowly.")
        self._work.set()

    def end(self, reason: str) -> None:
        """Close the connection, with a sentence that says why; a second time has no effect."""
        if self.end_reason is None:
            self.end_reason = reason
        self._ended.set()

    # What comes

    def take(self, data: bytes | str) -> None:
        """Take one message of the agent."""
        if self.end_reason is not None:
            return
        try:
            self._take(self._decoded(data))
            if self._agent is not None:
                self._agent.figures.received_bytes += len(data)
        except LinkMisused as error:
            self._refuse(str(error))

    def _decoded(self, data: bytes | str) -> FromAgent:
        if isinstance(data, str):
            raise LinkMisused("The agent has sent text.")
        if self._agent is None and len(data) > MAX_HELLO_BYTES:
            raise LinkMisused("The agent's first message is too long.")
        try:
            message: FromAgent = decode_from_agent(data)
        except (msgspec.DecodeError, RecursionError) as error:
            raise LinkMisused(f"The agent has sent what is no message: {error}.") from error
        return message

    def _refuse(self, reason: str) -> None:
        if self._agent is None:
            self.end(reason)
        else:
            self._book.expel(self._agent, reason)

    def _take(self, message: FromAgent) -> None:
        agent = self._agent
        if agent is None:
            self._take_hello(message)
            return
        match message:
            case Renew():
                self._renew(agent, message)
            case Told():
                self._take_told(agent, message)
            case Ask():
                self._take_question(message)
            case Reloaded(plugins):
                self._book.note_plugins(agent, plugins)
            case Leaving(reason):
                self._book.note_leaving(agent, reason)
            case Hello():
                raise LinkMisused("The agent has said Hello twice.")

    def _take_hello(self, message: FromAgent) -> None:
        if not isinstance(message, Hello):
            raise LinkMisused("The agent's first message must be Hello.")
        decision = self._book.admit(message, self)
        if isinstance(decision, Admitted):
            self._agent = decision.agent
            for greeting in decision.messages:
                self.send(greeting)
            self._greeted.set()
        else:
            log.warning("an agent was refused", agent=message.facts.name[:100], reason=decision.reason)
            self.send(decision)
            self.end(decision.reason)

    def _renew(self, agent: Joined, message: Renew) -> None:
        if not self._book.grant(agent):
            return
        agent.load = message.load
        renewed = encode(Renewed(message.asked_at))
        self._count(renewed)
        if not self._send_nowait(renewed):
            self._renewed = renewed
            self._work.set()

    def _take_told(self, agent: Joined, message: Told) -> None:
        assigned = agent.assigned.get(message.attempt)
        if assigned is None:
            agent.figures.refused_events += len(
                message.events
            )  # of an attempt that nobody wants any more, or never had
        else:
            new = assigned.take(message.first, message.events)
            frames = sum(kind == FRAME for kind, _ in message.events[len(message.events) - new :])
            agent.figures.frames += frames

    def _take_question(self, question: Ask) -> None:
        if len(self._asked) >= MAX_ASKED:
            raise LinkMisused("The agent asks too much at once.")
        self._asked.append(question)
        self._questions.set()

    # What goes

    async def _require_hello(self) -> None:
        with trio.move_on_after(HELLO_S):
            await self._greeted.wait()
            return
        self.end("The agent has said nothing.")

    async def _write(self) -> None:
        while True:
            while self._waits:
                if not await self._written(self._next()):
                    self.end("The agent takes what it is sent too slowly.")
            self._work = trio.Event()
            await self._work.wait()

    @property
    def _waits(self) -> bool:
        """True while something is to be written."""
        return self._renewed is not None or bool(self._outgoing)

    def _next(self) -> bytes:
        if self._renewed is not None:
            renewed, self._renewed = self._renewed, None
            return renewed
        data = self._outgoing.popleft()
        self._outgoing_bytes -= len(data)
        return data

    def _count(self, data: bytes) -> None:
        if self._agent is not None:
            self._agent.figures.sent_bytes += len(data)

    async def _written(self, data: bytes) -> bool:
        with trio.move_on_after(SEND_S) as scope:
            try:
                await self._send(data)
            except trio.ClosedResourceError:
                self.end("The agent has closed the connection.")
                await trio.sleep_forever()
        return not scope.cancelled_caught

    # Questions

    async def _answer(self) -> None:
        """Answer the agent's questions, one after another."""
        while True:
            while self._asked:
                question = self._asked[0]
                self.send(Answer(id=question.id, value=await self._value(question)))
                self._asked.popleft()
            self._questions = trio.Event()
            await self._questions.wait()

    async def _value(self, question: Ask) -> bytes:
        """Return the answer; nothing if the attempt has ended, or ends because the store cannot be read."""
        assigned = None if self._agent is None else self._agent.assigned.get(question.attempt)
        if assigned is None:
            return b""
        try:
            return await _answer_to(question, assigned)
        except (ActorGone, StoreFailing) as error:
            assigned.fail(error)
            return b""


async def _answer_to(question: Ask, assigned: Assigned) -> bytes:
    match question.what:
        case "mark":
            return encode_answer(await assigned.earlier.mark())
        case "results":
            return encode_answer(await assigned.earlier.results(question.index))
        case "count_before":
            return encode_answer(await assigned.earlier.count_before(question.index))
        case "camera":
            return await assigned.camera()
