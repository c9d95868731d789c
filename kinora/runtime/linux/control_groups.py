"""The limits that control groups set for this process, in versions 1 and 2; see cgroups(7).

A group's limit holds for all groups below it. So each limit is looked for in the process's own group and in all outer
ones that can be seen, and the smallest counts. ``root`` is the folder that has ``proc`` and, where ``proc`` says so,
the control groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import attrs

ROOT = Path("/")


def cores_limit(root: Path = ROOT) -> float | None:
    """The number of cores whose time the process may use, such as 0.5; None if there is no limit."""
    return min((*_cores_of_v2(root), *_cores_of_v1(root)), default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """The bytes of memory that the process's group may use; None if there is no limit."""
    texts = (*_texts(root, "", "memory.max"), *_texts(root, "memory", "memory.limit_in_bytes"))
    return min((int(text) for text in texts if text.isdecimal()), default=None)


def tasks_limit(root: Path = ROOT) -> int | None:
    """The most processes and threads, together, that the process's group may have; None if there is no limit."""
    texts = (*_texts(root, "", "pids.max"), *_texts(root, "pids", "pids.max"))
    return min((int(text) for text in texts if text.isdecimal()), default=None)


def _cores_of_v2(root: Path) -> Iterator[float]:
    for text in _texts(root, "", "cpu.max"):
        match text.split():
            case [quota, period] if quota.isdecimal():
                yield int(quota) / int(period)


def _cores_of_v1(root: Path) -> Iterator[float]:
    for folder in _groups(root, "cpu"):
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdecimal() and period.isdecimal():  # a quota of -1 is no limit
            yield int(quota) / int(period)


def _texts(root: Path, controller: str, name: str) -> Iterator[str]:
    return (_read(folder / name) for folder in _groups(root, controller))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the process's own group and of the outer ones, for a controller; ``""`` stands for version 2."""
    for mount in _mounts(root):
        group = _own_group(root, controller) if controller in mount.controllers else None
        if group is not None:
            yield from mount.folders(root, group)


@attrs.frozen
class _Mount:
    """A place where the groups of some controllers can be seen."""

    shown: PurePosixPath
    """The group that is seen there; a container often sees its own only."""
    place: PurePosixPath
    controllers: frozenset[str]
    """Its controllers, and some other words; ``""`` alone for version 2."""

    def folders(self, root: Path, group: PurePosixPath) -> Iterator[Path]:
        """The folders of ``group`` and of the outer ones up to that which is seen at the place."""
        # A group outside is that of a container which names its groups otherwise: what it sees is its own.
        inner = group.relative_to(self.shown) if group.is_relative_to(self.shown) else PurePosixPath()
        top = root / self.place.relative_to("/")
        yield from (top / path for path in (inner, *inner.parents))


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _read(root / "proc/self/mountinfo").splitlines():
        place, _, kind = line.partition(" - ")
        match place.split(), kind.split():
            case [_, _, _, shown, folder, *_], ["cgroup2", *_]:
                yield _Mount(_unescaped(shown), _unescaped(folder), frozenset([""]))
            case [_, _, _, shown, folder, *_], ["cgroup", _, options]:
                yield _Mount(_unescaped(shown), _unescaped(folder), frozenset(options.split(",")))


def _own_group(root: Path, controller: str) -> PurePosixPath | None:
    """The process's group for a controller, as a path from the top; None if the controller is not in use."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controller in controllers.split(","):
            return PurePosixPath(group)
    return None


def _unescaped(path: str) -> PurePosixPath:
    r"""A path as mountinfo writes it: with ``\040`` for a space; see proc(5)."""
    return PurePosixPath(path.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\134", "\\"))


def _read(path: Path) -> str:
    """The text of a file; empty if it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
