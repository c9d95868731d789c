"""The C library's heap of this process, kept small for months."""

from __future__ import annotations

import trio

from kinora.runtime.linux.syscalls import malloc_trim, mallopt

LARGE_BYTES = 128 * 1024
"""A block from this size on is mapped for itself, and goes back to the system when it is freed."""
SPARE_BYTES = 128 * 1024
"""The most free memory that is kept at the end of the heap."""
ARENAS = 2
"""The heaps that all threads share: each keeps what was freed in it for its own threads."""
TRIM_EVERY_S = 60.0
"""The time between two walks over the heap in search of free pages, each of a few milliseconds."""
# <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def give_back_freed_memory() -> None:
    """Have freed memory go back to the system early; call it once, at the start of a process that runs for long.

    Left to itself, glibc takes a block of some MiB that was freed once as a reason to keep all of that size, and gives
    every thread a heap of its own; see mallopt(3). A C library that lacks these options is left as it is. Processes
    that are started afterwards are not changed.
    """
    for option, value in ((_M_MMAP_THRESHOLD, LARGE_BYTES), (_M_TRIM_THRESHOLD, SPARE_BYTES), (_M_ARENA_MAX, ARENAS)):
        mallopt(option, value)


async def trim_regularly() -> None:
    """Give the free pages between blocks in use back to the system as well, again and again until cancelled.

    Blocks that come and go in another order than they came leave such pages, ever more over hours. The walk is made in
    a thread; meanwhile the event loop waits only if it allocates a block that is neither small nor large.
    """
    while True:
        await trio.sleep(TRIM_EVERY_S)
        await trio.to_thread.run_sync(malloc_trim)
