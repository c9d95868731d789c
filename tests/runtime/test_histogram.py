"""The histogram of durations."""

from __future__ import annotations

import math

import pytest

from kinora.runtime.histogram import SECONDS, Histogram


def test_each_duration_counts_in_its_bucket_and_all_above() -> None:
    """A bound belongs to its bucket, and what exceeds all bounds counts at the end only."""
    histogram = Histogram()
    for seconds in (0.0, SECONDS[0], 0.3, SECONDS[-1] + 1):
        histogram.add(seconds)
    counts = dict(zip((*SECONDS, "+Inf"), histogram.cumulative(), strict=True))
    assert [counts[bound] for bound in (0.0005, 0.25, 0.5, 10.0, "+Inf")] == [2, 2, 3, 3, 4]
    assert (histogram.count, histogram.sum) == (4, 0.0005 + 0.3 + 11)


@pytest.mark.parametrize("claimed", [math.nan, math.inf, -1.0])
def test_what_is_no_duration_counts_as_none(claimed: float) -> None:
    """The sum stays a number, whatever a plugin's process claims."""
    histogram = Histogram()
    histogram.add(claimed)
    assert (histogram.sum, histogram.cumulative()[0]) == (0.0, 1)


def test_one_can_include_another() -> None:
    """The sum of two has the durations of both, and the other one is left as it was."""
    one, other = Histogram(), Histogram()
    one.add(0.2)
    other.add(0.02)
    one.include(other)
    assert (one.count, round(one.sum, 6), other.count) == (2, 0.22, 1)
    assert one.cumulative()[SECONDS.index(0.025)] == 1
