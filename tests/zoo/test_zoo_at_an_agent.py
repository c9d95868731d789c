"""No plugin can break a job of an agent, nor the agent: the outcomes are those that they are in the server itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from kinora.fleet.joined import Joined
from kinora.runtime.linux.processes import descendants
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import System
from tests.clips import make_clip
from tests.jobs_kit import CLIP_FRAMES, run_job, until
from tests.zoo.animals import FAMILIES, Animal, Fate, Where
from tests.zoo.keeper import Cage, Sighting, let_loose, results_without, threads_and_shared_memory
from tests.zoo.test_zoo import check

JOBS_AT_ONCE = 12
"""Most of them wait for a deadline or a pause."""


def caged() -> Iterator[Animal]:
    """Every animal, in one of its places: those of a family take turns, so that it is seen in all of its places."""
    for family in FAMILIES.values():
        for turn, animal in enumerate(family):
            yield attrs.evolve(animal, where=(animal.where[turn % len(animal.where)],))


async def test_an_agent_survives_the_zoo(settings: Settings, media: Path, plugins_dir: Path) -> None:
    """Each job is done with the same warnings and losses; the agent stands afterwards, and nothing is left of them."""
    make_clip(media / "long.mp4", frames=1010, width=64, height=48)
    animals = list(caged())
    assert {where for animal in animals for where in animal.where} == set(Where)
    cage = Cage.build(plugins_dir, animals)
    before = threads_and_shared_memory()
    async with open_server(attrs.evolve(settings, agents=1, max_jobs=JOBS_AT_ONCE)) as server:
        system = server.system
        alone = {source: await results_without(system, source) for source in ("clip.mp4", "long.mp4")}
        (agent,) = system.agent_book.all()
        async with nothing_left_below(agent):
            earlier = agent.figures.frames
            sightings = await let_all_loose(system, cage, animals)
            for sighting in sightings:
                check(sighting, alone[sighting.animal.source])
            assert agent.figures.frames - earlier == sum(len(sighting.frames) for sighting in sightings)
            assert system.agent_book.all() == (agent,)
            await check_well(system, agent)
        assert not system.agent_book.figures.lost
    assert threads_and_shared_memory() == before


@asynccontextmanager
async def nothing_left_below(agent: Joined) -> AsyncIterator[None]:
    """No process of the agent more at the end than at the start."""
    processes = descendants(agent.facts.pid)
    yield
    await until(lambda: descendants(agent.facts.pid) == processes)


async def let_all_loose(system: System, cage: Cage, animals: list[Animal]) -> list[Sighting]:
    """Run all their jobs, as many at once as the agent has places; those that take longest begin."""
    sightings: list[Sighting] = []
    waiting = iter(sorted(animals, key=lambda animal: animal.fate is not Fate.HANGS))

    async def run_next() -> None:
        sightings.extend([await let_loose(system, cage, animal, animal.where[0]) for animal in waiting])

    async with trio.open_nursery() as nursery:
        for _ in range(JOBS_AT_ONCE):
            nursery.start_soon(run_next)
    assert len(sightings) == len(animals)
    return sightings


async def check_well(system: System, agent: Joined) -> None:
    """A job of the well-behaved plugin alone runs there as before."""
    earlier = agent.figures.frames
    state = await run_job(system, "steady")
    assert (state.status, state.frames_done, state.warnings) == ("done", CLIP_FRAMES, ()), state
    assert agent.figures.frames == earlier + CLIP_FRAMES
