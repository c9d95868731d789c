"""The end of ``kinora serve`` in all its situations that are not peaceful, with real processes and signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio

from kinora.cli.exits import Failed
from kinora.cli.process.errors import for_user
from kinora.cli.process.running import stop_signals
from kinora.runtime.linux.processes import descendants
from kinora.runtime.supervisor import ChildSpec, Supervisor
from tests.cli.test_cli import KINORA, LIMIT_S, SLEEPY
from tests.jobs_kit import write_plugin
from tests.web.test_starting import HELD_ON_IMPORT, free_port

DOCKER_S = 10.0
"""The time after which ``docker stop`` kills."""


@attrs.frozen
class Held:
    """A ``kinora serve`` whose start waits for a plugin that is being imported."""

    url: str
    process: subprocess.Popen[bytes]
    pipe: Path

    def status(self, path: str) -> int:
        """Ask for ``path``."""
        try:
            with urllib.request.urlopen(self.url + path) as answer:  # noqa: S310 - our own server
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@contextmanager
def held_server(tmp_path: Path, plugins_dir: Path, media: Path, stderr: int) -> Iterator[Held]:
    """A server in the middle of its start; killed at the end of the block."""
    write_plugin(plugins_dir, "held", HELD_ON_IMPORT)
    os.mkfifo(pipe := tmp_path / "pipe")
    port = free_port()
    folders = ["--data-dir", tmp_path / "served", "--plugins-dir", plugins_dir, "--media-dir", media]
    environment = {**os.environ, "HELD_PIPE": str(pipe), "KINORA_WORKER_ENV": "HELD_PIPE"}
    command = [*KINORA, "serve", "--port", str(port), *map(str, folders)]
    with subprocess.Popen(command, env=environment, stderr=stderr) as process:
        try:
            pipe.read_bytes()
            yield Held(f"http://127.0.0.1:{port}", process, pipe)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_start_ends_it(
    tmp_path: Path, plugins_dir: Path, media: Path, number: signal.Signals
) -> None:
    """While a plugin hangs on import, a signal ends the server with 0 and leaves no process."""
    with held_server(tmp_path, plugins_dir, media, subprocess.DEVNULL) as server:
        processes = descendants(server.process.pid)
        assert processes
        server.process.send_signal(number)
        assert server.process.wait(LIMIT_S) == 0
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]


def test_a_log_that_nobody_reads_holds_up_nothing(tmp_path: Path, plugins_dir: Path, media: Path) -> None:
    """A server whose stderr is a full pipe starts, answers, and ends at a signal before anybody would kill it."""
    reading, writing = os.pipe()
    os.write(writing, bytes(2**16))
    try:
        with held_server(tmp_path, plugins_dir, media, writing) as server:
            server.pipe.write_bytes(b"")
            while server.status("/v1/ready") != 200:
                pass
            server.process.terminate()
            assert server.process.wait(DOCKER_S) == 0
    finally:
        os.close(reading)
        os.close(writing)


def test_a_closed_terminal_leaves_nothing(tmp_path: Path, media: Path) -> None:
    """When its terminal is closed, ``kinora run`` cannot write any more, and still removes its folder and workers."""
    write_plugin(tmp_path, "held", SLEEPY)
    (scratch := tmp_path / "scratch").mkdir()
    os.mkfifo(pipe := tmp_path / "pipe")
    terminal, end = pty.openpty()
    environment = {**os.environ, "TMPDIR": str(scratch), "PID_PIPE": str(pipe), "KINORA_WORKER_ENV": "PID_PIPE"}
    command = [*KINORA, "run", str(media / "clip.mp4"), "-p", str(tmp_path / "held.py")]
    with subprocess.Popen(command, env=environment, stdout=end, stderr=end, start_new_session=True) as process:
        os.close(end)
        worker = pipe.read_text()
        assert [*scratch.iterdir()]
        os.close(terminal)
        process.send_signal(signal.SIGHUP)
        process.wait(LIMIT_S)
    assert not Path(f"/proc/{worker}").exists()
    assert not [*scratch.iterdir()]


FROZEN = """
import subprocess, sys, time
from kinora.cli.serve import LAST_S, Stopping
from kinora.runtime.linux.service_manager import this_service
subprocess.Popen(["sleep", "1000"])
Stopping(0.1 - LAST_S, this_service()).begin()
time.sleep(1000)
"""


def test_what_does_not_end_is_ended() -> None:
    """If the event loop itself hangs, the process ends after its time with all that it has started, and says so."""
    command = [sys.executable, "-c", FROZEN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)  # to the end of sleep
    assert done.returncode == 1
    assert "did not end in time" in done.stdout


HUNG_UP = """
import signal, trio
from kinora.cli.process.running import stop_on_signal

async def main():
    signals, received = trio.open_memory_channel(3)
    for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
        signals.send_nowait(number)
    await stop_on_signal(received, lambda: print("politely", flush=True))

trio.run(main)
"""


def test_a_second_hangup_ends_nothing() -> None:
    """Any first signal stops politely; then SIGHUP does nothing more, and another one ends the process at once."""
    done = subprocess.run([sys.executable, "-c", HUNG_UP], capture_output=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, b"politely\n", b"")


async def test_an_ignored_hangup_stays_ignored() -> None:
    """Under nohup, SIGHUP is no reason to stop."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals():
            await trio.lowlevel.checkpoint()
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) not in {signal.SIG_IGN, signal.SIG_DFL}
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_crashes_without_end_are_told_in_a_sentence(autojump_clock: trio.testing.MockClock) -> None:
    """What crashes too often ends the command with 1 and one line that says what it was."""

    async def crash(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup("a nursery's", [RuntimeError("no more room")])

    supervisor = Supervisor("system", [ChildSpec(name="jobs", run=crash)])
    with pytest.raises(Exception, match="crashed too often") as caught:
        await supervisor.run()
    sentence = for_user(ExceptionGroup("outer", [caught.value]))
    assert isinstance(sentence, Failed)
    assert sentence.exit_code == 1
    assert "jobs crashed too often" in str(sentence)
    assert "RuntimeError('no more room')" in str(sentence)
    assert "\n" not in str(sentence)
