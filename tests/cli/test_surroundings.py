"""Machines and containers that lack something: Kinora works, or says in one sentence at the start what is missing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from kinora.client import ClientError, KinoraClient
from kinora.web.connection.server import CONNECTIONS_OF_FILES
from tests.cli.surroundings import FEW_FILES
from tests.client_kit import get

KINORA = [sys.executable, "-m", "kinora"]
PROGRAM = [sys.executable, "-m", "tests.cli.surroundings"]
PLUGINS = ["motion", "quality", "colors", "scenes"]
LIMIT_S = 120
"""Far more than any of it takes on a busy machine."""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""An environment in which names of files are ASCII."""


def kinora(command: list[str], *arguments: str | Path | bytes, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    whole = [*command, *map(os.fsdecode, arguments)]
    return subprocess.run(
        whole, env={**os.environ, **env}, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def sentence_of(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence with which a command ended, the only line on stderr beside the log."""
    [told] = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert told.startswith("kinora: ")
    return told


@contextmanager
def started(command: list[str], *arguments: str | Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """``kinora serve`` while the block runs; then it has ended in order."""
    whole = [*command, "serve", *map(str, arguments)]
    with subprocess.Popen(whole, env={**os.environ, **env}, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


@contextmanager
def serving(command: list[str], *arguments: str | Path, **env: str) -> Iterator[list[str]]:
    """The log of ``kinora serve`` on any free port, up to the line that says where it serves."""
    with started(command, "--port", "0", *arguments, **env) as process:
        yield list(log_of_start(process))


def log_of_start(process: subprocess.Popen[str]) -> Iterator[str]:
    """The lines of the log up to that which says where it serves."""
    assert process.stderr is not None
    for line in process.stderr:
        yield line
        if '"serving"' in line:
            return
    raise AssertionError("it has ended")


def url_in(log: list[str]) -> str:
    """Where it serves."""
    return str(json.loads(log[-1])["url"])


async def run_job(url: str, clip: Path) -> str:
    """Upload a clip, wait until its job has ended, and return its status."""
    client = KinoraClient(url)
    job_id = (await client.upload(clip, {"plugins": PLUGINS, "options": {"max_frames": 3}})).job_id
    with trio.fail_after(LIMIT_S):
        while (state := await client.extended(job_id, limit=0))["status"] in {"queued", "running"}:
            await get(f"{url}/v1/jobs/{job_id}/extended?limit=0", prefer="wait=5")
    return str(state["status"])


@pytest.mark.parametrize(
    ("command", "without", "said"),
    [
        ("serve", "memfd", "memfd_create"),
        ("run", "seals", "F_ADD_SEALS"),
        ("serve", "future_write", "F_SEAL_FUTURE_WRITE"),
        ("run", "subreaper", "PR_SET_CHILD_SUBREAPER"),
        ("run", "pidfd", "pidfd_open"),
        ("serve", "proc", "/proc"),
    ],
)
def test_what_linux_must_have_is_told_at_the_start(command: str, without: str, said: str, media: Path) -> None:
    """Where jobs could not run or workers not be stopped, the command ends with sentences, and no traceback."""
    serve = ("serve", "--port", "0", "--data-dir", media / "data")
    run = ("run", media / "clip.mp4", "-p", "motion")
    done = kinora([*PROGRAM, without], *(serve if command == "serve" else run))
    assert done.returncode == 1
    told = sentence_of(done)
    assert said in told
    assert "use Linux 5.3 or later" in told
    assert not (media / "data").exists()


async def test_a_user_without_a_home_names_the_data_folder(media: Path, tmp_path: Path) -> None:
    """Without HOME and without an entry in passwd the server asks for --data-dir, and works once it has one."""
    asked = kinora([*PROGRAM, "home"], "serve", "--port", "0")
    assert (asked.returncode, "--data-dir" in sentence_of(asked)) == (2, True)
    with serving([*PROGRAM, "home"], "--data-dir", tmp_path / "data") as log:
        assert await run_job(url_in(log), media / "clip.mp4") == "done"


@pytest.mark.parametrize(
    "arguments", [("run", "clip.mp4", "-p", "motion"), ("plugins", "list"), ("jobs", "--url", "http://127.0.0.1:1")]
)
def test_commands_without_a_data_folder_need_no_home(
    arguments: tuple[str, ...], media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps its data elsewhere works for a user without a home."""
    monkeypatch.chdir(media)
    done = kinora([*PROGRAM, "home"], *arguments, PYTHONPATH=os.pathsep.join(sys.path))
    assert (done.returncode, "home" in done.stderr) == (1 if "jobs" in arguments else 0, False)


def test_a_home_that_is_meant_but_does_not_exist_is_told(tmp_path: Path) -> None:
    """``~`` stands for nothing then: a setting with it is refused by its name."""
    done = kinora([*PROGRAM, "home"], "serve", "--data-dir", "~/data")
    assert (done.returncode, "--data-dir" in sentence_of(done)) == (2, True)


async def test_a_server_without_standard_streams_works(media: Path, tmp_path: Path) -> None:
    """Its sockets do not get their numbers; jobs run, and a command fails in order without a place to say why."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = str(found.getsockname()[1])
    with started([*PROGRAM, "streams"], "--port", port, "--data-dir", tmp_path / "data") as process:
        with trio.fail_after(LIMIT_S):
            await until_started(f"http://127.0.0.1:{port}")
        assert await run_job(f"http://127.0.0.1:{port}", media / "clip.mp4") == "done"
        assert standard_files(process) == [os.devnull] * 3
    assert kinora([*PROGRAM, "streams"], "serve", "--port", "none").returncode == 2


def standard_files(process: subprocess.Popen[str]) -> list[str]:
    """The files that a process has as its standard streams."""
    return [str(Path(f"/proc/{process.pid}/fd/{number}").readlink()) for number in range(3)]


async def until_started(url: str) -> None:
    """Wait until a server has started: this one cannot say so."""
    while True:
        try:
            await KinoraClient(url).jobs(limit=1)
        except ClientError:
            await trio.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("name", ["däta".encode(), b"d\xffta"])
def test_a_folder_that_cannot_be_named_is_told_at_the_start(name: bytes, media: Path) -> None:
    """Where names are ASCII, an umlaut in a folder's name is refused; bytes that are not UTF-8 always are."""
    folder = os.fsencode(media) + b"/" + name
    for env in (ASCII, {}) if b"\xff" in name else (ASCII,):
        done = kinora(KINORA, "serve", "--port", "0", "--data-dir", folder, **env)
        assert (done.returncode, "LC_ALL=C.UTF-8" in sentence_of(done)) == (2, True)


async def test_uploads_work_where_names_are_ascii(media: Path, tmp_path: Path) -> None:
    """A file with an umlaut in its name is uploaded; the log says that such names cannot be sources."""
    clip = (media / "clip.mp4").rename(media / "clüp.mp4")
    with serving(KINORA, "--data-dir", tmp_path / "data", **ASCII) as log:
        assert [line for line in log if '"names_are": "ascii"' in line]
        assert await run_job(url_in(log), clip) == "done"


async def test_few_open_files_leave_enough_for_jobs(media: Path, tmp_path: Path) -> None:
    """The log says how many clients a low limit allows; while there are as many, jobs run."""
    with ExitStack() as stack:
        log = stack.enter_context(serving([*PROGRAM, "files"], "--data-dir", tmp_path / "data"))
        [told] = [json.loads(line) for line in log if "open files" in line]
        assert (told["limit"], told["level"]) == (FEW_FILES, "warning")
        assert told["connections"] >= FEW_FILES // CONNECTIONS_OF_FILES
        url = url_in(log)
        at = urlsplit(url)
        for _ in range(told["connections"] - 3):
            stack.enter_context(socket.create_connection((at.hostname, at.port)))
        assert await run_job(url, media / "clip.mp4") == "done"
