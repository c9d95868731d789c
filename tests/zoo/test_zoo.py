"""No plugin can break a job: it is done, the other plugin is not affected, the client is told, and nothing is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from kinora.actors.stages.warnings import MAX_DISTINCT
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.clips import make_clip
from tests.environments import make_environment
from tests.jobs_kit import CLIP_FRAMES, nothing_left_behind
from tests.zoo.__main__ import PAGE
from tests.zoo.animals import DYING, FAMILIES, HANGING, RAISING, Animal, Fate, Where
from tests.zoo.keeper import Cage, LoopWatch, Sighting, let_loose, results_without, threads_and_shared_memory

JOBS_AT_ONCE = 5
REPLICAS = 3
IN_REPLICAS = {"raises an Exception", "ends its process by os._exit(0)", "sleeps for ever"}
"""The animals that are let loose in several processes as well: one for each kind of outcome."""
WITH_OWN_PYTHON = {
    "closes all its file descriptors",
    "kills its process group",
    "writes to the frame's memory behind numpy's back",
    "forks children that should outlive it",
    "writes rubbish into its channel to the server",
}
"""Those that are let loose under another interpreter as well: each struggles with something that the exec must keep."""
LOOP_LIMIT_MS = 50
WAITED_FOR = {"hang", "fail to remember"}
"""The families that are waited for most of the time, so that their animals can be run at once."""
LOOKS = 5
"""At what holds up the event loop for longer, before it counts."""
LONG = "long.mp4"
Alone = Mapping[str, list[Any]]
"""Source → the results of the well-behaved plugin without any other."""
MOST_SHOWN = 3
"""The number of equal warnings that are sent: the 1st, 10th and 100th."""


@pytest.mark.parametrize("family", FAMILIES)
async def test_jobs_survive_plugins_that(family: str, settings: Settings, media: Path, plugins_dir: Path) -> None:
    """In every place where a plugin may misbehave, its own results suffer and no others."""
    animals = FAMILIES[family]
    if any(animal.source == LONG for animal in animals):
        make_clip(media / LONG, frames=1010, width=64, height=48)
    cage = Cage.build(plugins_dir, animals)
    before = threads_and_shared_memory()
    async with open_system(attrs.evolve(settings, max_jobs=JOBS_AT_ONCE)) as system:
        alone = {source: await results_without(system, source) for source in {animal.source for animal in animals}}
        quiet = family in WAITED_FOR and await hold_nothing_up_together(system, cage, animals, alone)
        for animal in animals if not quiet else ():
            await hold_nothing_up(system, cage, animal, alone)
    assert threads_and_shared_memory() == before


async def hold_nothing_up_together(system: System, cage: Cage, animals: Sequence[Animal], alone: Alone) -> bool:
    """Run the animals at once, and return whether the event loop was not held up; if it was, look at each alone."""
    return not (await run_and_check(system, cage, animals, alone)).longer_than(LOOP_LIMIT_MS)


async def hold_nothing_up(system: System, cage: Cage, animal: Animal, alone: Alone) -> None:
    """Run the animal alone, and check that no task holds up the event loop.

    A machine that is not the loop's own may hold up any task now and then; what one of ours does wrong, it does again.
    """
    looks = []
    for _ in range(LOOKS):
        looks.append((await run_and_check(system, cage, [animal], alone)).longer_than(LOOP_LIMIT_MS))
        if not set.intersection(*map(set, looks)):
            return
    pytest.fail(f"{animal} makes a task hold up the event loop in each of {LOOKS} runs: {looks}")


async def run_and_check(system: System, cage: Cage, animals: Sequence[Animal], alone: Alone) -> LoopWatch:
    """Let them loose in all their places at once and check the outcomes; the caller checks the event loop."""
    sightings: list[Sighting] = []

    async def look(animal: Animal, where: Where) -> None:
        sightings.append(await let_loose(system, cage, animal, where))

    with nothing_left_behind(system), LoopWatch() as watch:
        async with trio.open_nursery() as nursery:
            for animal in animals:
                for where in animal.where:
                    nursery.start_soon(look, animal, where)
    for sighting in sightings:
        check(sighting, alone[sighting.animal.source])
    return watch


async def test_jobs_survive_plugins_that_misbehave_in_several_processes(
    settings: Settings, media: Path, plugins_dir: Path
) -> None:
    """The guarantee holds for replicas to the letter: the same frames are lost, and the same warnings told."""
    animals = [
        attrs.evolve(animal, metadata="stateless=True", where=(Where.FRAME,))
        for animal in (*RAISING, *DYING, *HANGING)
        if animal.does in IN_REPLICAS
    ]
    cage = Cage.build(plugins_dir, animals)
    before = threads_and_shared_memory()
    async with open_system(attrs.evolve(settings, max_jobs=JOBS_AT_ONCE)) as system:
        with nothing_left_behind(system):
            alone = await results_without(system, "clip.mp4")
            async with trio.open_nursery() as nursery:
                for animal in animals:
                    nursery.start_soon(look_at_replicas, system, cage, animal, alone)
    assert threads_and_shared_memory() == before


async def test_jobs_survive_plugins_that_misbehave_in_an_interpreter_of_their_own(
    settings: Settings, media: Path, plugins_dir: Path, tmp_path: Path
) -> None:
    """The guarantee holds for a plugin that its folder's own Python runs, to the letter."""
    animals = [
        attrs.evolve(animal, where=(Where.FRAME,))
        for family in FAMILIES.values()
        for animal in family
        if animal.does in WITH_OWN_PYTHON and Where.FRAME in animal.where
    ]
    cage = Cage.build(plugins_dir, animals, make_environment(tmp_path / "env"))
    before = threads_and_shared_memory()
    async with open_system(attrs.evolve(settings, max_jobs=JOBS_AT_ONCE)) as system:
        assert len({entry.origin.python for entry in system.plugins.all()}) > 1
        with nothing_left_behind(system):
            alone = await results_without(system, "clip.mp4")
            async with trio.open_nursery() as nursery:
                for animal in animals:
                    nursery.start_soon(look_in_own_python, system, cage, animal, alone)
    assert threads_and_shared_memory() == before


async def look_in_own_python(system: System, cage: Cage, animal: Animal, alone: list[Any]) -> None:
    """Let an animal loose under another interpreter, and check the outcome."""
    check(await let_loose(system, cage, animal, Where.FRAME), alone)


async def look_at_replicas(system: System, cage: Cage, animal: Animal, alone: list[Any]) -> None:
    """Let an animal loose in several processes, and check the outcome."""
    check(await let_loose(system, cage, animal, Where.FRAME, replicas=REPLICAS), alone)


def check(sighting: Sighting, alone: list[Any]) -> None:
    """Check one outcome."""
    animal, where, state = sighting.animal, sighting.where, sighting.state
    stage = state.plugins[sighting.name]
    told = (animal, where, state.warnings)
    assert (state.status, state.error) == ("done", None), told
    assert [frame["index"] for frame in sighting.frames] == list(range(len(alone) - 1)), told
    assert sighting.steady == alone, told
    assert state.plugins["steady"].health == "ok", told
    assert sighting.codes == animal.codes(where), told
    assert not sighting.began_anew or stage.restarts > 0, told
    assert all(warning["plugin"] == sighting.name for warning in sighting.warnings), told
    most = MOST_SHOWN * (len(sighting.codes) + sighting.began_anew) if animal.repeats else MAX_DISTINCT
    assert len(sighting.warnings) <= most, told
    assert sighting.lost == animal.frames_lost(where, len(sighting.frames)), told
    assert stage.status == ("failed" if animal.is_disabled(where) else "completed"), told
    assert stage.health == animal.health(where, len(sighting.frames)), told
    if animal.fate not in {Fate.UNHARMED, Fate.IS_SLOW}:
        assert stage.last_error is not None, told


def test_the_page_about_the_zoo_has_every_animal() -> None:
    """``docs/guarantee.md`` has a line for each, in each place where it misbehaves, with what is said of its health."""
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    lines = {(row[0], row[1], row[-2]) for row in rows}
    animals = [animal for family in FAMILIES.values() for animal in family]
    healths = {
        (f"| {animal.does}", str(where), f"`{animal.health(where, CLIP_FRAMES)}`")
        for animal in animals
        for where in animal.where
    }
    assert healths <= lines
