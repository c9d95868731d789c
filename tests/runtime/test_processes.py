"""The tree of processes, and dying with one's parent, with real processes."""

import os
import signal
import subprocess
import sys

import pytest

from kinora.runtime.linux.processes import (
    _children_by_scan,
    children,
    descendants,
    kill_child,
    kill_children,
    status_of,
)

DIES_WITH = """
import os, signal, sys
from kinora.runtime.linux.processes import die_with_parent
expected = int(sys.argv[1])
if os.fork():
    os.read(0, 1)
    os._exit(0)
die_with_parent(signal.SIGKILL, expected or os.getppid())
os.write(1, b"armed")
signal.pause()
"""
ADOPTS = """
import os, signal, sys
from kinora.runtime.linux.processes import become_subreaper, children
become_subreaper()
if os.fork() == 0:
    if os.fork() == 0:
        signal.pause()
    os._exit(0)
os.wait()
(orphan,) = children(os.getpid())
os.kill(orphan, signal.SIGKILL)
print(os.wait()[0] == orphan)
"""
TREE = """
import os, signal, sys, threading
def start_child():
    if os.fork() == 0:
        if os.fork() == 0:
            os.write(1, b"!")
            signal.pause()
        os.write(1, b"!")
        signal.pause()
    signal.pause()
threading.Thread(target=start_child, daemon=True).start()
if os.fork() == 0:
    os.write(1, b"!")
    signal.pause()
signal.pause()
"""


def run(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Another Python, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


def test_all_descendants_are_found_whichever_thread_started_them() -> None:
    """Children, their children, and those of another thread than the main one."""
    with run(TREE) as process:
        try:
            assert process.stdout is not None
            seen = b""
            while len(seen) < 3:
                seen += os.read(process.stdout.fileno(), 3)
            direct = children(process.pid)
            assert len(direct) == 2
            assert direct == _children_by_scan(process.pid)
            below = descendants(process.pid)
            assert len(below) == 3
            assert direct < below
            assert below < descendants(os.getpid())
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_process_that_does_not_exist_has_no_children() -> None:
    """A pid without a process, or whose process has ended, has no children and raises no error."""
    with run("") as process:
        process.wait()
        assert children(process.pid) == descendants(process.pid) == set()


def test_a_process_dies_with_its_parent() -> None:
    """When the parent ends in any way, the kernel kills the child, whose output then ends."""
    with run(DIES_WITH, "0") as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 10) == b"armed"
        process.kill()
        assert os.read(process.stdout.fileno(), 10) == b""


def test_a_process_whose_parent_has_gone_already_ends_at_once() -> None:
    """A parent that is not the expected one means that the expected one died before it could be watched."""
    with run(DIES_WITH, str(os.getpid())) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.read() == b""


def test_a_subreaper_adopts_orphans() -> None:
    """A grandchild whose parent has ended becomes its child, and is reaped by it."""
    with run(ADOPTS) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"True\n"


def test_a_signal_that_does_not_exist_is_an_error() -> None:
    """A refusal of the kernel is raised."""
    code = "from kinora.runtime.linux.processes import die_with_parent; import os; die_with_parent(1000, os.getppid())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert b"Invalid argument" in result.stderr


@pytest.mark.parametrize("name", ["plain", "a b) c (d", ") R 1 1"])
def test_a_process_may_have_any_name(name: str) -> None:
    """Its name in /proc, which it can choose, does not affect which parent is read."""
    code = "import pathlib, signal, sys; pathlib.Path('/proc/self/comm').write_text(sys.argv[1]); "
    with run(code + "print(1, flush=True); signal.pause()", name) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        assert process.pid in _children_by_scan(os.getpid())
        process.kill()


def test_only_a_child_of_the_named_parent_is_killed() -> None:
    """A pid may belong to another process by now: that one is left alone, and so is one that has ended."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        assert not kill_child(process.pid, os.getppid())
        assert process.poll() is None
        assert kill_child(process.pid, os.getpid())
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not kill_child(process.pid, os.getpid())
    assert process.returncode == -signal.SIGKILL
    assert not kill_child(process.pid, os.getpid())
    assert status_of(process.pid) is None


def test_children_are_killed_by_their_session() -> None:
    """Those of other sessions go on."""
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(command, start_new_session=True) as one, subprocess.Popen(command) as other:
        while (status := status_of(one.pid)) is None or status.session != one.pid:
            pass
        assert kill_children(os.getpid(), session=one.pid) == 1
        assert one.wait() == -signal.SIGKILL
        assert other.poll() is None
        other.kill()
