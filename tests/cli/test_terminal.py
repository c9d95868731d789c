"""Commands on a terminal: what a person sees there, and in which order."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import attrs

from tests.cli.test_cli import KINORA, LIMIT_S, kinora, serving

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")

SLOW = """
import time
from kinora.plugins import tool

@tool("slow")
def slow(frame):
    time.sleep(5)
"""


@attrs.frozen
class Terminal:
    """A command whose output and errors go to one terminal."""

    process: subprocess.Popen[bytes]
    end: int

    def read_until(self, word: str) -> str:
        """What is shown up to this word, or to the command's end."""
        raw, shown = b"", ""
        while word not in shown:
            try:
                raw += os.read(self.end, 65536)
            except OSError:  # how Linux tells that nothing writes to the terminal any more
                break
            shown = CONTROLS.sub("", raw.decode(errors="replace"))
        return shown


@contextmanager
def on_terminal(*args: str | Path, **env: str) -> Iterator[Terminal]:
    """A command on a terminal of its own."""
    end, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm", **env}
    command = [*KINORA, *map(str, args)]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        try:
            yield Terminal(process, end)
        finally:
            process.kill()
            os.close(end)


def test_the_address_is_the_first_line_of_a_server(tmp_path: Path, media: Path) -> None:
    """Nothing stands before it, and nothing but it on its line; what was logged before comes after it."""
    folders = ("--data-dir", tmp_path / "data", "--media-dir", media)
    with on_terminal("serve", "--port", "0", *folders, KINORA_PROT="1") as terminal:
        lines = terminal.read_until("serving ").splitlines()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", lines[0])
        assert any("KINORA_PROT" in line for line in lines[1:])
        terminal.process.send_signal(signal.SIGINT)
        terminal.read_until("stopped ")
        assert terminal.process.wait(LIMIT_S) == 0


def test_what_was_held_back_is_told_if_the_start_fails(tmp_path: Path) -> None:
    """Warnings come before the sentence that says why there is no server."""
    with on_terminal("serve", "--data-dir", tmp_path, "--media-dir", tmp_path / "gone", KINORA_PROT="1") as terminal:
        shown = terminal.read_until("gone does not exist")
    assert "KINORA_PROT" in shown
    assert "gone does not exist" in shown


def test_watch_keeps_a_bar_for_each_job(tmp_path: Path, media: Path, plugins_dir: Path) -> None:
    """Each job that runs has its bar, with its short id and source; its end is a line, in local time."""
    (plugins_dir / "slow.py").write_text(SLOW)
    with serving(tmp_path, media, KINORA_PLUGINS_DIR=str(plugins_dir)) as server:
        env = {"KINORA_URL": server.url, "TZ": "JST-9"}
        first, second = (kinora("submit", "clip.mp4", "-p", "slow", **env).stdout.strip() for _ in range(2))
        with on_terminal("watch", **env) as terminal:
            for job_id in (first, second):
                terminal.read_until(f"{job_id[:8]} clip.mp4 ")
            terminal.read_until("/30 ")
            kinora("cancel", second, **env)
            shown = terminal.read_until("  complete  ")
    assert f"{second[:8]}  complete  " in shown
    clock = re.search(r"(\d\d):\d\d:\d\d\.\d{3}  [0-9a-f]{8}  complete", shown)
    assert clock is not None
    there = datetime.now(timezone(timedelta(hours=9)))
    assert int(clock[1]) in {there.hour, (there - timedelta(minutes=10)).hour}
