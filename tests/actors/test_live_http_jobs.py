"""Jobs on streams that go2rtc serves over HTTP show the present, however slow a plugin is."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import attrs
import pytest

from kinora.settings import Settings
from kinora.system import System
from tests.actors.test_rtsp_jobs import NUMBER
from tests.jobs_kit import frames_of, run_job, write_plugin
from tests.live_http import SERVED, Served, live_server
from tests.media.videos import Image, numbered
from tests.media_server import MediaServer

PACE_S = 0.01
FRAMES = 12
CAMERAS_PAGE = Path(__file__).parents[2] / "docs" / "cameras.md"
SLOW = NUMBER.replace("number", "slow-number", 1).replace("    return", "    time.sleep(0.1)\n    return")


def numbers() -> Iterator[Image]:
    """Pictures that show their numbers."""
    return (numbered(number % 256) for number in count())


@pytest.fixture
def streams(tmp_path: Path) -> Iterator[MediaServer]:
    """A server of each kind of stream, faster than real ones."""
    never = threading.Event()
    with live_server(tmp_path, numbers, lambda: not never.wait(PACE_S)) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, streams: MediaServer, plugins_dir: Path) -> Settings:
    """A server that may read from it."""
    write_plugin(plugins_dir, "slow", SLOW)
    return attrs.evolve(settings, url_hosts=(streams.host,))


@pytest.mark.parametrize("kind", SERVED, ids=[kind.path for kind in SERVED])
async def test_the_newest_picture_of_a_stream_is_processed(system: System, streams: MediaServer, kind: Served) -> None:
    """The addresses are those of the page on cameras; pictures between are dropped and counted."""
    [address] = re.findall(rf"http://localhost:1984(/{kind.path}\?src=front)", CAMERAS_PAGE.read_text(encoding="utf-8"))
    state = await run_job(system, "slow-number", source=f"http://{streams.host}{address}", max_frames=FRAMES)
    assert (state.status, state.frames_done) == ("done", FRAMES)
    assert state.frames_dropped > FRAMES
    seen = [frame["results"]["slow-number"]["seen"] for frame in await frames_of(system, state)]
    assert seen == sorted(set(seen))
    assert seen[-1] - seen[0] > 3 * FRAMES
