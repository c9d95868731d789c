"""Runs the storms: ``python -m benchmarks.storms [--tree PATH]... [--only NAME]... [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import attrs
import trio

from benchmarks.pipeline import make_clip
from benchmarks.storms.arena import Arena, Finding, Storm
from benchmarks.storms.http import Clients
from benchmarks.storms.memory import Memory
from benchmarks.storms.quiet import Seen
from benchmarks.storms.server import Server, Stall, serving
from benchmarks.storms.storms import STORMS
from kinora.client import ClientError, KinoraClient
from kinora.runtime.loop_watch import CoreTime, core_time_in

HERE = Path(__file__).parents[2]
P99_MS = 100.0
SERVER_MB = 250.0
LEAST_S = 5.0
"""A storm is watched for at least this long, so that there are 100 waits, and its aftermath is seen."""
PREPARE_S = 90.0
QUIET_S = 5.0
"""The time for the quiet client to begin, and to tell what it saw."""


@attrs.frozen
class Outcome:
    """One storm against one tree."""

    storm: str
    tree: str
    p50_ms: float
    p99_ms: float
    max_ms: float
    frozen_s: float
    reconnects: int
    server_mb: float
    tree_mb: float
    took_s: float
    core: CoreTime
    load: float
    """The machine's load when the storm was over."""
    answers: dict[str, int]
    findings: Sequence[Finding]
    stalls: Sequence[Stall]

    @property
    def misses(self) -> list[str]:
        """The aims that were missed."""
        missed = ["p99"] * (self.p99_ms > P99_MS) + ["memory"] * (self.server_mb > SERVER_MB)
        return missed + [finding.text for finding in self.findings if finding.met is False]


async def run(storm: Storm, tree: Path) -> Outcome:
    """Run a storm against a server of its own."""
    with tempfile.TemporaryDirectory(prefix="kinora-storm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        media = folder / "media"
        media.mkdir()
        make_clip(media / "clip.mp4", 60, 320, 180)
        storm.fill(media)
        async with serving(tree, folder, storm.settings(folder), storm.files) as server:
            arena = Arena(KinoraClient(server.url), Clients(server.port), folder)
            with trio.fail_after(PREPARE_S):
                await storm.prepare(arena)
            return await _measure(storm, tree, server, arena)


async def _measure(storm: Storm, tree: Path, server: Server, arena: Arena) -> Outcome:
    memory = Memory(server.pid)
    command = (sys.executable, "-m", "benchmarks.storms.quiet", str(server.port))
    quiet = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, cwd=HERE)
    assert quiet.stdout is not None
    try:
        with trio.fail_after(QUIET_S):
            assert await quiet.stdout.receive_some(), "the quiet client has ended"
        before = core_time_in(Path("/proc", str(server.pid)))
        took_s = await _blow(storm, arena, memory)
        core = core_time_in(Path("/proc", str(server.pid))) - before
        await trio.to_thread.run_sync(memory.sample)
        quiet.send_signal(signal.SIGTERM)
        seen = await _told(quiet)
    finally:
        quiet.kill()
    waits = sorted(seen.waits_ms)
    return Outcome(
        storm=storm.name,
        tree=tree.name,
        p50_ms=_percentile(waits, 50),
        p99_ms=_percentile(waits, 99),
        max_ms=waits[-1],
        frozen_s=seen.frozen_s,
        reconnects=seen.reconnects,
        server_mb=memory.server_mb,
        tree_mb=memory.tree_mb,
        took_s=took_s,
        core=core,
        load=os.getloadavg()[0],
        answers=dict(sorted(arena.clients.answers.items())),
        findings=arena.findings,
        stalls=server.stalls(),
    )


async def _blow(storm: Storm, arena: Arena, memory: Memory) -> float:
    """Let it blow up to its deadline; return the seconds that it took."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(memory.watch)
        began = trio.current_time()
        with trio.move_on_after(storm.deadline_s) as scope:
            try:
                await storm.blow(arena)
            except* (ClientError, OSError, trio.BrokenResourceError) as error:
                arena.find(f"ended by {error.exceptions[0]!r}", met=False)
        if scope.cancelled_caught:
            arena.find(f"not over after {storm.deadline_s:g} s")
        took_s = trio.current_time() - began
        await trio.sleep_until(began + LEAST_S)
        nursery.cancel_scope.cancel()
    return took_s


async def _told(quiet: trio.Process) -> Seen:
    assert quiet.stdout is not None
    with trio.fail_after(QUIET_S):
        data = b"".join([bytes(chunk) async for chunk in quiet.stdout])
    return Seen(**json.loads(data))


def _percentile(ordered: Sequence[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(percent / 100 * len(ordered)) - 1)]


def show(outcome: Outcome) -> None:
    """Print an outcome."""
    end = f"frozen, > {outcome.frozen_s:.0f} s" if outcome.frozen_s else f"max {outcome.max_ms:.0f} ms"
    print(f"  {outcome.tree}: {'missed: ' + '; '.join(outcome.misses) if outcome.misses else 'met'}")
    print(f"    health p50 {outcome.p50_ms:.0f}, p99 {outcome.p99_ms:.0f} ms, {end}", end="; ")
    print(f"server {outcome.server_mb:.0f} MB, tree {outcome.tree_mb:.0f} MB; {outcome.took_s:.1f} s")
    print(f"    event loop: {outcome.core.ran_s:.1f} s on a core, {outcome.core.waited_s:.1f} s waiting", end="; ")
    print(f"load {outcome.load:.1f}")
    print(f"    answers: {', '.join(f'{count} x {status}' for status, count in outcome.answers.items())}")
    for finding in outcome.findings:
        print(f"    {finding.text}")
    for stall in outcome.stalls[:3]:
        where = stall.stack.splitlines()[-2:] or ["it was seen nowhere"]
        print(f"    held up for {stall.held_ms} ms by {stall.task}: {' '.join(map(str.strip, where))}", flush=True)


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, action="append", help="a checkout to serve from; may be repeated")
    parser.add_argument("--only", action="append", choices=[storm.name for storm in STORMS])
    parser.add_argument("--json", type=Path, help="write all figures, and the stacks of stalls, to this file")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    outcomes: list[Outcome] = []
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; aims: p99 {P99_MS:g} ms, server {SERVER_MB:g} MB")
    for storm in STORMS:
        if arguments.only is None or storm.name in arguments.only:
            print(f"{storm.name}: {storm.title}", flush=True)
            for tree in arguments.tree or [HERE]:
                try:
                    outcomes.append(trio.run(run, storm, tree.resolve()))
                except trio.TooSlowError:
                    print(f"  {tree.resolve().name}: could not be prepared in {PREPARE_S:g} s")
                    continue
                show(outcomes[-1])
            if arguments.json:
                arguments.json.write_text(json.dumps([attrs.asdict(one) for one in outcomes], indent=1))


if __name__ == "__main__":
    main()
