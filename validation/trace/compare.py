"""Do the output cells hold exactly the specified terms? (compiled)

Outputs are compared in *groups*: neighbours in the last dimension that are neighbouring columns of
one sum. The terms of a group are walked once, each is looked up, and the look-up is verified for
every member: right elements, constraints satisfied, no term twice, none missing. What is not
verified here is not thereby wrong: ``difference`` then decides, element by element.

What a pooling store leaves is the greatest of some *candidates*; any other cell is its own only
candidate. Each value of the source is looked for among them, and those that were found are noted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..compiled import entry, inner, source_digest
from . import cell_form
from .cells import chain_of, column_of, element_of, head_of, tag_of
from .state import (
    CHAIN_LIMIT,
    CHAIN_SHIFT,
    COLUMN_SHIFT,
    COPY,
    ELEMENT_TAG,
    POOL_TAG,
    SUM_TAG,
    ZERO,
    ZERO_ROW,
    Machine,
)
from .term_table import TermTable

Numbers: TypeAlias = Any
"""Arrays and their records, as compiled code sees them."""

STACK = 4096
"""Nested sums that a group may have open at once; more are left to ``difference``."""


_sum_bound = inner(cell_form.sum_bound)


WALK = np.dtype(
    [(name, np.int64) for name in ("met", "depth", "column", "count", "stamp")], align=True
)
"""The group that is walked: terms met, open sums, first column, members, and its mark."""


class Scratch(NamedTuple):
    """Room to work in."""

    at: Numbers  # [rank] the point of a value
    base: Numbers  # [families, 2] what they add to element numbers
    marks: Numbers  # [codes] the group in which a term was last met
    stack: Numbers  # [STACK, 2] sums to open and their columns
    walk: Numbers  # one WALK record
    clip_limit: Numbers  # per chain: magnitudes up to which it changes nothing, −1 if none
    seen: Numbers  # per chain of transforms: whether it was met; last, whether zeros were


def new_scratch(table: TermTable, clip_limit: NDArray[np.float64]) -> Scratch:
    """Scratch for one value, which can be used on.

    ``clip_limit`` says for each chain of transforms up to which magnitude it changes nothing.
    """
    return Scratch(
        np.zeros(len(table.extents), np.int64),
        np.zeros((len(table.operands), 2), np.int64),
        np.full(len(table.family), -1, np.int64),
        np.zeros((STACK, 2), np.int64),
        np.zeros(1, WALK),
        clip_limit,
        np.zeros(CHAIN_LIMIT + 1, np.bool_),
    )


@inner
def _is_plain(cell: int) -> bool:
    """Whether a cell is an input element, unchanged."""
    return tag_of(cell) == ELEMENT_TAG and chain_of(cell) == 0


@inner
def _are_elements(cells: Numbers, column: int, count: int, base: int, step: int) -> bool:
    """Whether cells from ``column`` on are the input elements ``base``, ``base + step``, …"""
    first = cells[column] >> CHAIN_SHIFT
    for member in range(count):
        cell = cells[column + member]
        if cell >> CHAIN_SHIFT != first or element_of(cell) != base + member * step:
            return False
    return True


@inner
def _are_columns(cells: Numbers, column: int, count: int) -> bool:
    """Whether cells from ``column`` on are neighbouring columns of the same sum."""
    for member in range(count):
        if cells[column + member] != cells[column] + (member << COLUMN_SHIFT):
            return False
    return True


@inner
def _are_zero(cells: Numbers, column: int, count: int) -> bool:
    zeros = 0
    for member in range(count):
        zeros += cells[column + member] == ZERO
    return zeros == count


@inner
def _satisfied(table: TermTable, code: int, at: Numbers) -> bool:
    """Whether the output element ``at`` has the term ``code``."""
    family = table.family[code]
    first = table.constraint_first[family]
    for number in range(first, table.constraint_first[family + 1]):
        value = table.constraint_value[code, number - first]
        for place in range(len(at)):
            value += table.constraint_factor[number, place] * at[place]
        if value < 0 or (table.constraint_is_equality[number] and value != 0):
            return False
    return True


@inner
def count_terms(table: TermTable, at: Numbers) -> int:
    """How many terms the output element ``at`` has."""
    count = 0
    for family in range(len(table.operands)):
        first, last = table.first_code[family], table.first_code[family + 1]
        if table.constraint_first[family] == table.constraint_first[family + 1]:
            count += last - first
            continue
        for code in range(first, last):
            count += _satisfied(table, code, at)
    return count


@inner
def _matches_product(
    table: TermTable, code: int, base: Numbers, left: int, right: Numbers, column: int, count: int
) -> bool:
    """Whether term ``code`` is ``left · right[column …]``, in either order of the factors."""
    family = table.family[code]
    if table.operands[family] != 2:
        return False
    last = table.factor.shape[2] - 1
    for order in range(2):
        mine, other = order, 1 - order
        step = table.factor[family, mine, last]
        if table.value[code, mine] + base[family, mine] != left or step * (count - 1) != 0:
            continue
        first = table.value[code, other] + base[family, other]
        if _are_elements(right, column, count, first, table.factor[family, other, last]):
            return True
    return False


@inner
def _matches_element(
    table: TermTable, code: int, base: Numbers, cells: Numbers, column: int, count: int
) -> bool:
    family = table.family[code]
    if table.operands[family] != 1:
        return False
    first = table.value[code, 0] + base[family, 0]
    step = table.factor[family, 0, table.factor.shape[2] - 1]
    return _are_elements(cells, column, count, first, step)


@inner
def _bases(table: TermTable, at: Numbers, base: Numbers) -> None:
    """What the output subscripts add to the element numbers of each family's operands."""
    for family in range(len(table.operands)):
        for place in range(2):
            total = 0
            for dim in range(len(at)):
                total += table.factor[family, place, dim] * at[dim]
            base[family, place] = total


@inner
def _opens(machine: Machine, clip_limit: Numbers, cell: int) -> bool:
    """Whether a summand is a sum whose terms count as they are: no transform that changes it."""
    chain = chain_of(cell)
    if tag_of(cell) != SUM_TAG:
        return False
    return chain == 0 or _sum_bound(machine.nodes, machine.rows, head_of(cell)) <= clip_limit[chain]


@inner
def _meet(table: TermTable, scratch: Scratch, code: int, stamp: int) -> bool:
    """Mark a term as met; false if it was met before, or if the element has no such term."""
    if scratch.marks[code] == stamp or not _satisfied(table, code, scratch.at):
        return False
    scratch.marks[code] = stamp
    scratch.walk[0].met += 1
    return True


@inner
def _check_products(
    machine: Machine, table: TermTable, scratch: Scratch, node: Numbers, group: Numbers
) -> bool:
    """Whether the products of a node are terms of the group, each new."""
    row, matrix = machine.rows[node.row], machine.matrices[node.matrix]
    column, count = group.column, group.count
    for k in range(len(row)):
        if row[k] == ZERO or matrix[k] == ZERO_ROW:
            continue
        right = machine.rows[matrix[k]]
        if not (_is_plain(row[k]) and _is_plain(right[column])):
            if _are_zero(right, column, count):
                continue
            return False
        left = element_of(row[k])
        code = table.code_of[element_of(right[column])]
        if code < 0:
            code = table.code_of[left]
        if code < 0:
            return False
        if not _matches_product(table, code, scratch.base, left, right, column, count):
            return False
        if not _meet(table, scratch, code, group.stamp):
            return False
    return True


@inner
def _check_copies(
    machine: Machine, table: TermTable, scratch: Scratch, node: Numbers, group: Numbers
) -> bool:
    """Whether the cells that a node adds are terms of the group, or sums, kept to open."""
    row, column, count = machine.rows[node.row], group.column, group.count
    first = row[column]
    if _opens(machine, scratch.clip_limit, first):
        depth = scratch.walk[0].depth
        if depth == STACK or not _are_columns(row, column, count):
            return False
        scratch.stack[depth, 0], scratch.stack[depth, 1] = head_of(first), column_of(first)
        scratch.walk[0].depth = depth + 1
        return True
    if _are_zero(row, column, count):
        return True
    if not _is_plain(first) or table.code_of[element_of(first)] < 0:
        return False
    code = table.code_of[element_of(first)]
    if not _matches_element(table, code, scratch.base, row, column, count):
        return False
    return _meet(table, scratch, code, group.stamp)


@inner
def _check_sum(machine: Machine, table: TermTable, scratch: Scratch, cell: int, count: int) -> bool:
    """Whether a sum has the terms of ``count`` output elements from ``scratch.at`` on."""
    _bases(table, scratch.at, scratch.base)
    walk, stack = scratch.walk[0], scratch.stack
    walk.met, walk.depth, walk.count = 0, 1, count
    walk.stamp += 1
    stack[0, 0], stack[0, 1] = head_of(cell), column_of(cell)
    while walk.depth > 0:
        walk.depth -= 1
        head = stack[walk.depth, 0]
        walk.column = stack[walk.depth, 1]
        while head != 0:
            node = machine.nodes[head]
            if node.matrix == COPY:
                fine = _check_copies(machine, table, scratch, node, walk)
            else:
                fine = _check_products(machine, table, scratch, node, walk)
            if not fine:
                return False
            head = node.previous
    return walk.met == count_terms(table, scratch.at)


@inner
def _check_alone(table: TermTable, scratch: Scratch, cell: int) -> bool:
    """Whether a cell that is no sum has the terms of the value at ``scratch.at``."""
    at = scratch.at
    if cell == ZERO:
        return count_terms(table, at) == 0
    if tag_of(cell) != ELEMENT_TAG or count_terms(table, at) != 1:
        return False
    code = table.code_of[element_of(cell)]
    if code < 0 or table.operands[table.family[code]] != 1 or not _satisfied(table, code, at):
        return False
    _bases(table, at, scratch.base)
    return table.value[code, 0] + scratch.base[table.family[code], 0] == element_of(cell)


@inner
def _check_cells(
    machine: Machine, table: TermTable, scratch: Scratch, cells: Numbers, column: int, count: int
) -> bool:
    """Whether ``count`` cells from ``column`` on have the terms of values at ``scratch.at`` on."""
    last, place = len(scratch.at) - 1, 0
    step = count if _are_columns(cells, column, count) else 1
    while place < count:
        cell = cells[column + place]
        if tag_of(cell) == SUM_TAG:
            fine = _check_sum(machine, table, scratch, cell, step)
        else:
            fine = step == 1 and _check_alone(table, scratch, cell)
        if not fine and step == 1:
            break
        # Columns of a diagonal have nothing in common: each may be right by itself.
        step = step if fine else 1
        place += step if fine else 0
        scratch.at[last] += step if fine else 0
    scratch.at[last] -= place
    return place == count


@inner
def _candidates(machine: Machine, cell: int) -> int:
    """How many cells ``cell`` is the greatest of."""
    if tag_of(cell) != POOL_TAG:
        return 1
    return machine.pools[head_of(cell) + 1] - machine.pools[head_of(cell)]


@inner
def _find(
    machine: Machine,
    table: TermTable,
    scratch: Scratch,
    group: tuple[Numbers, int, int, int],
    found: Numbers,
) -> bool:
    """Whether the value at ``scratch.at`` is a candidate of the group; notes which one it is.

    The group are the output cells, its first, how many they are, and where to look first.
    """
    outputs, start, count, guess = group
    cells, column = outputs, start
    candidates = _candidates(machine, outputs[start])
    for step in range(candidates):
        number = (guess + step) % candidates
        if tag_of(outputs[start]) == POOL_TAG:
            row = machine.windows[machine.pools[head_of(outputs[start])] + number]
            cells, column = machine.rows[row], column_of(outputs[start])
        if _check_cells(machine, table, scratch, cells, column, count):
            for place in range(count):
                found[start + place, number] = True
                cell = cells[column + place]
                scratch.seen[-1 if cell == ZERO else chain_of(cell)] = True
            return True
    return False


@inner
def _group(cells: Numbers, present: Numbers, start: int, limit: int) -> int:
    """How many cells from ``start`` on are neighbouring columns with values at the same points."""
    count = 1
    while count < limit and cells[start + count] == cells[start] + (count << COLUMN_SHIFT):
        for window in range(len(present)):
            if present[window, start + count] != present[window, start]:
                return count
        count += 1
    return count


@inner
def _point(table: TermTable, number: int, at: Numbers) -> None:
    """Fill ``at`` with the point ``number`` of the table's box, the last coordinate fastest."""
    for place in range(len(at) - 1, -1, -1):
        at[place] = table.low[place] + number % table.extents[place]
        number //= table.extents[place]


def _build_check(digest: int) -> Callable[..., tuple[int, int, int]]:
    """The compiled comparison; ``digest`` is that of its sources."""

    @entry
    def check_values(
        machine: Machine,
        table: TermTable,
        present: Numbers,
        first: int,
        at: tuple[int, int],
        found: Numbers,
        scratch: Scratch,
    ) -> tuple[int, int, int]:
        """Look for the values of outputs, on from output and point of the window ``at``.

        The first output and point of which the value was not found, and how many neighbours it was
        not found with; all outputs if none is missing. The output array begins at cell ``first``;
        ``present`` says at which points of the window each output has a value, ``found`` notes
        candidates that are values.
        """
        start, window = at
        windows, total = present.shape
        cells, length = machine.dram[first : first + total], table.extents[-1]
        while start < total:
            limit = 1 if table.depends_on_last else length - start % length
            count = 1
            if tag_of(cells[start]) in (SUM_TAG, POOL_TAG):
                count = _group(cells, present, start, limit)
            while window < windows:
                _point(table, window * total + start, scratch.at)
                group = (cells, start, count, window)
                if present[window, start] and not _find(machine, table, scratch, group, found):
                    return start, window, count
                window += 1
            window = 0
            start += count
        return (total, 0, 0) if digest else (0, 0, 0)

    return check_values


@inner
def _is_found(machine: Machine, cell: int, number: int, found: Numbers, zero_is_low: bool) -> bool:
    """Whether candidate ``number`` of a pool is a value, or the same cell as one that is."""
    first, column = machine.pools[head_of(cell)], column_of(cell)
    candidate = machine.rows[machine.windows[first + number], column]
    if candidate == ZERO and zero_is_low:
        return True
    for other in range(_candidates(machine, cell)):
        if found[other] and machine.rows[machine.windows[first + other], column] == candidate:
            return True
    return False


def _build_not_found(digest: int) -> Callable[..., int]:
    """The compiled search; ``digest`` is that of its sources."""

    @entry
    def first_not_found(
        machine: Machine, chosen: Numbers, first: int, found: Numbers, zero_is_low: Numbers
    ) -> int:
        """The first chosen output with a candidate that is no value; their number if none has.

        Where ``zero_is_low``, zeros among several candidates never matter.
        """
        cells = machine.dram[first : first + len(chosen)]
        for start in range(len(chosen)):
            cell = cells[start]
            for number in range(_candidates(machine, cell) if chosen[start] else 0):
                if found[start, number]:
                    continue
                low = zero_is_low[start]
                if tag_of(cell) != POOL_TAG or not _is_found(
                    machine, cell, number, found[start], low
                ):
                    return start
        return len(chosen) if digest else 0

    return first_not_found


_NAMES = ("cell_form", "cells", "compare", "state")
_SOURCES = [Path(__file__).parent / f"{name}.py" for name in _NAMES]
check_values = _build_check(source_digest(_SOURCES))
first_not_found = _build_not_found(source_digest(_SOURCES))
