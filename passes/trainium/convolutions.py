"""Sums of products of two arrays: which loop is summed in the array, and which are its columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from xdsl.dialects import arith
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects.trn import Operator
from .blocks.plan import Needed, Plan
from .computations import Computation
from .operand_tiles import Operand
from .spans import Span, Spans, limited, settled, span_of
from .subscripts import Access


@dataclass(frozen=True)
class Convolution:
    """``result[row, columns] = Σ_summed Σ_taps weights[row, …] · data[columns + taps, …]``."""

    computation: Computation
    weights: Access
    data: Access
    row: int
    """The loop of the result that only the weights have: it lies in the partitions."""
    summed: int
    """The loop over which the tensor engine sums; those of ``taps`` are written out."""
    taps: tuple[int, ...]

    @property
    def value(self) -> SSAValue:
        return self.computation.operation.results[0]

    @property
    def columns(self) -> tuple[int, ...]:
        """The result's other loops, in the order of its dimensions."""
        return tuple(loop for loop in self.computation.output if loop != self.row)

    def guarded(self, columns: Spans) -> Iterator[Spans]:
        """For each combination of taps the columns to which it adds, with the taps; whole first."""
        reduction = self.computation.reduction
        assert reduction is not None
        extents = self.computation.extents
        found: list[Spans] = []
        for point in product(*(range(extents[loop]) for loop in self.taps)):
            taps = {loop: Span(at, 1) for loop, at in zip(self.taps, point, strict=True)}
            spans = {**columns, **taps, self.summed: Span(0, extents[self.summed])}
            left = limited(reduction.guards, self.row, spans, extents)
            if left is not None:
                found.append(left)
        found.sort(key=lambda left: any(left[loop] != columns[loop] for loop in columns))
        if not found or any(found[0][loop] != columns[loop] for loop in columns):
            raise PassFailedException("no summand that all elements of a block have")
        yield from found

    def operand(self, plan: Plan, access: Access, spans: list[Spans]) -> Operand:
        """The part of an array that some iterations read."""
        parts: list[tuple[Access, tuple[Span, ...]]] = []
        for one in spans:
            place = settled(access, None, one)
            parts.append((place, tuple(span_of(subscript, one) for subscript in place.subscripts)))
        value, found = parts[0][0].value, parts[0][1]
        if value not in plan.parameters or any(place.value is not value for place, _ in parts):
            raise PassFailedException("a product of tensors that are not in memory")
        for _, part in parts[1:]:
            found = tuple(one.union(other) for one, other in zip(found, part, strict=True))
        return Operand(value, summed_dimension(parts[0][0], self.summed), found)


def summed_dimension(access: Access, loop: int) -> int:
    """The dimension along which a loop runs, one by one from the start."""
    places = [n for n, subscript in enumerate(access.subscripts) if subscript.factor(loop)]
    if len(places) != 1 or access.subscripts[places[0]].only_loop != loop:
        raise PassFailedException("a summed loop that does not run along one dimension")
    return places[0]


def convolution_of(computation: Computation) -> Convolution:
    """The convolution that a computation is; raises ``PassFailedException`` for others."""
    reduction = computation.reduction
    if reduction is None or reduction.operator != Operator.ADD:
        raise PassFailedException("no sum of products")
    multiplication = reduction.combined.owner
    accesses = dict(computation.inputs)
    factors = set(multiplication.operands) if isinstance(multiplication, arith.MulfOp) else set()
    if len(factors) != 2 or factors != set(accesses):
        raise PassFailedException("no sum of products of two arrays")
    parallel = set(computation.output)
    loops = {argument: _loops(access) for argument, access in accesses.items()}
    weights, data = sorted(accesses, key=lambda argument: len(loops[argument] & parallel))
    own = loops[weights] & parallel
    shared = (loops[weights] & loops[data]) - parallel
    if len(own) != 1 or own & loops[data]:
        raise PassFailedException("no loop of the result that only one factor has")
    summed = _summed(computation, accesses[weights], accesses[data], shared)
    taps = tuple(loop for loop in computation.reduced if loop != summed)
    return Convolution(computation, accesses[weights], accesses[data], own.pop(), summed, taps)


def _loops(access: Access) -> set[int]:
    return {loop for subscript in access.subscripts for loop in subscript.loops}


def _summed(computation: Computation, weights: Access, data: Access, loops: set[int]) -> int:
    """The longest loop that runs along a dimension of its own in both factors."""
    found: list[int] = []
    for loop in sorted(loops):
        try:
            summed_dimension(weights, loop)
            summed_dimension(data, loop)
        except PassFailedException:
            continue
        found.append(loop)
    if not found:
        raise PassFailedException("no loop that the tensor engine can sum over")
    return max(found, key=lambda loop: computation.extents[loop])


def needed_columns(part: Needed, convolution: Convolution) -> dict[int, Span]:
    """The columns of a part of the result."""
    return {
        loop: span
        for loop, span in zip(convolution.computation.output, part.spans, strict=True)
        if loop != convolution.row
    }
