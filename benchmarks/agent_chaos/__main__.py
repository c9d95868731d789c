"""Runs it: ``python -m benchmarks.agent_chaos [--minutes N] [--seed N]``; exits with 1 if a promise was broken."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import attrs
import trio

from benchmarks.agent_chaos.clients import JOBS, Clients
from benchmarks.agent_chaos.faults import ENDED_AFTER_S, FAULTS, World, drawn
from benchmarks.agent_chaos.judging import judge_job, lost_too_often
from benchmarks.agent_chaos.kinds import CLIPS, KINDS, KindOrder, make_clips
from benchmarks.agent_chaos.memory import Memory
from benchmarks.agent_chaos.nodes import Nodes, cluster
from benchmarks.chaos import oracle
from benchmarks.chaos.command import chaos_arguments, run_chaos
from benchmarks.chaos.disk import Disk
from benchmarks.chaos.final import Final
from benchmarks.chaos.house import STOP_S, TOOLS, House, NotStarted, lines
from benchmarks.chaos.load import Load
from benchmarks.chaos.watcher import Watcher, judge

AGENTS = 2
BETWEEN_S = (5.0, 20.0)
"""The time between two faults, at least and at most."""
SETTLE_S = 600.0
"""The time for all jobs to end once the faults have."""
POLL_S = 0.5
LEASE_ENDED = "the lease has ended"
"""How an agent's line in the log begins."""
SHOWN = 40
"""The most violations that are printed."""


@attrs.define
class Play:
    """The server, its clients and what was seen of them."""

    world: World
    clients: Clients
    watcher: Watcher
    memory: Memory
    struck: Counter[str] = attrs.field(factory=Counter)
    missed: Counter[str] = attrs.field(factory=Counter)
    """Faults that found nothing to strike."""
    jobs: list[Final] = attrs.field(factory=list)
    violations: list[str] = attrs.field(factory=list)

    @property
    def stops(self) -> int:
        """The agents that were stopped for longer than their lease: each finds at its end that it is over."""
        return sum(self.struck[fault.name] for fault in FAULTS if fault.ends_lease)

    @property
    def house(self) -> House:
        """The server."""
        return self.world.house

    @property
    def load(self) -> Load:
        """What reads and writes for the clients."""
        return self.clients.load

    async def run(self, seed: int, minutes: float) -> None:
        """Run an undisturbed job of each kind; let clients and faults work at the same time; let all jobs end."""
        async with trio.open_nursery() as following:
            following.start_soon(self.load.follow)
            following.start_soon(self.watcher.run)
            following.start_soon(self.memory.watch)
            await self.clients.run_undisturbed()
            async with trio.open_nursery() as working:
                working.start_soon(self.clients.run, seed)
                await self._strike(trio.current_time() + 60 * minutes)
                working.cancel_scope.cancel()
            print(f"faults are over after {self.house.lives} lives; the jobs have {SETTLE_S:g} s to end", flush=True)
            with trio.move_on_after(SETTLE_S):
                while not await self._all_ended():  # noqa: ASYNC110 - another process works
                    await trio.sleep(POLL_S)
            following.cancel_scope.cancel()

    async def _strike(self, until: float) -> None:
        """Strike with one fault after the other, and see that a server runs in the end."""
        for fault in drawn(self.world.random, of_ray=self.world.nodes is not None):
            await trio.sleep(self.world.random.uniform(*BETWEEN_S))
            if trio.current_time() > until:
                break
            await self.house.check()
            self.load.book.fault = fault.name
            began = datetime.now(UTC)
            struck = await fault.strike(self.world)
            print(
                f"{began:%H:%M:%S}-{datetime.now(UTC):%H:%M:%S} {fault.name}{'' if struck else ': none there'}",
                flush=True,
            )
            (self.struck if struck else self.missed)[fault.name] += 1
        await self.house.check()

    async def _all_ended(self) -> bool:
        await self.house.check()
        taken = await self.load.take_up()
        waiting = [await self.load.count(status) for status in ("queued", "running", "paused", "interrupted")]
        return not taken and not any(waiting)

    async def examine(self) -> None:
        """Hold against each other what the clients and the server say; then stop the server and see what it leaves."""
        book = self.load.book
        self.jobs += await self.load.all_jobs()
        kinds = {order.label: order.kind for order in book.orders if isinstance(order, KindOrder)}
        by_label = {job.label: job for job in self.jobs}
        truth = {kind: by_label[label] for kind, label in self.clients.undisturbed.items()}
        for job in self.jobs:
            self.violations += judge_job(job, kinds[job.label], truth[kinds[job.label]])
        for kind, job in truth.items():
            if len(job.frames) != CLIPS[KINDS[kind].source] or job.warned("AGENT_LOST"):
                self.violations.append(f"{job}: the undisturbed run of {kind} has {len(job.frames)} frames")
        self.violations += oracle.judge_orders(book, self.jobs)
        self.violations += oracle.judge_feed(book)
        self.violations += judge(self.watcher, {job.job_id: job for job in self.jobs})
        self.violations += self.memory.judge()
        await self.house.stop()
        with trio.move_on_after(ENDED_AFTER_S):
            while left := self.world.left():  # noqa: ASYNC110 - other processes end
                await trio.sleep(POLL_S)
        if left:
            self.violations.append(f"{len(left)} processes of agents are left on the nodes, expected none: {left}")
        self.violations += oracle.judge_data_folder(self.house.data)
        self.violations += oracle.judge_temporary(self.house.temporary)

    def show(self) -> None:
        """Print the tables."""
        book, done = self.load.book, [job for job in self.jobs if job.state["status"] == "done"]
        losses = Counter(job.warned("AGENT_LOST") for job in self.jobs)
        print(f"\n{'fault':<46} {'struck':>7} {'missed':>7}")
        for fault in FAULTS:
            print(f"{fault.name:<46} {self.struck[fault.name]:7} {self.missed[fault.name]:7}")
        rows = {
            "lives of the server": self.house.lives,
            "jobs acknowledged": len(book.acknowledged),
            "jobs done": len(done),
            "jobs failed, as they lost more than 3 agents": sum(map(lost_too_often, self.jobs)),
            "times that a job lost its agent and went on": sum(times * jobs for times, jobs in losses.items()),
            "jobs that lost an agent": sum(jobs for times, jobs in losses.items() if times),
            "times that a job was interrupted and taken up": book.resumed.total(),
            "frames served": sum(len(job.frames) for job in self.jobs),
            "frames watched": sum(len(seen.indexes) for seen in self.watcher.seen.values()),
            "messages heard": book.messages,
        }
        print()
        for name, number in rows.items():
            print(f"{name:<46} {number:7}")
        for life, (first, last, seconds) in self.memory.growths().items():
            print(f"memory in life {life} ({seconds} s): {first:.0f} MB, later {last:.0f} MB")
        print(f"refusals: {', '.join(f'{count} x {status}' for status, count in book.refusals.items()) or 'none'}")
        logs = [line for log in self.house.logs for line in lines(log)]
        ended = sum(line["event"].startswith(LEASE_ENDED) for line in logs)
        if self.world.nodes is None:  # the logs of agents on nodes are Ray's
            print(f"leases that ended although no fault struck the agent: {max(0, ended - self.stops)}")
        errors = Counter(str(line["event"]) for line in logs if line["level"] == "error")
        print(f"errors in the logs: {', '.join(f'{count} x {event}' for event, count in errors.items()) or 'none'}")
        print(f"\n{len(self.violations)} violations")
        for violation in self.violations[:SHOWN]:
            print(f"  {violation}")


async def play(seed: int, minutes: float, tree: Path, folder: Path, *, ray: bool) -> bool:
    """Run it all, and print what happened. Return whether all promises were kept."""
    media, uploads, disk = folder / "media", folder / "files", folder / "disk"
    for path in (media, disk, folder / "tmp"):
        path.mkdir()
    make_clips(media)
    shutil.copytree(media, uploads)
    with cluster(_variables(tree)) if ray else nullcontext() as nodes:
        return await _play(seed, minutes, House(tree, folder, Disk(disk, own=False), "", *_ways(nodes)), nodes)


def _variables(tree: Path) -> dict[str, str]:
    """What agents on the nodes have to know. Their temporary directory is the usual one, as Ray needs short paths."""
    return {"PYTHONPATH": str(tree), "KINORA_PLUGIN_FILES": str(TOOLS)}


def _ways(nodes: Nodes | None) -> tuple[tuple[str, ...], dict[str, str], tuple[int, ...]]:
    """The flags, variables and pids for a House whose jobs run in agents here, or on nodes."""
    jobs = {"KINORA_MAX_JOBS": str(JOBS)}
    if nodes is None:
        return ("--agents", str(AGENTS)), jobs, ()
    return ("--engine", "ray", "--ray-address", nodes.address), jobs, (nodes.process.pid,)


async def _play(seed: int, minutes: float, house: House, nodes: Nodes | None) -> bool:
    media, uploads = house.media, house.folder / "files"
    load = Load(house.url, media, uploads, "", tuple(CLIPS))
    world = World(house, Random(f"{seed} faults"), nodes)  # noqa: S311 - a seed is wanted
    watcher = Watcher(house.url, Random(f"{seed} watcher"))  # noqa: S311 - a seed is wanted
    this = Play(world, Clients(load), watcher, Memory(house))
    try:
        await house.start()
        await this.run(seed, minutes)
        await this.examine()
    except NotStarted as error:
        this.violations.append(str(error))
    finally:
        with trio.move_on_after(STOP_S, shield=True):
            await house.kill()
    this.violations += [*house.complaints, *world.complaints, *load.book.complaints]
    this.show()
    return not this.violations


def main() -> None:
    """Run what the command line asks for."""
    parser = chaos_arguments(__doc__)
    parser.add_argument("--ray", action="store_true", help="have Ray start the agents, in a simulated cluster")
    arguments = parser.parse_args()
    run_chaos(arguments, "agent-chaos", partial(play, ray=arguments.ray))


if __name__ == "__main__":
    main()
