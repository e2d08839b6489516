"""Do the output cells hold exactly the specified terms? (compiled)

Outputs are compared in *groups*: neighbours in the last dimension that are neighbouring columns of
one sum. The terms of a group are walked once, each is looked up, and the look-up is verified for
every member: right elements, constraints satisfied, no term twice, none missing. What is not
verified here is not thereby wrong: ``difference`` then decides, element by element.
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
    CHAIN_SHIFT,
    COLUMN_SHIFT,
    COPY,
    ELEMENT_TAG,
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

    at: Numbers  # [rank] subscripts of an output element
    base: Numbers  # [families, 2] what they add to element numbers
    marks: Numbers  # [codes] the group in which a term was last met
    stack: Numbers  # [STACK, 2] sums to open and their columns
    walk: Numbers  # one WALK record
    clip_limit: Numbers  # per chain: magnitudes up to which it changes nothing, −1 if none


def new_scratch(table: TermTable, clip_limit: NDArray[np.float64]) -> Scratch:
    """Scratch for one output; terms are marked with output numbers, so it can be used on.

    ``clip_limit`` says for each chain of transforms up to which magnitude it changes nothing.
    """
    return Scratch(
        np.zeros(len(table.extents), np.int64),
        np.zeros((len(table.operands), 2), np.int64),
        np.full(len(table.family), -1, np.int64),
        np.zeros((STACK, 2), np.int64),
        np.zeros(1, WALK),
        clip_limit,
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
def _check_sum(
    machine: Machine, table: TermTable, scratch: Scratch, cell: int, count: int, stamp: int
) -> bool:
    """Whether a sum has the terms of ``count`` output elements from ``scratch.at`` on.

    Terms that were met are marked with ``stamp``.
    """
    _bases(table, scratch.at, scratch.base)
    walk, stack = scratch.walk[0], scratch.stack
    walk.met, walk.depth, walk.count, walk.stamp = 0, 1, count, stamp
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
def _group(cells: Numbers, start: int, limit: int) -> int:
    """How many cells from ``start`` on are neighbouring columns of one sum, through one chain."""
    count = 1
    while count < limit and cells[start + count] == cells[start] + (count << COLUMN_SHIFT):
        count += 1
    return count


@inner
def _subscripts(table: TermTable, number: int, at: Numbers) -> None:
    for place in range(len(at) - 1, -1, -1):
        at[place] = number % table.extents[place]
        number //= table.extents[place]


@inner
def _check_alone(table: TermTable, base: Numbers, at: Numbers, cell: int) -> bool:
    """Whether an output cell that is no sum has the terms of the output element ``at``."""
    if cell == ZERO:
        return count_terms(table, at) == 0
    if tag_of(cell) != ELEMENT_TAG or count_terms(table, at) != 1:
        return False
    code = table.code_of[element_of(cell)]
    if code < 0 or table.operands[table.family[code]] != 1 or not _satisfied(table, code, at):
        return False
    _bases(table, at, base)
    return table.value[code, 0] + base[table.family[code], 0] == element_of(cell)


def _build_check(digest: int) -> Callable[..., tuple[int, int]]:
    """The compiled comparison; ``digest`` is that of its sources."""

    @entry
    def check_outputs(
        machine: Machine,
        table: TermTable,
        first: int,
        start: int,
        chains_seen: Numbers,
        scratch: Scratch,
    ) -> tuple[int, int]:
        """Verify outputs from number ``start`` on: the first that is not verified, and a count.

        The first is the number of outputs if all are verified; the count says how many neighbours
        were not verified with it. The elements of the output array are numbered from ``first`` on.
        Chains of transforms that were met are set in ``chains_seen``, its last place for zeros.
        """
        total = 1
        for extent in table.extents:
            total *= extent
        cells = machine.dram[first : first + total]
        length = table.extents[-1] if len(table.extents) else 1
        at, base = scratch.at, scratch.base
        while start < total:
            _subscripts(table, start, at)
            cell = cells[start]
            count = 1
            if tag_of(cell) == SUM_TAG:
                limit = 1 if table.depends_on_last else length - start % length
                count = _group(cells, start, limit)
                if not _check_sum(machine, table, scratch, cell, count, start):
                    # Columns of a diagonal have nothing in common: each may be right by itself.
                    alone = count > 1 and _check_sum(
                        machine, table, scratch, cell, 1, total + start
                    )
                    if not alone:
                        return start, count
                    count = 1
            elif not _check_alone(table, base, at, cell):
                return start, 1
            chains_seen[-1 if cell == ZERO else chain_of(cell)] = True
            start += count
        return (total, 0) if digest else (0, 0)

    return check_outputs


_NAMES = ("cell_form", "cells", "compare", "state")
_SOURCES = [Path(__file__).parent / f"{name}.py" for name in _NAMES]
check_outputs = _build_check(source_digest(_SOURCES))
