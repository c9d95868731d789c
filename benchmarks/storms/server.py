"""A ``kinora serve`` of a tree, in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

STOP_S = 5.0
"""The time for the server to stop after SIGTERM; then it is killed, and the workers end with it."""
START_S = 60.0
POLL_S = 0.05
TOOLS = Path(__file__).with_name("tools.py")


@attrs.frozen
class Stall:
    """A step of the event loop that held up all others, as the server's log tells it."""

    held_ms: int
    task: str
    stack: str


@attrs.frozen
class Server:
    """A server that runs."""

    url: str
    pid: int
    log: Path

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self.url.rpartition(":")[2])

    def stalls(self) -> list[Stall]:
        """The longest first; none for trees from before the watch over the event loop."""
        found = [Stall(line["held_ms"], line["task"], line["stack"]) for line in _lines(self.log) if "held_ms" in line]
        return sorted(found, key=lambda stall: -stall.held_ms)


@asynccontextmanager
async def serving(tree: Path, folder: Path, settings: Mapping[str, str], files: int) -> AsyncIterator[Server]:
    """Run the server of ``tree`` on ``folder/media`` during the block.

    Args:
        tree: a checkout.
        folder: the place for its data and its log.
        settings: further ``KINORA_*`` variables.
        files: the files that it may have open.
    """
    command = ["prlimit", f"--nofile={files}:{files}", sys.executable, "-m", "kinora", "serve", "--port", "0"]
    command += ["--data-dir", str(folder / "data"), "--media-dir", str(folder / "media")]
    environment = {**os.environ, "PYTHONPATH": str(tree), "KINORA_PLUGIN_FILES": str(TOOLS), **settings}
    log = folder / "server.log"
    with log.open("wb") as output:
        process = await trio.lowlevel.open_process(command, cwd=folder, env=environment, stderr=output)
    try:
        with trio.fail_after(START_S):
            while (url := _announced(log)) is None:  # noqa: ASYNC110 - another process writes the log
                await trio.sleep(POLL_S)
        yield Server(url, process.pid, log)
    finally:
        with trio.CancelScope(shield=True):
            await _stop(process)


async def _stop(process: trio.Process) -> None:
    process.terminate()
    with trio.move_on_after(STOP_S):
        await process.wait()
    process.kill()
    await process.wait()


def _announced(log: Path) -> str | None:
    return next((str(line["url"]) for line in _lines(log) if line.get("event") == "serving"), None)


def _lines(log: Path) -> list[dict[str, Any]]:
    """The lines of a log that are whole JSON objects."""
    lines = []
    for text in log.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines
