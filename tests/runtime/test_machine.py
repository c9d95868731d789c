"""The machine's resources, and their division among workers."""

from __future__ import annotations

import os

import pytest

from kinora.runtime.machine import cores, memory_bytes, threads_per_worker


@pytest.mark.parametrize(
    ("available", "jobs", "stages", "threads"),
    [(1, 2, 1, 1), (2, 2, 7, 1), (16, 2, 3, 2), (64, 1, 3, 16), (64, 2, 3, 8)],
)
def test_stages_share_the_cores_and_never_oversubscribe_them(
    available: int, jobs: int, stages: int, threads: int
) -> None:
    """Each stage of each job gets the same share, the decoder counts as one, and nobody gets less than one."""
    assert threads_per_worker(available, jobs, stages) == threads
    assert threads == 1 or threads * jobs * (stages + 1) <= available


def test_the_machine_is_no_larger_than_it_is() -> None:
    """The usable resources are more than none and at most the machine's."""
    assert 1 <= cores() <= (os.cpu_count() or 1)
    assert 2**20 < memory_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
