"""Rows and columns of a position: of ``r * n + c``, ``/ n`` gives ``r`` and ``% n`` gives ``c``."""

from __future__ import annotations

from .bounds import extreme
from .named import surely_nonnegative
from .polynomial import Polynomial


def digit(operator: str, position: Polynomial, length: Polynomial) -> Polynomial | None:
    """Return ``position / length`` or ``position % length``, for rows of one parameter each.

    ``None`` if the ranges of the loops do not show where the rows begin.
    """
    if len(length.terms) != 1:
        return None
    ((monomial, coefficient),) = length.terms.items()
    if coefficient != 1 or len(monomial) != 1 or monomial[0].loop_range is not None:
        return None
    row = position.coefficient_of(monomial[0])
    if row is None or any(monomial[0] in term for term in row.terms):
        return None
    column = position - row * length
    low, high = extreme(column, largest=False), extreme(column, largest=True)
    first_row = extreme(row, largest=False)
    if low is None or high is None or first_row is None:
        return None
    room = length - Polynomial.constant(1) - high.value
    if not all(map(surely_nonnegative, (low.value, room, first_row.value))):
        return None
    return row if operator == "/" else column
