"""What a long-lived process gives back to the system."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from kinora.runtime.linux import heap

PROGRAM = """
import os
from pathlib import Path
from kinora.runtime.linux.heap import give_back_freed_memory

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20

give_back_freed_memory()
del_me = b"1" * (16 * 2**20)  # freed once, such a block teaches glibc to keep blocks of that size
del del_me
blocks, behind = [], []
for _ in range(100):
    blocks.append(b"1" * 2**20)
    behind.append(b"1" * 5000)
full = resident()
blocks.clear()
print(full - resident())
"""


def test_large_blocks_go_back_to_the_system_although_smaller_ones_lie_behind_them() -> None:
    """A block that is freed before others is no hole in the heap, but the system's again."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) > 90


PAGES = """
import os
from pathlib import Path
from kinora.runtime.linux.syscalls import malloc_trim

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20

blocks = [b"1" * 20_000 for _ in range(5000)]
kept = blocks[::4]  # three of four are freed, and none of these lies at the heap's end
del blocks
full = resident()
malloc_trim()
print(full - resident())
"""


def test_free_pages_between_blocks_go_back_by_a_walk_over_the_heap() -> None:
    """They would stay the process's for good, ever more of them where blocks come and go out of order."""
    done = subprocess.run([sys.executable, "-c", PAGES], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) > 40


async def test_the_heap_is_walked_over_once_a_minute_until_cancelled(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a thread, so that the event loop goes on."""
    walks: list[float] = []
    scope = trio.CancelScope()

    def walk() -> None:
        walks.append(autojump_clock.current_time())
        if len(walks) == 3:
            trio.from_thread.run_sync(scope.cancel)

    monkeypatch.setattr(heap, "malloc_trim", walk)
    with scope:
        await heap.trim_regularly()
    assert all(later - earlier >= heap.TRIM_EVERY_S for earlier, later in pairwise([0.0, *walks]))
