"""Which earlier instructions each instruction of a tile program must wait for.

Tile programs have sequential semantics, so these are the classic three: a read after the last
write, a write after the last write, and a write after all reads since. Memory is seen in *cells*:
pieces of a buffer such that every access covers whole cells (see ``cells``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Accesses:
    """The cells that each instruction touches, in program order."""

    begin: NDArray[np.int64]
    """``begin[i]`` to ``begin[i + 1]`` are the entries of instruction i."""
    cell: NDArray[np.int64]
    writes: NDArray[np.bool_]
    """Whether the cell is written (or both read and written); else it is read."""
    cells: int
    """Number of cells; every entry is below it."""
    access: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """The number of the access that each entry comes from, where it is known."""


@dataclass(frozen=True)
class Edges:
    """For each instruction, the earlier instructions that it depends on, each once."""

    begin: NDArray[np.int64]
    producer: NDArray[np.int64]
    only_read: NDArray[np.bool_]
    """Whether the producer does no more than read what the instruction overwrites."""


def dependencies(accesses: Accesses) -> Edges:
    """The dependences of a program with these accesses."""
    count = len(accesses.begin) - 1
    begin = np.zeros(count + 1, np.int64)
    nothing, none = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    arguments = (accesses.begin, accesses.cell, accesses.writes, accesses.cells)
    total = _collect(*arguments, begin, nothing, none, False)
    producer, only_read = np.zeros(total, np.int64), np.zeros(total, np.bool_)
    _collect(*arguments, begin, producer, only_read, True)
    return Edges(begin, producer, only_read)


@numba.njit(cache=True)
def _collect(
    access_begin: Any,
    access_cell: Any,
    access_writes: Any,
    cells: int,
    begin: Any,
    producer: Any,
    only_read: Any,
    store: bool,
) -> int:
    """Walk the program once; the readers of a cell since its last write are a linked list."""
    count = len(access_begin) - 1
    last_write = np.full(cells, -1, np.int64)
    last_reader = np.full(cells, -1, np.int64)
    next_reader = np.full(len(access_cell), -1, np.int64)
    owner = np.zeros(len(access_cell), np.int64)
    seen = np.full(count, -1, np.int64)
    place = np.zeros(count, np.int64)
    total = 0
    for index in range(count):
        begin[index] = total
        seen[index] = index
        for entry in range(access_begin[index], access_begin[index + 1]):
            cell = access_cell[entry]
            owner[entry] = index
            earlier = last_write[cell]
            if earlier >= 0 and seen[earlier] != index:
                seen[earlier] = index
                if store:
                    producer[total] = earlier
                    place[earlier] = total
                total += 1
            elif earlier >= 0 and store and earlier != index:
                only_read[place[earlier]] = False
            if not access_writes[entry]:
                next_reader[entry] = last_reader[cell]
                last_reader[cell] = entry
                continue
            reader = last_reader[cell]
            while reader >= 0:
                earlier = owner[reader]
                if seen[earlier] != index:
                    seen[earlier] = index
                    if store:
                        producer[total] = earlier
                        only_read[total] = True
                        place[earlier] = total
                    total += 1
                reader = next_reader[reader]
            last_reader[cell] = -1
            last_write[cell] = index
    begin[count] = total
    return total
