"""Sums as linked lists of summands that the columns of a row share (compiled)."""

from __future__ import annotations

from typing import Any

from ..compiled import inner
from .cells import chain_of, sum_cell, tag_of
from .state import COPY, EMPTY_SUM, NO_SUM, SUM_TAG, ZERO, ZERO_MATRIX, ZERO_ROW

Record = Any


@inner
def add_summand(
    unit: Record, nodes: Record, target: Any, columns: int, row: int, matrix: int, keep: bool
) -> int:
    """Put a summand into the first ``columns`` sums of ``target``, on top of them if ``keep``.

    Neighbours with the same previous sum share the new one. Returns the column of a kept sum that
    was never written, −1 if there is none.
    """
    is_nothing = row == ZERO_ROW or matrix == ZERO_MATRIX
    last_previous, last_number = NO_SUM, EMPTY_SUM
    for column in range(columns):
        previous = target[column] if keep else EMPTY_SUM
        if previous == NO_SUM:
            return column
        if is_nothing:
            target[column] = previous
            continue
        if previous != last_previous:
            last_previous = previous
            last_number = unit.node_count
            unit.node_count = last_number + 1
            nodes[last_number].previous = previous
            nodes[last_number].row = row
            nodes[last_number].matrix = matrix
            nodes[last_number].command = unit.command
        target[column] = last_number
    return -1


@inner
def add_cells(unit: Record, nodes: Record, target: Any, columns: int, row: int, keep: bool) -> int:
    """``add_summand`` of the cells of an interned row."""
    return add_summand(unit, nodes, target, columns, row, COPY, keep)


@inner
def cell_of_sum(nodes: Record, rows: Any, column: int, head: int) -> int:
    """The cell that is column ``column`` of a sum.

    A sum of nothing but one transformed sum is that sum, so that transforms form one chain.
    """
    if head == EMPTY_SUM:
        return ZERO
    if nodes[head].matrix == COPY and nodes[head].previous == EMPTY_SUM:
        inner_cell = rows[nodes[head].row, column]
        if tag_of(inner_cell) == SUM_TAG and chain_of(inner_cell) != 0:
            return inner_cell
    return sum_cell(column, head)
