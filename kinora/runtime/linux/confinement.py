"""Takes rights from a process that is about to meet hostile input: files, programs, sockets, other processes.

Landlock (Linux 5.13) limits files, TCP and signals; seccomp limits system calls. What the kernel or a container does
not allow is left out: :func:`gaps` says what that is, so that the server can tell it once at its start. Confinement
holds for the calling thread and all that it starts, for good.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from stat import S_ISDIR

from kinora.runtime.linux.syscalls import prctl, syscall

_PR_SET_NO_NEW_PRIVS = 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_VERSION_ONLY = 1
_PATH_BENEATH = 1
# <linux/landlock.h>: rights on files, by the version of Landlock that has brought them.
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 5, 1 << 8, 1 << 14
_IOCTL_DEV = 1 << 15
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Version → the number of rights, which are the lowest bits."""
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
_STEER = _READ_FILE | _WRITE_FILE | _IOCTL_DEV
_ONLY_FOR_FOLDERS = _READ_DIR | _REMOVE_FILE | _MAKE_REG
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_TCP_SINCE, _SCOPES_SINCE = 4, 6

_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/sys/devices/system/cpu", "/dev/null")
_NETWORK = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"),
    *("/run/systemd/resolve", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share/ca-certificates"),
)
"""What is read to find a host and to check its certificate."""

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
"""The second set of system calls of x86_64: the same numbers with this bit."""
_FORBIDDEN = {
    "x86_64": {57: "fork", 58: "vfork", 59: "execve", 101: "ptrace", 310: "process_vm_readv", 311: "process_vm_writev",
               322: "execveat", 425: "io_uring_setup", 438: "pidfd_getfd"},
    "aarch64": {221: "execve", 117: "ptrace", 270: "process_vm_readv", 271: "process_vm_writev", 281: "execveat",
                425: "io_uring_setup", 438: "pidfd_getfd"},
}  # fmt: skip
"""io_uring is among them since it can open sockets past the filter."""
_SOCKET, _CLONE, _CLONE3 = {"x86_64": 41, "aarch64": 198}, {"x86_64": 56, "aarch64": 220}, 435
_CLONE_THREAD = 0x10000
_FAMILIES = (2, 10, 16)
"""IPv4, IPv6, and netlink, by which the resolver finds out which of the two there is."""
_SET_FILTER, _ACTION_AVAILABLE = 1, 2
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38


def confine(
    *,
    reads: Iterable[int | str] = (),
    writes: Iterable[str] = (),
    devices: Iterable[str] = (),
    network: bool = False,
) -> None:
    """Leave this thread, and all that it starts, only what it needs; at most once in a thread.

    ``reads`` are further files and folders that it may open for reading, as paths or descriptors; the folders of
    libraries are always among them. In the folders ``writes`` it may make, change and remove files. It may open and
    steer the ``devices``. It may start threads but no processes, and open sockets only if ``network``: to IP addresses.
    What is open already stays usable.
    """
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if landlock_version():
        _restrict_files(reads, writes, devices, network=network)
    if seccomp_works():
        _filter_calls(network=network)


def gaps() -> list[str]:
    """What :func:`confine` leaves open on this machine, a sentence each."""
    found = []
    version = landlock_version()
    if not version:
        found.append("Landlock is not allowed here: programs that decode media could read and write the user's files.")
    elif version < _SCOPES_SINCE:
        found.append("This Landlock is older than Linux 6.12: programs that decode media could signal other processes.")
    if os.uname().machine not in _SECCOMP:
        found.append(f"seccomp is not used on {os.uname().machine}: programs that decode media could open sockets.")
    elif not seccomp_works():
        found.append("seccomp is not allowed here: programs that decode media could open sockets and start processes.")
    return found


def landlock_version() -> int:
    """The version of the kernel's Landlock; 0 without one."""
    try:
        return syscall(_CREATE_RULESET, None, 0, _VERSION_ONLY)
    except OSError:
        return 0


def seccomp_works() -> bool:
    """True if system calls can be filtered here."""
    number = _SECCOMP.get(os.uname().machine)
    try:
        return number is not None and syscall(number, _ACTION_AVAILABLE, 0, struct.pack("I", _ERROR)) == 0
    except OSError:
        return False


def _restrict_files(
    reads: Iterable[int | str], writes: Iterable[str], devices: Iterable[str], *, network: bool
) -> None:
    version = landlock_version()
    known = (1 << max(count for since, count in _FILE_RIGHTS.items() if since <= version)) - 1
    tcp = 0 if version < _TCP_SINCE else _BIND_TCP if network else _BIND_TCP | _CONNECT_TCP
    scopes = 0 if version < _SCOPES_SINCE else _ABSTRACT_SOCKETS | _SIGNALS
    size = 8 if version < _TCP_SINCE else 16 if version < _SCOPES_SINCE else 24
    ruleset = syscall(_CREATE_RULESET, struct.pack("QQQ", known, tcp, scopes)[:size], size, 0)
    try:
        for place in (*libraries(), *(_NETWORK if network else ()), *reads):
            _allow(ruleset, place, _READ & known)
        for folder in writes:
            _allow(ruleset, folder, _WRITE & known)
        for device in devices:
            _allow(ruleset, device, _STEER & known)
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, place: int | str, rights: int) -> None:
    """Add a rule; what does not exist needs none."""
    try:
        fd = os.dup(place) if isinstance(place, int) else os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        allowed = rights if S_ISDIR(os.fstat(fd).st_mode) else rights & ~_ONLY_FOR_FOLDERS
        syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, fd), 0)
    finally:
        os.close(fd)


@cache
def libraries() -> tuple[str, ...]:
    """The system's libraries, Python's, and the folder of each imported package: parts are imported late.

    Looked for once. The fork server does so for all workers, after its imports: in each it would take milliseconds.
    """
    python = os.path.dirname(os.__file__)  # noqa: PTH120 - a name, not a file
    modules = [module for name, module in sys.modules.copy().items() if "." not in name]
    files = {getattr(module, "__file__", None) or "" for module in modules if hasattr(module, "__path__")}
    folders = {os.path.dirname(file) for file in files if file}  # noqa: PTH120 - as above
    return (*_SYSTEM, python, *folders)


def _filter_calls(*, network: bool) -> None:
    machine = os.uname().machine
    code = b"".join(_program(machine, network=network))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    syscall(_SECCOMP[machine], _SET_FILTER, 0, program)


def _program(machine: str, *, network: bool) -> Iterator[bytes]:
    """The filter, in the instructions of BPF. Each check jumps over its own refusal only."""
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    number, architecture, argument = 0, 4, 16

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    refuse = step(answer, _ERROR | _EPERM)
    yield step(load, architecture) + step(equal, _AUDIT_ARCH[machine], 1) + refuse
    yield step(load, number) + step(at_least, _X32, 0, 1) + refuse
    for forbidden in _FORBIDDEN[machine]:
        yield step(equal, forbidden, 0, 1) + refuse
    yield step(equal, _CLONE3, 0, 1) + step(answer, _ERROR | _ENOSYS)  # libc then uses clone, whose flags can be seen
    yield step(equal, _CLONE[machine], 0, 4) + step(load, argument) + step(any_bit, _CLONE_THREAD, 1)
    yield refuse + step(answer, _ALLOW)
    families = _FAMILIES if network else ()
    yield step(equal, _SOCKET[machine], 0, 2 + 2 * len(families)) + step(load, argument)
    for family in families:
        yield step(equal, family, 0, 1) + step(answer, _ALLOW)
    yield refuse + step(answer, _ALLOW)
