"""``trn-lower-rows``: tensor programs whose rows are computed alone, rows in partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Self

from xdsl.builder import Builder
from xdsl.context import Context
from xdsl.dialects import arith, func, scf, tensor
from xdsl.dialects.builtin import (
    FloatAttr,
    IndexType,
    ModuleOp,
)
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ...dialects.trn import Operator, ViewOp
from ...dialects.trn.limits import PARTITIONS
from ..schedule_space import applies
from .cells import BlockEmitter, Cells, Operand, shape_of
from .scalar_code import ScalarCode, reduction_of
from .tensor_functions import (
    element_type,
    index_constant,
    output_positions,
    parameters_in_memory,
    refusing_illegal_operations,
    replace_function,
    tensor_sizes,
)

_NEUTRAL = {
    Operator.ADD: 0.0,
    Operator.MULTIPLY: 1.0,
    Operator.MAXIMUM: float("-inf"),
    Operator.MINIMUM: float("inf"),
}


@dataclass(frozen=True)
class LowerRowsPass(ModulePass):
    """Lower a function on tensors to instructions on blocks of rows.

    Needs a first dimension that is the same rows in all results, with every element computed from
    its own row and from arrays that have no rows (weights). Guarantees one load of each array per
    block, and keeps everything between in SBUF. Each operation becomes one instruction.
    """

    name = "trn-lower-rows"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in list(op.ops):
            if isinstance(function, func.FuncOp):
                with refusing_illegal_operations():
                    _RowLowering(function).run()

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        return (cls(),) if applies(ctx, module_op, cls()) else ()


class _RowLowering:
    """The lowering of one function."""

    def __init__(self, function: func.FuncOp) -> None:
        self.function = function
        returned = function.body.block.last_op
        if not isinstance(returned, func.ReturnOp) or not returned.arguments:
            raise PassFailedException("trn-lower-rows needs a function that returns tensors")
        self.results = list(returned.arguments)
        self.rows = _rows_of(self.results)
        self.operations = [op for op in function.body.block.ops if op is not returned]
        self.outputs = output_positions(function)

    def run(self) -> None:
        block = parameters_in_memory(self.function)
        self.arrays: dict[SSAValue, SSAValue] = dict(
            zip(self.function.args, block.args, strict=True)
        )
        builder = Builder(InsertPoint.at_end(block))
        weights = _Weights(builder, self)
        whole, rest = divmod(self.rows, PARTITIONS)
        if whole:
            low, high, step = (index_constant(builder, number) for number in (0, whole, 1))
            body = Block(arg_types=[IndexType()])
            inner = Builder(InsertPoint.at_end(body))
            start = inner.insert(
                arith.MuliOp(body.args[0], index_constant(inner, PARTITIONS))
            ).result
            _Block(self, inner, PARTITIONS, start, weights).run()
            inner.insert(scf.YieldOp())
            builder.insert(scf.ForOp(low, high, step, [], Region(body)))
        if rest:
            _Block(self, builder, rest, whole * PARTITIONS, weights).run()
        builder.insert(func.ReturnOp())
        replace_function(self.function, block)


@dataclass
class _Weights:
    """Arrays without rows, loaded once and repeated in all partitions."""

    builder: Builder
    lowering: _RowLowering
    loaded: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def buffer(self, value: SSAValue) -> SSAValue:
        if value not in self.loaded:
            array = self.lowering.arrays[value]
            emitter = BlockEmitter(self.builder, PARTITIONS)
            shape = shape_of(array)
            buffer = emitter.allocate(shape, element_type(value))
            rank = len(shape)
            along, steps = (0, *range(rank)), (0, *([1] * rank))
            source = ViewOp(array, [0] * rank, (PARTITIONS, *shape), along, steps)
            self.builder.insert(source)
            emitter.move(source.view, emitter.view(Cells.whole(buffer)))
            self.loaded[value] = buffer
        return self.loaded[value]


class _Block:
    """The program for one block of rows, from ``start`` on."""

    def __init__(
        self,
        lowering: _RowLowering,
        builder: Builder,
        rows: int,
        start: SSAValue | int,
        weights: _Weights,
    ) -> None:
        self.lowering = lowering
        self.builder = builder
        self.emitter = BlockEmitter(builder, rows)
        self.start = start
        self.weights = weights
        self.tensors: dict[SSAValue, Cells | float | None] = {}
        """This block's elements of tensors; the number that fills a tensor; None for any."""

    def run(self) -> None:
        for operation in self.lowering.operations:
            self._one(operation)
        pairs = zip(self.lowering.results, self.lowering.outputs, strict=True)
        for value, position in pairs:
            buffer = self._rows(value)
            array = self.lowering.arrays[self.lowering.function.args[position]]
            shape = shape_of(array)
            target = self._rows_of_array(array, shape)
            source = Cells.whole(buffer)
            self.emitter.move(self.emitter.view(source), target)

    def _rows_of_array(self, array: SSAValue, shape: Sequence[int]) -> SSAValue:
        """A block of rows of an array in HBM."""
        offsets = [self.start, *([0] * (len(shape) - 1))]
        sizes = (self.emitter.rows, *shape[1:])
        return self.builder.insert(ViewOp(array, offsets, sizes)).view

    def _rows(self, value: SSAValue) -> SSAValue:
        """The buffer with this block's rows of a tensor; those of a parameter are loaded."""
        known = self.tensors.get(value)
        if isinstance(known, Cells) and known == Cells.whole(known.buffer):
            return known.buffer
        if known is not None:
            copied = self.emitter.copy(known, _free(tensor_sizes(value)), element_type(value))
            self.tensors[value] = copied
            return copied.buffer
        if value not in self.lowering.arrays:
            raise PassFailedException("a tensor of unknown contents is read")
        array = self.lowering.arrays[value]
        shape = shape_of(array)
        buffer = self.emitter.allocate(shape[1:], element_type(value))
        self.emitter.move(self._rows_of_array(array, shape), self.emitter.view(Cells.whole(buffer)))
        self.tensors[value] = Cells.whole(buffer)
        return buffer

    def _one(self, operation: Operation) -> None:
        if isinstance(operation, tensor.EmptyOp):
            self.tensors[operation.tensor] = None
        elif isinstance(operation, arith.ConstantOp):
            return
        elif isinstance(operation, linalg.FillOp):
            self.tensors[operation.results[0]] = _number(operation.operands[0])
        elif isinstance(operation, linalg.GenericOp):
            self._generic(operation)
        else:
            raise PassFailedException(f"`{operation.name}` cannot be computed on rows")

    def _generic(self, operation: linalg.GenericOp) -> None:
        if len(operation.outputs) != 1:
            raise PassFailedException("an operation with several results")
        space = _iteration_space(operation)
        maps = [attribute.data for attribute in operation.indexing_maps]
        kinds = [str(kind.data.value) for kind in operation.iterator_types]
        if kinds[:1] != ["parallel"] or space[0] != self.lowering.rows:
            raise PassFailedException("an operation whose first loop is not over the rows")
        axes = kinds.count("reduction")
        if kinds[len(kinds) - axes :] != ["reduction"] * axes:
            raise PassFailedException("a reduction that is not along the last dimensions")
        body = operation.body.block
        known: dict[SSAValue, Operand] = {}
        for value, map, argument in zip(operation.inputs, maps, body.args, strict=False):
            if argument.first_use is not None:
                known[argument] = self._operand(value, map, space[1:])
        result = operation.results[0]
        if axes:
            self.tensors[result] = self._reduction(operation, known, axes, space[1:])
            return
        self._check_output(maps[-1], len(kinds))
        if body.args[-1].first_use is not None:
            known[body.args[-1]] = self._operand(operation.outputs[0], maps[-1], space[1:])
        code = ScalarCode(self.emitter, known)
        code.run(body)
        value = code.operand(_yielded(body))
        element = element_type(result)
        if isinstance(value, Cells) and (value.sizes, value.element) != (_free(space), element):
            value = self.emitter.copy(value, _free(space), element)
        self.tensors[result] = value

    def _reduction(
        self,
        operation: linalg.GenericOp,
        known: dict[SSAValue, Operand],
        axes: int,
        free: Sequence[int],
    ) -> Cells:
        body = operation.body.block
        self._check_output(operation.indexing_maps.data[-1].data, len(free) + 1 - axes)
        operator, combined, combiner = reduction_of(body)
        code = ScalarCode(self.emitter, known)
        code.run(body, combiner)
        value = code.operand(combined)
        element = element_type(operation.results[0])
        if not isinstance(value, Cells) or value.sizes != tuple(free):
            value = self.emitter.copy(value, free, element)
        start = self.tensors.get(operation.outputs[0])
        if isinstance(start, Cells) and (longer := _with_first(value, start)) is not None:
            value, start = longer, _NEUTRAL[operator]
        reduced = self.emitter.reduce(operator, value, axes, element)
        if start == _NEUTRAL[operator]:
            return reduced
        initial: Operand = (
            start if start is not None else Cells.whole(self._rows(operation.outputs[0]))
        )
        return self.emitter.combine(operator, reduced, initial, element)

    def _check_output(self, map: AffineMap, count: int) -> None:
        if [str(result) for result in map.results] != [f"d{number}" for number in range(count)]:
            raise PassFailedException("a result that is not written in the order of the loops")

    def _operand(self, value: SSAValue, map: AffineMap, free: Sequence[int]) -> Operand:
        """The elements of a tensor that an iteration space over ``free`` reads."""
        number = self.tensors.get(value)
        if isinstance(number, float):
            return number
        found = [_dimension(result) for result in map.results]
        has_rows = bool(found) and found[0] == (0, 1, 0)
        if any(dimension == 0 for dimension, _, _ in found[1 if has_rows else 0 :]):
            raise PassFailedException("rows that depend on each other")
        if has_rows:
            buffer, inner = self._rows(value), found[1:]
        elif value in self.lowering.arrays:
            buffer, inner = self.weights.buffer(value), found
        else:
            raise PassFailedException("an intermediate tensor without rows")
        return _pattern(buffer, inner, free)


def _with_first(value: Cells, first: Cells) -> Cells | None:
    """The elements of a row with the one just before them, where a reduction starts from that."""
    in_rows = prod(value.sizes[:-1]) == 1 and value.steps[-1] == 1 and first.is_row
    if value.buffer is not first.buffer or not in_rows:
        return None
    before = list(value.offsets)
    before[value.along[-1]] -= 1
    if tuple(before) != first.offsets:
        return None
    sizes = (*value.sizes[:-1], value.sizes[-1] + 1)
    return Cells(value.buffer, sizes, first.offsets, value.along, value.steps)


def _pattern(
    buffer: SSAValue, inner: Sequence[tuple[int | None, int, int]], free: Sequence[int]
) -> Cells:
    """How free dimensions run along a buffer whose free subscripts are ``inner``."""
    rank = len(shape_of(buffer))
    places = {dimension: place for place, (dimension, _, _) in enumerate(inner, start=1)}
    factors = {dimension: factor for dimension, factor, _ in inner}
    offsets = [0, *(offset for _, _, offset in inner)]
    offsets += [0] * (rank - len(offsets))
    used = [number for number in range(1, len(free) + 1) if number in places]
    if not used:
        # One element per partition, whatever the iteration space is.
        return Cells(buffer, (1,), tuple(offsets), (0, 1), (1, 0))
    along = (0, *(places.get(number, 1) for number in range(1, len(free) + 1)))
    steps = (1, *(factors.get(number, 0) for number in range(1, len(free) + 1)))
    return Cells(buffer, tuple(free), tuple(offsets), along, steps)


def _dimension(expression: AffineExpr) -> tuple[int | None, int, int]:
    """Dimension, factor and constant of a subscript such as ``2·d1 + 3``."""
    if isinstance(expression, AffineDimExpr):
        return expression.position, 1, 0
    if isinstance(expression, AffineConstantExpr):
        return None, 0, expression.value
    if isinstance(expression, AffineBinaryOpExpr):
        left, right = expression.lhs, expression.rhs
        if isinstance(right, AffineConstantExpr):
            dimension, factor, constant = _dimension(left)
            if expression.kind is AffineBinaryOpKind.Add:
                return dimension, factor, constant + right.value
            if expression.kind is AffineBinaryOpKind.Mul:
                return dimension, factor * right.value, constant * right.value
    raise PassFailedException(f"subscript {expression} is not along one dimension")


def _iteration_space(operation: linalg.GenericOp) -> list[int]:
    found: dict[int, int] = {}
    maps = [attribute.data for attribute in operation.indexing_maps]
    for value, map in zip((*operation.inputs, *operation.outputs), maps, strict=True):
        for result, size in zip(map.results, tensor_sizes(value), strict=True):
            if isinstance(result, AffineDimExpr):
                found[result.position] = size
    count = len(operation.iterator_types.data)
    if sorted(found) != list(range(count)):
        raise PassFailedException("a loop whose extent no operand gives")
    return [found[number] for number in range(count)]


def _free(space: Sequence[int]) -> tuple[int, ...]:
    return tuple(space[1:]) or (1,)


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
