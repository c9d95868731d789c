"""What the server's process loads, and what it leaves to its workers."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from kinora.cli.main import COMMANDS
from kinora.runtime.linux.processes import children
from tests.cli.test_cli import kinora, serving

NATIVE = ("/cv2/", "opencv", "/av/", "av.libs")
"""Where OpenCV and PyAV lie with their libraries."""


HEAVY = {"agent", "serve", "demo", "doctor", "watch", "push"}
"""The commands that are a server, or stay connected to one."""


def loaded_by(modules: tuple[str, ...], looked_for: tuple[str, ...]) -> list[str]:
    """Import modules in a fresh interpreter; return which of the others are there then."""
    program = f"import sys, {', '.join(modules)}\nprint(*[name for name in {looked_for!r} if name in sys.modules])"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()


def mapped_by(pid: int) -> set[str]:
    """The files of OpenCV and PyAV that a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    return {path for line in lines if any(part in (path := line.rpartition(" ")[2]) for part in NATIVE)}


@pytest.mark.parametrize("module", ["kinora.cli.serve", "kinora.serve", "kinora.system", "kinora.web.app"])
def test_the_server_imports_neither_opencv_nor_pyav_nor_jsonschema(module: str) -> None:
    """They crash, hang and start threads: they are for the workers. So is jsonschema, whose checks may never end."""
    assert loaded_by((module,), ("cv2", "av", "jsonschema", "trio")) == ["trio"]


def test_most_commands_import_nothing_that_only_few_need() -> None:
    """What draws is for terminals, numpy for workers, WebSockets for clients that stay: all of it takes long."""
    unwanted = ("numpy", "rich", "trio_websocket", "quart", "hypercorn", "prometheus_client")
    program = f"""
import sys
from kinora.cli.main import cli
found = [cli.get_command(None, name) for name in {sorted(COMMANDS.keys() - HEAVY)!r}]
import kinora.cli.local.local_job
print(*[name for name in {unwanted!r} if name in sys.modules])
"""
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split() == []


def test_a_run_starts_its_fork_server_before_it_imports_what_takes_long() -> None:
    """Both take long, and go on at once."""
    assert loaded_by(("kinora.cli.run",), ("trio", "structlog", "kinora.system", "kinora.preloading")) == [
        "kinora.preloading"
    ]


def test_a_pipeline_needs_no_store_and_no_clients() -> None:
    """So it can run where neither is: what joins it to its job are commands and events."""
    upper = ("store.store", "store.database", "jobs.job", "jobs.job_manager", "realtime.connection_manager")
    unwanted = tuple(f"kinora.actors.{name}" for name in upper)
    assert all(find_spec(name) for name in unwanted)
    needed = "kinora.actors.stages.tool_runner"
    assert loaded_by(("kinora.actors.pipeline.pipeline",), (*unwanted, "sqlite3", needed)) == [needed]


@pytest.mark.own_start
def test_a_server_that_has_run_a_job_has_neither_loaded(tmp_path: Path, media: Path) -> None:
    """Nor do their libraries come in by another way; the process that it forks workers from has both."""
    with serving(tmp_path, media) as server:
        job_id = kinora("submit", "clip.mp4", "-p", "motion", KINORA_URL=server.url).stdout.strip()
        assert kinora("watch", job_id, KINORA_URL=server.url).returncode == 0
        (fork_server,) = children(server.process.pid)
        assert mapped_by(server.process.pid) == set()
        assert any("cv2" in path for path in mapped_by(fork_server))
        assert any("av" in path for path in mapped_by(fork_server))
