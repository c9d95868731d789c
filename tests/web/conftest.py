"""What tests of the web have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.test_cli import Served, serving
from tests.clips import make_clip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server, in a process of its own, that the tests of a module share: for requests that change nothing there."""
    folder = tmp_path_factory.mktemp("shared")
    media = folder / "media"
    media.mkdir()
    make_clip(media / "clip.mp4")
    with serving(folder, media) as served:
        yield served


@pytest.fixture(autouse=True)
def _both_ways(request: pytest.FixtureRequest) -> None:
    """Compare the answers to all reads of the lane with the app's, but in tests that are marked as ``one_way``."""
    if request.node.get_closest_marker("one_way") is None:
        request.getfixturevalue("both_ways")
