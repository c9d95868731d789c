"""Which agents to ask Ray for, and which to give back: plain decisions, on times in seconds of one monotonic clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import attrs

from kinora.actors.jobs.engine import Needs
from kinora.fleet.provider import Present

MAX_AGENTS = 64
"""The most agents of Ray at once; beyond it jobs wait until one is free."""
MAX_COMING = 8
"""The most that are asked for and not here yet; the next is asked for when one of them has come."""
CONNECT_S = 60.0
"""The time for an agent that Ray has started to reach the server; after it, it is given back."""
FIRST_PAUSE_S = 1.0
"""The pause after an agent that never came; each further one in a row doubles it."""
LONGEST_PAUSE_S = 30.0


@attrs.frozen
class Ask:
    """Ask Ray for an agent that has as much as these needs."""

    name: str
    needs: Needs


@attrs.frozen
class GiveBack:
    """Have Ray end an agent that is not connected, or withdraw the request for it."""

    name: str


@attrs.frozen
class Dismiss:
    """Send an idle agent away, then have Ray end it. If it has got an attempt meanwhile it stays."""

    name: str


Step = Ask | GiveBack | Dismiss


@attrs.define(eq=False)
class _Agent:
    """An agent that Ray was asked for."""

    name: str
    needs: Needs
    placed_at: float = math.inf
    node: str = ""
    no_room: str = ""
    """Ray's reason why it is not placed."""
    connected: bool = False
    idle_since: float = math.inf

    def covers(self, needs: Needs) -> bool:
        """True if it has as much as these needs."""
        has = self.needs
        return (
            has.cpus >= needs.cpus
            and has.gpus >= needs.gpus
            and all(has.resources.get(name, 0.0) >= amount for name, amount in needs.resources.items())
        )

    def comes_for(self, needs: Needs) -> bool:
        """True if a job may wait for it: it has room already, or asks for no more of it than the job would."""
        return self.covers(needs) and (bool(self.node) or _amounts(self.needs) == _amounts(needs))

    @property
    def idle(self) -> bool:
        """True if it is here and has nothing to do."""
        return self.idle_since < math.inf

    @property
    def coming(self) -> str:
        """What is told of it to a job that waits for it."""
        if self.node:
            return f"Ray starts an agent for it on {self.node}."
        return self.no_room or "Ray is asked for an agent for it."


@attrs.frozen
class _Trouble:
    """An agent that was asked for and did not come."""

    reason: str
    pause_s: float
    until: float
    """The time at which the next one is asked for."""


class Demand:
    """The agents that Ray was asked for, and what follows from the jobs that wait and the agents that are here.

    An agent is asked for with just what one job needs, works on one job at a time, and is kept for further jobs that
    need no more, until it has been idle for ``idle_s``; or earlier, if its room is needed. ``run`` is a word of this
    run of the server, by which the names of its agents begin.
    """

    def __init__(self, run: str, idle_s: float, *, shares_files: bool = False) -> None:
        self._prefix = f"ray-{run}-"
        self._numbers = itertools.count(1)
        self._idle_s = idle_s
        self._shares_files = shares_files
        self._agents: dict[str, _Agent] = {}
        self._ending: set[str] = set()
        """The agents that were given back and whose room Ray has not got yet."""
        self._down: str | None = "Ray is being started."
        """The reason why nothing can be asked for."""
        self._troubles: dict[str, _Trouble] = {}
        """The jobs in line whose agent did not come → what was wrong last."""
        self._reasons: dict[str, str] = {}

    def up(self) -> None:
        """Take note that the cluster is there."""
        self._down = None

    def down(self, reason: str) -> None:
        """Take note that it is lost, a sentence says why. Agents that are here may work on, and are not replaced."""
        self._down = reason
        self._agents.clear()
        self._ending.clear()

    def placed(self, name: str, node: str, now: float) -> None:
        """Take note that Ray has found room for an agent."""
        if (agent := self._agents.get(name)) is not None:
            agent.placed_at, agent.node = now, node

    def pending(self, name: str, reason: str) -> None:
        """Take note that Ray has no room for an agent; a sentence says why."""
        if (agent := self._agents.get(name)) is not None:
            agent.no_room = reason

    def ended(self, name: str, reason: str, now: float) -> None:
        """Take note that Ray has an agent's room back."""
        self._ending.discard(name)
        for other in self._coming():
            other.no_room = ""  # it is told again if that still holds
        agent = self._agents.pop(name, None)
        if agent is not None and not agent.connected:
            self._failed(agent, reason, now)

    def dismissed(self, name: str) -> None:
        """Take note that an agent was sent away."""
        self._forget([name])

    @property
    def reasons(self) -> Mapping[str, str]:
        """The jobs that have no agent yet, each with a sentence that says why, as of the last decision."""
        return self._reasons

    def decide(self, waiting: Sequence[Needs], present: Sequence[Present], now: float) -> list[Step]:
        """Return what to do now; each agent to give back is forgotten, each to dismiss only by ``dismissed``."""
        self._note(present, now)
        waiting = [needs for needs in waiting if self._may_serve(needs)]
        in_line = {needs.job_id for needs in waiting}
        self._troubles = {job_id: trouble for job_id, trouble in self._troubles.items() if job_id in in_line}
        left = [*self._left(present), *self._late(now)]
        self._forget(left)
        matched = self._match(waiting)
        useless = [agent.name for agent in self._coming() if not agent.node and agent not in matched.values()]
        self._forget(useless)
        asked = self._asked(waiting, matched, now)
        return [*map(GiveBack, (*left, *useless)), *asked, *map(Dismiss, self._superfluous(waiting, present, now))]

    def next_at(self, now: float) -> float:
        """The time of the next decision if nothing happens before."""
        times = [agent.idle_since + self._idle_s for agent in self._agents.values()]
        times += [agent.placed_at + CONNECT_S for agent in self._coming()]
        times += [trouble.until for trouble in self._troubles.values()]
        return min((time for time in times if time > now), default=math.inf)

    def _may_serve(self, needs: Needs) -> bool:
        return needs.where == "anywhere" or (needs.where == "this_machine" and self._shares_files)

    def _coming(self) -> list[_Agent]:
        return [agent for agent in self._agents.values() if not agent.connected]

    def _forget(self, names: Sequence[str]) -> None:
        for name in names:
            if self._agents.pop(name, None) is not None:
                self._ending.add(name)

    def _note(self, present: Sequence[Present], now: float) -> None:
        for seen in present:
            if (agent := self._agents.get(seen.name)) is None:
                continue
            agent.connected = True
            agent.idle_since = math.inf if seen.attempts else min(agent.idle_since, now)

    def _left(self, present: Sequence[Present]) -> list[str]:
        """The agents that were here, and are not any more."""
        here = {seen.name for seen in present}
        return [agent.name for agent in self._agents.values() if agent.connected and agent.name not in here]

    def _late(self, now: float) -> list[str]:
        late = [agent for agent in self._coming() if now - agent.placed_at >= CONNECT_S]
        for agent in late:
            self._failed(agent, f"It was started on {agent.node} and did not reach this server.", now)
        return [agent.name for agent in late]

    def _failed(self, agent: _Agent, reason: str, now: float) -> None:
        job_id = agent.needs.job_id
        before = self._troubles.get(job_id)
        pause_s = FIRST_PAUSE_S if before is None else min(2 * before.pause_s, LONGEST_PAUSE_S)
        self._troubles[job_id] = _Trouble(reason, pause_s, now + pause_s)

    def _match(self, waiting: Sequence[Needs]) -> Mapping[str, _Agent]:
        """The jobs for which an agent is coming, each with it."""
        free = self._coming()
        matched = {}
        for needs in waiting:
            if (agent := next((agent for agent in free if agent.comes_for(needs)), None)) is not None:
                free.remove(agent)
                matched[needs.job_id] = agent
        return matched

    def _asked(self, waiting: Sequence[Needs], matched: Mapping[str, _Agent], now: float) -> Sequence[Ask]:
        """Ask for an agent for each job that none is coming for, and say of each job what it waits for."""
        asked: list[Ask] = []
        idle = [agent for agent in self._agents.values() if agent.idle]
        self._reasons = {}
        for needs in waiting:
            if (agent := matched.get(needs.job_id)) is not None:
                self._reasons[needs.job_id] = agent.coming
            elif any(agent.covers(needs) for agent in idle):
                continue  # the engine knows why it does not get that one; another one would be no better
            elif (obstacle := self._obstacle(needs, now)) is not None:
                self._reasons[needs.job_id] = obstacle
            else:
                new = _Agent(f"{self._prefix}{next(self._numbers)}", needs)
                self._agents[new.name] = new
                self._reasons[needs.job_id] = new.coming
                asked.append(Ask(new.name, needs))
        return asked

    def _obstacle(self, needs: Needs, now: float) -> str | None:
        """The reason why no further agent is asked for now."""
        if self._down is not None:
            return self._down
        trouble = self._troubles.get(needs.job_id)
        if trouble is not None and now < trouble.until:
            return f"An agent that Ray was asked for did not come. {trouble.reason} Another one is asked for soon."
        if len(self._agents) >= MAX_AGENTS:
            return f"There are {MAX_AGENTS} agents of Ray, the most that are allowed: it waits for one of them."
        if len(self._coming()) >= MAX_COMING:
            return f"Ray is asked for {MAX_COMING} agents already, the most at a time."
        return None

    def _superfluous(self, waiting: Sequence[Needs], present: Sequence[Present], now: float) -> list[str]:
        """The agents to send away: those idle for long, one whose room is needed, and those that Ray has lost."""
        idle = sorted((agent for agent in self._agents.values() if agent.idle), key=lambda agent: agent.idle_since)
        old = [agent.name for agent in idle if now - agent.idle_since >= self._idle_s]
        needed = any(agent.no_room and not agent.node for agent in self._coming())
        if needed and not old and not self._ending:
            spare = [agent.name for agent in idle if not any(agent.covers(needs) for needs in waiting)]
            old = spare[:1]
        lost = [
            seen.name
            for seen in present
            if seen.name.startswith(self._prefix)
            and not (seen.attempts or seen.name in self._agents or seen.name in self._ending)
        ]
        return [*old, *lost]


def _amounts(needs: Needs) -> tuple[float, float, Mapping[str, float]]:
    return needs.cpus, needs.gpus, needs.resources
