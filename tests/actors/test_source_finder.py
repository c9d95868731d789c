"""Sources are found where they may be; finding one again costs nothing."""

from __future__ import annotations

import trio

from kinora.actors.sources.cameras import Cameras
from kinora.actors.sources.source_finder import SourceFinder
from kinora.media.programs.demo_clip import NAME
from kinora.settings import source_limits
from kinora.system import System
from tests.clips import make_clip

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""


def finder(system: System) -> SourceFinder:
    """A finder over the folders of this system."""
    settings = system.settings
    return SourceFinder(
        system.fork_server,
        system.held_sources,
        media_dir=settings.media_dir,
        data_dir=settings.data_dir,
        uploads=system.uploads,
        limits=source_limits(settings),
        cameras=Cameras(settings.cameras),
    )


async def test_the_demo_clip_is_looked_for_once(system: System) -> None:
    """Twenty that ask at once share one process; later ones need none, unless the clip has gone."""
    sources = finder(system)
    make_clip(system.settings.data_dir / NAME)  # as an earlier server has left its own there
    found: list[str] = []

    async def locate() -> None:
        found.append(await sources.locate("demo:"))

    before = system.fork_server.statistics().started
    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(locate)
        await locate()
        assert system.fork_server.statistics().started == before + 1
        (path,) = set(found)
        await trio.Path(path).unlink()
        await locate()
    assert system.fork_server.statistics().started == before + 2
    assert await trio.Path(path).exists()
