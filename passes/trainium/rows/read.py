"""Reads a function on tensors whose rows are computed alone into a graph of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import FloatAttr
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)
from xdsl.utils.exceptions import PassFailedException

from ....dialects.trn import Operator
from ..computations import Reduction, guarded_reduction
from ..scalar_operations import NEUTRAL
from ..tensor_functions import element_type, output_positions, tensor_sizes
from .graph import ROW, Access, Load, Masked, Operand, Reduce, RowGraph, Subscript, Weight
from .masks import pointwise
from .operations import RowCode

_OMITTED = -1
"""Stands for a dimension that an iteration space lacks."""


@dataclass(frozen=True)
class RowProgram:
    """The number of rows, and what each output parameter gets."""

    graph: RowGraph
    rows: int
    outputs: tuple[tuple[Access, int], ...]

    def of(self, accesses: Iterable[Access]) -> RowProgram:
        """The program with other nodes for its outputs."""
        places = (place for _, place in self.outputs)
        return replace(self, outputs=tuple(zip(accesses, places, strict=True)))


def read_rows(function: func.FuncOp) -> RowProgram:
    """The rows of a function's results; raises ``PassFailedException`` where rows are not alone."""
    graph = RowGraph()
    program = _Reader(function, graph).run()
    while graph.read_again():
        program = _Reader(function, graph).run()
    return program


@dataclass(frozen=True)
class _Loops:
    """A ``linalg`` operation: its operands, subscripts and scalar code."""

    operation: Operation
    values: tuple[SSAValue, ...]
    maps: tuple[AffineMap, ...]
    kinds: tuple[str, ...]
    body: Block

    @property
    def reductions(self) -> int:
        return self.kinds.count("reduction")

    @property
    def element(self) -> Attribute:
        return element_type(self.operation.results[0])


class _Reader:
    """One reading of a function."""

    def __init__(self, function: func.FuncOp, graph: RowGraph) -> None:
        returned = function.body.block.last_op
        if not isinstance(returned, func.ReturnOp) or not returned.arguments:
            raise PassFailedException("trn-lower-rows needs a function that returns tensors")
        self.function = function
        self.graph = graph
        self.results = list(returned.arguments)
        self.rows = _rows_of(self.results)
        self.operations = [op for op in function.body.block.ops if op is not returned]
        self.tensors: dict[SSAValue, Operand | None] = {}
        """Elements of tensors; the number that fills a tensor; None for any."""

    def run(self) -> RowProgram:
        for operation in self.operations:
            self._one(operation)
        outputs = [self._output(value) for value in self.results]
        places = output_positions(self.function)
        return RowProgram(self.graph, self.rows, tuple(zip(outputs, places, strict=True)))

    def _output(self, value: SSAValue) -> Access:
        sizes = tensor_sizes(value)[1:] or ROW
        found = self._tensor(value)
        element = element_type(value)
        own = isinstance(found, Access) and found.is_whole and not isinstance(found.node, Load)
        if (
            isinstance(found, Access)
            and own
            and (found.sizes, found.node.element) == (sizes, element)
        ):
            return found
        return RowCode(self.graph, {}, sizes).copy(found, sizes, element)

    def _tensor(self, value: SSAValue) -> Operand:
        """This block's rows of a tensor."""
        found = self.tensors.get(value)
        if found is not None:
            return found
        if not isinstance(value, BlockArgument):
            raise PassFailedException("a tensor of unknown contents is read")
        sizes = tensor_sizes(value)[1:] or ROW
        return Access.whole(self.graph.make(Load, sizes, element_type(value), value.index))

    def _one(self, operation: Operation) -> None:
        if isinstance(operation, tensor.EmptyOp):
            self.tensors[operation.tensor] = None
        elif isinstance(operation, linalg.FillOp):
            self.tensors[operation.results[0]] = _number(operation.operands[0])
        elif isinstance(operation, linalg.GenericOp):
            maps = tuple(attribute.data for attribute in operation.indexing_maps)
            kinds = tuple(str(kind.data.value) for kind in operation.iterator_types)
            values = (*operation.inputs, *operation.outputs)
            if len(operation.outputs) != 1:
                raise PassFailedException("an operation with several results")
            self._loops(_Loops(operation, values, maps, kinds, operation.body.block))
        elif isinstance(operation, linalg.MatmulOp):
            self._loops(_matmul(operation))
        elif not isinstance(operation, arith.ConstantOp):
            raise PassFailedException(f"`{operation.name}` cannot be computed on rows")

    def _loops(self, loops: _Loops) -> None:
        space = _iteration_space(loops)
        axes = loops.reductions
        if loops.kinds[:1] != ("parallel",) or space[0] != self.rows:
            raise PassFailedException("an operation whose first loop is not over the rows")
        if loops.kinds[len(loops.kinds) - axes :] != ("reduction",) * axes:
            raise PassFailedException("a reduction that is not along the last dimensions")
        _check_output(loops.maps[-1], len(loops.kinds) - axes)
        free = space[1:]
        result = loops.operation.results[0]
        if not axes:
            code = RowCode(self.graph, self._known(loops, free), free)
            value = code.operand(_yielded(loops.body))
            if isinstance(value, Access) and value.is_row and prod(free) > 1:
                value = code.copy(value, free, loops.element)
            self.tensors[result] = value
            return
        reduction = guarded_reduction(loops.body)
        value = self._product(loops, reduction, free)
        if value is None:
            value = self._reduction(loops, reduction, free)
        self.tensors[result] = value

    def _known(
        self, loops: _Loops, free: Sequence[int], omitted: int | None = None
    ) -> dict[SSAValue, Operand]:
        """What the body's arguments are, in a space without the dimension ``omitted``."""
        known: dict[SSAValue, Operand] = {}
        for value, map, argument in zip(loops.values, loops.maps, loops.body.args, strict=True):
            if argument.first_use is None or (loops.reductions and value is loops.values[-1]):
                continue
            found = [_subscript(result, omitted) for result in map.results]
            if all(dimension != _OMITTED for dimension, _, _ in found):
                known[argument] = self._operand(value, found, free)
        return known

    def _operand(self, value: SSAValue, found: Sequence[Subscript], free: Sequence[int]) -> Operand:
        """The elements of a tensor that an iteration space over ``free`` reads."""
        number = self.tensors.get(value)
        if isinstance(number, float):
            return number
        has_rows = bool(found) and found[0] == (0, 1, 0)
        inner = list(found[1:] if has_rows else found)
        if any(dimension == 0 for dimension, _, _ in inner):
            raise PassFailedException("rows that depend on each other")
        if has_rows:
            access = self._tensor(value)
            if not isinstance(access, Access):
                return access
        elif isinstance(value, BlockArgument):
            sizes = tensor_sizes(value)
            access = Access.whole(self.graph.make(Weight, sizes, element_type(value), value.index))
        else:
            raise PassFailedException("an intermediate tensor without rows")
        shifted = [
            (None if dimension is None else dimension - 1, factor, constant)
            for dimension, factor, constant in inner
        ]
        return access.within(free, shifted)

    def _reduction(self, loops: _Loops, reduction: Reduction, free: Sequence[int]) -> Access:
        operator = reduction.operator
        code = RowCode(self.graph, self._known(loops, free), free)
        value = code.operand(reduction.combined)
        if not isinstance(value, Access) or value.sizes != tuple(free):
            value = code.copy(value, free, loops.element)
        for guard in reduction.guards:
            value = code.masked(value, guard, NEUTRAL[operator])
        kept = tuple(free[: len(free) - loops.reductions]) or ROW
        start: Operand | None = self._start(loops)
        if isinstance(start, Access) and (longer := _with_first(value, start)) is not None:
            value, start = longer, None
        if start == NEUTRAL[operator]:
            start = None
        fields = (kept, loops.element, operator, value, loops.reductions)
        if start is not None and not isinstance(start, Access) and _can_lead(operator, value):
            return Access.whole(self.graph.make(Reduce, *fields, start))
        node = self.graph.make(Reduce, *fields)
        return self._combined(operator, Access.whole(node), start, loops.element)

    def _start(self, loops: _Loops) -> Operand:
        return self._tensor(loops.values[-1])

    def _combined(
        self, operator: Operator, value: Access, start: Operand | None, element: Attribute
    ) -> Access:
        if start is None or start == NEUTRAL[operator]:
            return value
        return pointwise(self.graph, operator, [value, start], value.sizes, element)

    def _product(self, loops: _Loops, reduction: Reduction, free: Sequence[int]) -> Access | None:
        """A sum of products of something with rows and of a matrix without rows."""
        operator, combined = reduction.operator, reduction.combined
        summed = len(free)
        if operator != Operator.ADD or loops.reductions != 1 or summed > 2:
            return None
        if not isinstance(combined.owner, arith.MulfOp):
            return None
        for factor, other in (combined.owner.operands, combined.owner.operands[::-1]):
            matrix = self._matrix(loops, factor, summed)
            if matrix is None:
                continue
            position, turned, columns = matrix
            depth = (free[-1],)
            omitted = 1 if summed == 2 else None
            code = RowCode(self.graph, self._known(loops, depth, omitted), depth, omitted)
            try:
                left = code.operand(other)
                if not isinstance(left, Access) or left.sizes != depth:
                    continue
                for guard in reduction.guards:
                    left = code.masked(left, guard, 0.0)
            except PassFailedException:
                continue
            value = self.graph.product(left, position, turned, columns, loops.element)
            if summed == 1:
                value = Access(value.node, ROW, value.offsets, (0,), (1,))
            return self._combined(operator, value, self._start(loops), loops.element)
        return None

    def _matrix(
        self, loops: _Loops, factor: SSAValue, summed: int
    ) -> tuple[int, bool, tuple[int, int]] | None:
        """Parameter, whether its columns come first, and which columns; None for no matrix."""
        while isinstance(factor.owner, arith.ExtFOp):
            factor = factor.owner.input
        if factor not in loops.body.args[:-1]:
            return None
        place = loops.body.args.index(factor)  # pyright: ignore
        value = loops.values[place]
        found = [_subscript(result) for result in loops.maps[place].results]
        if not isinstance(value, BlockArgument) or value in self.tensors or len(found) != 2:
            return None
        if (summed, 1, 0) not in found:
            return None
        turned = found[1] == (summed, 1, 0)
        dimension, step, constant = found[0 if turned else 1]
        sizes = tensor_sizes(value)
        if sizes[1 if turned else 0] != _extent(loops, summed):
            return None
        if summed == 1 and dimension is None:
            return value.index, turned, (constant, constant + 1)
        if summed == 2 and (dimension, step) == (1, 1):
            return value.index, turned, (constant, constant + _extent(loops, 1))
        return None


def _matmul(operation: linalg.MatmulOp) -> _Loops:
    rows, columns, depth = (AffineMap.identity(3).results[place] for place in range(3))
    pairs = ((rows, depth), (depth, columns), (rows, columns))
    maps = tuple(AffineMap(3, 0, pair) for pair in pairs)
    kinds = ("parallel", "parallel", "reduction")
    values = (*operation.inputs, *operation.outputs)
    return _Loops(operation, values, maps, kinds, operation.regions[0].block)


def _can_lead(operator: Operator, value: Access) -> bool:
    """Whether a number may take part in a reduction as an element before the first one.

    That of a sum or product is neutral, or combined in the end.
    """
    is_limit = operator in (Operator.MAXIMUM, Operator.MINIMUM)
    if isinstance(value.node, Masked):
        return False
    return is_limit and value.is_whole and len(value.sizes) == 1 and value.sizes != ROW


def _with_first(value: Access, first: Access) -> Access | None:
    """The elements of a row with the one just before them, where a reduction starts from that."""
    mask = value.node
    if (
        isinstance(mask, Masked)
        and mask.data == Access.whole(first.node)
        and mask.guard.holds_everywhere(first.offsets)
    ):
        first = replace(first, node=mask)
    in_rows = prod(value.sizes[:-1]) == 1 and value.steps[-1] == 1 and first.is_row
    if value.node is not first.node or not in_rows:
        return None
    before = list(value.offsets)
    before[value.along[-1]] -= 1
    if tuple(before) != first.offsets:
        return None
    sizes = (*value.sizes[:-1], value.sizes[-1] + 1)
    return Access(value.node, sizes, first.offsets, value.along, value.steps)


def _subscript(expression: AffineExpr, omitted: int | None = None) -> Subscript:
    """Dimension, factor and constant of a subscript such as ``2·d1 + 3``.

    Dimensions behind the one that is ``omitted`` count one less.
    """
    if isinstance(expression, AffineDimExpr):
        position = expression.position
        if position == omitted:
            return _OMITTED, 1, 0
        behind = omitted is not None and position > omitted
        return position - 1 if behind else position, 1, 0
    if isinstance(expression, AffineConstantExpr):
        return None, 0, expression.value
    if isinstance(expression, AffineBinaryOpExpr):
        left, right = expression.lhs, expression.rhs
        if isinstance(right, AffineConstantExpr):
            dimension, factor, constant = _subscript(left, omitted)
            if expression.kind is AffineBinaryOpKind.Add:
                return dimension, factor, constant + right.value
            if expression.kind is AffineBinaryOpKind.Mul:
                return dimension, factor * right.value, constant * right.value
    raise PassFailedException(f"subscript {expression} is not along one dimension")


def _check_output(map: AffineMap, count: int) -> None:
    if [str(result) for result in map.results] != [f"d{number}" for number in range(count)]:
        raise PassFailedException("a result that is not written in the order of the loops")


def _iteration_space(loops: _Loops) -> list[int]:
    found: dict[int, int] = {}
    for value, map in zip(loops.values, loops.maps, strict=True):
        for result, size in zip(map.results, tensor_sizes(value), strict=True):
            if isinstance(result, AffineDimExpr):
                found[result.position] = size
    if sorted(found) != list(range(len(loops.kinds))):
        raise PassFailedException("a loop whose extent no operand gives")
    return [found[number] for number in range(len(found))]


def _extent(loops: _Loops, dimension: int) -> int:
    return _iteration_space(loops)[dimension]


def _rows_of(results: Sequence[SSAValue]) -> int:
    rows = {tensor_sizes(value)[:1] for value in results}
    if len(rows) != 1 or () in rows:
        raise PassFailedException("results with different numbers of rows")
    return rows.pop()[0]


def _number(value: SSAValue) -> float:
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, FloatAttr):
        return float(owner.value.value.data)
    raise PassFailedException("a tensor that is filled with no constant")


def _yielded(body: Block) -> SSAValue:
    last = body.last_op
    assert last is not None
    return last.operands[0]
