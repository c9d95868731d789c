"""Programs that meet hostile input: what they may still do, and what is told where a kernel cannot take it away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import trio

from kinora.media.messages import DECODER, LIVE_JPEG, STILL, Jpeg, MakeStill
from kinora.runtime.forking.program import Program
from kinora.runtime.forking.workers import Conversation, ForkServer
from kinora.runtime.linux.confinement import gaps, landlock_version, seccomp_works
from tests.clips import make_clip

PLENTY_S = 60.0
"""A safety net."""
SIGNALS_SINCE = 6
"""The version of Landlock."""
ALLOWED = {"read the source", "list the source", "write in the output", "rename in the output", "import late"}
ALLOWED |= {"start a thread"}
BY_LANDLOCK = {"read another file", "read the server's environment", "change the source", "write elsewhere"}
BY_LANDLOCK_LATER = {"signal the server"}
BY_SECCOMP = {"fork", "start a program", "open a local socket"}
IP = "open an IP socket"


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A running fork server."""
    async with trio.open_nursery() as nursery:
        server = ForkServer(["kinora.media.programs.still"])
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("network", [False, True])
async def test_a_confined_program_can_do_its_work_and_nothing_else(
    forks: ForkServer, tmp_path: Path, network: bool
) -> None:
    """What the kernel can take away is taken; what it cannot is told among the gaps, and is open indeed."""
    for folder in ("images", "out"):
        (tmp_path / folder).mkdir()
    for file in ("source", "secret"):
        (tmp_path / file).write_bytes(b"x")
    ask = {
        "folder": str(tmp_path),
        "reads": [str(tmp_path / "source"), str(tmp_path / "images")],
        "writes": [str(tmp_path / "out")],
        "network": network,
    }
    with trio.fail_after(PLENTY_S):
        worker = await forks.fork("tests.runtime.targets:confined", "confined")
        await worker.send(json.dumps(ask).encode())
        outcomes = json.loads(await worker.receive())
        await worker.stop()
    denied = {name for name, outcome in outcomes.items() if outcome == "PermissionError"}
    expected = (
        (BY_LANDLOCK if landlock_version() else set())
        | (BY_LANDLOCK_LATER if landlock_version() >= SIGNALS_SINCE else set())
        | (BY_SECCOMP if seccomp_works() else set())
        | ({IP} if seccomp_works() and not network else set())
    )
    assert denied == expected
    assert {name for name in ALLOWED if outcomes[name] != "done"} == set()
    told = " ".join(gaps())
    assert ("Landlock is not allowed" in told) == (not landlock_version())
    assert ("seccomp is not" in told) == (not seccomp_works())


REFUSED = """
import ctypes, os, struct
from kinora.runtime.linux import confinement
from kinora.runtime.linux.syscalls import syscall, prctl
prctl(38, 1)
machine = os.uname().machine
numbers = {names}
step = lambda code, value, yes=0, no=0: struct.pack("HBBI", code, yes, no, value)
code = step(0x20, 0)
for number in numbers:
    code += step(0x15, number, 0, 1) + step(0x06, 0x00050000 | {errno})
code += step(0x06, 0x7FFF0000)
buffer = ctypes.create_string_buffer(code, len(code))
program = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
if confinement.seccomp_works():
    syscall(confinement._SECCOMP[machine], 1, 0, program)
print(confinement.gaps())
confinement.confine()
from pathlib import Path
from kinora.media.sources import SourceLimits, open_source
with open_source({clip!r}, limits=SourceLimits(folders=({folder!r},))) as source:
    print(source.info.kind)
"""


@pytest.mark.parametrize("errno", [1, 38], ids=["forbidden", "unknown"])
def test_where_a_container_allows_none_of_it_sources_are_read_and_the_gaps_are_told(tmp_path: Path, errno: int) -> None:
    """As in a container that refuses Landlock, seccomp and openat2; without seccomp there is no such refusal."""
    make_clip(tmp_path / "clip.mp4")
    names = "(444, 445, 446, 437, confinement._SECCOMP.get(machine, 0))"
    script = REFUSED.format(names=names, errno=errno, clip=str(tmp_path / "clip.mp4"), folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", dedent(script)], capture_output=True, text=True, timeout=PLENTY_S, check=False
    )
    assert done.returncode == 0, done.stderr
    told, kind = done.stdout.splitlines()
    assert "Landlock is not allowed here" in told or not seccomp_works()
    assert "seccomp is not" in told
    assert kind == "video"


@pytest.mark.parametrize("program", [DECODER, STILL, LIVE_JPEG], ids=["decoder", "still", "live"])
async def test_programs_of_hostile_media_have_limits(forks: ForkServer, program: Program[Any, Any]) -> None:
    """No core dumps, few files, and no file that could grow."""
    async with forks.worker(program, "limited") as talk:
        with trio.fail_after(PLENTY_S):
            while "Max file size             0 " not in (limits := about(talk, "limits")):  # noqa: ASYNC110 - only polled
                await trio.sleep(0.005)
    assert "Max core file size        0 " in limits
    assert "Max open files            64 " in limits


async def test_a_still_is_made_in_confinement(forks: ForkServer, tmp_path: Path) -> None:
    """The program has given up its rights by then."""
    make_clip(tmp_path / "clip.mp4")
    async with forks.worker(STILL, "still") as talk:
        with trio.fail_after(PLENTY_S):
            assert isinstance(await talk.ask(MakeStill(location=str(tmp_path / "clip.mp4"), index=3)), Jpeg)
        status = about(talk, "status")
    assert "NoNewPrivs:\t1" in status
    assert ("Seccomp:\t2" in status) == seccomp_works()


def about(talk: Conversation[Any, Any], what: str) -> str:
    """What the kernel says about a program's process."""
    return Path(f"/proc/{talk.worker.pid}/{what}").read_text()
