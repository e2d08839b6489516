"""Making, taking apart and transforming cells (compiled). See ``state`` for their form."""

from __future__ import annotations

from typing import Any

from ..compiled import inner
from .state import (
    CHAIN_LIMIT,
    CHAIN_SHIFT,
    COLUMN_SHIFT,
    OPAQUE_TAG,
    SUM_TAG,
    TAG_SHIFT,
    UNDEFINED,
    ZERO,
)

Record = Any

CHAIN_MASK = CHAIN_LIMIT - 1
_ELEMENT_MASK = (1 << CHAIN_SHIFT) - 1
_HEAD_MASK = (1 << COLUMN_SHIFT) - 1
OVERFLOWED = -2
"""In place of a cell: more chains of transforms than can be numbered."""


@inner
def tag_of(cell: int) -> int:
    return cell >> TAG_SHIFT


@inner
def chain_of(cell: int) -> int:
    return (cell >> CHAIN_SHIFT) & CHAIN_MASK


@inner
def element_of(cell: int) -> int:
    return cell & _ELEMENT_MASK


@inner
def head_of(cell: int) -> int:
    return cell & _HEAD_MASK


@inner
def column_of(cell: int) -> int:
    return (cell >> COLUMN_SHIFT) & 0xFF


@inner
def sum_cell(column: int, head: int) -> int:
    return (SUM_TAG << TAG_SHIFT) | (column << COLUMN_SHIFT) | head


@inner
def opaque_cell(unit: Record) -> int:
    """A value of which nothing is known; it equals no other value."""
    unit.opaque_count += 1
    return (OPAQUE_TAG << TAG_SHIFT) | unit.opaque_count


@inner
def transformed(unit: Record, chains: Record, compose: Any, cell: int, transform: int) -> int:
    """The cell after ``transform``. Every transform maps 0 to 0."""
    if transform == 0 or cell == ZERO or cell == UNDEFINED:
        return cell
    if tag_of(cell) == OPAQUE_TAG:
        return opaque_cell(unit)
    chain = chain_of(cell)
    composed = compose[chain, transform] + 0
    if composed < 0:
        composed = unit.chain_count
        if composed >= CHAIN_LIMIT:
            return OVERFLOWED
        unit.chain_count = composed + 1
        compose[chain, transform] = composed
        chains[composed].parent = chain
        chains[composed].transform = transform
    return (cell & ~(CHAIN_MASK << CHAIN_SHIFT)) | (composed << CHAIN_SHIFT)
