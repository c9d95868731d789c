"""The turns of what work in a thread hands over."""

from __future__ import annotations

from kinora.python.turns import Turns


def test_the_thread_of_the_work_may_close_it() -> None:
    """As Python does that finds a forgotten run to be garbage while that thread runs: the work ends in order."""
    ended: list[str] = []

    async def work(turns: Turns[int]) -> None:
        turns.close()
        await turns.stopping.wait()
        ended.append("in order")

    assert Turns(work).next() is None
    assert ended == ["in order"]
