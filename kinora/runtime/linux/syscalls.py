"""System calls of Linux that Python's ``os`` lacks."""

from __future__ import annotations

import ctypes
import mmap
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mmap.restype = _libc.mremap.restype = ctypes.c_ssize_t

# <linux/mman.h>; the mmap module lacks them.
_MAP_FIXED = 0x10
_MREMAP_MAYMOVE, _MREMAP_FIXED = 0x1, 0x2


def syscall(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call and return its result; bytes are passed by their address.

    Raises:
        OSError: it failed.
    """
    raw = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *raw))


def prctl(option: int, value: int) -> None:
    """Change a property of this process or thread; the options are in the manual.

    Raises:
        OSError: it failed.
    """
    _checked(_libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def prctl_bytes(option: int, value: bytes) -> None:
    """Change a property of this process or thread to a text; see :func:`prctl`."""
    _checked(_libc.prctl(option, ctypes.c_char_p(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def mallopt(option: int, value: int) -> None:
    """Change how the C library allocates; the options are in the manual. A library without this call stays as it is."""
    if change := getattr(_libc, "mallopt", None):
        change(option, value)


def malloc_trim() -> None:
    """Give free pages of the C library's heap back to the system; a library without this call keeps them."""
    if trim := getattr(_libc, "malloc_trim", None):
        trim(ctypes.c_size_t(0))


def map_file(fd: int, offset: int, size: int, to: int) -> None:
    """Map a part of a file for reading, shared and with all its pages, in place of the pages at an address.

    Raises:
        OSError: it failed.
    """
    _map(to, size, mmap.PROT_READ, mmap.MAP_SHARED | mmap.MAP_POPULATE | _MAP_FIXED, fd, offset)


def map_memory(size: int) -> int:
    """Map memory of this process, for reading and writing, and return its address.

    Raises:
        OSError: it failed.
    """
    return _map(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)


def _map(address: int | None, size: int, protection: int, flags: int, *file: int) -> int:
    fd, offset = file
    place = (ctypes.c_void_p(address), ctypes.c_size_t(size))
    return _checked(_libc.mmap(*place, protection, flags, fd, ctypes.c_long(offset)))


def make_read_only(address: int, size: int) -> None:
    """Protect pages from writing.

    Raises:
        OSError: it failed.
    """
    _checked(_libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), mmap.PROT_READ))


def move_pages(address: int, size: int, to: int) -> None:
    """Move pages to another address, in place of those there; no thread sees a state in between.

    Raises:
        OSError: it failed, as for lack of memory.
    """
    _remap(address, size, size, to)


def share_pages(address: int, size: int, to: int) -> None:
    """Map pages of a shared mapping at a second address as well, in place of those there.

    Raises:
        OSError: it failed, as for lack of memory.
    """
    _remap(address, 0, size, to)  # see mremap(2): of a shared mapping, an old size of 0 leaves the pages where they are


def _remap(address: int, old_size: int, new_size: int, to: int) -> None:
    sizes = (ctypes.c_size_t(old_size), ctypes.c_size_t(new_size))
    _checked(_libc.mremap(ctypes.c_void_p(address), *sizes, _MREMAP_MAYMOVE | _MREMAP_FIXED, ctypes.c_void_p(to)))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
