"""Runs jobs on RTSP cameras that break again and again; exits with 1 if something is not as it must be.

    python -m benchmarks.live [--minutes 30]   # one job at 25 frames/s, an outage each minute
    python -m benchmarks.live --nasty          # a job for each kind of break, 20 reconnects each

Each picture shows its number, and each camera shows the present, as real ones do.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

import trio

from benchmarks.live.camera import NAMES, Cameras, cameras
from benchmarks.live.checks import Outage, frame_faults, gap_s
from benchmarks.live.figures import REST_S, Sampled, left_over
from benchmarks.live.watching import BACK, BACK_S, Watched, watching
from benchmarks.soak.samples import Sample
from benchmarks.storms.server import Server, serving
from tests.nasty_rtsp import nasties

HERE = Path(__file__).parents[2]
TOOLS = Path(__file__).with_name("tools.py")
FILES = 1024
PERIOD_S = 60.0
"""The time between two outages of the long job."""
RECONNECTS, AT_ONCE = 20, 7
"""For each kind of break; and the jobs that run at the same time."""
GOES_ON_S = 2.0
"""The time for which a job goes on after its last outage, so that frames of it are stored."""
SHOWN = 40
"""The most complaints that are printed."""
REASONS = {name: nasty.reasons for name, nasty in nasties(lambda: iter(())).items()}


async def play(arguments: argparse.Namespace, folder: Path) -> bool:
    """Run it all, and print what was measured. Return whether all is as it must be."""
    (folder / "media").mkdir()
    names = tuple(arguments.only or NAMES)
    with cameras(len(names) if arguments.nasty else 1, arguments.footage) as running:
        settings = {
            "KINORA_PLUGIN_FILES": str(TOOLS),
            "KINORA_URL_HOSTS": ",".join(running.hosts),
            "KINORA_MAX_JOBS": str(AT_ONCE),
        }
        async with serving(HERE, folder, settings, FILES) as server:
            if arguments.nasty:
                faults = await nasty(server, running, folder / "data", names)
            else:
                faults = await long(server, running, folder / "data", names, arguments)
    print(f"\n{len(faults)} things that must not be")
    for fault in faults[:SHOWN]:
        print(f"  {fault}")
    return not faults


async def long(
    server: Server, running: Cameras, data: Path, names: Sequence[str], arguments: argparse.Namespace
) -> Sequence[str]:
    """One job with an outage each period; return what was wrong."""
    sampled = Sampled(server, data)
    before = await at_rest(sampled)
    faults: list[str] = []
    async with trio.open_nursery() as nursery, watching(server.url, running, 0) as watched:
        nursery.start_soon(sampled.run)
        outages = await break_each_period(running, watched, names, arguments, faults)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            frames = await watched.end()
    after = await at_rest(sampled)
    faults += [
        *frame_faults(frames),
        *sampled.growth_faults(),
        *left_over(before, after),
        *told_faults(watched, outages),
    ]
    if sampled.most_decoders != 1:
        faults.append(f"{sampled.most_decoders} decoders at once, expected 1")
    show_outages([(outage, gap_s(outage, frames)) for outage in outages])
    sampled.show(before, after)
    cuts = quantiles(watched.delays_ms, n=100)
    print(f"\n{len(frames):,} frames over {frames[-1]['timestamp_ms'] / 60_000:.1f} min of the camera's time")
    print(f"camera to client: p50 {median(watched.delays_ms):.0f} ms, p95 {cuts[94]:.0f} ms, p99 {cuts[98]:.0f} ms")
    return faults


async def break_each_period(
    running: Cameras, watched: Watched, names: Sequence[str], arguments: argparse.Namespace, faults: list[str]
) -> Sequence[Outage]:
    """Have the camera break in each period, in all ways before one comes again; return the outages."""
    rng, start, drawn, outages = random.Random(arguments.seed), trio.current_time(), list[str](), list[Outage]()  # noqa: S311
    for period in range(max(1, round(arguments.minutes * 60 / PERIOD_S))):
        drawn = drawn or rng.sample(names, len(names))
        await trio.sleep_until(start + (period + rng.uniform(0.1, 0.5)) * PERIOD_S)
        running.break_once(0, name := drawn.pop())
        outage = await watched.next_outage(name)
        if outage is None:
            faults.append(f"{name}: no outage told and over within {BACK_S:.0f} s")
            continue
        outages.append(outage)
        print(f"{period + 1}: {name}: {' '.join(outage.reasons)}, {outage.told_s} s", flush=True)
        await trio.sleep_until(start + (period + 1) * PERIOD_S)
    return outages


async def nasty(server: Server, running: Cameras, data: Path, names: Sequence[str]) -> Sequence[str]:
    """A job for each kind of break; return what was wrong."""
    sampled = Sampled(server, data)
    before = await at_rest(sampled)
    faults: list[str] = []
    outages: list[tuple[Outage, float]] = []

    limiter = trio.CapacityLimiter(AT_ONCE)

    async def one(number: int, name: str) -> None:
        async with limiter, watching(server.url, running, number) as watched:
            running.break_always(number, name)
            told = [await watched.next_outage(name) for _ in range(RECONNECTS)]
            await trio.sleep(GOES_ON_S)
            frames = await watched.end()
        found = [outage for outage in told if outage is not None]
        outages.extend((outage, gap_s(outage, frames)) for outage in found)
        faults.extend(f"{name}: {fault}" for fault in frame_faults(frames))
        if len(found) < RECONNECTS or watched.ended not in (None, "cancelled"):
            faults.append(f"{name}: {len(found)} of {RECONNECTS} outages were told and over, {watched.ended}")

    async with trio.open_nursery() as all_of_it:
        all_of_it.start_soon(sampled.run)
        async with trio.open_nursery() as jobs:
            for number, name in enumerate(names):
                jobs.start_soon(one, number, name)
        all_of_it.cancel_scope.cancel()
    after = await at_rest(sampled)
    show_outages(outages)
    sampled.show(before, after)
    if sampled.most_decoders > AT_ONCE:
        faults.append(f"{sampled.most_decoders} decoders at once, expected at most {AT_ONCE}")
    return [*faults, *reason_faults([outage for outage, _ in outages]), *left_over(before, after)]


async def at_rest(sampled: Sampled) -> Sample:
    """The figures once nothing runs."""
    await trio.sleep(REST_S)
    return sampled.take()


def told_faults(watched: Watched, outages: Sequence[Outage]) -> Sequence[str]:
    """What is wrong with the warnings of a job."""
    backs = watched.codes.get(BACK, 0)
    wrong = [] if backs == len(outages) else [f"{len(outages)} outages, but {backs} were told to be over"]
    return [*wrong, *reason_faults(outages)]


def reason_faults(outages: Sequence[Outage]) -> Sequence[str]:
    """The outages of which other reasons were told than theirs."""
    return [f"{one.name}: told as {one.reasons}" for one in outages if not REASONS[one.name].issuperset(one.reasons)]


def show_outages(outages: Sequence[tuple[Outage, float]]) -> None:
    """Print the table, with the time without frames in each."""
    print("\n| the camera | outages | told as | without frames, median, s | longest, s |\n|---|---|---|---|---|")
    for name in NAMES:
        if found := [(outage, gap) for outage, gap in outages if outage.name == name]:
            gaps, reasons = [gap for _, gap in found], sorted({reason for one, _ in found for reason in one.reasons})
            told = ", ".join(f"`{reason}`" for reason in reasons)
            print(f"| {name} | {len(found)} | {told} | {median(gaps):.1f} | {max(gaps):.1f} |")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="the time that the one job runs")
    parser.add_argument("--nasty", action="store_true", help=f"{RECONNECTS} reconnects of each kind instead")
    parser.add_argument("--only", action="append", choices=NAMES, help="this kind of break; may be given again")
    parser.add_argument("--footage", type=Path, help="a video for the cameras to show; the demo clip if none is given")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="kinora-live-", ignore_cleanup_errors=True) as name:
        good = trio.run(play, arguments, Path(name))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
