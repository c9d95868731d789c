"""Measures how long after a camera has sent a picture its result is at a WebSocket client, all on this machine.

    python -m benchmarks.rtsp [--seconds 20] [--codec h264]

The camera, a process of its own, sends 1280x720 at 25 frames/s and notes when. Each picture shows its number, which the
plugins read from a few pixels.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, MutableSequence, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import get_args

import attrs
import numpy as np
import trio

from benchmarks import rtsp_tools
from kinora.client import KinoraClient, connect
from kinora.media.live.newest import Newest
from kinora.media.rtsp.source import RtspSource
from kinora.media.source_types import SourceLimits
from tests.media.videos import Image, numbered
from tests.rtsp_clips import FPS, TICKS, Clip, Codec, describe, encode, framed, payload_type_of, payloads, rtp
from tests.rtsp_server import Stream, rtsp_server

NUMBERS = 256
"""The pictures that can be told apart; they come again and again."""
WIDTH, HEIGHT = 1280, 720
LIMIT_MS = 150
WARM_UP = 25
"""The results at the beginning that do not count."""

SentAt = MutableSequence[float]
"""Number → when the picture that shows it was sent last, by the clock that all processes of a machine share."""


@attrs.frozen
class Camera:
    """A camera that runs."""

    url: str
    host: str
    sent_at: SentAt


def pictures() -> Iterator[Image]:
    """Numbered pictures with noise below, so that there is something to encode."""
    random = np.random.default_rng(1)
    noise = random.integers(0, 60, (HEIGHT, 2 * WIDTH, 3), np.uint8)
    for number in range(NUMBERS):
        image = numbered(number, WIDTH, HEIGHT)
        image[HEIGHT // 2 :] += noise[HEIGHT // 2 :, 5 * number : 5 * number + WIDTH]
        yield image


def sending(clip: Clip, sent_at: SentAt) -> Iterator[bytes]:
    """The clip again and again at its pace; the time is noted just before a picture is sent."""
    sequence, due = count(), 0.0
    for number in count():
        parts = payloads(clip.codec, clip.pictures[number % NUMBERS].data)
        timestamp, kind = number * TICKS % 2**32, payload_type_of(clip.codec)
        packets = [
            framed(rtp(part, next(sequence), timestamp, marker=part is parts[-1], payload_type=kind)) for part in parts
        ]
        due = max(due + 1 / FPS, time.monotonic() - 1 / FPS)
        time.sleep(max(0.0, due - time.monotonic()))
        sent_at[number % NUMBERS] = time.monotonic()
        yield b"".join(packets)


def be_camera(codec: Codec, sent_at: SentAt, ready: Connection) -> None:
    """Serve until the process is ended."""
    clip = encode(codec, pictures(), key_every=FPS)
    with rtsp_server() as server:
        server.streams["cam"] = Stream(describe(clip), sending(clip, sent_at))
        ready.send((server.url("cam"), server.host))
        server.closing.wait()


@contextmanager
def camera(codec: Codec) -> Iterator[Camera]:
    """A camera in a process of its own, for one client after the other."""
    context = multiprocessing.get_context("spawn")
    sent_at = context.Array("d", NUMBERS, lock=False)
    ready, theirs = context.Pipe()
    process = context.Process(target=be_camera, args=(codec, sent_at, theirs), daemon=True)
    process.start()
    try:
        url, host = ready.recv()
        yield Camera(url, host, sent_at)
    finally:
        process.kill()
        process.join()


def decoded(on: Camera, seconds: float) -> list[float]:
    """From the sending of a picture to its pixels, in the process that decodes, in ms."""
    delays: list[float] = []
    with RtspSource(on.url, SourceLimits(url_hosts=(on.host,))) as source:
        out: Image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        end = time.monotonic() + seconds
        source.let_go_old()
        for picture in Newest(source.frames()):
            picture.write_to(out)
            now = time.monotonic()
            delays.append((now - on.sent_at[rtsp_tools.number_in(out)]) * 1000)
            if now > end:
                break
    return delays[WARM_UP:]


@asynccontextmanager
async def kinora(on: Camera, folder: Path) -> AsyncIterator[str]:
    """A server as users start it; gives its address."""
    command = [sys.executable, "-m", "kinora", "serve", "--port", "0", "--data-dir", str(folder / "data")]
    command += ["--media-dir", str(folder), "--url-hosts", on.host]
    environment = os.environ | {"KINORA_PLUGIN_FILES": str(Path(rtsp_tools.__file__))}
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(trio.run_process, command, env=environment, stderr=subprocess.PIPE, check=False)
        )
        text = b""
        while b"http://" not in text or b"\n" not in text.partition(b"http://")[2]:
            text += await process.stderr.receive_some()
        nursery.start_soon(drain, process.stderr)
        yield text[text.index(b"http://") :].split()[0].decode().rstrip('",}')
        process.terminate()


async def drain(stream: trio.abc.ReceiveStream) -> None:
    """Read to the end."""
    async for _ in stream:
        pass


@attrs.frozen
class Delays:
    """Of one job, in ms."""

    to_plugin: Sequence[float]
    """From the sending of a picture to its plugin."""
    to_client: Sequence[float]
    """From the plugin to the client."""
    whole: Sequence[float]
    dropped: int


async def results(on: Camera, url: str, plugin: str, seconds: float) -> Delays:
    """Watch a job for some time."""
    client = KinoraClient(url)
    to_plugin, to_client, whole = list[float](), list[float](), list[float]()
    async with connect(url, types=("frame",)) as messages:
        job = await client.submit({"source": on.url, "plugins": [plugin]})
        with trio.move_on_after(seconds):
            async for message in messages:
                now = time.monotonic()
                if message.type != "frame":
                    continue
                result = message.payload["data"]
                sent = on.sent_at[result["number"]]
                to_plugin.append((result["at"] - sent) * 1000)
                to_client.append((now - result["at"]) * 1000)
                whole.append((now - sent) * 1000)
        state = await client.extended(job.job_id)
        await client.cancel(job.job_id)
    return Delays(to_plugin[WARM_UP:], to_client[WARM_UP:], whole[WARM_UP:], state["frames_dropped"])


def row(label: str, values: Sequence[float]) -> None:
    """Print a line of the table."""
    cuts = quantiles(values, n=100)
    print(f"| {label} | {median(values):.1f} ms | {cuts[94]:.1f} ms | {cuts[98]:.1f} ms |")


async def measure(codec: Codec, seconds: float) -> None:
    """Print the table."""
    load = os.getloadavg()[0]
    with camera(codec) as on, tempfile.TemporaryDirectory() as folder:
        pixels = decoded(on, seconds)
        async with kinora(on, Path(folder)) as url:
            quick = await results(on, url, "seen", seconds)
            slow = await results(on, url, "slow", seconds)
    print(f"\n{codec}, {WIDTH}x{HEIGHT}, {FPS} frames/s, {len(quick.whole)} results, load {load:.1f} before\n")
    print("| after the camera has sent a picture | p50 | p95 | p99 |\n|---|---|---|---|")
    row("its pixels, in a process that only reads the camera", pixels)
    row("its plugin begins", quick.to_plugin)
    row("plugin to client", quick.to_client)
    row(f"its result is at the client   (limit {LIMIT_MS} ms)", quick.whole)
    half = len(slow.whole) // 2
    row(f"a plugin of {rtsp_tools.SLOW_S * 1000:.0f} ms, first half", slow.whole[:half])
    row("the same, second half", slow.whole[half:])
    print(f"\nThat plugin got {len(slow.whole)} pictures; {slow.dropped} were dropped and counted.")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--codec", choices=get_args(Codec), default="h264")
    arguments = parser.parse_args()
    trio.run(measure, arguments.codec, arguments.seconds)


if __name__ == "__main__":
    main()
