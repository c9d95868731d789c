"""Runs the chaos: ``python -m benchmarks.chaos [--minutes N] [--seed N]``; exits with 1 if a promise was broken."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from random import Random

import attrs
import trio

from benchmarks.chaos import oracle
from benchmarks.chaos.command import chaos_arguments, run_chaos
from benchmarks.chaos.disk import mounted
from benchmarks.chaos.faults import FAULTS, World, drawn
from benchmarks.chaos.final import COUNT, DIGEST, Final
from benchmarks.chaos.house import STOP_S, House, NotStarted, lines, open_files, remaining
from benchmarks.chaos.load import Load
from benchmarks.chaos.url_host import url_host
from benchmarks.chaos.watcher import Watcher, judge
from benchmarks.pipeline import make_clip

CLIPS = {"short.mp4": 1_000, "long.mp4": 3_000}
"""File → number of frames."""
SIZE = (64, 36)
BETWEEN_S = 4.0
"""The longest time between two faults."""
SETTLE_S = 1200.0
"""The time for all jobs to end once the faults have."""
IDLE_S = 20.0
"""The time for the server to give back all that its jobs needed."""
POLL_S = 0.5
SHOWN = 40
"""The most violations that are printed."""


@attrs.define
class Report:
    """What happened, and what should not have."""

    struck: Counter[str] = attrs.field(factory=Counter)
    missed: Counter[str] = attrs.field(factory=Counter)
    """Faults that found nothing to strike."""
    jobs: list[Final] = attrs.field(factory=list)
    violations: list[str] = attrs.field(factory=list)
    watcher: Watcher | None = None


async def play(seed: int, minutes: float, tree: Path, folder: Path) -> bool:
    """Run it all, and print what happened. Return whether all promises were kept."""
    media, uploads = folder / "media", folder / "files"
    for path in (media, folder / "tmp"):
        path.mkdir()
    for name, frames in CLIPS.items():
        make_clip(media / name, frames, *SIZE)
    shutil.copytree(media, uploads)
    with mounted(folder / "disk") as disk, url_host(uploads) as host:
        if not disk.own:
            print("no file system can be mounted here: the disk is never full")
        house = House(tree, folder, disk, host.server.host)
        load = Load(house.url, media, uploads, host.server.url(""), tuple(CLIPS))
        world = World(house, load, host, Random(f"{seed} faults"))  # noqa: S311 - a seed is wanted
        report = Report()
        try:
            await house.start()
            await _run(world, report, seed, minutes)
            await _examine(world, report)
        except NotStarted as error:
            report.violations.append(str(error))
        finally:
            with trio.move_on_after(STOP_S, shield=True):
                await house.kill()
        report.violations += [*house.complaints, *load.book.complaints]
        show(world, report)
        return not report.violations


async def _run(world: World, report: Report, seed: int, minutes: float) -> None:
    """Let clients and faults work at the same time, after an undisturbed run of each clip; then let all jobs end."""
    load = world.load
    report.watcher = Watcher(world.house.url, Random(f"{seed} watcher"))  # noqa: S311 - a seed is wanted
    async with trio.open_nursery() as following:
        following.start_soon(load.follow)
        following.start_soon(report.watcher.run)
        for name in CLIPS:
            await load.finish(name)
        async with trio.open_nursery() as working:
            working.start_soon(load.run, seed)
            await _strike(world, report, trio.current_time() + 60 * minutes)
            working.cancel_scope.cancel()
        print(f"faults are over after {world.house.lives} lives; the jobs have {SETTLE_S:g} s to end", flush=True)
        with trio.move_on_after(SETTLE_S):
            while not await _all_ended(world):  # noqa: ASYNC110 - another process works
                await trio.sleep(POLL_S)
        following.cancel_scope.cancel()


async def _strike(world: World, report: Report, until: float) -> None:
    """Strike with one fault after the other, and see that a server runs in the end."""
    for fault in drawn(world.random):
        await world.pause(BETWEEN_S)
        if trio.current_time() > until:
            break
        await world.house.check()
        world.load.book.fault = fault.name
        struck = await fault.strike(world)
        (report.struck if struck else report.missed)[fault.name] += 1
    await world.house.check()


async def _all_ended(world: World) -> bool:
    """Take up interrupted jobs; return whether all others have ended."""
    await world.house.check()
    taken = await world.load.take_up()
    waiting = [await world.load.count(status) for status in ("queued", "running", "paused", "interrupted")]
    return not taken and not any(waiting)


async def _examine(world: World, report: Report) -> None:
    """Hold against each other what the clients and the server say; then stop the server and look at what it leaves."""
    house, book = world.house, world.load.book
    await world.load.repeat_keyed()
    report.jobs += await world.load.all_jobs()
    truth = {job.state["source"]: job.digests for job in report.jobs if job.label in world.load.undisturbed}
    for job in report.jobs:
        report.violations += oracle.judge_job(job, truth[Path(job.state["source"]).name])
    report.violations += oracle.judge_orders(book, report.jobs)
    report.violations += oracle.judge_feed(book)
    if report.watcher is not None:
        report.violations += judge(report.watcher, {job.job_id: job for job in report.jobs})
    report.violations += await _judge_idle(house)
    await house.stop()
    report.violations += oracle.judge_data_folder(house.data)
    report.violations += oracle.judge_temporary(house.temporary)


async def _judge_idle(house: House) -> list[str]:
    """A server without work has its fork server, and no frames in memory."""
    with trio.move_on_after(IDLE_S):
        while _kept(house) != (1, 0):  # noqa: ASYNC110 - another process works
            await trio.sleep(POLL_S)
    processes, memories = _kept(house)
    if (processes, memories) == (1, 0):
        return []
    return [f"the idle server has {processes} processes and {memories} rings of frames, expected 1 and 0"]


def _kept(house: House) -> tuple[int, int]:
    """The number of processes below the server, and of memfds that it has open."""
    memories = sum(target.startswith("/memfd:") for target in open_files(house.pid))
    return len(remaining()) - 1, memories


def show(world: World, report: Report) -> None:
    """Print the tables."""
    book, done = world.load.book, [job for job in report.jobs if job.state["status"] == "done"]
    print(f"\n{'fault':<46} {'struck':>7} {'missed':>7}")
    for fault in FAULTS:
        print(f"{fault.name:<46} {report.struck[fault.name]:7} {report.missed[fault.name]:7}")
    print(f"\n{'lives of the server':<46} {world.house.lives:7}")
    print(f"{'jobs acknowledged':<46} {len(book.acknowledged):7}")
    print(f"{'jobs stored':<46} {len(report.jobs):7}")
    print(f"{'jobs done':<46} {len(done):7}")
    print(f"{'times that a job was interrupted and taken up':<46} {book.resumed.total():7}")
    print(f"{'frames served':<46} {sum(len(job.frames) for job in report.jobs):7}")
    for plugin in (DIGEST, COUNT):
        lost = sum(job.lost(plugin) for job in done)
        warned = sum(job.warned(*oracle.LOSS_CODES, plugin=plugin) for job in done)
        print(f"{f'results of {plugin} lost, warned of':<46} {lost:7} {warned:7}")
    anew = sum(job.warned("STATE_LOST", plugin=COUNT) for job in done)
    print(f"{f'times that {COUNT} began anew, as warned':<46} {anew:7}")
    print(f"{'messages heard, over connections':<46} {book.messages:7} {book.connections:7}")
    if (watcher := report.watcher) is not None:
        frames = sum(len(seen.indexes) for seen in watcher.seen.values())
        print(f"{'frames watched, over connections':<46} {frames:7} {watcher.connections:7}")
        gaps = sum(map(len, watcher.gaps.values()))
        print(f"{'times that the watcher stopped reading; gaps':<46} {watcher.stops:7} {gaps:7}")
    print(f"{'reads':<46} {book.reads:7}")
    print(f"refusals: {', '.join(f'{count} x {status}' for status, count in sorted(book.refusals.items())) or 'none'}")
    errors = Counter(str(line["event"]) for log in world.house.logs for line in lines(log) if line["level"] == "error")
    print(f"errors in the logs: {', '.join(f'{count} x {event}' for event, count in errors.most_common()) or 'none'}")
    print(f"\n{len(report.violations)} violations")
    for violation in report.violations[:SHOWN]:
        print(f"  {violation}")


def main() -> None:
    """Run what the command line asks for."""
    run_chaos(chaos_arguments(__doc__).parse_args(), "chaos", play)


if __name__ == "__main__":
    main()
