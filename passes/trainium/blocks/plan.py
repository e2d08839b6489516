"""What a block of the results needs: which part of each tensor, and how it lies in partitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import FloatAttr
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects.trn import Operator
from ..computations import Computation
from ..spans import Lane, Span, Spans, lane_of, limited, settled, span_of
from ..subscripts import Access, Subscript, slice_of
from ..tensor_functions import tensor_sizes

Key = TypeVar("Key")

UNROLLED = 64
"""Reductions of more values are computed at once, by one instruction."""


@dataclass(frozen=True)
class Needed:
    """A part of a tensor; ``lane`` tells what of it each partition holds (``None``: the same)."""

    lane: Lane | None
    spans: tuple[Span, ...]
    """For each dimension; that of the lane does not matter."""


@dataclass(frozen=True)
class Instance:
    """Some iterations of an operation that are computed together."""

    spans: Spans
    covers: bool
    """Whether they give all of the result's part."""


@dataclass
class Plan:
    """The parts of tensors that one block of the results needs."""

    parameters: dict[SSAValue, SSAValue]
    """The function's tensors, and the arrays that hold them."""
    computations: dict[SSAValue, Computation]
    covered: frozenset[Operation] = frozenset()
    """Insertions into tensors of which nothing stays (see ``first_of_covering``)."""
    needed: dict[SSAValue, Needed] = field(default_factory=dict[SSAValue, Needed])
    loads: dict[tuple[SSAValue, Lane | None], Needed] = field(
        default_factory=dict[tuple[SSAValue, Lane | None], Needed]
    )

    def need(self, access: Access, row: int | None, spans: Spans) -> None:
        """Add what an access reads over some iterations."""
        access = settled(access, row, spans)
        value = access.value
        if is_constant(value):
            return
        lane = lane_of(access, row, spans)
        part = tuple(
            Span(0, 1)
            if lane is not None and lane.dimension == number
            else span_of(subscript, spans)
            for number, subscript in enumerate(access.subscripts)
        )
        for span, size in zip(part, tensor_sizes(value), strict=True):
            if not span.factor and not 0 <= span.start <= span.start + span.size <= size:
                raise PassFailedException("elements outside of a tensor")
        if value in self.parameters:
            self._extend(self.loads, (value, lane), Needed(lane, part))
            return
        if lane is not None and not lane.is_own_row:
            raise PassFailedException("rows that depend on each other")
        self._extend(self.needed, value, Needed(lane, part))

    def _extend(self, parts: dict[Key, Needed], key: Key, added: Needed) -> None:
        known = parts.get(key, added)
        if known.lane != added.lane:
            raise PassFailedException("a tensor whose rows are in partitions in two ways")
        both = zip(known.spans, added.spans, strict=True)
        parts[key] = Needed(added.lane, tuple(old.union(new) for old, new in both))

    def need_operands_of(self, operation: Operation) -> None:
        """Add what the needed part of an operation's result is computed from."""
        if not operation.results or operation.results[0] not in self.needed:
            return
        value = operation.results[0]
        if value in self.computations:
            self._need_inputs(self.computations[value], self.needed[value])
        elif isinstance(operation, tensor.InsertSliceOp):
            self._need_slice(operation, self.needed[value])
        else:
            raise PassFailedException(f"`{operation.name}` is not computed in blocks")

    def _need_inputs(self, computation: Computation, part: Needed) -> None:
        row = row_of(computation, part)
        for instance in instances(computation, part):
            for _, access in computation.inputs:
                self.need(access, row, instance.spans)
        if computation.start is not None:
            self.need(computation.start, row, whole_spans(computation, part))

    def _need_slice(self, operation: tensor.InsertSliceOp, part: Needed) -> None:
        row = None if part.lane is None else part.lane.dimension
        everything = dict(enumerate(part.spans))
        if operation not in self.covered:
            self.need(identity(operation.dest), row, everything)
        taken = source_part(operation, part)
        if taken is not None:
            place = slice_of(operation)
            source_row = None if row is None else place.kept.index(row)
            self.need(identity(operation.source), source_row, taken)


def identity(value: SSAValue) -> Access:
    """Each element of a tensor, with a loop for each dimension."""
    rank = len(tensor_sizes(value))
    return Access(value, tuple(Subscript.loop(number) for number in range(rank)))


def row_of(computation: Computation, part: Needed) -> int | None:
    """The loop that is in the partitions."""
    return None if part.lane is None else computation.output[part.lane.dimension]


def whole_spans(computation: Computation, part: Needed) -> Spans:
    """The iterations of the loops that are not reduced."""
    return {
        loop: span
        for number, (loop, span) in enumerate(zip(computation.output, part.spans, strict=True))
        if part.lane is None or number != part.lane.dimension
    }


def instances(computation: Computation, part: Needed) -> Iterator[Instance]:
    """The iterations for a part of the result, as they are computed together."""
    row = row_of(computation, part)
    whole = whole_spans(computation, part)
    if not is_unrolled(computation, row):
        reduced = {loop: Span(0, computation.extents[loop]) for loop in computation.reduced}
        yield Instance({**whole, **reduced}, True)
        return
    guards = computation.reduction.guards if computation.reduction is not None else ()
    for point in computation.reduced_points:
        spans = {**whole, **{loop: Span(number, 1) for loop, number in point.items()}}
        left = limited(guards, row, spans, computation.extents)
        if left is not None:
            yield Instance(left, left == spans)


def is_unrolled(computation: Computation, row: int | None) -> bool:
    """Whether the reduced loops are unrolled: sums of products with a number per partition."""
    reduction = computation.reduction
    if reduction is None:
        return False
    few = computation.reduced_count <= UNROLLED
    if few and reduction.operator in (Operator.MAXIMUM, Operator.MINIMUM):
        # One instruction for all would take as long, and the start is combined like the rest.
        return True
    if reduction.guards and not few:
        raise PassFailedException("too many values to reduce under conditions")
    return bool(reduction.guards) or (few and row_factor(computation, row) is not None)


def row_factor(computation: Computation, row: int | None) -> SSAValue | None:
    """A factor of what is combined that is the same for all elements of a row."""
    assert computation.reduction is not None
    multiplication = computation.reduction.combined.owner
    if not isinstance(multiplication, arith.MulfOp):
        return None
    fixed = {*computation.reduced, row}
    accesses = dict(computation.inputs)
    for factor in (multiplication.rhs, multiplication.lhs):
        access = accesses.get(factor)
        if access is not None and all(set(s.loops) <= fixed for s in access.subscripts):
            return factor
    return None


def source_part(operation: tensor.InsertSliceOp, part: Needed) -> Spans | None:
    """The part of what is put in that falls into a part of the result."""
    place, whole = slice_of(operation), tensor_sizes(operation.dest)
    found: dict[int, Span] = {}
    for number, dimension in enumerate(place.kept):
        offset, size, stride = (
            place.offsets[dimension],
            place.sizes[dimension],
            place.strides[dimension],
        )
        span = part.spans[dimension]
        if (offset, size, stride) == (0, whole[dimension], 1):
            found[number] = span
            continue
        if span.factor or (part.lane is not None and dimension == part.lane.dimension):
            raise PassFailedException("a tensor of several parts that does not fit a block")
        first = max(0, -((offset - span.start) // stride))
        last = min(size - 1, (span.start + span.size - 1 - offset) // stride)
        if first > last:
            return None
        found[number] = Span(first, last - first + 1)
    dropped = set(range(len(whole))) - set(place.kept)
    for dimension in dropped:
        span = part.spans[dimension]
        if not span.start <= place.offsets[dimension] < span.start + span.size or span.factor:
            return None
    return found


def is_constant(value: SSAValue) -> bool:
    """Whether a tensor is filled with a number, or has no contents."""
    owner = value.owner
    return isinstance(owner, tensor.EmptyOp) or fill_of(value) is not None


def fill_of(value: SSAValue) -> float | None:
    """The number that fills a tensor."""
    owner = value.owner
    if not isinstance(owner, linalg.FillOp):
        return None
    number = owner.inputs[0].owner
    if isinstance(number, arith.ConstantOp) and isinstance(number.value, FloatAttr):
        return float(number.value.value.data)
    return None
