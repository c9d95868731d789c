"""AgentBook: which agents there are, and who is lost. Plain decisions, by the server's CLOCK_BOOTTIME."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from uuid import uuid4

import attrs
import msgspec
import structlog
import trio

from kinora.fleet.assigned import Assigned
from kinora.fleet.figures import FleetFigures
from kinora.fleet.joined import Joined, Line
from kinora.fleet.link import (
    LEASE_S,
    MARGIN_S,
    PROTOCOL,
    Attempt,
    FromServer,
    Hello,
    Leave,
    Plugin,
    Refused,
    Running,
    Welcome,
)
from kinora.runtime.clocks.boot_clock import boot_s

KILLING_S = 0.2
"""The time in which an agent's fork server kills everything, once it is due."""
LOST_AFTER_S = LEASE_S + MARGIN_S + KILLING_S
"""An agent is lost if its lease was not granted again for so long: nothing of it can run any more."""
MAX_AGENTS = 1_000
"""Further agents are refused until one has gone."""
MAX_NAME = 100
"""The most characters of an agent's name."""

log = structlog.get_logger()


@attrs.frozen
class Admitted:
    """An agent that may work, and what it is told first."""

    agent: Joined
    messages: tuple[FromServer, ...]


class AgentBook:
    """All agents of this run of the server."""

    def __init__(self, kinora: str, *, clock: Callable[[], float] = boot_s) -> None:
        """``kinora`` is the server's version; ``clock`` gives seconds, and goes on while the machine is suspended."""
        self.server = uuid4().hex
        """The name of this run of the server."""
        self.on_change: Callable[[], None] = lambda: None
        """Called after each change in what agents there are, or in what they can take."""
        self.on_lost: Callable[[Joined], None] = lambda _agent: None
        """Called with each agent that is lost or has left."""
        self.figures = FleetFigures()
        """What is counted of all agents."""
        self._kinora = kinora
        self._clock = clock
        self._joining = trio.Event()
        self._joined: dict[str, Joined] = {}
        """Instance → agent, the first to come first."""
        self._numbers = Counter[str]()
        """Name → the agents that have come with it."""

    def all(self) -> tuple[Joined, ...]:
        """The agents that have come and are not lost, the first to come first."""
        return tuple(self._joined.values())

    def lease_left_s(self, agent: Joined) -> float:
        """The seconds until an agent is lost unless its lease is granted again."""
        return max(0.0, agent.granted_s + LOST_AFTER_S - self._clock())

    # Coming and going

    def admit(self, hello: Hello, line: Line) -> Admitted | Refused:
        """Decide on an agent that has said Hello on a connection, which takes the place of an earlier one."""
        self.lose_expired()
        known = self._joined.get(hello.instance)
        refusal = self._refusal(hello, known)
        if refusal is not None:
            return refusal
        agent = known or self._join(hello)
        agent.facts = hello.facts
        if agent.line is not None:
            agent.line.end("The agent has opened another connection.")
        agent.granted_s = self._clock()  # an agent takes its Welcome for a renewal
        agent.connect(line)
        messages = self._greeting(agent, {running.attempt: running for running in hello.running})
        self.on_change()
        return Admitted(agent, messages)

    def _refusal(self, hello: Hello, known: Joined | None) -> Refused | None:
        facts = hello.facts
        if hello.protocol != PROTOCOL or facts.kinora != self._kinora:
            return Refused(
                f"The agent has Kinora {facts.kinora} and the server {self._kinora}: install the same version.",
                final=True,
            )
        if not (0 < len(facts.name) <= MAX_NAME and facts.name.isprintable() and "/" not in facts.name):
            return Refused(f"An agent's name must have 1 to {MAX_NAME} printable characters, and no slash.", final=True)
        if not (facts.places > 0 and facts.cpus > 0):
            return Refused("An agent must have a place and a core at least.", final=True)
        if known is not None and known.expelled:
            return Refused("The agent has broken the rules of the link; the server's log says which.", final=True)
        if known is None and len(self._joined) >= MAX_AGENTS:
            return Refused(f"This server has {MAX_AGENTS} agents already.", final=False)
        return None

    def _join(self, hello: Hello) -> Joined:
        name = hello.facts.name
        self._numbers[name] += 1
        agent = Joined(
            id=f"{name}-{self._numbers[name]}",
            instance=hello.instance,
            facts=hello.facts,
            granted_s=self._clock(),
            figures=self.figures.join(name, {other.facts.name for other in self.all()}),
        )
        self._joined[hello.instance] = agent
        self._joining.set()
        log.info("an agent has joined", agent=agent.id, host=agent.facts.host, pid=agent.facts.pid)
        return agent

    def _greeting(self, agent: Joined, running: Mapping[Attempt, Running]) -> tuple[FromServer, ...]:
        """Decide which attempts go on, and return what the agent is told."""
        goes_on: list[Running] = []
        further: list[FromServer] = []
        for attempt, assigned in agent.assigned.items():
            known = running.get(attempt)
            if known is None and assigned.told:
                assigned.lose(f"The agent {agent.id} no longer has the job.")
                continue
            if known is not None:
                goes_on.append(Running(attempt=attempt, told=assigned.told))
            further += assigned.told_again(known=known is not None)
        return Welcome(server=self.server, agent=agent.id, running=tuple(goes_on)), *further

    def note_away(self, agent: Joined, line: Line) -> None:
        """Note that a connection has ended; without effect if the agent has another one."""
        if agent.line is not line:
            return
        agent.connect(None)
        if agent.leaving is not None and not agent.busy:
            self.lose(agent, agent.leaving)
        self.on_change()

    def note_plugins(self, agent: Joined, plugins: Mapping[str, Plugin]) -> None:
        """Note the plugins that an agent has for its next jobs; those that run go on as before."""
        agent.facts = msgspec.structs.replace(agent.facts, plugins=plugins)
        self.on_change()

    def note_leaving(self, agent: Joined, reason: str) -> None:
        """Note that an agent is about to end, with a sentence that says why: it gets no more jobs."""
        agent.leaving = reason
        self.on_change()

    def dismiss(self, agent: Joined, reason: str) -> bool:
        """Let an idle agent go, with a sentence that says why. Return False if it is busy, and stays."""
        if agent.busy:
            return False
        agent.leaving = reason
        agent.send(Leave(reason))
        self.on_change()
        return True

    def expel(self, agent: Joined, reason: str) -> None:
        """Renew the lease of an agent no more, with a sentence that says why: it is lost when that has ended."""
        if agent.expelled:
            return
        log.warning("an agent has broken the rules of the link", agent=agent.id, reason=reason)
        agent.expelled = True
        if agent.line is not None:
            agent.line.end(reason)
        self.on_change()

    # Leases

    def grant(self, agent: Joined) -> bool:
        """Renew an agent's lease. Return False if it must not go on."""
        if agent.expelled or agent.lost is not None:
            return False
        agent.granted_s = self._clock()
        return True

    async def wait_any(self) -> None:
        """Wait until there is an agent."""
        await trio.lowlevel.checkpoint()
        while not self._joined:
            self._joining = trio.Event()
            await self._joining.wait()

    def lose_expired(self) -> None:
        """Let all agents count as lost whose lease has ended."""
        now = self._clock()
        for agent in self.all():
            if agent.granted_s + LOST_AFTER_S <= now:
                self.lose(agent, f"The agent {agent.id} was not heard of for {LOST_AFTER_S:.1f} seconds.")

    def lose_process(self, name: str, pid: int) -> None:
        """Let the agent of this name count as lost that was a process of this machine, which is gone with all of it."""
        for agent in self.all():
            facts = agent.facts
            if facts.shares_files and (facts.name, facts.pid) == (name, pid):
                self.lose(agent, f"The process of the agent {agent.id} has ended.")

    def lose(self, agent: Joined, reason: str) -> None:
        """Let an agent count as lost: nothing of it can run any more."""
        if self._joined.pop(agent.instance, None) is None:
            return
        log.warning("an agent is lost", agent=agent.id, reason=reason, attempts=len(agent.assigned))
        if agent.leaving is None:
            self.figures.lost += 1
        agent.lose(reason)
        self.on_lost(agent)
        self.on_change()

    # Attempts

    def location_of(self, job_id: str) -> str | None:
        """Return the location of the source of a job that an agent works on; None if none does."""
        for agent in self._joined.values():
            for attempt, assigned in agent.assigned.items():
                if attempt.job_id == job_id:
                    return assigned.location
        return None

    def assign(self, agent: Joined, assigned: Assigned) -> None:
        """Have an agent begin an attempt, now or when it comes back; one that is lost loses it at once."""
        if agent.lost is not None:
            assigned.lose(agent.lost)
            return
        agent.assigned[assigned.attempt] = assigned
        for message in assigned.told_again(known=False):
            agent.send(message)

    def release(self, agent: Joined, assigned: Assigned) -> None:
        """Forget an attempt that has ended, or that nobody wants any more: what it tells is refused from now on."""
        agent.assigned.pop(assigned.attempt, None)
        self.on_change()
