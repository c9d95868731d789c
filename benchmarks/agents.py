"""What agents take off the server, and what they add to a frame, a start and a cancel.

Run it with ``python -m benchmarks.agents``: ``kinora serve`` with 0, 1 and 2 agents of this machine, in turns, with
jobs, agents and workers in processes of their own. It takes less than four minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import attrs
import numpy as np
import trio

from benchmarks import agents_tools
from benchmarks.many_jobs import Server
from benchmarks.pipeline import make_clip
from kinora.client import KinoraClient
from kinora.client.realtime import connect
from kinora.runtime.linux.processes import descendants

AGENTS = (0, 1, 2)
ROUNDS = 2
JOBS, PLUGINS = 8, ("quick-1", "quick-2", "quick-3")
FRAMES = 6_000
"""Of the jobs of the load: more than a round has time for."""
WARM_UP_S, LOAD_S = 4.0, 8.0
PACED_FRAMES = 150
STARTS, CANCELS = 12, 50
SAFETY_S = 60.0
AIM_SERVER_MS, AIM_ADDED_MS, AIM_FIRST_MS, AIM_CANCEL_MS = 0.1, 2.0, 150.0, 250.0
_DONE = re.compile(r"^kinora_frames_done_total (\S+)$", re.MULTILINE)


@attrs.define
class Found:
    """What was measured with one number of agents; one value for each round or each time."""

    server_ms: list[float] = attrs.field(factory=list)
    """The processor time of the server's process for a frame in a stage."""
    frames_per_s: list[float] = attrs.field(factory=list)
    """Of all jobs together."""
    delays_ms: list[float] = attrs.field(factory=list)
    """From the moment at which a plugin was done with a frame to its message at a client."""
    first_ms: list[float] = attrs.field(factory=list)
    """From POST to the message of the first frame."""
    cancel_ms: list[float] = attrs.field(factory=list)
    """From a cancel to its answer."""


@contextmanager
def serving(agents: int, folder: Path) -> Iterator[Server]:
    """A server with its agents, which are ready."""
    with tempfile.TemporaryDirectory(dir=folder) as data:
        for clip in ("load.mp4", "short.mp4"):
            os.link(folder / clip, Path(data) / clip)
        server = Server(
            Path(data),
            KINORA_AGENTS=str(agents),
            KINORA_MAX_JOBS=str(JOBS),
            KINORA_PLUGINS_DIR=str(folder / "plugins"),
        )
        try:
            _wait_ready(server, agents)
            yield server
        finally:
            server.stop()


def _wait_ready(server: Server, agents: int) -> None:
    deadline = time.monotonic() + SAFETY_S
    while sum(agent["status"] == "ready" for agent in server.ask("/v1/agents")["agents"]) < agents:
        if time.monotonic() > deadline:
            raise SystemExit("the agents have not come")
        time.sleep(0.05)


def load(server: Server, found: Found) -> None:
    """Run as many jobs as there are places, and see what the server's process does for their frames."""
    for _ in range(JOBS):
        server.ask("/v1/jobs", {"source": "load.mp4", "plugins": PLUGINS})
    time.sleep(WARM_UP_S)
    frames, used, began = _frames(server), server.processor_s(), time.monotonic()
    time.sleep(LOAD_S)
    done, used, took = _frames(server) - frames, server.processor_s() - used, time.monotonic() - began
    found.server_ms.append(used / (done * len(PLUGINS)) * 1000)
    found.frames_per_s.append(done / took)
    for job in server.ask(f"/v1/jobs?limit={JOBS}")["jobs"]:
        server.ask(f"/v1/jobs/{job['job_id']}/cancel", {})


def _frames(server: Server) -> float:
    match = _DONE.search(server.text("/metrics"))
    assert match is not None
    return float(match[1])


async def delays(server: Server, found: Found) -> None:
    """Follow one job that is slow enough for everybody to keep up."""
    url = f"http://127.0.0.1:{server.port}"
    request = {"source": "short.mp4", "plugins": ["paced"], "options": {"max_frames": PACED_FRAMES}}
    with trio.fail_after(SAFETY_S):
        async with connect(url, types=["frame", "complete"]) as messages:
            await messages.wait_connected()
            await KinoraClient(url).submit(request)
            async for message in messages:
                now = time.monotonic()
                if message.type == "complete":
                    return
                if message.type == "frame":
                    found.delays_ms.append((now - message.payload["data"]["done_s"]) * 1000)


async def starts(server: Server, found: Found) -> None:
    """Start jobs on a warm agent, one after the other, until each has told its first frame."""
    url = f"http://127.0.0.1:{server.port}"
    client = KinoraClient(url)
    with trio.fail_after(SAFETY_S):
        async with connect(url, types=["frame"]) as messages:
            await messages.wait_connected()
            for number in range(STARTS + 1):
                began = time.monotonic()
                job_id = (await client.submit({"source": "short.mp4", "plugins": ["quick-1"]})).job_id
                async for message in messages:
                    if message.type == "frame" and message.payload["job_id"] == job_id:
                        break
                if number:  # the first finds nothing warm
                    found.first_ms.append((time.monotonic() - began) * 1000)
                await client.cancel(job_id)


async def cancels(server: Server, found: Found, count: int) -> None:
    """Cancel jobs whose plugin hangs in native code and ignores SIGTERM; no process of theirs may be left."""
    client = KinoraClient(f"http://127.0.0.1:{server.port}")
    before = len(descendants(server.pid))
    for _ in range(count):
        with trio.fail_after(SAFETY_S):
            job_id = (await client.submit({"source": "short.mp4", "plugins": ["hung"]})).job_id
            while (await client.extended(job_id, limit=0))["stage"] != "running":  # noqa: ASYNC110 - as any client does
                await trio.sleep(0.01)
            await trio.sleep(0.1)
            began = time.monotonic()
            answer = await client.cancel(job_id)
            found.cancel_ms.append((time.monotonic() - began) * 1000)
        assert answer["cancelled"], answer
        assert len(descendants(server.pid)) <= before, "a process of a cancelled job is left"


def measure(rounds: int, cancel_count: int) -> Mapping[int, Found]:
    """All parts, with each number of agents in turns."""
    found = {agents: Found() for agents in AGENTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_clip(folder / "load.mp4", FRAMES, 64, 48)
        make_clip(folder / "short.mp4", PACED_FRAMES, 640, 360)
        (folder / "plugins").mkdir()
        source = Path(agents_tools.__file__)
        (folder / "plugins" / source.name).symlink_to(source)
        for _ in range(rounds):
            for agents in AGENTS:
                with serving(agents, folder) as server:
                    load(server, found[agents])
            for agents in AGENTS[:2]:
                with serving(agents, folder) as server:
                    trio.run(delays, server, found[agents])
        for agents in AGENTS[:2]:
            with serving(agents, folder) as server:
                trio.run(starts, server, found[agents])
                trio.run(partial(cancels, server, found[agents], cancel_count if agents else cancel_count // 5))
    return found


def show(found: Mapping[int, Found]) -> None:
    """Print the table, and whether the aims were met."""
    print(f"| | {' | '.join(f'agents: {agents}' for agents in AGENTS)} | aim | |\n|---|{'---|' * (len(AGENTS) + 2)}")
    added = _median(found[1].delays_ms) - _median(found[0].delays_ms)
    p99, used_ms = partial(np.percentile, q=99), _median(found[2].server_ms)
    rows: Sequence[tuple[str, str, Callable[..., float], float | None, float]] = (
        (
            "server's processor for a frame in a stage, ms",
            "server_ms",
            _median,
            used_ms,
            AIM_SERVER_MS,
        ),
        (f"frames/s of {JOBS} jobs of {len(PLUGINS)} plugins", "frames_per_s", _median, None, 0.0),
        ("plugin done → message at a client, p50, ms", "delays_ms", _median, added, AIM_ADDED_MS),
        ("plugin done → message at a client, p99, ms", "delays_ms", p99, None, 0.0),
        ("POST → first frame, p50, ms", "first_ms", _median, _median(found[1].first_ms), AIM_FIRST_MS),
        ("cancel of a hung plugin, p50, ms", "cancel_ms", _median, None, 0.0),
        ("cancel of a hung plugin, p99, ms", "cancel_ms", p99, float(p99(found[1].cancel_ms)), AIM_CANCEL_MS),
    )
    for label, name, of, judged, aim in rows:
        measured = [getattr(found[agents], name) for agents in AGENTS]
        told = [f"{of(values):.3g}" if values else "" for values in measured]
        verdict = "" if judged is None else ("met" if judged <= aim else "missed") + f" ({judged:.3g})"
        print(f"| {label} | {' | '.join(told)} | {f'{aim:g}' if judged is not None else ''} | {verdict} |")
    print("The aim of a message is for what an agent adds to it; cancels with an agent are those of an agent here.")


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def main() -> None:
    """Measure as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--cancels", type=int, default=CANCELS)
    arguments = parser.parse_args()
    began = time.monotonic()
    show(measure(arguments.rounds, arguments.cancels))
    print(f"It took {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
