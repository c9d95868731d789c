"""House rules of the suite.

A test says in one sentence what must hold. Where time matters it runs on the autojump clock; sockets are real, on port
0; worker processes and videos are real. Nothing sleeps where there is an event to wait for, and each test has an
absolute limit, see ``tests.limit``. No code of the server may hold up the event loop, see ``tests.stalls``.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.clips import make_clip

pytest_plugins = [
    "tests.both_ways",
    "tests.garbage",
    "tests.limit",
    "tests.mother",
    "tests.mother_of_commands",
    "tests.spread",
    "tests.stalls",
]

# Tracebacks with the values of all names take seconds to print, in which the event loop of a server in a test stands.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

# On a busy machine an example takes long; that says nothing about the code.
hypothesis.settings.register_profile(
    "busy", hypothesis.settings.default, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("long", hypothesis.settings.get_profile("busy"), max_examples=3000)
hypothesis.settings.load_profile("busy")

# Commands that tests start inherit this: the suite may run under nohup, which ignores SIGHUP.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# They inherit this as well: without it each of them would compile all of Kinora's modules anew, which takes seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a command prints is checked on stdout: the log of a server in the same process goes elsewhere.
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """No test leaves its process with a priority that starves all others, as SVT-AV1's encoder would."""
    yield
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


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


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Whatever the test does to logging, it is as before afterwards."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()  # configure_logging closes those that it replaces
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)
