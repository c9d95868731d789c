"""A ``kinora serve`` that is stopped and started again on the same folders, and the processes below it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

from benchmarks.chaos.disk import Disk
from benchmarks.chaos.tools import PROCESS_NAME
from kinora.runtime.linux.processes import children, descendants, status_of

TOOLS = Path(__file__).with_name("tools.py")
MIN_FREE_BYTES = 16 * 2**20
START_S = 60.0
POLL_S = 0.02
STOP_S = 20.0
"""The time for the server to end after SIGTERM: its grace of 10 s, and as much again for a busy machine."""
END_S = 10.0
"""The time for all processes below a server that was killed to end."""
LOG_TAIL = 3


class NotStarted(Exception):
    """The server did not come up."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


@attrs.define
class House:
    """A server, its folders, and what was wrong with its starts and ends."""

    tree: Path
    """The checkout that it is served from."""
    folder: Path
    disk: Disk
    url_host: str
    """The host, with its port, that sources may be read from."""
    flags: tuple[str, ...] = ()
    """Further flags of ``kinora serve``."""
    environment: Mapping[str, str] = attrs.field(factory=dict)
    """Further variables, and those that replace this class's own."""
    apart: tuple[int, ...] = ()
    """The pids of processes of the harness; neither they nor what is below them counts as left by a server."""
    port: int = attrs.field(factory=free_port)
    lives: int = 0
    """The number of starts so far."""
    moves: int = 0
    """The number of times that the data folder was moved."""
    complaints: list[str] = attrs.field(factory=list)
    _process: trio.Process | None = None

    @property
    def url(self) -> str:
        """Its address, the same for all lives."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.disk.folder / f"data-{self.moves}"

    @property
    def media(self) -> Path:
        """Its media folder."""
        return self.folder / "media"

    @property
    def temporary(self) -> Path:
        """The temporary directory of all its processes."""
        return self.folder / "tmp"

    @property
    def logs(self) -> list[Path]:
        """The logs of all its lives."""
        return [self._log(life) for life in range(1, self.lives + 1)]

    def _log(self, life: int) -> Path:
        return self.folder / f"server-{life}.log"

    @property
    def pid(self) -> int:
        """The pid of the server, which must have been begun."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit status of the server; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    async def begin(self) -> None:
        """Start the server, without waiting until it serves."""
        self.lives += 1
        command = [sys.executable, "-m", "kinora", "serve", "--port", str(self.port), "--url-hosts", self.url_host]
        command += ["--data-dir", str(self.data), "--media-dir", str(self.media), *self.flags]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.tree),
            "TMPDIR": str(self.temporary),
            "KINORA_PLUGIN_FILES": str(TOOLS),
            "KINORA_MIN_FREE_BYTES": str(MIN_FREE_BYTES),
            **self.environment,
        }
        with self._log(self.lives).open("wb") as log:
            self._process = await trio.lowlevel.open_process(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )

    async def start(self) -> None:
        """Start the server, and wait until it serves.

        Raises:
            NotStarted: it does not.
        """
        await self.begin()
        with trio.move_on_after(START_S):
            while self.ended is None:
                if any(line.get("event") == "serving" for line in lines(self._log(self.lives))):
                    return
                await trio.sleep(POLL_S)
        raise NotStarted(f"life {self.lives} did not start (status {self.ended}): {self._last_words()}")

    async def check(self) -> None:
        """Start the server again if it has ended by itself, and complain."""
        if self.ended is not None:
            self.complaints.append(
                f"life {self.lives} ended by itself with status {self.ended}, expected to run on: {self._last_words()}"
            )
            await self.gone()
            await self.start()

    async def kill(self) -> None:
        """Kill the server alone; return once all below it are gone, too."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        await self.gone()

    async def stop(self) -> None:
        """Ask the server to end, and wait for that."""
        assert self._process is not None
        self._process.terminate()
        with trio.move_on_after(STOP_S) as scope:
            status = await self._process.wait()
        if scope.cancelled_caught:
            self.complaints.append(f"life {self.lives} still ran {STOP_S:g} s after SIGTERM")
            await self.kill()
        elif status != 0:
            self.complaints.append(f"life {self.lives} ended with status {status} after SIGTERM, expected 0")
        await self.gone()

    async def gone(self) -> None:
        """Wait until no process is left of a server that has ended; those that stay too long are killed."""
        with trio.move_on_after(END_S):
            while left := remaining(self.apart):  # noqa: ASYNC110 - other processes end
                await trio.sleep(POLL_S)
        if left:
            self.complaints.append(f"life {self.lives} left {len(left)} processes, expected none after {END_S:g} s")
            send_signal(left, signal.SIGKILL)

    def fork_servers(self) -> list[int]:
        """The pid of the fork server, if it runs."""
        return sorted(children(self.pid))

    def plugins(self) -> list[int]:
        """The pids of the plugins' processes."""
        return [pid for pid in sorted(descendants(self.pid)) if _name(pid) == PROCESS_NAME]

    def decoders(self) -> list[int]:
        """The pids of the processes that read a file."""
        folders = (str(self.media), str(self.data / "uploads"))
        below = sorted(descendants(self.pid) - set(self.fork_servers()))
        return [pid for pid in below if any(target.startswith(folders) for target in open_files(pid))]

    def _last_words(self) -> str:
        text = self._log(self.lives).read_text(encoding="utf-8", errors="replace")
        return " / ".join(text.splitlines()[-LOG_TAIL:])


def remaining(apart: Sequence[int] = ()) -> set[int]:
    """The pids of all processes that run below this one, which is a subreaper; those that have ended are reaped.

    Those that stand ``apart``, and all below them, are left out.
    """
    below = descendants(os.getpid()).difference(apart, *(descendants(pid) for pid in apart))
    for pid in children(os.getpid()):
        if pid not in apart and (status := status_of(pid)) is not None and not status.running:
            os.waitpid(pid, os.WNOHANG)
    return {pid for pid in below if (status := status_of(pid)) is not None and status.running}


def send_signal(pids: set[int] | list[int], number: int) -> None:
    """Send a signal to those of the processes that there still are."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def open_files(pid: int) -> Iterator[str]:
    """What the descriptors of a process stand for."""
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            yield str(entry.readlink())
    except OSError:
        return


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def lines(log: Path) -> list[dict[str, Any]]:
    """The lines of a log that are whole JSON objects."""
    found = []
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found
