"""The times of pushed pictures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kinora.actors.sources.push_times import MAX_US, PushTimes

SECOND = 1_000_000


def test_a_senders_clock_counts_from_the_arrival_of_its_first_picture() -> None:
    """That of the next sender too, which comes later."""
    times = PushTimes()
    assert [times.place(given_us, now_us) for given_us, now_us in ((7, 50), (17, 90), (8, 95), (10, 99))] == [
        *(50, 60),  # by its clock
        *(60, 62),  # set back: it goes on
    ]
    times.begin_anew()
    assert times.place(10**15, 5 * SECOND) == 5 * SECOND
    times.begin_anew()
    assert times.place(None, 6 * SECOND) == 6 * SECOND


@given(st.lists(st.tuples(st.none() | st.integers(0, 2**64 - 1), st.booleans())))
def test_time_never_falls(pictures: list[tuple[int | None, bool]]) -> None:
    """Whatever clocks say; and it stays within its bounds."""
    times, placed = PushTimes(), [0]
    for now_us, (given_us, anew) in enumerate(pictures):
        if anew:
            times.begin_anew()
        placed.append(times.place(given_us, now_us))
    assert placed == sorted(placed)
    assert placed[-1] <= MAX_US
