"""Cuts buffers into cells, so that every access of a program covers whole cells.

The cells of a buffer are the boxes between the bounds of all its accesses. Where these are more
than a limit, neighbours are merged: that may only add dependences, never lose one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from .dependencies import Accesses

Column = NDArray[np.int64]
MAX_CELLS = 1 << 14
"""Cells of one copy of a buffer."""


@dataclass(frozen=True)
class BufferAccess:
    """One operand of one operation, in all its executions."""

    position: Column
    """The instruction of each execution."""
    copy: Column
    """Which of the buffer's copies it touches."""
    low: tuple[Column, ...]
    high: tuple[Column, ...]
    writes: bool


@dataclass(frozen=True)
class Buffer:
    """A buffer's accesses, and how many copies of it there are."""

    copies: int
    accesses: list[BufferAccess]


def accesses_of(buffers: list[Buffer], instructions: int) -> Accesses:
    """The cells that each instruction touches, for all buffers that are written at all."""
    owners, cells, writes = list[Column](), list[Column](), list[NDArray[np.bool_]]()
    numbers = list[Column]()
    base = number = 0
    for buffer in buffers:
        first, number = number, number + len(buffer.accesses)
        if not any(access.writes for access in buffer.accesses):
            continue
        bounds = _bounds(buffer)
        extents = [max(1, len(own) - 1) for own in bounds]
        per_copy = prod(extents)
        for place, access in enumerate(buffer.accesses, first):
            which, cell = _cells(access, bounds, extents)
            owners.append(access.position[which])
            cells.append(base + access.copy[which] * per_copy + cell)
            writes.append(np.full(len(which), access.writes))
            numbers.append(np.full(len(which), place))
        base += per_copy * buffer.copies
    if not owners:
        return Accesses(np.zeros(instructions + 1, np.int64), *_nothing(), 1)
    owner, cell = np.concatenate(owners), np.concatenate(cells)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=instructions)
    begin = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    written, access = np.concatenate(writes)[order], np.concatenate(numbers)[order]
    return Accesses(begin, cell[order], written, base, access)


def _nothing() -> tuple[Column, NDArray[np.bool_]]:
    return np.zeros(0, np.int64), np.zeros(0, np.bool_)


def is_cut_by_all_bounds(buffer: Buffer) -> bool:
    """Whether no access covers a cell of the buffer in part."""
    return prod(len(own) for own in _all_bounds(buffer)) <= MAX_CELLS


def _bounds(buffer: Buffer) -> list[Column]:
    """Per dimension the places where cells begin and end."""
    bounds = _all_bounds(buffer)
    while prod(len(own) for own in bounds) > MAX_CELLS:
        axis = max(range(len(bounds)), key=lambda axis: len(bounds[axis]))
        kept = bounds[axis][::2]
        bounds[axis] = np.unique(np.append(kept, bounds[axis][-1]))
    return bounds


def _all_bounds(buffer: Buffer) -> list[Column]:
    """Per dimension the places where accesses begin and end."""
    return [
        np.unique(
            np.concatenate(
                [end for access in buffer.accesses for end in (access.low[axis], access.high[axis])]
            )
        )
        for axis in range(len(buffer.accesses[0].low))
    ]


def _cells(access: BufferAccess, bounds: list[Column], extents: list[int]) -> tuple[Column, Column]:
    """For each cell of each execution: the execution, and the cell's number in its copy."""
    which = np.arange(len(access.position))
    cell = np.zeros(len(which), np.int64)
    for axis, own in enumerate(bounds):
        first = np.searchsorted(own, access.low[axis], side="right") - 1
        last = np.searchsorted(own, access.high[axis], side="left")
        counts = np.maximum(last - first, 0)[which]
        start = first[which]
        inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        cell = np.repeat(cell, counts) * extents[axis] + np.repeat(start, counts) + inner
        which = np.repeat(which, counts)
    return which, cell
