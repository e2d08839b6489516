"""Bytes that a program moves between DRAM and the local memories, per array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..memory import MemoryLayout
from .decode import MOVE
from .program import Program
from .state import LOAD, STORE

ELSEWHERE = "elsewhere"
"""Name of the traffic that belongs to no array of the layout."""


@dataclass(frozen=True)
class ArrayTraffic:
    """What moved to and from one array."""

    name: str
    size: int
    """Bytes of the array; 0 if it is not known."""
    read_bytes: int
    written_bytes: int

    @property
    def passes(self) -> float:
        """How often the array went over the port: bytes moved over its size (1 is the least)."""
        return (self.read_bytes + self.written_bytes) / self.size if self.size else 0.0


def traffic(program: Program, layout: MemoryLayout | None = None) -> tuple[ArrayTraffic, ...]:
    """The bytes of all moves, by array of ``layout`` in its order; what is left, ``elsewhere``.

    A move belongs to the array in which its first byte lies.
    """
    commands = program.commands
    is_move = commands["kind"] == MOVE
    loads = is_move & (commands["unit"] == LOAD) & (commands["dram"] != 0)
    stores = is_move & (commands["unit"] == STORE)
    moved = commands["rows"] * commands["row_bytes"]
    rows: list[ArrayTraffic] = []
    left = loads | stores
    for array in layout.all_arrays if layout is not None else ():
        inside = (commands["dram"] >= array.address) & (
            commands["dram"] < array.address + array.size
        )
        rows.append(_row(array.name, array.size, moved, loads & inside, stores & inside))
        left &= ~inside
    if left.any():
        rows.append(_row(ELSEWHERE, 0, moved, loads & left, stores & left))
    return tuple(rows)


def add_traffic(parts: Sequence[tuple[ArrayTraffic, ...]]) -> tuple[ArrayTraffic, ...]:
    """The traffic of a program from that of its parts."""
    rows: dict[str, ArrayTraffic] = {}
    for row in (row for part in parts for row in part):
        before = rows.get(row.name, replace(row, read_bytes=0, written_bytes=0))
        rows[row.name] = replace(
            row,
            read_bytes=before.read_bytes + row.read_bytes,
            written_bytes=before.written_bytes + row.written_bytes,
        )
    return tuple(rows.values())


def _row(
    name: str,
    size: int,
    moved: NDArray[np.int64],
    loads: NDArray[np.bool_],
    stores: NDArray[np.bool_],
) -> ArrayTraffic:
    return ArrayTraffic(name, size, int(moved[loads].sum()), int(moved[stores].sum()))
