"""The faults: each is a small function, which returns whether it found what it strikes."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random

import attrs
import trio

from benchmarks.chaos.house import House, send_signal
from benchmarks.chaos.load import Load
from benchmarks.chaos.url_host import UrlHost
from kinora.runtime.linux.processes import descendants

STOPPED_S = 4.0
"""The longest time for which processes are stopped."""
FULL_S = 6.0
AWAY_S = 8.0
START_S = 1.5
"""A server that is killed while it starts gets at most this time."""
URL_JOBS = 3
RESTART_PERIOD_S = 70.0
"""A server ends if its fork server ends more than three times in a minute; so there is a pause after each kill."""


@attrs.define
class World:
    """What the faults strike."""

    house: House
    load: Load
    url_host: UrlHost
    random: Random
    fork_server_due: float = 0.0
    """The time before which the fork server is not killed again."""

    async def pause(self, longest_s: float) -> None:
        """Wait for a random time."""
        await trio.sleep(self.random.uniform(0, longest_s))


async def kill_server(world: World) -> bool:
    """Kill the server."""
    await world.house.kill()
    await world.house.start()
    return True


async def kill_starting_server(world: World) -> bool:
    """Kill the server, and the next one while it starts."""
    await world.house.kill()
    await world.house.begin()
    await world.pause(START_S)
    await world.house.kill()
    await world.house.start()
    return True


async def stop_server(world: World) -> bool:
    """Ask the server to end."""
    await world.house.stop()
    await world.house.start()
    return True


async def kill_fork_server(world: World) -> bool:  # noqa: ASYNC124 - as all faults
    """Kill the fork server, unless it was killed a short time ago."""
    if trio.current_time() < world.fork_server_due:
        return False
    world.fork_server_due = trio.current_time() + RESTART_PERIOD_S / 3
    return _kill_one(world, world.house.fork_servers())


async def kill_decoder(world: World) -> bool:  # noqa: ASYNC124 - as all faults
    """Kill a process that reads a source."""
    return _kill_one(world, world.house.decoders())


async def kill_plugin(world: World) -> bool:  # noqa: ASYNC124 - as all faults
    """Kill a plugin's process."""
    return _kill_one(world, world.house.plugins())


async def freeze_server(world: World) -> bool:
    """Stop the server's process alone, and let it go on."""
    with _stopped([world.house.pid]):
        await world.pause(STOPPED_S)
    return True


async def freeze_all(world: World) -> bool:
    """Stop the server and all below it, and let them go on."""
    pid = world.house.pid
    with _stopped([pid, *world.house.fork_servers()]), _stopped(sorted(descendants(pid))):
        await world.pause(STOPPED_S)
    return True


async def fill_disk(world: World) -> bool:
    """Leave the server no byte of disk for a while."""
    if not world.house.disk.own:
        return False
    try:
        await trio.to_thread.run_sync(world.house.disk.fill)
        await world.pause(FULL_S)
    finally:
        world.house.disk.free()
    return True


async def move_data(world: World) -> bool:
    """Move the data folder between two lives."""
    house = world.house
    await world.random.choice((house.kill, house.stop))()
    old = house.data
    house.moves += 1
    await trio.Path(old).rename(house.data)
    await house.start()
    return True


async def hide_media(world: World) -> bool:
    """Start a server on an empty media folder, as if its disk were not mounted; the media come back later."""
    house = world.house
    await house.kill()
    media = trio.Path(house.media)
    away = media.with_name("media-away")
    with world.load.media_away():
        await media.rename(away)
        await media.mkdir()
        try:
            await house.start()
            await world.pause(AWAY_S)
        finally:
            await away.rename(media)  # noqa: ASYNC102 - a short step; an empty folder gives way
    return True


async def silence_host(world: World) -> bool:
    """Start a server while jobs wait whose host accepts connections and says nothing for a while."""
    sent = await world.load.send_url_jobs(URL_JOBS)
    await world.house.kill()
    with world.url_host.silent():
        await world.house.start()
        await world.pause(AWAY_S)
    return sent > 0


@attrs.frozen
class Fault:
    """A kind of fault."""

    name: str
    strike: Callable[[World], Awaitable[bool]]
    weight: int
    """How often it comes in a round of all faults."""


FAULTS = (
    Fault("server killed", kill_server, 4),
    Fault("server killed, and again while it starts", kill_starting_server, 1),
    Fault("server told to stop", stop_server, 2),
    Fault("fork server killed", kill_fork_server, 2),
    Fault("decoder killed", kill_decoder, 6),
    Fault("plugin's process killed", kill_plugin, 6),
    Fault("server frozen for up to 4 s", freeze_server, 2),
    Fault("all processes frozen for up to 4 s", freeze_all, 2),
    Fault("disk full for up to 6 s", fill_disk, 2),
    Fault("data folder moved", move_data, 1),
    Fault("media folder empty at a start", hide_media, 1),
    Fault("silent host of queued jobs at a start", silence_host, 1),
)


def drawn(random: Random) -> Iterator[Fault]:
    """Faults without end, in rounds in which each comes as often as its weight says."""
    deck = [fault for fault in FAULTS for _ in range(fault.weight)]
    while True:
        random.shuffle(deck)
        yield from deck


def _kill_one(world: World, pids: list[int]) -> bool:
    if pids:
        send_signal([world.random.choice(pids)], signal.SIGKILL)
    return bool(pids)


@contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    send_signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        send_signal(pids, signal.SIGCONT)
