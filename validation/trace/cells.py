"""Making, taking apart and transforming cells (compiled). See ``state`` for their form."""

from __future__ import annotations

from typing import Any

from ..compiled import inner
from . import cell_form
from .state import (
    CHAIN_LIMIT,
    CHAIN_SHIFT,
    COLUMN_SHIFT,
    OPAQUE_TAG,
    POOL_TAG,
    SUM_TAG,
    TAG_SHIFT,
    UNDEFINED,
    ZERO,
)

Record = Any

OVERFLOWED = -2
"""In place of a cell: more chains of transforms than can be numbered."""


tag_of = inner(cell_form.tag_of)
chain_of = inner(cell_form.chain_of)
element_of = inner(cell_form.element_of)
head_of = inner(cell_form.head_of)
column_of = inner(cell_form.column_of)
without_chain = inner(cell_form.without_chain)


@inner
def sum_cell(column: int, head: int) -> int:
    return (SUM_TAG << TAG_SHIFT) | (column << COLUMN_SHIFT) | head


@inner
def pool_cell(column: int, pool: int) -> int:
    return (POOL_TAG << TAG_SHIFT) | (column << COLUMN_SHIFT) | pool


@inner
def opaque_cell(unit: Record) -> int:
    """A value of which nothing is known; it equals no other value."""
    unit.opaque_count += 1
    return (OPAQUE_TAG << TAG_SHIFT) | unit.opaque_count


@inner
def transformed(unit: Record, chains: Record, compose: Any, cell: int, transform: int) -> int:
    """The cell after ``transform``. Every transform maps 0 to 0."""
    if transform == 0 or cell in (ZERO, UNDEFINED):
        return cell
    if tag_of(cell) in (OPAQUE_TAG, POOL_TAG):
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
    return without_chain(cell) | (composed << CHAIN_SHIFT)
