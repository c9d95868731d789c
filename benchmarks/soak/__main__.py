"""Runs the soak: ``python -m benchmarks.soak [--minutes N] [--seed N]``; exits with 1 if something grew or failed."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import structlog
import trio

from benchmarks.chaos.disk import Disk
from benchmarks.chaos.house import STOP_S, House
from benchmarks.pipeline import make_clip
from benchmarks.soak.load import Load
from benchmarks.soak.samples import FIGURES, HOUR_S, Figure, Sample, growth_per_hour, take
from kinora.runtime.events.replay_log import MAX_MESSAGES
from kinora.runtime.linux.processes import become_subreaper

HERE = Path(__file__).parents[2]
TOOLS = Path(__file__).with_name("tools.py")
CLIPS = {"short.mp4": 120, "long.mp4": 600}
"""File → number of frames."""
SIZE = (320, 180)
WARM_UP_S = 900.0
"""The load before the first measurement: the time in which caches, and the heap around them, reach their sizes."""
REST_S = 45.0
"""The time without clients after which the server is at rest: longer than any connection stays open."""
EVERY_S = 5.0
"""The time between two samples."""
SHOWN = 40
"""The most complaints that are printed."""


async def play(seed: int, minutes: float, folder: Path) -> bool:
    """Run it all, and print what was measured. Return whether all was flat and as promised."""
    media = folder / "media"
    for path in (media, folder / "tmp", folder / "disk"):
        path.mkdir()
    for name, frames in CLIPS.items():
        make_clip(media / name, frames, *SIZE)
    shutil.copytree(media, folder / "files")
    environment = {"KINORA_PLUGIN_FILES": str(TOOLS), "KINORA_PAUSED_KEEP_S": "5"}
    house = House(HERE, folder, Disk(folder / "disk", own=False), "127.0.0.1:9", ("--token",), environment)
    await house.start()
    try:
        token = (house.data / "token").read_text(encoding="utf-8").strip()
        load = Load(house.url, token, folder / "files", tuple(CLIPS))
        await _warm_up(load, f"{seed} warm-up")
        before = await _rest(house, load)
        samples = await _sampled(house, load, seed, 60 * minutes)
        after = await _rest(house, load)
        await house.stop()
    finally:
        with trio.move_on_after(STOP_S, shield=True):
            await house.kill()
    return _show(before, samples, after, load, house.complaints)


async def _warm_up(load: Load, seed: str) -> None:
    """Let clients work for a while; at the end the server keeps as many messages for those that come back as it may.

    Raises:
        RuntimeError: it keeps fewer.
    """
    with trio.move_on_after(WARM_UP_S):
        await load.run(seed)
    if (kept := await load.kept_messages()) < MAX_MESSAGES:
        raise RuntimeError(f"the log of messages has {kept} of {MAX_MESSAGES} after the warm-up: have clients do more")


async def _rest(house: House, load: Load) -> Sample:
    """The figures of the server once all clients have gone and the jobs have ended."""
    await load.end_jobs()
    await trio.sleep(REST_S)
    return take(house.pid, house.data, trio.current_time())


async def _sampled(house: House, load: Load, seed: int, time_s: float) -> Sequence[Sample]:
    """Samples during the load."""
    samples: list[Sample] = []
    with trio.move_on_after(time_s):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run, str(seed))
            while True:
                samples.append(take(house.pid, house.data, trio.current_time()))
                await trio.sleep(EVERY_S)
    return samples


def _show(before: Sample, samples: Sequence[Sample], after: Sample, load: Load, complaints: Sequence[str]) -> bool:
    """Print the table; return whether all is well."""
    wrong = [*load.complaints, *complaints]
    third = len(samples) // 3
    head = ("at rest before", "first third", "last third", "highest", "growth/hour", "at rest after")
    print(f"\n{len(samples)} samples\n{'':<32}" + "".join(f"{name:>16}" for name in head))
    for figure in FIGURES:
        values = [float(getattr(sample, figure.field)) for sample in samples]
        growth = growth_per_hour(samples[third:], figure.field)
        rest = (getattr(before, figure.field), getattr(after, figure.field))
        cells = (rest[0], median(values[:third]), median(values[-third:]), max(values), growth, rest[1])
        wrong += _judge(figure, _between(figure, before, after) if figure.by_rest else growth, *rest)
        print(f"{figure.name:<32}" + "".join(f"{cell:>16.1f}" for cell in cells))
    print("\n" + ", ".join(f"{name}: {count:,}" for name, count in sorted(load.counts.items())))
    print(f"\n{len(wrong)} things that must not be")
    for line in wrong[:SHOWN]:
        print(f"  {line}")
    return not wrong


def _between(figure: Figure, before: Sample, after: Sample) -> float:
    """The growth per hour from one sample to another."""
    grown: float = getattr(after, figure.field) - getattr(before, figure.field)
    return grown * HOUR_S / (after.time - before.time)


def _judge(figure: Figure, growth: float, before: float, after: float) -> Sequence[str]:
    faults = []
    if growth > figure.flat_per_hour:
        faults.append(f"{figure.name}: grew by {growth:.1f} an hour, expected at most {figure.flat_per_hour:g}")
    if figure.returns and after > before:
        faults.append(f"{figure.name}: {after:g} at rest after the load, expected the {before:g} of before")
    return faults


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="the time of the load that is measured")
    parser.add_argument("--seed", type=int, help="the seed of what clients do; any if none is given")
    arguments = parser.parse_args()
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, seed {seed}, {arguments.minutes:g} min", flush=True)
    become_subreaper()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # connections are lost
    with tempfile.TemporaryDirectory(prefix="kinora-soak-", ignore_cleanup_errors=True) as name:
        flat = trio.run(play, seed, arguments.minutes, Path(name))
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
