"""How long a stop takes: a real server in each situation is ended by signals. ``python -m benchmarks.stops [NAME]``."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from benchmarks import cancel_tools, stops_tools
from benchmarks.pipeline import make_clip
from benchmarks.storms import tools as storm_tools
from kinora.client import ClientError, KinoraClient

CLIP_FRAMES = 4000
KILLED_S = 10.0
"""The time after which ``docker stop`` kills."""
START_S = 60.0
SECOND_S = 0.1
"""The time between two signals."""
POLL_S = 0.05
SETTLE_S = 0.5
"""The time for what a client has asked for to be under way."""
SIGNALS: Mapping[str, Sequence[signal.Signals]] = {
    "SIGTERM": [signal.SIGTERM],
    "SIGINT": [signal.SIGINT],
    "SIGHUP": [signal.SIGHUP],
    "2 x SIGTERM": [signal.SIGTERM, signal.SIGTERM],
}
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
GOING_AWAY = (1001).to_bytes(2)


class Client:
    """A connection that asks for one thing; what it was told is looked at after the stop."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.heard = b""
        self.ended = ""

    async def read(self) -> None:
        """Read to the end, then close."""
        try:
            async with self.stream:
                async for data in self.stream:
                    self.heard += bytes(data)
            self.ended = "closed"
        except trio.BrokenResourceError:
            self.ended = "cut off"

    def told(self) -> str:
        """The last thing that the server said, and how the connection ended."""
        if GOING_AWAY in self.heard[-40:]:
            return "1001"
        status = self.heard.rpartition(b"HTTP/1.1 ")[2][:3].decode()
        return ", ".join(filter(None, (status, self.ended)))


@attrs.define
class Scene:
    """One server, and all that a situation needs."""

    port: int
    nursery: trio.Nursery
    clients: list[Client] = attrs.field(factory=list)

    @property
    def rest(self) -> KinoraClient:
        """A client of its calls."""
        return KinoraClient(f"http://127.0.0.1:{self.port}")

    async def connect(self, request: str, headers: str = "", *, reads: bool = True) -> Client:
        """Send a request; if ``reads``, read what comes until the end."""
        client = Client(await trio.open_tcp_stream("127.0.0.1", self.port))
        self.clients.append(client)
        await client.stream.send_all(f"{request} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        if reads:
            self.nursery.start_soon(client.read)
        await trio.sleep(SETTLE_S)
        return client

    async def job(self, plugin: str, status: str = "running", frames: int = 1) -> str:
        """Start a job, and wait until it has this status and so many frames."""
        submitted = await self.rest.submit(
            {"source": "clip.mp4", "plugins": [plugin], "options": {"plugin_timeout_ms": 600_000}}
        )
        while True:
            state = await self.rest.extended(submitted.job_id, limit=0)
            if state["status"] == status and state["frames_done"] >= frames:
                return submitted.job_id
            await trio.sleep(POLL_S)


async def idle(scene: Scene) -> None:
    """Nothing to do."""


async def keep_alive(scene: Scene) -> None:
    """An idle connection that has had an answer."""
    await scene.connect("GET /v1/plugins")


async def running(scene: Scene) -> None:
    """A job that runs."""
    await scene.job("storm-empty")


async def paused(scene: Scene) -> None:
    """A job that is paused."""
    job_id = await scene.job("storm-empty")
    await scene.connect(f"POST /v1/jobs/{job_id}/pause", "Connection: close\r\n")
    scene.clients.clear()


async def queued(scene: Scene) -> None:
    """Two jobs that run, two that wait."""
    for status in ("running", "running", "queued", "queued"):
        await scene.job("storm-slow", status, frames=0)


async def hung_in_python(scene: Scene) -> None:
    """A plugin that loops for ever."""
    await scene.job("spinning", frames=0)
    await trio.sleep(SETTLE_S)


async def hung_in_native_code(scene: Scene) -> None:
    """A plugin in native code that holds the GIL and ignores SIGTERM."""
    await scene.job("hung", frames=0)
    await trio.sleep(SETTLE_S)


async def events(scene: Scene) -> None:
    """A client of the event stream."""
    await scene.connect("GET /v1/realtime", "Accept: text/event-stream\r\n")
    await scene.job("storm-empty")


async def websocket(scene: Scene) -> None:
    """A client of the WebSocket."""
    await scene.connect("GET /v1/realtime", UPGRADE)
    await scene.job("storm-slow")


async def stalled_websocket(scene: Scene) -> None:
    """A client of the WebSocket that reads nothing of some 50 MB."""
    await scene.connect("GET /v1/realtime", UPGRADE, reads=False)
    await scene.job("storm-fat", frames=500)


async def long_poll(scene: Scene) -> None:
    """``Prefer: wait=60``."""
    job_id = await scene.job("hung", frames=0)
    await trio.sleep(SETTLE_S)
    await scene.connect(f"GET /v1/jobs/{job_id}", "Prefer: wait=60\r\n")


async def slow_upload(scene: Scene) -> None:
    """An upload that does not go on."""
    kind = "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n"
    client = await scene.connect("POST /v1/jobs", kind)
    await client.stream.send_all(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n')
    await trio.sleep(SETTLE_S)


async def video(scene: Scene) -> None:
    """An annotated video that is being made."""
    job_id = await scene.job("storm-empty", "done")
    await scene.connect(f"GET /v1/jobs/{job_id}/annotated.mp4")


async def stalled_reader(scene: Scene) -> None:
    """A client that reads nothing of some 50 MB of NDJSON."""
    job_id = await scene.job("storm-fat", frames=500)
    await scene.connect(f"GET /v1/jobs/{job_id}/frames", "Accept: application/x-ndjson\r\n", reads=False)


async def starting(scene: Scene) -> None:
    """The start, held up by a plugin that hangs on import."""


SITUATIONS: Sequence[Callable[[Scene], Awaitable[None]]] = (
    idle,
    keep_alive,
    running,
    paused,
    queued,
    hung_in_python,
    hung_in_native_code,
    events,
    websocket,
    stalled_websocket,
    long_poll,
    slow_upload,
    video,
    stalled_reader,
    starting,
)
BY_ALL_SIGNALS = (idle, running, stalled_reader, starting)


@attrs.frozen
class Stop:
    """How one server ended."""

    took_s: float
    status: int | None
    """None for a server that did not end."""
    told: str

    def row(self, situation: str, how: str) -> str:
        """A line of the table."""
        return f"| {situation} | {how} | {self.took_s:.1f} | {self.status} | {self.told} |"


async def stop(situation: Callable[[Scene], Awaitable[None]], signals: Sequence[int], media: Path) -> Stop:
    """Run a server, bring it into the situation, send it the signals, and look at its end."""
    async with serving(media, hangs=situation is starting) as (process, port), trio.open_nursery() as nursery:
        scene = Scene(port, nursery)
        await situation(scene)
        began = time.perf_counter()
        for index, number in enumerate(signals):
            await trio.sleep(SECOND_S if index else 0)
            process.send_signal(number)
        with trio.move_on_after(3 * KILLED_S):
            await process.wait()
        took_s = time.perf_counter() - began
        await trio.sleep(POLL_S)
        stopped = Stop(took_s, process.returncode, " · ".join(client.told() for client in scene.clients))
        nursery.cancel_scope.cancel()
    return stopped


@asynccontextmanager
async def serving(media: Path, *, hangs: bool) -> AsyncIterator[tuple[trio.Process, int]]:
    """A server that is ready; one in the middle of its start if a plugin ``hangs`` on import."""
    with tempfile.TemporaryDirectory(prefix="kinora-stops-") as name:
        async with _serving(Path(name), media, hangs=hangs) as found:
            yield found


@asynccontextmanager
async def _serving(folder: Path, media: Path, *, hangs: bool) -> AsyncIterator[tuple[trio.Process, int]]:
    (held := folder / "held.py").write_text("import time\ntime.sleep(1000)\n")
    files = [str(module.__file__) for module in (cancel_tools, storm_tools, stops_tools)]
    environment = {**os.environ, "KINORA_PLUGIN_FILES": ",".join([*files, *([str(held)] if hangs else [])])}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, "-m", "kinora", "serve", "--port", str(port), "--data-dir", str(folder / "data")]
    with (folder / "log").open("wb") as log:
        process = await trio.lowlevel.open_process([*command, "--media-dir", str(media)], env=environment, stderr=log)
    try:
        with trio.fail_after(START_S):
            while not await _answers(port, ready=not hangs):
                assert process.poll() is None, (folder / "log").read_text()
                await trio.sleep(POLL_S)
        yield process, port
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _answers(port: int, *, ready: bool) -> bool:
    """True if the server answers; with ``ready``, only if it has started."""
    try:
        await KinoraClient(f"http://127.0.0.1:{port}").jobs(limit=1)
    except ClientError as error:
        return error.status is not None and not ready
    return ready


async def main(names: Sequence[str]) -> None:
    """Print the table, a line as soon as it is known."""
    with tempfile.TemporaryDirectory(prefix="kinora-stops-") as folder:
        media = Path(folder)
        make_clip(media / "clip.mp4", CLIP_FRAMES, 320, 240)
        print("| situation | signal | until its end, s | exit code | told to the client |\n|---|---|---|---|---|")
        longest = 0.0
        for situation in SITUATIONS:
            for how, signals in SIGNALS.items():
                if (how == "SIGTERM" or situation in BY_ALL_SIGNALS) and (not names or situation.__name__ in names):
                    stopped = await stop(situation, signals, media)
                    longest = max(longest, stopped.took_s)
                    print(stopped.row(str(situation.__doc__).rstrip("."), how), flush=True)
        print(f"\nThe longest took {longest:.1f} s; the load is {os.getloadavg()[0]:.0f}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="functions of this file, such as long_poll")
    trio.run(main, parser.parse_args().names)
