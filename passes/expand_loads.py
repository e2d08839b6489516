"""Loads that take several instructions: borders, folded images, windows, and diagonal tiles.

A move-in writes leading columns of consecutive rows, from addresses inside of an array. What lies
beyond the border is zeroed first. A diagonal is written row by row: the element comes with those to
its left, which are zeroed after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import gcd

from xdsl.dialects import scf
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint

from ..dialects.gemmini import MvinOp, MvinZerosOp
from ..dialects.tile import LoadOp
from .index_math import IndexBuilder, linear_form, range_of
from .nests import insert_if, insert_loop

MOST_CASES = 8
"""First terms of a load of a window that have code of their own."""


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


@dataclass(frozen=True)
class Line:
    """Rows of a tile that lie along one dimension of the array."""

    at: Sequence[SSAValue]
    rows: SSAValue
    row: SSAValue
    """Their first local row."""


def load_lines(index: IndexBuilder, op: LoadOp, target: LoadTarget) -> None:
    """One move for each line of a folded image that has rows in the tile."""
    fold, start = op.fold, op.start
    if fold is None or start is None:
        _load_line(index, op, target, Line(op.indices, op.rows, target.row))
        return
    dimension, step = op.rows_along
    number, row = index.floordiv(start, fold.width), index.rem(start, fold.width)

    def place(line: SSAValue, row: SSAValue) -> list[SSAValue]:
        at = [*op.indices]
        at[fold.dimension] = index.add(at[fold.dimension], index.mul(line, fold.step))
        at[dimension] = index.add(at[dimension], index.mul(row, step))
        return at

    width = index.constant(fold.width)
    first = index.minimum(index.sub(width, row), op.rows)
    _load_line(index, op, target, Line(place(number, row), first, target.row))
    left = index.add(index.sub(op.rows, first), fold.width - 1)
    resume = index.builder.insertion_point
    _, line = insert_loop(index, index.floordiv(left, fold.width), "line")
    done = index.add(index.mul(line, fold.width), first)
    rows = index.minimum(width, index.sub(op.rows, done))
    at = place(index.add(index.add(number, 1), line), index.constant(0))
    _load_line(index, op, target, Line(at, rows, index.add(target.row, done)))
    index.at(resume)


def _load_line(index: IndexBuilder, op: LoadOp, target: LoadTarget, line: Line) -> None:
    if op.border is not None:
        _load_with_border(index, op, target, line)
        return
    local = target.local(line.row)
    index.insert(MvinOp(op.source, line.at, local, line.rows, op.cols, target.channel))


def _load_with_border(index: IndexBuilder, op: LoadOp, target: LoadTarget, line: Line) -> None:
    """Zero the rows unless all of them lie in the array, then load those that do."""
    array = op.source.type
    assert isinstance(array, MemRefType)
    extents = array.get_shape()
    dimension, step = op.rows_along
    inside = index.flag(True)
    for place, (at, extent) in enumerate(zip(line.at, extents, strict=True)):
        if place not in (dimension, len(extents) - 1):
            low = index.less(index.constant(-1), at)
            inside = index.both(inside, index.both(low, index.less(at, index.constant(extent))))
    resume = index.builder.insertion_point
    loaded, beyond = Block([scf.YieldOp()]), Block([scf.YieldOp()])
    index.insert(scf.IfOp(inside, [], Region(loaded), Region(beyond)))
    assert loaded.first_op is not None
    assert beyond.first_op is not None
    index.at(InsertPoint.before(beyond.first_op))
    _zero(index, op, target, line)
    index.at(InsertPoint.before(loaded.first_op))
    first = _rows_before(index, line.at[dimension], 0, step, line.rows)
    end = _rows_before(index, line.at[dimension], extents[dimension], step, line.rows)
    count = index.sub(end, first)
    after = index.builder.insertion_point
    insert_if(index, index.less(count, line.rows))
    _zero(index, op, target, line)
    index.at(after)
    insert_if(index, index.positive(count))
    at = [*line.at]
    at[dimension] = index.add(at[dimension], index.mul(first, step))
    local = target.local(index.add(line.row, first))
    index.insert(MvinOp(op.source, at, local, count, op.cols, target.channel))
    index.at(resume)


def _zero(index: IndexBuilder, op: LoadOp, target: LoadTarget, line: Line) -> None:
    index.insert(MvinZerosOp(target.local(line.row), line.rows, op.cols, target.zeros))


def _rows_before(
    index: IndexBuilder, start: SSAValue, limit: int, step: int, rows: SSAValue
) -> SSAValue:
    """How many of ``rows`` rows, ``step`` apart from ``start`` on, lie before ``limit``."""
    ahead = index.maximum(index.sub(index.constant(limit), start), index.constant(0))
    return index.minimum(index.floordiv(index.add(ahead, step - 1), step), rows)


def load_window(
    index: IndexBuilder, op: LoadOp, target: LoadTarget, dim: int, block_stride: int
) -> None:
    """One move for each line of the window that has columns in the tiles, the last line first.

    A move begins at a tile, so it also carries what lies in memory ahead of its line, and the line
    before it overwrites that. Loads in flight at the same time end in any order, so the rows come
    in two halves: another load stands between two moves to a row. Where a few first terms are
    possible, each has code of its own, which spares the core divisions by the width.
    """
    assert op.term is not None
    window = _Window(index, op, target, dim, block_stride)
    resume = index.builder.insertion_point
    *others, last = _possible_values(op.term) or [None]
    for number in others:
        assert number is not None
        here, beyond = Block([scf.YieldOp()]), Block([scf.YieldOp()])
        index.insert(scf.IfOp(index.equal(op.term, number), [], Region(here), Region(beyond)))
        assert here.first_op is not None
        assert beyond.first_op is not None
        index.at(InsertPoint.before(here.first_op))
        window.load_from(number)
        index.at(InsertPoint.before(beyond.first_op))
    if last is None:
        window.load_from_any(op.term)
    else:
        window.load_from(last)
    index.at(resume)


@dataclass(frozen=True)
class _Window:
    """The parts of a load of a window's lines."""

    index: IndexBuilder
    op: LoadOp
    target: LoadTarget
    dim: int
    block_stride: int

    def load_from(self, term: int) -> None:
        """All lines, from a term that is known."""
        index, terms, cols = self.index, self.op.terms, self.op.cols
        assert terms is not None
        within = term % terms.width
        most = range_of(cols).high or self.dim
        for line in reversed(range(1, 1 + (within + most - 1) // terms.width)):
            resume = index.builder.insertion_point
            insert_if(index, index.less(index.constant(line * terms.width - within), cols))
            self._load(index.constant(term), index.constant(line))
            index.at(resume)
        self._load(index.constant(term), index.constant(0))

    def load_from_any(self, term: SSAValue) -> None:
        """All lines, from a term that is found out when the program runs."""
        index, terms = self.index, self.op.terms
        assert terms is not None
        within = index.rem(term, terms.width)
        lines = index.floordiv(index.add(index.add(within, self.op.cols), -1), terms.width)
        resume = index.builder.insertion_point
        _, done = insert_loop(index, lines, "line")
        self._load(term, index.sub(lines, done))
        index.at(resume)
        self._load(term, index.constant(0))

    def _load(self, term: SSAValue, line: SSAValue) -> None:
        """The columns of a line, counted from the one with the first term, and those ahead."""
        index, op, terms = self.index, self.op, self.op.terms
        assert terms is not None
        number, within = index.floordiv(term, terms.width), index.rem(term, terms.width)
        begin = index.sub(index.mul(line, terms.width), within)
        column = index.maximum(begin, index.constant(0))
        end = index.minimum(index.add(begin, terms.width), op.cols)
        block, ahead = index.floordiv(column, self.dim), index.rem(column, self.dim)
        cols = index.sub(end, index.mul(block, self.dim))
        at = index.sub(index.mul(index.add(number, line), terms.step), ahead)
        at = index.add(index.add(at, index.sub(column, begin)), op.indices[0])
        row = index.add(self.target.row, index.mul(block, self.block_stride))
        upper = index.floordiv(index.add(op.rows, 1), 2)
        _, row_step = op.rows_along
        for offset, rows in ((index.constant(0), upper), (upper, index.sub(op.rows, upper))):
            local = self.target.local(index.add(row, offset))
            start = index.add(at, index.mul(offset, row_step))
            index.insert(MvinOp(op.source, [start], local, rows, cols, self.target.channel))


def _possible_values(value: SSAValue) -> list[int] | None:
    """The values from 0 on that an index may have; None if they are many or not known."""
    form, high = linear_form(value), range_of(value).high
    step = gcd(*(factor for atom, factor in form.items() if atom is not None))
    if high is None or high // max(1, step) >= MOST_CASES:
        return None
    return [*range(form.get(None, 0) % max(1, step), high + 1, max(1, step))]


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
