"""The line of the jobs that wait for a place."""

from __future__ import annotations

from kinora.actors.jobs.line import Line


def served(line: Line, queued: list[str], times: int) -> list[str]:
    """Who gets so many places, one after the other."""
    taken = []
    for _ in range(times):
        first = line.order(queued)[0]
        line.note_taken(first)
        if first in queued:
            queued.remove(first)
        taken.append(first)
    return taken


def test_a_job_that_is_to_go_on_waits_for_the_first_of_the_queue_only() -> None:
    """The next one of the queue waits for it, and for those that came meanwhile."""
    line = Line()
    assert line.order(["a", "b", "c"]) == ["a", "b", "c"]
    line.join("x")
    line.join("y")
    line.join("x")
    assert line.order(["a", "b", "c"]) == ["a", "x", "y", "b", "c"]
    queued = ["a", "b", "c"]
    assert served(line, queued, 1) == ["a"]
    line.join("z")
    assert served(line, queued, 5) == ["x", "y", "b", "z", "c"]


def test_a_queue_that_was_empty_begins_behind_those_who_wait() -> None:
    """They came first."""
    line = Line()
    line.join("x")
    assert line.order([]) == ["x"]
    assert line.order(["a", "b"]) == ["x", "a", "b"]
    line.join("y")
    assert line.order(["a", "b"]) == ["x", "a", "y", "b"]


def test_one_that_leaves_moves_nobody_back() -> None:
    """Wherever it stood."""
    line = Line()
    for job in "xyz":
        line.join(job)
    line.order([])
    line.join("w")
    line.leave("y")
    line.leave("nobody")
    assert line.order(["a", "b"]) == ["x", "z", "a", "w", "b"]
    line.leave("w")
    assert line.order(["a", "b"]) == ["x", "z", "a", "b"]
