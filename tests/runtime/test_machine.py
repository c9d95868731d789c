"""The machine's resources, and their division among workers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from kinora.runtime.linux.control_groups import cores_limit, memory_limit, tasks_limit
from kinora.runtime.linux.machine import cores, memory_bytes, threads_per_worker


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


GB = 2**30
V2_MOUNT = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw"
V1_MOUNTS = """32 31 0:29 {group} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 {group} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"""
V1_GROUPS = "4:memory:{group}\n3:cpu,cpuacct:{group}\n1:name=systemd:{group}\n0::{group}"


def machine(root: Path, groups: str, mounts: str, limits: Mapping[str, str]) -> Path:
    """A made-up machine: a tree of files as the kernel shows it. ``limits`` has paths below ``/sys/fs/cgroup``."""
    files = {f"sys/fs/cgroup/{path}": text for path, text in limits.items()}
    for path, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root


def version_2(root: Path, group: str, limits: Mapping[str, str]) -> Path:
    """A machine with control groups of version 2 alone."""
    return machine(root, f"0::{group}", V2_MOUNT, limits)


def version_1(root: Path, group: str, limits: Mapping[str, str], shown: str = "/") -> Path:
    """A machine with a tree for each controller; ``shown`` is the group that is mounted where the top should be."""
    return machine(root, V1_GROUPS.format(group=group), V1_MOUNTS.format(group=shown), limits)


def v1_cores(folder: str, quota: str) -> dict[str, str]:
    """The files of a limit on cores of version 1."""
    return {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": "100000"}


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    """Nothing mounted, no limit set, or files that cannot be understood: the whole machine may be used."""
    assert (cores_limit(tmp_path), memory_limit(tmp_path)) == (None, None)
    unlimited = version_2(tmp_path / "2", "/a", {"a/cpu.max": "max 100000", "a/memory.max": "max"})
    assert (cores_limit(unlimited), memory_limit(unlimited)) == (None, None)
    assert cores(unlimited) == cores(tmp_path)
    old = version_1(tmp_path / "1", "/a", v1_cores("cpu,cpuacct/a", "-1"))
    assert cores_limit(old) is None
    assert cores_limit(version_2(tmp_path / "odd", "/a", {"a/cpu.max": "many"})) is None


def test_processes_and_threads_are_limited_in_both_versions(tmp_path: Path) -> None:
    """The smallest number on the way up counts, and there may be none."""
    new = version_2(tmp_path / "2", "/out/in", {"out/pids.max": "512", "out/in/pids.max": "max"})
    assert tasks_limit(new) == 512
    mounts = "36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids"
    assert tasks_limit(machine(tmp_path / "1", "5:pids:/a", mounts, {"pids/a/pids.max": "100"})) == 100
    assert tasks_limit(version_2(tmp_path / "none", "/a", {"a/pids.max": "max"})) is None


def test_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    """A limit of an outer group holds for the inner ones, whether these have a larger one or none."""
    limits = {"out/cpu.max": "150000 100000", "out/in/cpu.max": "400000 100000", "out/memory.max": str(GB)}
    root = version_2(tmp_path, "/out/in/own", limits | {"out/in/own/memory.max": "max"})
    assert (cores_limit(root), memory_limit(root)) == (1.5, GB)
    assert cores(root) == 1
    assert memory_bytes(root) == min(GB, memory_bytes(tmp_path / "none"))


def test_limits_of_version_1_are_read(tmp_path: Path) -> None:
    """Each controller has a tree of its own; half a core is one core to share."""
    limits = v1_cores("cpu,cpuacct/out", "50000") | v1_cores("cpu,cpuacct/out/in", "-1")
    memory = {"memory/out/in/memory.limit_in_bytes": str(GB), "memory/memory.limit_in_bytes": "9223372036854771712"}
    root = version_1(tmp_path, "/out/in", limits | memory)
    assert (cores_limit(root), memory_limit(root)) == (0.5, GB)
    assert cores(root) == 1


@pytest.mark.parametrize(("group", "shown"), [("/docker/abc", "/docker/abc"), ("/docker/abc", "/other"), ("/", "/")])
def test_a_container_finds_its_limits_where_its_groups_are_mounted(tmp_path: Path, group: str, shown: str) -> None:
    """A container often sees its own group in place of the top, by its outer name, by another or by none."""
    limits = v1_cores("cpu,cpuacct", "200000") | {"memory/memory.limit_in_bytes": str(GB)}
    root = version_1(tmp_path, group, limits, shown)
    assert (cores_limit(root), memory_limit(root)) == (2.0, GB)


def test_a_mixed_machine_is_limited_by_either_version(tmp_path: Path) -> None:
    """With controllers of version 1 beside an empty tree of version 2, as systemd's hybrid mode has them."""
    limits = v1_cores("cpu,cpuacct/a", "300000") | {"unified/a/memory.max": str(GB)}
    root = version_1(tmp_path, "/a", limits)
    assert (cores_limit(root), memory_limit(root)) == (3.0, GB)
