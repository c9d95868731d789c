"""``python -m tests.cli.surroundings WITHOUT ARGS…`` is ``kinora ARGS…`` on a machine that lacks something.

It needs no rights: seccomp refuses system calls as an old kernel or a sandbox does.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import resource
import struct
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from kinora.cli import main
from kinora.runtime.linux.syscalls import prctl, syscall

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_MEMFD_CREATE = {"x86_64": 319, "aarch64": 279}
_FCNTL = {"x86_64": 72, "aarch64": 25}
_PRCTL = {"x86_64": 157, "aarch64": 167}
_PIDFD_OPEN = {"x86_64": 434, "aarch64": 434}
_F_ADD_SEALS, _F_SEAL_FUTURE_WRITE, _PR_SET_CHILD_SUBREAPER = 1033, 0x10, 36
_PR_SET_NO_NEW_PRIVS, _SET_FILTER = 38, 1
_LOAD, _EQUAL, _ANY_BIT, _ANSWER = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000

FEW_FILES = 256


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _refusing(call: int, tests: list[bytes], reason: int) -> Iterator[bytes]:
    """A filter that refuses a system call if all ``tests``, a load and a comparison each, are true."""
    answers = _step(_ANSWER, _ERROR | reason) + _step(_ANSWER, _ALLOW)
    steps = [_step(_LOAD, 0) + _step(_EQUAL, call, 0, 2 * len(tests) + 1), *tests]
    yield from (*steps, answers)


def _argument(number: int, comparison: int, value: int, following: int) -> bytes:
    """A test of an argument, which jumps to the end, over ``following`` further tests, if it is false."""
    return _step(_LOAD, 16 + 8 * number) + _step(comparison, value, 0, 2 * following + 1)


def refuse(calls: dict[str, int], *arguments: tuple[int, int, int], reason: int = errno.EINVAL) -> None:
    """Refuse a system call from now on; ``arguments`` are those that it must have: number, comparison and value."""
    machine = os.uname().machine
    tests = [_argument(*test, len(arguments) - 1 - index) for index, test in enumerate(arguments)]
    code = b"".join(_refusing(calls[machine], tests, reason))
    buffer = ctypes.create_string_buffer(code, len(code))
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    syscall(_SECCOMP[machine], _SET_FILTER, 0, struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer)))


def nobody_known(uid: int) -> NoReturn:
    """Look for a user where there is none: OpenShift runs containers under a number without an entry."""
    raise KeyError(f"getpwuid(): uid not found: {uid}")


def nothing_there(path: Any, **_named: Any) -> NoReturn:
    """Look for a link where nothing is mounted."""
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def be_without(what: str) -> None:
    """Take something from this process and all that it starts."""
    match what:
        case "home":
            for variable in ("HOME", "XDG_DATA_HOME"):
                os.environ.pop(variable, None)
            pwd.getpwuid = nobody_known
        case "proc":
            os.readlink = nothing_there
        case "files":
            resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
        case "streams":
            for number in range(3):
                os.close(number)
            sys.stdin = sys.stdout = sys.stderr = None
        case _:
            be_on_old_linux(what)


def be_on_old_linux(what: str) -> None:
    """Take a system call, or one use of it, from this process and all that it starts."""
    match what:
        case "memfd":
            refuse(_MEMFD_CREATE, reason=errno.ENOSYS)
        case "seals":
            refuse(_FCNTL, (1, _EQUAL, _F_ADD_SEALS))
        case "future_write":
            refuse(_FCNTL, (1, _EQUAL, _F_ADD_SEALS), (2, _ANY_BIT, _F_SEAL_FUTURE_WRITE))
        case "subreaper":
            refuse(_PRCTL, (0, _EQUAL, _PR_SET_CHILD_SUBREAPER))
        case "pidfd":
            refuse(_PIDFD_OPEN, reason=errno.ENOSYS)
        case _:
            raise ValueError(what)


if __name__ == "__main__":
    be_without(sys.argv[1])
    main(sys.argv[2:])
