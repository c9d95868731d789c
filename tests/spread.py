"""How the tests are spread over processes: what takes longest begins."""

from __future__ import annotations

import pytest

LONGEST = (
    "tests/fleet/test_ray_cluster.py",
    "tests/docs/test_pages.py",
    "tests/web/test_openapi.py",
    "tests/zoo/",
    "tests/fleet/test_slow_link.py",
)
"""Where there are tests that take more than ten seconds on a machine that has nothing else to do.

At the end of a run one process would still work on them, while the others have no test left.
"""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, and leave all others in their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
