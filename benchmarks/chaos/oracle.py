"""What must be true in the end, as functions over what was recorded; each gives the violations, one line each."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from benchmarks.chaos.book import Book, Order
from benchmarks.chaos.final import COUNT, DIGEST, Final

LOSS_CODES = frozenset({"PLUGIN_CRASH"})
"""The warnings that account for one result each."""
KEPT = frozenset({"kinora.db", "kinora.db-wal", "kinora.db-shm", "lock", "clips", "uploads", "reserve"})
"""What may be in the data folder."""


def judge_job(job: Final, truth: Sequence[str]) -> Iterator[str]:
    """Compare a job with an undisturbed run, whose digests are ``truth``."""
    state = job.state
    if state["status"] != "done":
        yield f"{job}: {state['status']} ({state['stage']}): {state['error']}, expected done"
        return
    yield from _judge_figures(job, len(truth))
    yield from _judge_digests(job, truth)
    yield from _judge_counts(job)
    for plugin in (DIGEST, COUNT):
        if (lost := job.lost(plugin)) > (warned := job.warned(*LOSS_CODES, plugin=plugin)):
            yield f"{job}: {lost} frames lack the result of {plugin}, expected at most the {warned} warned of"
        if unfounded := job.warned("PLUGIN_TIMEOUT", "PLUGIN_MEMORY", "PLUGIN_DISABLED", plugin=plugin):
            yield f"{job}: {unfounded} warnings that {plugin} was slow, large or disabled, expected none"


def _judge_figures(job: Final, expected: int) -> Iterator[str]:
    """Progress, counts and indexes."""
    state, indexes = job.state, [frame["index"] for frame in job.frames]
    figures = (state["frames_done"], state["frames_total"], len(indexes))
    if set(figures) != {len(indexes)} or state["progress"] != 100:
        yield f"{job}: frames_done, frames_total and served are {figures} at {state['progress']} %, expected the same"
    if indexes != list(range(len(indexes))):
        yield f"{job}: its {len(indexes)} frames have gaps or repeats, expected each index once and in order"
    if len(indexes) != expected:
        warned = job.warned("SOURCE_TRUNCATED", "SOURCE_LOST")
        yield f"{job}: {len(indexes)} frames ({warned} warnings about the source), expected {expected}"


def _judge_digests(job: Final, truth: Sequence[str]) -> Iterator[str]:
    results = job.results(DIGEST).items()
    wrong = [index for index, result in results if index >= len(truth) or result["sha1"] != truth[index]]
    if wrong:
        yield f"{job}: {len(wrong)} digests differ from an undisturbed run's, from frame {wrong[0]} on, expected none"


def _judge_counts(job: Final) -> Iterator[str]:
    """The counter begins anew only where a STATE_LOST warning says so."""
    results = sorted(job.results(COUNT).items())
    anew = sum(result["seen"] == 1 for index, result in results if index > 0)
    if anew > (warned := job.warned("STATE_LOST", plugin=COUNT)):
        yield f"{job}: {COUNT} began anew {anew} times, expected the {warned} that STATE_LOST warnings tell of"
    for (index, result), (later, next_result) in pairwise(results):
        if next_result["seen"] not in {1, result["seen"] + later - index}:
            yield f"{job}: {COUNT} says {next_result['seen']} at frame {later} after {result['seen']} at {index}"
            return


def judge_orders(book: Book, jobs: Sequence[Final]) -> Iterator[str]:
    """Each acknowledged job is there, and each key has one job."""
    there = {job.job_id for job in jobs}
    for order in book.orders:
        for job_id in order.job_ids - there:
            yield f"job {job_id} ({order.label}, {order.source}): gone, expected what was acknowledged"
    labels = Counter(job.label for job in jobs)
    for order in book.orders:
        if labels[order.label] > 1 or len(order.job_ids) > 1:
            yield f"{_named(order)}: {labels[order.label]} jobs, {len(order.job_ids)} acknowledged, expected one"


def _named(order: Order) -> str:
    return f"{order.label} with {'the key ' + order.key if order.key else 'no key'}"


def judge_feed(book: Book) -> Iterator[str]:
    """In each life of the server a job ends once on the feed, and once more each time that it was taken up."""
    for (life, job_id), count in book.completes.items():
        if count > 1 + book.resumed[job_id]:
            yield f"job {job_id}: {count} complete messages in life {life} of the feed, expected 1"


def judge_data_folder(data: Path) -> Iterator[str]:
    """The folder of a server that has ended has nothing that no job names, and its database is whole."""
    with closing(sqlite3.connect(data / "kinora.db")) as database:
        (answer,) = database.execute("PRAGMA integrity_check").fetchone()
        rows = database.execute("SELECT upload FROM jobs WHERE upload IS NOT NULL").fetchall()
    if answer != "ok":
        yield f"the database: {answer}, expected integrity"
    for path in sorted(data.iterdir()):
        if path.name not in KEPT:
            yield f"{path.name} is in the data folder, expected nothing that no job names"
    for path in sorted(data.glob("clips/*")):
        yield f"clips/{path.name} is left, expected none of jobs without clips"
    named, there = {Path(upload).name for (upload,) in rows}, {path.name for path in (data / "uploads").iterdir()}
    for name in sorted(there ^ named):
        wrong = "is named by no job" if name in there else "is gone, though a job names it"
        yield f"uploads/{name} {wrong}, expected the uploads of jobs"


def judge_temporary(folder: Path) -> Iterator[str]:
    """Nothing is left in the temporary directory."""
    for path in sorted(folder.iterdir()):
        yield f"{path.name} is left in the temporary directory, expected nothing"
