"""The best pairs of a table, beside all ways to pair it."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kinora.plugins.builtin.assignment import MAX_OPTIMAL, Table, best_pairs

LEAST = -1.0
WORTH = st.sampled_from([-np.inf, -2.0, -1.0, -0.5, 0.0, 0.25, 1.0]) | st.floats(-3, 3)
SHAPES = st.tuples(st.integers(0, 4), st.integers(0, 4))


def total(worth: Table, pairs: list[tuple[int, int]]) -> float:
    """What the pairs are worth."""
    return sum(float(worth[pair]) - LEAST for pair in pairs)


def best_total(worth: Table) -> float:
    """The most that any pairing is worth, by trying all."""
    rows, columns = worth.shape
    padded = np.full((rows, columns + rows), LEAST)
    padded[:, :columns] = np.maximum(worth, LEAST)
    ways = permutations(range(columns + rows), rows)
    return max(sum(float(padded[row, column]) - LEAST for row, column in enumerate(way)) for way in ways)


@settings(max_examples=60)
@given(SHAPES.flatmap(lambda shape: arrays.arrays(np.float64, shape, elements=WORTH)))
def test_no_pairing_is_worth_more(worth: Table) -> None:
    """Each row and column is paired once at most, never for too little, and the sum is the largest."""
    pairs = best_pairs(worth, LEAST)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(worth[pair] >= LEAST for pair in pairs)
    assert abs(total(worth, pairs) - best_total(worth)) < 1e-6


def test_a_large_dispute_is_settled_by_the_best_pair_first() -> None:
    """Beyond the limit it is fast, and still pairs all that can be paired."""
    worth = np.random.default_rng(0).random((2 * MAX_OPTIMAL, 3 * MAX_OPTIMAL))
    pairs = best_pairs(worth, 0.0)
    assert len(pairs) == 2 * MAX_OPTIMAL
    assert max(float(worth[pair]) for pair in pairs) == worth.max()
