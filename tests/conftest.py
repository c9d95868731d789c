"""House rules of the suite.

A test says in one sentence what must hold. Where time matters it runs on the autojump clock; sockets are real, on port
0; worker processes and videos are real. Nothing sleeps, and each test has an absolute limit.
"""

from __future__ import annotations

import faulthandler
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.media import make_clip

TEST_LIMIT_S = 120


@pytest.fixture(autouse=True)
def _absolute_limit() -> object:
    faulthandler.dump_traceback_later(TEST_LIMIT_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A media folder with ``clip.mp4`` in it: 30 frames of 160x120, a moving square."""
    folder = tmp_path / "media"
    folder.mkdir()
    make_clip(folder / "clip.mp4")
    return folder


@pytest.fixture
def plugins_dir(tmp_path: Path) -> Path:
    """An empty folder for a test's own plugins."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(tmp_path: Path, media: Path, plugins_dir: Path) -> Settings:
    """A server of this test's own, on any free port."""
    return Settings(port=0, data_dir=tmp_path / "data", media_dir=media, plugins_dir=plugins_dir, min_free_bytes=0)


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    """A running system without its web face."""
    async with open_system(settings) as running:
        yield running


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[RunningServer]:
    """A running server on a real socket."""
    async with open_server(settings) as running:
        yield running
