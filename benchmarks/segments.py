"""A file cut into segments against the same file uncut: a job that is bound by its decoders, 1920x1080 in H.264.

Run it with ``python -m benchmarks.segments``; both are measured one after the other, round after round, in one run,
with what users get by default. FFmpeg decodes several frames at once by itself, so that an uncut job is not bound to
one core: the processor time of a frame says what the cores could give at most.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import attrs
import av
import numpy as np
import trio

from benchmarks import segments_tools
from benchmarks.pipeline import ratios, row
from kinora.actors.requests.job_request import parse_job_request
from kinora.runtime.linux.processes import stat_fields
from kinora.settings import Settings
from kinora.system import System, open_system

WIDTH, HEIGHT = 1920, 1080
FPS = 25
FRAMES = 600
ROUNDS = 4
LEAST_TIMES = 1.7
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
UTIME, OTHERS = 11, 4
"""The place of utime in stat_fields; stime, cutime and cstime follow."""


@attrs.frozen
class Measured:
    """One job."""

    fps: float
    """Frames per second while they flow."""
    cpu_ms: float
    """Processor time of all its processes and of the server, in milliseconds per frame."""


def make_film(path: Path, frames: int) -> Path:
    """A film with texture and movement, a key frame each second and B-frames."""
    noise = np.random.default_rng(1).integers(60, 120, (HEIGHT // 8, WIDTH // 8), np.uint8)
    texture = noise.repeat(8, 0).repeat(8, 1)
    options = {"preset": "veryfast", "crf": "26", "g": str(FPS), "bf": "2", "sc_threshold": "0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.thread_type = "FRAME"  # one slice a frame, as most files are
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        for index in range(frames):
            planes[:HEIGHT] = np.roll(texture, (index * 3, index * 5), (0, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def cpu_s(system: System) -> float:
    """The processor time of this process and of all workers that have ended."""
    pid = system.fork_server.statistics().pid
    assert pid is not None
    workers = sum(map(int, stat_fields(pid)[UTIME : UTIME + OTHERS])) / TICKS_PER_S
    own = resource.getrusage(resource.RUSAGE_SELF)
    return workers + own.ru_utime + own.ru_stime


async def measure(system: System, film: Path, segments: int) -> Measured:
    """Run a job to its end."""
    before = cpu_s(system)
    request = {"source": film.name, "plugins": ["trivial"], "options": {"segments": segments}}
    state = (await system.jobs.submit(parse_job_request(request))).state
    while not state.ended:
        state = await system.jobs.wait_changed(state.job_id, state)
    assert (state.status, state.warnings) == ("done", ()), (state.error, state.warnings)
    return Measured(state.fps or 0.0, (cpu_s(system) - before) * 1000 / state.frames_done)


def report(figures: dict[int, list[Measured]], frames: int) -> None:
    """The figures, the aim, and what the cores could give."""
    cores = len(os.sched_getaffinity(0))
    rounds = len(figures[1])
    print(f"{WIDTH}x{HEIGHT}, {frames} frames, {cores} cores, load {os.getloadavg()[0]:.1f}, {rounds} rounds")
    for segments, measured in figures.items():
        name = "uncut" if segments == 1 else f"in segments, {segments} pipelines"
        row(name, [one.fps for one in measured], "frames/s")
        row(f"{name}: processor time of a frame", [one.cpu_ms for one in measured], "ms")
        row(f"{name}: cores at work", [one.fps * one.cpu_ms / 1000 for one in measured], "cores")
    uncut, cut = ([one.fps for one in figures[segments]] for segments in (1, cores))
    paired = ratios(cut, uncut)
    met = "met" if statistics.median(paired) >= LEAST_TIMES else "missed"
    row(f"in segments / uncut   (aim {LEAST_TIMES}: {met})", paired, "times")
    most = [cores * 1000 / (one.fps * one.cpu_ms) for one in figures[1]]
    row("the most that all cores could give / uncut", most, "times")


async def run(folder: Path, rounds: int, frames: int) -> None:
    """All rounds, on one server; the first job of each kind does not count."""
    film = make_film(folder / "film.mp4", frames)
    plugins = (Path(segments_tools.__file__),)
    settings = Settings(data_dir=folder / "data", media_dir=folder, plugin_files=plugins, min_free_bytes=0)
    figures: dict[int, list[Measured]] = defaultdict(list)
    kinds = (1, len(os.sched_getaffinity(0)))
    async with open_system(settings) as system:
        for segments in kinds:
            await measure(system, film, segments)
        for _ in range(rounds):
            for segments in kinds:
                figures[segments].append(await measure(system, film, segments))
    report(figures, frames)


def main() -> None:
    """Run the rounds that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--frames", type=int, default=FRAMES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(run, Path(folder), arguments.rounds, arguments.frames)


if __name__ == "__main__":
    main()
