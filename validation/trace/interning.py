"""Interning of rows and matrices: equal contents, equal number (compiled).

The tables compare contents in full; a hash only chooses where to look.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiled import inner

Table = Any

_MULTIPLIER = np.uint64(0x9E37_79B9_7F4A_7C15)
"""2^64 / golden ratio: spreads consecutive element numbers over the table (Knuth, 6.4)."""


@inner
def _hash(values: Table) -> np.uint64:
    state = np.uint64(len(values))
    for value in values:
        state = (state ^ np.uint64(value)) * _MULTIPLIER
        state ^= state >> np.uint64(29)
    return state


@inner
def _is_row(table: Table, number: int, values: Table) -> bool:
    for place in range(len(values)):  # noqa: SIM110 - compiled as a loop
        if table[number, place] != values[place]:
            return False
    return True


@inner
def intern(table: Table, slots: Table, count: int, values: Table) -> int:
    """The number of ``values`` among the first ``count`` rows of ``table``, added if it is new.

    The caller counts on when the result is ``count``.
    """
    mask = len(slots) - 1
    slot: Any = np.int64(_hash(values) & np.uint64(mask))
    while slots[slot] >= 0:
        if _is_row(table, slots[slot], values):
            return slots[slot] + 0
        slot = (slot + 1) & mask
    slots[slot] = count
    for place in range(len(values)):
        table[count, place] = values[place]
    return count


@inner
def index_table(table: Table, slots: Table, count: int) -> None:
    """Enter ``count`` distinct rows into the hash table (after growth, and at the start)."""
    for slot in range(len(slots)):
        slots[slot] = -1
    for number in range(count):
        intern(table, slots, number, table[number])
