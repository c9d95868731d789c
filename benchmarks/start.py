"""Measures how long ``kinora run`` of one picture takes, from the shell to the result, and where the time goes.

Run it with ``python -m benchmarks.start``. In turns with it run other commands, and a Python that only imports OpenCV
and reads the picture, which is the limit of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

ROUNDS = 9
AIM_S = 1.0
PLUGIN = "motion"
LAST = "the end of the process"
LIMIT = "import cv2, numpy, sys; cv2.imread(sys.argv[1])"


def timed(command: Sequence[str]) -> tuple[float, float]:
    """When a command was started and when it had ended, which must be well."""
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return begun, time.monotonic()


def taken(command: Sequence[str]) -> float:
    """The seconds that a command takes."""
    begun, ended = timed(command)
    return ended - begun


def phases(folder: Path, picture: Path) -> dict[str, float]:
    """The seconds of each phase of one run."""
    file = folder / "ends.json"
    begun, ended = timed([sys.executable, "-m", "benchmarks.start_child", str(file), *run_of(picture)])
    ends: dict[str, float] = {**json.loads(file.read_text(encoding="utf-8")), LAST: ended}
    return {phase: end - last for (phase, end), last in zip(ends.items(), [begun, *ends.values()], strict=False)}


def run_of(picture: Path) -> list[str]:
    """The arguments of ``kinora``."""
    return ["run", str(picture), "-p", PLUGIN]


def shown(times: Sequence[float]) -> str:
    """The median with the smallest and the largest, in milliseconds."""
    median, low, high = (round(1000 * value) for value in (statistics.median(times), min(times), max(times)))
    return f"{median:,} ms [{low:,} … {high:,}]"


def measure(folder: Path, rounds: int) -> tuple[Mapping[str, list[float]], Mapping[str, list[float]]]:
    """The times of whole commands, and of the phases of a run, of each round."""
    picture = folder / "picture.jpg"
    cv2.imwrite(str(picture), np.random.default_rng(1).integers(0, 256, (720, 1280, 3), dtype=np.uint8))
    kinora = [sys.executable, "-m", "kinora"]
    commands = {
        "kinora run": [*kinora, *run_of(picture)],
        "the limit: python -c 'import cv2, numpy', and imread": [sys.executable, "-c", LIMIT, str(picture)],
        "kinora --help": [*kinora, "--help"],
        "kinora jobs --help": [*kinora, "jobs", "--help"],
        "kinora serve --help": [*kinora, "serve", "--help"],
    }
    whole: dict[str, list[float]] = {name: [] for name in commands}
    parts: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        times = {name: taken(command) for name, command in commands.items()}
        found = phases(folder, picture)
        if number:  # the first round reads everything from the disk
            for name, seconds in times.items():
                whole[name].append(seconds)
            for phase, seconds in found.items():
                parts.setdefault(phase, []).append(seconds)
    return whole, parts


def main(rounds: int) -> None:
    """Print both tables."""
    print(f"load before: {os.getloadavg()[0]:.1f}; {rounds} rounds, medians; 1280x720, {PLUGIN}\n")
    with tempfile.TemporaryDirectory(prefix="benchmark-start-") as folder:
        whole, parts = measure(Path(folder), rounds)
    print("| of a run | |\n|---|---|")
    for phase, times in parts.items():
        print(f"| {phase} | {shown(times)} |")
    print("\n| from the shell to the end | | |\n|---|---|---|")
    for name, times in whole.items():
        met = "met" if statistics.median(times) <= AIM_S else "missed"
        print(f"| {name} | {shown(times)} | {f'aim {AIM_S:.0f} s: {met}' if name == 'kinora run' else ''} |")
    print(f"\nload after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    main(parser.parse_args().rounds)
