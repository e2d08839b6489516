"""Tensor IR (``linalg`` on tensors) to affine statements (trusted core).

Each tensor value is an array of its own; an operation writes it element by element. A reduction
becomes a copy of the initial value and one accumulating statement.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    ModuleOp,
    TensorType,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from .accumulation import split_accumulation
from .from_loops import finish_outputs, output_positions
from .gemmini_values import product
from .index import Index, Variable, constant_index
from .polyhedral import Array, Program, Role, Unsupported, all_within
from .pure_operations import as_term, type_name
from .structured import Extractor, single_function
from .terms import Term, constant


def extract_linalg(module: ModuleOp) -> Program:
    """The affine statements of a function on tensors.

    Raises ``Unsupported`` for operations without a rule here.
    """
    function = single_function(module)
    extractor = TensorExtractor()
    for position, argument in enumerate(function.args):
        extractor.bind(position, argument)
    extractor.walk(function.body.block)
    positions = output_positions(function)
    results = extractor.returned(function, len(positions))
    finish_outputs(extractor, results, positions)
    return extractor.program


class TensorExtractor(Extractor):
    """``linalg`` operations on top of pure arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self._returned: list[Array] = []
        self.handlers |= {
            arith.ConstantOp: self._constant,
            tensor.EmptyOp: self._empty,
            linalg.GenericOp: self._generic,
            linalg.FillOp: self._fill,
            linalg.MatmulOp: self._matmul,
            linalg.TransposeOp: self._transpose,
            ReturnOp: self._return,
        }

    def bind(self, position: int, argument: SSAValue) -> None:
        """Give a parameter its array."""
        type = argument.type
        extents = tensor_extents(type) if isinstance(type, TensorType) else ()
        kind = type_name(type.element_type if isinstance(type, TensorType) else type)
        source = Array(f"in{position}", kind, extents, Role.INPUT, position)
        if isinstance(type, TensorType):
            self.arrays[argument] = source
        else:
            self.values[argument] = self.read_element(source, ())

    def returned(self, function: FuncOp, count: int) -> list[Array]:
        if len(self._returned) != count:
            raise Unsupported(
                f"function {function.sym_name.data} returns {len(self._returned)} tensors,"
                f" `liftproof.outputs` names {count}"
            )
        return self._returned

    def _return(self, operation: ReturnOp) -> None:
        self._returned = [self.array(value, operation) for value in operation.arguments]

    def _new(self, value: SSAValue, operation: Operation) -> Array:
        type = value.type
        if not isinstance(type, TensorType):
            raise Unsupported(f"a result of type {type}", operation)
        kind = type_name(type.element_type)
        array = Array(self.fresh("tensor"), kind, tensor_extents(type))
        self.arrays[value] = array
        return array

    def _counters(self, extents: Sequence[Index]) -> list[Variable]:
        return [
            Variable(self.fresh("d"), 0, extent.constant - 1 if extent.is_constant else None)
            for extent in extents
        ]

    def _assign(
        self, array: Array, dims: Sequence[Variable], value: Term, operation: Operation
    ) -> None:
        indices = tuple(Index.of(dim) for dim in dims)
        self.emit(array, indices, value, operation, dims=dims)

    # Operations.

    def _empty(self, operation: tensor.EmptyOp) -> None:
        self._new(operation.tensor, operation)

    def _constant(self, operation: arith.ConstantOp) -> None:
        type = operation.result.type
        if not isinstance(type, TensorType):
            self._pure(operation)
            return
        value = operation.value
        numbers = value.get_values() if isinstance(value, DenseIntOrFPElementsAttr) else ()
        if len(set(numbers)) != 1:
            raise Unsupported("a constant tensor whose elements are not all equal", operation)
        array = self._new(operation.result, operation)
        element = constant(numbers[0], array.element_type)
        self._assign(array, self._counters(array.extents), element, operation)

    def _fill(self, operation: linalg.FillOp) -> None:
        value = as_term(self.value(operation.inputs[0], operation))
        array = self._new(operation.res[0], operation)
        self._assign(array, self._counters(array.extents), value, operation)

    def _transpose(self, operation: linalg.TransposeOp) -> None:
        source = self.array(operation.input, operation)
        array = self._new(operation.result[0], operation)
        dims = self._counters(array.extents)
        places: list[Index] = [constant_index(0)] * len(dims)
        for dim, place in zip(dims, operation.permutation.get_values(), strict=True):
            places[int(place)] = Index.of(dim)
        self._assign(array, dims, self.read_element(source, tuple(places)), operation)

    def _matmul(self, operation: linalg.MatmulOp) -> None:
        """C + A·B; the operands are extended to the type of C."""
        places, dims = self._iteration(operation, [m.data for m in operation.indexing_maps])
        left, right = (self.array(value, operation) for value in operation.inputs)
        array = self._new(operation.res[0], operation)
        start = self.array(operation.outputs[0], operation)
        self._start_value(operation, start, array, places[2], reduces=True)
        a, b = self.read_element(left, places[0]), self.read_element(right, places[1])
        value = product(a, b, array.element_type)
        self.emit(array, places[2], value, operation, accumulates=True, dims=dims)

    def _iteration(
        self, operation: linalg.GenericOp | linalg.MatmulOp, maps: Sequence[AffineMap]
    ) -> tuple[list[tuple[Index, ...]], list[Variable]]:
        """The subscripts of each operand, and the loop counters."""
        dims = self._loop_counters(operation, [m.results for m in maps], maps[0].num_dims)
        names = [Index.of(dim) for dim in dims]
        places = [tuple(_affine(result, names, operation) for result in m.results) for m in maps]
        for value, place in zip([*operation.inputs, *operation.outputs], places, strict=True):
            inside = all_within(place, self.array(value, operation).extents)
            self.require(inside, "element within the tensor", operation, dims)
        return places, dims

    def _generic(self, operation: linalg.GenericOp) -> None:
        places, dims = self._iteration(operation, [m.data for m in operation.indexing_maps])
        kinds = [kind.data.value for kind in operation.get_iterator_types()]
        reduced = [dim for dim, kind in zip(dims, kinds, strict=True) if kind == "reduction"]
        count = len(operation.inputs)
        block = operation.body.block
        for value, place, argument in zip(operation.inputs, places, block.args, strict=False):
            self.values[argument] = self.read_element(self.array(value, operation), place)
        results: list[tuple[Array, Term, tuple[Index, ...]]] = []
        for number, value in enumerate(operation.outputs):
            start = self.array(value, operation)
            array = self._new(operation.res[number], operation)
            place = places[count + number]
            old = self._start_value(operation, start, array, place, bool(reduced))
            self.values[block.args[count + number]] = old
            results.append((array, old, place))
        self._body(block, dims)
        last = block.last_op
        assert isinstance(last, linalg.YieldOp)
        for (array, old, place), result in zip(results, last.operands, strict=True):
            value = as_term(self.value(result, last))
            self._write(operation, array, old, place, value, dims, bool(reduced))

    def _start_value(
        self,
        operation: linalg.GenericOp | linalg.MatmulOp,
        start: Array,
        array: Array,
        place: tuple[Index, ...],
        reduces: bool,
    ) -> Term:
        """The value of the output operand in the body; a reduction continues its own copy."""
        if not reduces:
            return self.read_element(start, place)
        dims = self._counters(array.extents)
        here = tuple(Index.of(dim) for dim in dims)
        self._assign(array, dims, self.read_element(start, here), operation)
        return self.read_element(array, place)

    def _write(
        self,
        operation: linalg.GenericOp,
        array: Array,
        old: Term,
        place: tuple[Index, ...],
        value: Term,
        dims: Sequence[Variable],
        reduces: bool,
    ) -> None:
        if not reduces:
            self.emit(array, place, value, operation, dims=dims)
            return
        summands = split_accumulation(value, [old], self._reads_array(array))
        if summands is None:
            raise Unsupported("a reduction that is not a sum", operation)
        for summand in summands:
            self.emit(array, place, summand, operation, accumulates=True, dims=dims)

    def _body(self, block: Block, dims: Sequence[Variable]) -> None:
        for operation in block.ops:
            if isinstance(operation, linalg.IndexOp):
                self.values[operation.result] = Index.of(dims[operation.dim.value.data])
            elif not isinstance(operation, linalg.YieldOp):
                self._pure(operation)

    def _loop_counters(
        self,
        operation: linalg.GenericOp | linalg.MatmulOp,
        results: Sequence[Sequence[AffineExpr]],
        count: int,
    ) -> list[Variable]:
        """One counter per loop; its extent is that of the first operand indexed by it alone."""
        extents: list[Index | None] = [None] * count
        operands = [*operation.inputs, *operation.outputs]
        for value, expressions in zip(operands, results, strict=True):
            for expression, extent in zip(
                expressions, self.array(value, operation).extents, strict=True
            ):
                if isinstance(expression, AffineDimExpr):
                    known = extents[expression.position]
                    if known is not None and known != extent:
                        raise Unsupported("operands of different extents", operation)
                    extents[expression.position] = extent
        found = [extent for extent in extents if extent is not None]
        if len(found) != count:
            raise Unsupported("a loop whose extent no operand gives", operation)
        return self._counters(found)


def tensor_extents(type: TensorType[Attribute]) -> tuple[Index, ...]:
    shape = type.get_shape()
    if any(extent < 0 for extent in shape):
        raise Unsupported(f"a tensor without constant extents: {type}")
    return tuple(constant_index(extent) for extent in shape)


def _affine(expression: AffineExpr, dims: Sequence[Index], operation: Operation) -> Index:
    """A subscript of an indexing map."""
    if isinstance(expression, AffineDimExpr):
        return dims[expression.position]
    if isinstance(expression, AffineConstantExpr):
        return constant_index(expression.value)
    if isinstance(expression, AffineBinaryOpExpr):
        left = _affine(expression.lhs, dims, operation)
        right = _affine(expression.rhs, dims, operation)
        match expression.kind:
            case AffineBinaryOpKind.Add:
                return left + right
            case AffineBinaryOpKind.Mul:
                return left * right
            case AffineBinaryOpKind.FloorDiv:
                return left // right
            case AffineBinaryOpKind.Mod:
                return left % right
            case AffineBinaryOpKind.CeilDiv:
                return -((-left) // right)
    raise Unsupported(f"subscript {expression}", operation)
