"""How the tests are spread over processes: one more than there are cores, and what takes longest begins."""

from __future__ import annotations

import pytest

from kinora.runtime.machine import cores

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The number of processes for ``--numprocesses auto``: tests wait for a fourth of their time, as for leases."""
    return cores() + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, and leave all others in their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
