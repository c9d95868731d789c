"""What a long-lived process gives back to the system."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os
from pathlib import Path
from kinora.runtime.heap import give_back_freed_memory

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
