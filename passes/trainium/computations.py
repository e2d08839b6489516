"""What a ``linalg.generic`` computes: its loops, the elements it reads, and how it reduces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import AffineDimExpr
from xdsl.utils.exceptions import PassFailedException

from ...dialects.trn import REDUCTIONS, Operator
from .scalar_operations import BINARY, reduction_of
from .subscripts import Access, Subscript, maps_of, resolved
from .tensor_functions import tensor_sizes

_ORDERS = {2: (True, True), 3: (True, False), 4: (False, True), 5: (False, False)}
"""``slt``, ``sle``, ``sgt``, ``sge``: whether they are swapped ``>`` or ``>=``, and strict."""


@dataclass(frozen=True)
class Reduction:
    """How the reduced loops combine values."""

    operator: Operator
    combined: SSAValue
    """The value of the body that is combined."""
    skipped: tuple[Operation, ...]
    """Operations of the body that combine it, or that only say where it is combined."""
    guards: tuple[Subscript, ...]
    """A value is combined where all these are at least 0."""


@dataclass(frozen=True)
class Computation:
    """One operation on tensors, element by element."""

    operation: linalg.GenericOp
    extents: tuple[int, ...]
    """Of the loops."""
    reduced: tuple[int, ...]
    """Loops over which is reduced."""
    inputs: tuple[tuple[SSAValue, Access], ...]
    """Arguments of the body that are read, and the elements they stand for."""
    output: tuple[int, ...]
    """The loop along each dimension of the result."""
    start: Access | None
    """What a reduction starts from, or what an operation reads of its output."""
    reduction: Reduction | None

    @property
    def body(self) -> Block:
        return self.operation.body.block

    @property
    def reduced_points(self) -> Iterator[dict[int, int]]:
        """The counters of the reduced loops, in their order."""
        for point in product(*(range(self.extents[loop]) for loop in self.reduced)):
            yield dict(zip(self.reduced, point, strict=True))

    @property
    def reduced_count(self) -> int:
        return prod(self.extents[loop] for loop in self.reduced)


def computation_of(operation: linalg.GenericOp) -> Computation:
    """What an operation computes; raises ``PassFailedException`` for other forms."""
    if len(operation.outputs) != 1:
        raise PassFailedException("an operation with several results")
    kinds = [str(kind.data.value) for kind in operation.iterator_types]
    reduced = tuple(number for number, kind in enumerate(kinds) if kind == "reduction")
    maps = maps_of(operation)
    body = operation.body.block
    used = zip(operation.inputs, maps, body.args, strict=False)
    inputs = tuple(
        (argument, resolved(Access(value, subscripts)))
        for value, subscripts, argument in used
        if argument.first_use is not None
    )
    output = _output_loops(maps[-1], set(range(len(kinds))) - set(reduced))
    start = None
    if reduced or body.args[-1].first_use is not None:
        start = resolved(Access(operation.outputs[0], maps[-1]))
    reduction = guarded_reduction(body) if reduced else None
    return Computation(
        operation, loop_extents(operation), reduced, inputs, output, start, reduction
    )


def loop_extents(operation: linalg.GenericOp) -> tuple[int, ...]:
    """The number of iterations of each loop."""
    found: dict[int, int] = {}
    maps = [attribute.data for attribute in operation.indexing_maps]
    for value, map in zip((*operation.inputs, *operation.outputs), maps, strict=True):
        for result, size in zip(map.results, tensor_sizes(value), strict=True):
            if isinstance(result, AffineDimExpr):
                found[result.position] = size
    count = len(operation.iterator_types.data)
    if sorted(found) != list(range(count)):
        raise PassFailedException("a loop whose extent no operand gives")
    return tuple(found[number] for number in range(count))


def _output_loops(subscripts: Sequence[Subscript], parallel: set[int]) -> tuple[int, ...]:
    loops = [subscript.only_loop for subscript in subscripts]
    found = tuple(loop for loop in loops if loop is not None)
    if len(found) != len(loops) or len(set(found)) != len(found) or set(found) != parallel:
        raise PassFailedException("a result that is not written once per element")
    return found


# Reductions, also under conditions on counters: sums and limits at the border of padded arrays.


def guarded_reduction(body: Block) -> Reduction:
    """How a body reduces; raises ``PassFailedException`` for other forms."""
    total, last = body.args[-1], body.last_op
    assert last is not None
    guards: list[Subscript] = []
    compared: list[SSAValue] = []
    choices: list[Operation] = []
    chosen = last.operands[0]
    while isinstance(choice := chosen.owner, arith.SelectOp) and total in (choice.lhs, choice.rhs):
        holds = choice.rhs is total
        parts = list(_parts(choice.cond, holds))
        limits = [part for part in parts if isinstance(part.owner, arith.CmpfOp)]
        if limits and not holds:
            break
        guards += [_guard(part, holds) for part in parts if part not in limits]
        compared += limits
        choices.append(choice)
        chosen = choice.lhs if holds else choice.rhs
    if not guards:
        return Reduction(*reduction_of(body), guards=())
    positions = [op for op in body.ops if _computes_positions(op)]
    if compared:
        operator, combined = _limit(compared, chosen, total)
        return Reduction(operator, combined, (*positions, *choices), tuple(guards))
    combiner = chosen.owner
    operator = BINARY.get(type(combiner)) if isinstance(combiner, Operation) else None
    others = (
        [operand for operand in combiner.operands if operand is not total]
        if isinstance(combiner, Operation)
        else []
    )
    if operator not in REDUCTIONS or operator is None or len(others) != 1:
        raise PassFailedException("a reduction that is no sum, product, minimum or maximum")
    assert isinstance(combiner, Operation)
    return Reduction(operator, others[0], (*positions, combiner, *choices), tuple(guards))


def _limit(
    compared: Sequence[SSAValue], chosen: SSAValue, total: SSAValue
) -> tuple[Operator, SSAValue]:
    """The operator of ``x > total ? x : total`` and its like."""
    comparison = compared[0].owner
    assert isinstance(comparison, arith.CmpfOp)
    larger = {2: True, 3: True, 4: False, 5: False}.get(comparison.predicate.value.data)
    pair = [comparison.lhs, comparison.rhs]
    if larger is None or len(compared) > 1 or set(pair) != {chosen, total}:
        raise PassFailedException("a reduction that is no sum, product, minimum or maximum")
    maximum = larger == (pair[0] is chosen)
    return (Operator.MAXIMUM if maximum else Operator.MINIMUM), chosen


def _parts(condition: SSAValue, holds: bool) -> Iterator[SSAValue]:
    """The conditions that must all hold, or must all fail, without those that always do."""
    owner = condition.owner
    if isinstance(owner, arith.AndIOp if holds else arith.OrIOp):
        yield from _parts(owner.operands[0], holds)
        yield from _parts(owner.operands[1], holds)
    elif isinstance(owner, arith.SelectOp) and holds and _truth(owner.rhs) is False:
        yield from _parts(owner.cond, holds)
        yield from _parts(owner.lhs, holds)
    elif isinstance(owner, arith.SelectOp) and not holds and _truth(owner.lhs) is True:
        yield from _parts(owner.cond, holds)
        yield from _parts(owner.rhs, holds)
    elif _truth(condition) is not holds:
        yield condition


def _truth(value: SSAValue) -> bool | None:
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return bool(owner.value.value.data)
    return None


def _guard(condition: SSAValue, holds: bool) -> Subscript:
    """A comparison of positions that holds, or fails, as something that is at least 0."""
    owner = condition.owner
    number = owner.predicate.value.data if isinstance(owner, arith.CmpiOp) else -1
    if not isinstance(owner, arith.CmpiOp) or number not in _ORDERS:
        raise PassFailedException("a condition that is no comparison of positions")
    swapped, strict = _ORDERS[number]
    left, right = _position(owner.lhs), _position(owner.rhs)
    if swapped == holds:
        left, right = right, left
    return left.plus(right, -1).plus(Subscript(-1 if strict == holds else 0))


def _position(value: SSAValue) -> Subscript:
    owner = value.owner
    if isinstance(owner, linalg.IndexOp):
        return Subscript.loop(owner.dim.value.data)
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return Subscript(owner.value.value.data)
    if isinstance(owner, arith.AddiOp):
        return _position(owner.lhs).plus(_position(owner.rhs))
    if isinstance(owner, arith.SubiOp):
        return _position(owner.lhs).plus(_position(owner.rhs), -1)
    if isinstance(owner, arith.MuliOp):
        left, right = _position(owner.lhs), _position(owner.rhs)
        if not left.factors or not right.factors:
            constant, other = (left, right) if not left.factors else (right, left)
            return Subscript(0).plus(other, constant.constant)
    raise PassFailedException("a position that is not affine")


def conditions_on_positions(condition: SSAValue, holds: bool) -> list[Subscript]:
    """What is at least 0 where a condition holds, or where it fails.

    Raises ``PassFailedException`` for what is no conjunction of affine inequalities.
    """
    return [_guard(part, holds) for part in _parts(condition, holds)]


def is_about_positions(condition: SSAValue) -> bool:
    """Whether nothing but counters decides a condition."""
    owner = condition.owner
    if isinstance(owner, linalg.IndexOp | arith.ConstantOp):
        return True
    return isinstance(owner, Operation) and all(map(is_about_positions, owner.operands))


def _computes_positions(operation: Operation) -> bool:
    """Whether an operation computes positions or conditions on them."""
    return isinstance(operation, linalg.IndexOp) or any(
        str(result.type) in ("index", "i1") for result in operation.results
    )
