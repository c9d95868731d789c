"""The faults: each is a small function, which returns whether it found what it strikes."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random

import attrs
import trio

from benchmarks.agent_chaos.nodes import WORKING, Nodes
from benchmarks.chaos.house import House, send_signal
from benchmarks.chaos.tools import PROCESS_NAME
from kinora.fleet.link import LEASE_S, MARGIN_S
from kinora.runtime.linux.processes import descendants, status_of

AGENT = "kinora: agent"
"""The name of an agent's main thread."""
ENDED_AFTER_S = LEASE_S + MARGIN_S + 3.0
"""An agent is stopped for longer than this; all that it has started must be gone by then. The lease, its margin, and
time for a busy machine."""
BRIEF_S = LEASE_S / 2
"""The longest time of a stop that loses no agent: the lease was renewed up to a second before."""
AWAY_S = 8.0
"""The longest time for which a node or the cluster is away."""


@attrs.define
class World:
    """What the faults strike."""

    house: House
    random: Random
    nodes: Nodes | None = None
    """Those of a Ray cluster that has the agents."""
    complaints: list[str] = attrs.field(factory=list)

    def agents(self) -> list[int]:
        """The pids of the agents."""
        roots = [self.house.pid, *self.house.apart]
        return [pid for root in roots for pid in sorted(descendants(root)) if _name(pid) == AGENT]

    def left(self) -> list[str]:
        """The command lines of the agents that run on the nodes, and of their processes."""
        below = [pid for root in self.house.apart for pid in sorted(descendants(root))]
        return [_command(pid).decode(errors="replace") for pid in below if _is_ours(pid)]

    def draw_agent(self) -> list[int]:
        """One of them, if there is one."""
        agents = self.agents()
        return [self.random.choice(agents)] if agents else []


async def kill_agent(world: World) -> bool:  # noqa: ASYNC124 - as all faults
    """Kill an agent."""
    struck = world.draw_agent()
    send_signal(struck, signal.SIGKILL)
    return bool(struck)


async def stop_agent(world: World) -> bool:
    """Stop an agent's process alone for longer than its lease: its fork server ends all that it has started."""
    struck = world.draw_agent()
    for agent in struck:
        below = descendants(agent)
        send_signal([agent], signal.SIGSTOP)
        try:
            await trio.sleep(ENDED_AFTER_S)
            left = [pid for pid in below if (status := status_of(pid)) is not None and status.running]
        finally:
            send_signal([agent], signal.SIGCONT)
        if left:
            world.complaints.append(
                f"{len(left)} processes of an agent ran {ENDED_AFTER_S:g} s after it was stopped, expected none:"
                f" {[_command(pid) for pid in left]}"
            )
    return bool(struck)


async def stop_all_of_agent(world: World) -> bool:
    """Stop an agent and all that it has started for longer than its lease: what they tell later counts no more."""
    struck = world.draw_agent()
    for agent in struck:
        await _stop([agent, *sorted(descendants(agent))], ENDED_AFTER_S)
    return bool(struck)


async def stop_agent_briefly(world: World) -> bool:
    """Stop an agent for less than its lease, which loses nothing."""
    struck = world.draw_agent()
    await _stop(struck, world.random.uniform(0, BRIEF_S))
    return bool(struck)


async def kill_server(world: World) -> bool:
    """Kill the server; its agents end with it, and those of Ray with their lease."""
    await world.house.kill()
    await world.house.start()
    return True


async def lose_node(world: World) -> bool:
    """Kill all processes of a node of the Ray cluster; it comes back later."""
    if world.nodes is None:
        return False
    name = world.random.choice(WORKING)
    await world.nodes.order(f"lose {name}")
    await trio.sleep(world.random.uniform(0, AWAY_S))
    await world.nodes.order(f"add {name}")
    return True


async def lose_head(world: World) -> bool:
    """Kill all processes of the Ray cluster; another one begins at its address."""
    if world.nodes is None:
        return False
    await world.nodes.order("lose head")
    await trio.sleep(world.random.uniform(0, AWAY_S))
    await world.nodes.order(" ".join(("begin", "head", *WORKING)))
    return True


@attrs.frozen
class Fault:
    """A kind of fault."""

    name: str
    strike: Callable[[World], Awaitable[bool]]
    weight: int
    """How often it comes in a round of all faults."""
    ends_lease: bool = False
    """True if the agent lives on and finds that its lease has ended."""
    of_ray: bool = False


FAULTS = (
    Fault("agent killed", kill_agent, 4),
    Fault("agent stopped for longer than its lease", stop_agent, 2, ends_lease=True),
    Fault("agent and all of it stopped for longer", stop_all_of_agent, 2, ends_lease=True),
    Fault("agent stopped for up to half its lease", stop_agent_briefly, 2),
    Fault("server killed", kill_server, 2),
    Fault("node of Ray lost", lose_node, 2, of_ray=True),
    Fault("head of Ray lost, and all of the cluster", lose_head, 1, of_ray=True),
)


def drawn(random: Random, *, of_ray: bool) -> Iterator[Fault]:
    """Faults without end, in rounds in which each comes as often as its weight says."""
    deck = [fault for fault in FAULTS if of_ray or not fault.of_ray for _ in range(fault.weight)]
    while True:
        random.shuffle(deck)
        yield from deck


async def _stop(pids: list[int], duration_s: float) -> None:
    send_signal(pids, signal.SIGSTOP)
    try:
        await trio.sleep(duration_s)
    finally:
        send_signal(pids, signal.SIGCONT)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _is_ours(pid: int) -> bool:
    if (status := status_of(pid)) is None or not status.running:
        return False
    return _name(pid) in {AGENT, PROCESS_NAME} or _command(pid).startswith(b"kinora:")


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
