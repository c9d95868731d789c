"""Prints the table of docs/tracking.md."""

from __future__ import annotations

from benchmarks.tracking.before import Before
from benchmarks.tracking.bytetrack import ByteTrack
from benchmarks.tracking.scenes import SCENES
from benchmarks.tracking.scores import SEEDS, Score, kinora, score, stepwise

TRACKERS = {"Kinora": kinora, "ByteTrack": stepwise(ByteTrack), "before": stepwise(Before)}


def main() -> None:
    """Score each tracker on each scene."""
    print("| scene | " + " | ".join(f"{name}: MOTA | IDF1 | switches" for name in TRACKERS) + " | |")
    print("|---|" + "--:|--:|--:|" * len(TRACKERS) + "---|")
    for scene in SCENES:
        scores = [score(scene, run) for run in TRACKERS.values()]
        cells = [f"{s.mota:.3f} | {s.idf1:.3f} | {s.switches}" for s in scores]
        print(f"| {scene.name} | {' | '.join(cells)} | {verdict(*scores)} |")
    print(f"\n{len(SEEDS)} runs of each scene, each with another seed.")


def verdict(own: Score, *others: Score) -> str:
    """Met if no other tracker is better by more than a hundredth in either measure."""
    behind = any(other.mota > own.mota + 0.01 or other.idf1 > own.idf1 + 0.01 for other in others)
    return "missed" if behind else "met"


if __name__ == "__main__":
    main()
