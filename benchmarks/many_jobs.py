"""What very many stored jobs cost: the start, the lists, a prune. ``python -m benchmarks.many_jobs [--jobs N …]``."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from kinora.actors.models import JobState, JobStatus, StageState, TimingSummary
from kinora.actors.requests.job_request import JobRequest, PluginRequest
from kinora.actors.retention.usage import USAGE_AGE_S
from kinora.actors.store import database
from kinora.actors.store.store import JobRecord
from kinora.runtime.loop_watch import core_time_in

JOBS = (0, 10_000, 100_000)
QUEUED = (0, 620, 2_000)
FRAMES = 10
FRAME_BYTES = 440
ROUNDS, ROUNDS_ANEW = 100, 3
START_S = 120.0
ANSWER_S = 300.0
CREATED_AT = "2026-11-01T08:00:00.000Z"
SOURCES = 37
"""Jobs take turns at so many sources; one job in ``RARE`` has another one."""
RARE = 5_000
QUIET_S = 0.02
"""The time between two requests of the client that watches a prune."""


class Server:
    """A ``kinora serve`` on a data folder."""

    def __init__(self, folder: Path, *, tree: Path | None = None, **settings: str) -> None:
        """``tree`` is the checkout to run, this one by default; ``settings`` are further environment variables."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        env = {**os.environ, "KINORA_MAX_QUEUED": "100000", **settings}
        if tree is not None:
            env["PYTHONPATH"] = str(tree)
        folders = ["--data-dir", str(folder), "--media-dir", str(folder), "--log-level", "warning"]
        command = [sys.executable, "-m", "kinora", "serve", "--port", str(self.port), *folders]
        begun = time.perf_counter()
        self._process = subprocess.Popen(command, env=env, cwd=tree, stderr=subprocess.DEVNULL)
        while not self._ready():
            if time.perf_counter() - begun > START_S:
                raise SystemExit("the server did not start")
            time.sleep(0.005)
        self.start_s = time.perf_counter() - begun
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)

    def _ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/ready"):
            return True
        return False

    def ask(self, target: str, body: object = None) -> Any:
        """Ask for something and return the answer, decoded."""
        sent = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self.connection.request("POST" if body is not None else "GET", target, sent, headers)
        with self.connection.getresponse() as response:
            answer = json.loads(response.read())
            assert response.status in {http.HTTPStatus.OK, http.HTTPStatus.ACCEPTED}, answer
            return answer

    def text(self, target: str) -> str:
        """Ask for something that is text."""
        self.connection.request("GET", target)
        with self.connection.getresponse() as response:
            return response.read().decode()

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._process.pid

    def loop_times_s(self) -> tuple[float, float]:
        """The seconds for which the event loop's thread has run, and for which it has waited for a core."""
        times = core_time_in(Path(f"/proc/{self._process.pid}"))
        return times.ran_s, times.waited_s

    def p50_ms(self, target: str) -> float:
        """The median time of one answer."""
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            self.ask(target)
            times.append(time.perf_counter() - begun)
        return statistics.median(times) * 1000

    def processor_ms(self, target: str) -> float:
        """The processor time that the server needs for one answer, which other programs hardly change."""
        begun = self.processor_s()
        for _ in range(ROUNDS):
            self.ask(target)
        return (self.processor_s() - begun) / ROUNDS * 1000

    def processor_s(self) -> float:
        """The processor time of its process so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def anew_ms(self, target: str) -> float:
        """The median time of an answer that is not one that is kept for a while."""
        times = []
        for _ in range(ROUNDS_ANEW):
            time.sleep(USAGE_AGE_S + 0.1)
            begun = time.perf_counter()
            self.ask(target)
            times.append(time.perf_counter() - begun)
        return statistics.median(times) * 1000

    def resident_mb(self) -> float:
        """The memory of its process now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def stop(self) -> None:
        """End it politely."""
        self.connection.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server at work during the block."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


def fill(folder: Path, jobs: int, status: JobStatus = "done") -> None:
    """Write the database of a server that has had so many jobs."""
    with closing(database.open_writer(str(folder / "kinora.db"))) as writer:
        for begin in range(0, jobs, 500):
            statements = []
            for number in range(begin, min(begin + 500, jobs)):
                record = job(number, status)
                statements.append(database.add_job(record))
                if status == "done":
                    data = b"x" * FRAME_BYTES
                    statements += [database.put_frame(record.job_id, index, data) for index in range(FRAMES)]
            database.write(writer, statements)


def job(number: int, status: JobStatus) -> JobRecord:
    """A job of two plugins as a server stores it; one in twenty has failed if they have ended."""
    if status == "done" and number % 20 == 0:
        status = "failed"
    source = "rare.mp4" if number % RARE == RARE - 1 else f"camera-{number % SOURCES}.mp4"
    request = JobRequest(source=source, plugins=(PluginRequest(name="motion"), PluginRequest(name="faces")))
    ended_at = CREATED_AT if status in {"done", "failed"} else None
    job_id = str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))
    return JobRecord(
        job_id=job_id,
        created_at=CREATED_AT,
        status=status,
        request=msgspec.json.encode(request),
        state=msgspec.json.encode(state(job_id, status, source, ended_at)),
        ended_at=ended_at,
    )


def state(job_id: str, status: JobStatus, source: str, ended_at: str | None) -> JobState:
    """The state of such a job."""
    timing = TimingSummary(last=1.1, mean=1.2, p50=1.1, p95=1.5, max=13.0)
    options = {"size": 320, "threshold": 25}
    stage = StageState(version="1.0", options=options, frames=FRAMES, run_ms=timing, finalize=msgspec.Raw(b"null"))
    return JobState(
        job_id=job_id,
        device_requested="auto",
        device_used="cpu",
        fallback=False,
        progress=None if ended_at is None else 100,
        plugin_timings={"motion": 340.1, "faces": 230.0},
        warnings=(),
        status=status,
        stage="queued" if ended_at is None else "finalizing",
        error=None,
        fallback_reason=None,
        created_at=CREATED_AT,
        started_at=ended_at,
        finished_at=ended_at,
        frames_done=FRAMES if ended_at else 0,
        frames_total=FRAMES,
        frames_dropped=0,
        fps=None,
        cancel_ms=None,
        plugins={"motion": stage, "faces": stage},
        source=source,
        options={},
        queue_position=None,
    )


def figures(folder: Path) -> dict[str, float]:
    """What a start and the lists cost on this data folder."""
    with serving(folder) as server:
        at_rest = server.resident_mb()
        begun, cursors = time.perf_counter(), [""]
        while (page := server.ask(f"/v1/jobs?limit=200{cursors[-1]}"))["next_cursor"] is not None:
            cursors.append(f"&cursor={page['next_cursor']}")
        walk_s = time.perf_counter() - begun
        deep = cursors[-2] if len(cursors) > 1 else ""
        found = {
            "start, s": server.start_s,
            "server's memory at rest, MB": at_rest,
            "a page of 50, ms": server.p50_ms("/v1/jobs"),
            "a page of 50, processor, ms": server.processor_ms("/v1/jobs"),
            "the last full page of 50, ms": server.p50_ms(f"/v1/jobs?limit=50{deep}"),
            "the last one, processor, ms": server.processor_ms(f"/v1/jobs?limit=50{deep}"),
            "status=failed, ms": server.p50_ms("/v1/jobs?status=failed"),
            "status=running (none), ms": server.p50_ms("/v1/jobs?status=running"),
            "q=camera-7 motion, ms": server.p50_ms("/v1/jobs?q=camera-7+motion"),
            "q=rare (1 in 5,000), ms": server.p50_ms("/v1/jobs?q=rare"),
            "q=nothing, ms": server.p50_ms("/v1/jobs?q=nothing"),
            "q=nothing, processor, ms": server.processor_ms("/v1/jobs?q=nothing"),
            "id_prefix=ab, ms": server.p50_ms("/v1/jobs?id_prefix=ab"),
            "all pages of 200, s": walk_s,
            "health's details, found anew, ms": server.anew_ms("/v1/health?details=1"),
            "server's memory after that, MB": server.resident_mb(),
        }
        return found | pruned(server)


def pruned(server: Server) -> dict[str, float]:
    """What it costs to delete all jobs: the time, and the waits of another client meanwhile."""
    over, waits = threading.Event(), list[float]()
    watcher = threading.Thread(target=watch, args=(server.port, over, waits))
    watcher.start()
    begun = time.perf_counter()
    told = server.ask("/v1/jobs/prune", {"older_than_s": 0})
    took = time.perf_counter() - begun
    over.set()
    watcher.join()
    ordered = sorted(waits)
    swept = time.perf_counter()
    time.sleep(USAGE_AGE_S)
    while server.ask("/v1/health?details=1")["details"]["coming_free_bytes"]:
        time.sleep(1.0)
    return {
        "all jobs pruned, s": took,
        "jobs a second": told["count"] / took,
        "another client's p50 meanwhile, ms": statistics.median(waits) * 1000,
        "its p99, ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "until the room is given back, at most, s": time.perf_counter() - swept,
    }


def watch(port: int, over: threading.Event, waits: list[float]) -> None:
    """Ask for the list again and again until the prune is over."""
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        while not over.is_set():
            begun = time.perf_counter()
            connection.request("GET", "/v1/jobs?limit=10")
            with connection.getresponse() as response:
                response.read()
            waits.append(time.perf_counter() - begun)
            time.sleep(QUIET_S)


def table(title: str, columns: Sequence[tuple[str, dict[str, float]]]) -> None:
    """Print one row for each figure, one column for each number of jobs."""
    print(f"\n| {title} | " + " | ".join(name for name, _ in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in columns[-1][1]:
        cells = [f"{found[name]:,.2f}" if name in found else "" for _, found in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="*", default=JOBS)
    parser.add_argument("--queued", type=int, nargs="*", default=QUEUED)
    asked = parser.parse_args()
    stored, queued = [], []
    for jobs in asked.jobs:
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder), jobs)
            stored.append((f"{jobs:,}", figures(Path(folder))))
    for jobs in asked.queued:
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder), jobs, "queued")
            with serving(Path(folder)) as server:
                queued.append((f"{jobs:,}", {"start, s": server.start_s, "memory, MB": server.resident_mb()}))
    if stored:
        table("jobs that have ended", stored)
    if queued:
        table("jobs that wait", queued)


if __name__ == "__main__":
    main()
