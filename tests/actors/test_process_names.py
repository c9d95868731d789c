"""Processes have names in ``ps`` and ``top``: what they do, and for which job."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from kinora.runtime.linux.process_names import SHORT_BYTES, short_name
from kinora.system import System
from tests.jobs_kit import submit, write_plugin

PLUGIN = """
@tool("waits_for_ever")
def waits(frame):
    time.sleep(1000)
"""


@pytest.mark.parametrize(
    ("name", "group", "shown"),
    [
        ("still", "", b"kinora: still"),
        ("fork server", "", b"fork server"),
        ("people", "3f2a", b"people 3f2a"),
        ("my_very_long_plugin", "3f2a", b"my_very_lo 3f2a"),
    ],
)
def test_the_short_name_keeps_the_job(name: str, group: str, shown: bytes) -> None:
    """The kernel keeps 15 bytes: first the name of the program goes, then the end of the plugin's."""
    assert short_name(name, group) == shown
    assert len(shown) <= SHORT_BYTES


def names_of(pid: int) -> tuple[str, str]:
    """The short name, and the command line as the kernel has it."""
    folder = Path(f"/proc/{pid}")
    return (folder / "comm").read_text().strip(), (folder / "cmdline").read_text().rstrip("\0")


async def test_workers_are_named_after_their_work_and_job(system: System, plugins_dir: Path) -> None:
    """The decoder and the plugin of a job, and the fork server; the process that started them keeps its own name."""
    write_plugin(plugins_dir, "plugins", PLUGIN)
    await system.plugins.reload()
    own = names_of(os.getpid())
    state = await submit(system, "waits_for_ever")
    short = state.job_id[:4]
    named = {
        (f"decoder {short}", f"kinora: decoder {short}"),
        (f"waits_for_ {short}", f"kinora: waits_for_ever {short}"),
    }
    workers = system.fork_server._workers
    with trio.fail_after(60):
        while True:
            if {names_of(worker.pid) for worker in workers.values() if worker.pid} == named:
                break
            await trio.sleep(0.01)
    server = system.fork_server.statistics().pid
    assert server is not None
    assert names_of(server) == ("fork server", "kinora: fork server")
    assert names_of(os.getpid()) == own
