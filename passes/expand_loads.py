"""Loads that take several instructions: tiles at the border of an array, and diagonal tiles.

A move-in writes leading columns of consecutive rows, from addresses inside of an array. What lies
beyond the border is zeroed first. A diagonal is written row by row: the element comes with those to
its left, which are zeroed after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from ..dialects.gemmini import MvinOp, MvinZerosOp
from ..dialects.tile import LoadOp
from .index_math import IndexBuilder
from .nests import insert_if, insert_loop


@dataclass(frozen=True)
class LoadTarget:
    """Where a load goes, and through which channels."""

    row: SSAValue
    """First local row of the tile."""
    local: Callable[[SSAValue], SSAValue]
    """The local address of a row."""
    channel: int
    """Channel of the rows of the array."""
    zeros: int
    """Channel with the block stride of the tile for moves of zeros and of single rows."""


def load_with_border(index: IndexBuilder, op: LoadOp, target: LoadTarget) -> None:
    """Zero the tile unless all of its rows lie in the array, then load those that do."""
    array = op.source.type
    assert isinstance(array, MemRefType)
    extents = array.get_shape()
    dimension, step = op.rows_along
    inside = index.flag(True)
    for place, (at, extent) in enumerate(zip(op.indices, extents, strict=True)):
        if place not in (dimension, len(extents) - 1):
            low = index.less(index.constant(-1), at)
            inside = index.both(inside, index.both(low, index.less(at, index.constant(extent))))
    loaded, beyond = Block([scf.YieldOp()]), Block([scf.YieldOp()])
    index.insert(scf.IfOp(inside, [], Region(loaded), Region(beyond)))
    assert loaded.first_op is not None
    assert beyond.first_op is not None
    index.at(InsertPoint.before(beyond.first_op))
    index.insert(MvinZerosOp(target.local(target.row), op.rows, op.cols, target.zeros))
    index.at(InsertPoint.before(loaded.first_op))
    first = _rows_before(index, op.indices[dimension], 0, step, op.rows)
    end = _rows_before(index, op.indices[dimension], extents[dimension], step, op.rows)
    count = index.sub(end, first)
    _zero_if_short(index, op, target, count)
    insert_if(index, index.positive(count))
    at = [*op.indices]
    at[dimension] = index.add(at[dimension], index.mul(first, step))
    local = target.local(index.add(target.row, first))
    index.insert(MvinOp(op.source, at, local, count, op.cols, target.channel))


def _rows_before(
    index: IndexBuilder, start: SSAValue, limit: int, step: int, rows: SSAValue
) -> SSAValue:
    """How many of ``rows`` rows, ``step`` apart from ``start`` on, lie before ``limit``."""
    ahead = index.maximum(index.sub(index.constant(limit), start), index.constant(0))
    return index.minimum(index.floordiv(index.add(ahead, step - 1), step), rows)


def _zero_if_short(index: IndexBuilder, op: LoadOp, target: LoadTarget, count: SSAValue) -> None:
    resume = index.builder.insertion_point
    insert_if(index, index.less(count, op.rows))
    index.insert(MvinZerosOp(target.local(target.row), op.rows, op.cols, target.zeros))
    index.at(resume)


def load_diagonal(index: IndexBuilder, op: LoadOp, target: LoadTarget) -> None:
    """Zero the tile; then each row takes the elements up to its own, and loses those before it.

    Loads in flight at the same time end in any order, so another one stands between the two moves
    to a row: its successor's load, or behind the last row that of the first.
    """
    one = index.constant(1)
    count = index.minimum(op.rows, op.cols)
    last = index.sub(count, one)
    resume = index.builder.insertion_point
    index.insert(MvinZerosOp(target.local(target.row), op.rows, op.cols, target.zeros))

    def load(number: SSAValue) -> None:
        local = target.local(index.add(target.row, number))
        cols = index.add(number, 1)
        index.insert(MvinOp(op.source, op.indices, local, one, cols, target.zeros))

    def clear(number: SSAValue) -> None:
        local = target.local(index.add(target.row, number))
        index.insert(MvinZerosOp(local, one, number, target.zeros))

    insert_if(index, index.positive(last))
    load(one)
    _, number = insert_loop(index, count, "element", lower=2)
    load(number)
    clear(index.sub(number, one))
    index.at(resume)
    load(index.constant(0))
    insert_if(index, index.positive(last))
    clear(last)
    index.at(resume)
