"""Pairs rows and columns of a table so that the sum of what the pairs are worth is largest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_OPTIMAL = 100
"""Rows or columns in dispute up to which the best sum is found, in cubic time; beyond it the best pair goes first."""
Table = NDArray[np.float64]


def best_pairs(worth: Table, least: float) -> list[tuple[int, int]]:
    """Row and column of each pair; every row and every column is in one pair at most.

    A pair is worth what the table says less ``least``, and one that is worth less than that is not made.
    """
    possible = worth >= least
    alone = possible & (possible.sum(axis=0) == 1) & (possible.sum(axis=1, keepdims=True) == 1)
    rows, columns = (np.flatnonzero((possible & ~alone).any(axis=axis)) for axis in (1, 0))
    disputed = worth[np.ix_(rows, columns)]
    solve = _best_sum if max(disputed.shape) <= MAX_OPTIMAL else _best_first
    settled = [(int(rows[row]), int(columns[column])) for row, column in solve(disputed, least)]
    return [(int(row), int(column)) for row, column in np.argwhere(alone)] + settled


def _best_first(worth: Table, least: float) -> list[tuple[int, int]]:
    """The best pair, then the best of what is left, and so on."""
    left, pairs = worth.copy(), []
    while left.max() >= least:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        pairs.append((int(row), int(column)))
        left[row, :] = left[:, column] = -np.inf
    return pairs


def _best_sum(worth: Table, least: float) -> list[tuple[int, int]]:
    """By the Hungarian method."""
    if worth.shape[0] > worth.shape[1]:
        return [(row, column) for column, row in _best_sum(worth.T, least)]
    columns = _cheapest_columns(np.where(worth >= least, least - worth, 0.0))  # no pair is what costs nothing
    return [(row, column) for row, column in enumerate(columns) if worth[row, column] >= least]


def _cheapest_columns(cost: Table) -> list[int]:
    """A column for each row, all different, at the least sum of costs; there are not more rows than columns.

    Shortest augmenting paths (Jonker and Volgenant, 1987): each row takes a column at the end of the cheapest chain of
    rows that move to another column, priced by ``of_rows`` and ``of_columns``, the duals of the problem.
    """
    rows, columns = cost.shape
    of_rows, of_columns = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1)
    for row in range(rows):
        price, before = np.full(columns, np.inf), np.full(columns, -1)
        reached = np.zeros(columns, dtype=bool)
        last, moving, paid = -1, row, 0.0
        while True:
            offer = paid + cost[moving] - of_rows[moving] - of_columns
            better = ~reached & (offer < price)
            price[better], before[better] = offer[better], last
            last = int(np.where(reached, np.inf, price).argmin())
            paid = float(price[last])
            if owner[last] < 0:
                break
            reached[last], moving = True, owner[last]
        of_rows[row] += paid
        of_rows[owner[reached]] += paid - price[reached]
        of_columns[reached] -= paid - price[reached]
        while last >= 0:
            owner[last], last = owner[before[last]] if before[last] >= 0 else row, int(before[last])
    return [int(np.flatnonzero(owner == row)[0]) for row in range(rows)]
