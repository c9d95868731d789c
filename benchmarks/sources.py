"""Measures the cost of a URL as a source, and the gain of entering a video in the middle: side by side, in rounds.

    python -m benchmarks.sources [video.mp4] [--rounds 5]        # the bundled clip if none is named

The server of the URL runs on this machine, in a thread of this process: a network only adds to it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from kinora.media.programs import demo_clip
from kinora.media.programs.still import read_picture
from kinora.media.sources import SourceLimits, open_source
from tests.media_server import media_server


def read_all(location: str, limits: SourceLimits) -> int:
    """Decode and convert every picture, and return their number."""
    with open_source(location, limits=limits) as source:
        pixels: NDArray[np.uint8] = np.empty((source.info.height, source.info.width, 3), np.uint8)
        count = 0
        for picture in source.frames():
            picture.write_to(pixels)
            count += 1
    return count


def read_up_to(location: str, index: int, limits: SourceLimits) -> None:
    """Read a picture without entering the file in the middle: decode all before it."""
    with open_source(location, limits=limits) as source:
        for picture in source.frames():
            if picture.index == index:
                return


def timed(work: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def shown(values: list[float], unit: str) -> str:
    """The median, with the smallest and largest."""
    return f"{median(values):,.0f}{unit} [{min(values):,.0f} … {max(values):,.0f}]"


def measure(video: Path, rounds: int) -> None:
    """Print the table."""
    with media_server(video.parent) as server:
        limits = SourceLimits(url_hosts=(server.host,))
        places = {"file": str(video), "URL": server.url(video.name)}
        frames = read_all(places["file"], limits)
        pace: dict[str, list[float]] = {name: [] for name in places}
        middle: dict[str, list[float]] = {name: [] for name in (*places, "decoding all before it")}
        for _ in range(rounds):
            for name, location in places.items():
                pace[name].append(frames / timed(partial(read_all, location, limits)))
                middle[name].append(1000 * timed(partial(read_picture, location, frames - 1, limits)))
            middle["decoding all before it"].append(
                1000 * timed(partial(read_up_to, places["file"], frames - 1, limits))
            )
    print(f"{video.name}, {frames} frames\n")
    print("| | from a file | from a URL |\n|---|---|---|")
    print(f"| decode and convert, frames/s | {shown(pace['file'], '')} | {shown(pace['URL'], '')} |")
    print(f"| the last picture | {shown(middle['file'], ' ms')} | {shown(middle['URL'], ' ms')} |")
    print(f"| the last picture, decoding all before it | {shown(middle['decoding all before it'], ' ms')} | |")
    print(f"\nURL / file: {median(pace['URL']) / median(pace['file']):.2f} of the pace")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure((arguments.video or demo_clip.ensure(Path(folder))).resolve(), arguments.rounds)


if __name__ == "__main__":
    main()
