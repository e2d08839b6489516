"""Instructions whose result depends on whole rows: statistics, and searches led by the data.

Every function takes and gives arrays with one row per partition.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dialects.trn.limits import SEARCH_RESULTS

Rows = NDArray[Any]


def statistics(data: Rows) -> Rows:
    """Count, mean and count × variance of the even elements of each row, then of the odd ones.

    An empty half has the count 0 and zeros.
    """
    halves = [_half_statistics(data[:, start::2].astype(np.float64)) for start in (0, 1)]
    return np.concatenate(halves, axis=1).astype(np.float32)


def _half_statistics(data: Rows) -> Rows:
    count = data.shape[1]
    if count == 0:
        return np.zeros((data.shape[0], 3))
    mean = data.mean(axis=1)
    deviations = ((data - mean[:, None]) ** 2).sum(axis=1)
    return np.stack([np.full_like(mean, count), mean, deviations], axis=1)


def aggregate(triples: Rows) -> Rows:
    """Mean and variance of all elements behind triples of count, mean, and count × variance."""
    counts, means, deviations = (triples[:, part::3].astype(np.float64) for part in range(3))
    total = counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (counts * means).sum(axis=1) / total
        between = (counts * (means - mean[:, None]) ** 2).sum(axis=1)
        variance = (deviations.sum(axis=1) + between) / total
    return np.stack([mean, variance], axis=1).astype(np.float32)


def largest(data: Rows, count: int) -> tuple[Rows, Rows]:
    """The largest elements of each row in descending order, and their positions."""
    order = np.argsort(-data.astype(np.float64), axis=1, kind="stable")[:, :count]
    return np.take_along_axis(data, order, axis=1), order


def find(data: Rows, values: Rows, missing: int) -> Rows:
    """Positions of 8 values in each row: the k-th occurrence where a value is given k times."""
    found = np.full((data.shape[0], SEARCH_RESULTS), missing, np.int64)
    for row in range(data.shape[0]):
        taken: set[int] = set()
        for column, value in enumerate(values[row]):
            places = (int(place) for place in np.flatnonzero(data[row] == value))
            place = next((place for place in places if place not in taken), None)
            if place is not None:
                taken.add(place)
                found[row, column] = place
    return found


def replace(data: Rows, values: Rows, replacement: float) -> Rows:
    """The rows with what ``find`` finds replaced by a number."""
    result = data.copy()
    places = find(data, values, -1)
    for row, columns in enumerate(places):
        result[row, columns[columns >= 0]] = replacement
    return result


def runs(data: Rows) -> Rows:
    """Start and end of the run of equal elements around each, first all starts, then all ends.

    Elements that are 0 are padding: they get the row's length and -1.
    """
    count = data.shape[1]
    starts = np.full(data.shape, count, np.int64)
    ends = np.full(data.shape, -1, np.int64)
    for row in range(data.shape[0]):
        changes = np.flatnonzero(np.diff(data[row])) + 1
        bounds = [0, *changes.tolist(), count]
        for start, end in pairwise(bounds):
            if start < end and data[row, start] != 0:
                starts[row, start:end], ends[row, start:end] = start, end
    return np.concatenate([starts, ends], axis=1)
