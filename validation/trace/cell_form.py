"""Taking cells apart, in plain Python; ``cells`` compiles the same functions. See ``state``."""

from __future__ import annotations

import math
from typing import Any

from .state import (
    CHAIN_LIMIT,
    CHAIN_SHIFT,
    COLUMN_SHIFT,
    COPY,
    ELEMENT_TAG,
    POOL_TAG,
    TAG_SHIFT,
    WIDTH_SHIFT,
    ZERO,
    Machine,
)

CHAIN_MASK = CHAIN_LIMIT - 1
_ELEMENT_MASK = (1 << CHAIN_SHIFT) - 1
_HEAD_MASK = (1 << COLUMN_SHIFT) - 1


def tag_of(cell: int) -> int:
    return cell >> TAG_SHIFT


def chain_of(cell: int) -> int:
    return (cell >> CHAIN_SHIFT) & CHAIN_MASK


def element_of(cell: int) -> int:
    return cell & _ELEMENT_MASK


def head_of(cell: int) -> int:
    return cell & _HEAD_MASK


def column_of(cell: int) -> int:
    return (cell >> COLUMN_SHIFT) & 0xFF


def without_chain(cell: int) -> int:
    """The element or sum before any transform."""
    return cell & ~(CHAIN_MASK << CHAIN_SHIFT)


def candidates_of(machine: Machine, number: int) -> list[int]:
    """The cells that element ``number`` of DRAM is the greatest of; most are their own only one."""
    cell = int(machine.dram[number])
    if tag_of(cell) != POOL_TAG:
        return [cell]
    rows = machine.windows[machine.pools[head_of(cell)] : machine.pools[head_of(cell) + 1]]
    return [int(machine.rows[row, column_of(cell)]) for row in rows]


def sum_bound(nodes: Any, rows: Any, head: int) -> float:
    """Largest magnitude of a sum of input elements and products; infinite for other sums."""
    bound = 0.0
    while head != 0:
        node = nodes[head]
        largest, terms = 0.0, 0
        for cell in rows[node["row"]]:
            if cell == ZERO:
                continue
            if cell >> TAG_SHIFT != ELEMENT_TAG:
                return math.inf
            terms += 1
            width = 1 << ((cell >> WIDTH_SHIFT) & 7)
            largest = max(largest, 2.0 ** (8 * width - 1))
        # A factor of a product is a scratchpad element, of the same width as its partner.
        bound += largest if node["matrix"] == COPY else terms * largest * largest
        head = node["previous"]
    return bound
