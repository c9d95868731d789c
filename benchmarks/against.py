"""This tree against an earlier commit, side by side: the cost of a frame, a cancel, a first frame and a message.

Run it with ``python -m benchmarks.against REVISION``. The two take turns, round after round, each in a process of its
own; figures are medians, ratios are taken pair by pair.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.pipeline import make_clip

HERE = Path(__file__).parent
ROUNDS = 7
FRAMES = 1_000


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """The tree of an earlier commit."""
    tree = folder / "earlier"
    subprocess.run(("git", "worktree", "add", "--quiet", "--detach", tree, revision), cwd=HERE, check=True)  # noqa: S607
    try:
        yield tree
    finally:
        subprocess.run(("git", "worktree", "remove", "--force", tree), cwd=HERE, check=True)  # noqa: S607


def measure(tree: Path, media: Path) -> dict[str, float]:
    """One round with the code of a tree."""
    command = (sys.executable, HERE / "against_child.py", media, HERE / "tools.py", HERE / "cancel_tools.py")
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=media, env=environment, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def report(earlier: dict[str, list[float]], now: dict[str, list[float]]) -> None:
    """One line for each figure."""
    print(f"{'':<46} {'before':>9} {'now':>9} {'now / before':>13}")
    for name, before in earlier.items():
        ratios = [b / a for a, b in zip(before, now[name], strict=True)]
        spread = f"[{min(ratios):.2f} … {max(ratios):.2f}]"
        middles = f"{statistics.median(before):9.3f} {statistics.median(now[name]):9.3f}"
        print(f"{name:<46} {middles} {statistics.median(ratios):13.2f} {spread}")


def main() -> None:
    """Run the rounds that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    earlier: dict[str, list[float]] = defaultdict(list)
    now: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name, checked_out(arguments.revision, Path(name)) as tree:
        media = Path(name) / "media"
        media.mkdir()
        make_clip(media / "clip.mp4", FRAMES, 320, 180)
        for _ in range(arguments.rounds):
            for figures, root in ((earlier, tree), (now, HERE.parent)):
                for figure, value in measure(root, media).items():
                    figures[figure].append(value)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, median of {arguments.rounds} rounds")
    report(earlier, now)


if __name__ == "__main__":
    main()
