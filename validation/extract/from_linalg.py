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
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.ir import Block, Operation, SSAValue
from xdsl.ir.affine import (
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)

from ...dialects.recurrence import LinearOp
from ..core.condition import Condition, at_least, equal
from ..core.folds import ADDITION, split_fold
from ..core.index import Index, Variable, constant_index
from ..core.polyhedral import Array, Unsupported, all_within
from ..core.terms import Term, constant, term
from ..sizes import CONCRETE, Extraction, SizePlan
from .affine_expressions import affine_index
from .from_loops import bind_inputs, extent_condition, finish_outputs, output_positions
from .gemmini_values import product
from .pure_operations import as_term, type_name
from .structured import Extractor, by_condition, single_function
from .tensor_views import collapse_shape, expand_shape, extract_slice, insert_slice


def extract_linalg(
    module: ModuleOp, plan: SizePlan = CONCRETE, *, drops_offsets: bool = False
) -> Extraction:
    """The affine statements of a function on tensors, with ``without_offsets`` if asked for.

    Raises ``Unsupported`` for operations without a rule here.
    """
    function = single_function(module)
    extractor = TensorExtractor(plan)
    extractor.drops_offsets = drops_offsets
    bind_inputs(extractor, function)
    extractor.walk(function.body.block)
    positions = output_positions(function)
    results = extractor.returned(function, len(positions))
    finish_outputs(extractor, results, positions)
    return Extraction(extractor.program, extractor)


class TensorExtractor(Extractor):
    """``linalg`` operations on top of pure arithmetic."""

    def __init__(self, plan: SizePlan = CONCRETE) -> None:
        super().__init__(plan)
        self._returned: list[Array] = []
        self.handlers |= {
            arith.ConstantOp: self._constant,
            tensor.EmptyOp: self._empty,
            linalg.GenericOp: self._generic,
            linalg.FillOp: self._fill,
            linalg.MatmulOp: self._matmul,
            linalg.TransposeOp: self._transpose,
            LinearOp: self._recurrence,
            tensor.ExtractSliceOp: lambda operation: extract_slice(self, operation),
            tensor.InsertSliceOp: lambda operation: insert_slice(self, operation),
            tensor.ExpandShapeOp: lambda operation: expand_shape(self, operation),
            tensor.CollapseShapeOp: lambda operation: collapse_shape(self, operation),
            ReturnOp: self._return,
        }

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
        array = Array(self.fresh("tensor"), kind, self._extents(value, operation))
        self.arrays[value] = array
        if isinstance(operation, linalg.FillOp | linalg.GenericOp | linalg.MatmulOp):
            place = list(operation.res).index(value)  # pyright: ignore[reportArgumentType]
            self._equate(self.array(operation.outputs[place], operation), array)
        return array

    def _extents(self, value: SSAValue, operation: Operation) -> tuple[Index, ...]:
        """Extents by the plan, from the type, or from what the operation says of dynamic ones."""
        planned = self.plan.extents.get(value)
        if planned is not None:
            return planned
        assert isinstance(value.type, TensorType)
        shape = value.type.get_shape()
        if all(extent >= 0 for extent in shape):
            return tuple(constant_index(extent) for extent in shape)
        if isinstance(operation, tensor.EmptyOp):
            dynamic = list(self.indices(operation.dynamic_sizes, operation))
            return tuple(constant_index(e) if e >= 0 else dynamic.pop(0) for e in shape)
        if isinstance(operation, linalg.FillOp | linalg.GenericOp | linalg.MatmulOp):
            place = list(operation.res).index(value)  # pyright: ignore[reportArgumentType]
            return self.array(operation.outputs[place], operation).extents
        raise Unsupported("a tensor without constant extents", operation)

    def new_array(self, value: SSAValue, operation: Operation, extents: tuple[Index, ...]) -> Array:
        """A tensor of the given extents, unless the plan has others."""
        if not isinstance(value.type, TensorType):
            raise Unsupported(f"a result of type {value.type}", operation)
        planned = self.plan.extents.get(value) or extents
        array = Array(self.fresh("tensor"), type_name(value.type.element_type), planned)
        self.arrays[value] = array
        return array

    def _equate(self, left: Array, right: Array) -> None:
        for place in range(len(left.extents)):
            self.same_extents.append(((left, place), (right, place)))

    def counters(self, extents: Sequence[Index]) -> list[Variable]:
        """A counter for each dimension."""
        return [
            Variable(self.fresh("d"), 0, extent.constant - 1 if extent.is_constant else None)
            for extent in extents
        ]

    def bounds(self, dims: Sequence[Variable], extents: Sequence[Index]) -> list[Condition]:
        """That each counter is below its extent, where its own range does not say so."""
        return [extent_condition(dims, extents)]

    def assign(
        self, array: Array, dims: Sequence[Variable], value: Term, operation: Operation
    ) -> None:
        """Write each element of a new tensor."""
        indices = tuple(Index.of(dim) for dim in dims)
        inside = self.bounds(dims, array.extents)
        self.emit(array, indices, value, operation, dims=dims, condition=inside)

    # Operations.

    def _empty(self, operation: tensor.EmptyOp) -> None:
        self._new(operation.tensor, operation)

    def _constant(self, operation: arith.ConstantOp) -> None:
        type = operation.result.type
        if not isinstance(type, TensorType):
            self._pure(operation)
            return
        value = operation.value
        numbers = list(value.get_values()) if isinstance(value, DenseIntOrFPElementsAttr) else []
        if len(set(numbers)) != 1 or not isinstance(numbers[0], int | float):
            raise Unsupported("a constant tensor whose elements are not all equal", operation)
        array = self._new(operation.result, operation)
        element = constant(numbers[0], array.element_type)
        self.assign(array, self.counters(array.extents), element, operation)

    def _fill(self, operation: linalg.FillOp) -> None:
        value = as_term(self.value(operation.inputs[0], operation))
        array = self._new(operation.res[0], operation)
        self.assign(array, self.counters(array.extents), value, operation)

    def _transpose(self, operation: linalg.TransposeOp) -> None:
        source = self.array(operation.inputs[0], operation)
        array = self._new(operation.res[0], operation)
        dims = self.counters(array.extents)
        places: list[Index] = [constant_index(0)] * len(dims)
        for dim, place in zip(dims, operation.permutation.get_values(), strict=True):
            places[int(place)] = Index.of(dim)
        self.assign(array, dims, self.read_element(source, tuple(places)), operation)

    def _recurrence(self, operation: LinearOp) -> None:
        """The elements along one dimension after each other."""
        factors, summands, *initial = (self.array(one, operation) for one in operation.operands)
        array = self._new(operation.result, operation)
        along = operation.dimension
        dims = self.counters(array.extents)
        others = [dim for number, dim in enumerate(dims) if number != along]
        now = Index.of(dims[along])
        here = tuple(Index.of(dim) for dim in dims)
        before = tuple(now - 1 if number == along else index for number, index in enumerate(here))
        bounds = self.bounds(dims, array.extents)
        kind = array.element_type
        with self.counted(dims[along]):
            for is_first, condition in ((True, equal(now, 0)), (False, at_least(now, 1))):
                if not is_first:
                    old = self.read_element(array, before)
                elif operation.start is not None:
                    old = constant(float(operation.start.value.data), kind)
                else:
                    old = self.read_element(initial[0], tuple(map(Index.of, others)))
                product = term("mulf", kind, self.read_element(factors, here), old)
                value = term("addf", kind, product, self.read_element(summands, here))
                self.emit(
                    array, here, value, operation, dims=others, condition=[*bounds, condition]
                )

    def _matmul(self, operation: linalg.MatmulOp) -> None:
        """C + A·B; the operands are extended to the type of C."""
        places, dims, inside = self._iteration(operation, [m.data for m in operation.indexing_maps])
        left, right = (self.array(value, operation) for value in operation.inputs)
        array = self._new(operation.res[0], operation)
        start = self.array(operation.outputs[0], operation)
        self._start_value(operation, start, array, places[2], reduces=True)
        a, b = self.read_element(left, places[0]), self.read_element(right, places[1])
        value = product(a, b, array.element_type)
        self.emit(array, places[2], value, operation, accumulates=True, dims=dims, condition=inside)

    def _iteration(
        self, operation: linalg.GenericOp | linalg.MatmulOp, maps: Sequence[AffineMap]
    ) -> tuple[list[tuple[Index, ...]], list[Variable], list[Condition]]:
        """The subscripts of each operand, the loop counters, and what bounds them."""
        extents = self._loop_extents(operation, [m.results for m in maps], maps[0].num_dims)
        dims = self.counters(extents)
        bounds = [extent_condition(dims, extents)]
        names = [Index.of(dim) for dim in dims]
        places = [
            tuple(affine_index(result, names, operation) for result in m.results) for m in maps
        ]
        for value, place in zip([*operation.inputs, *operation.outputs], places, strict=True):
            inside = all_within(place, self.array(value, operation).extents)
            self.require(inside, "element within the tensor", operation, dims, bounds)
        return places, dims, bounds

    def _generic(self, operation: linalg.GenericOp) -> None:
        places, dims, inside = self._iteration(operation, [m.data for m in operation.indexing_maps])
        kinds = [kind.data for kind in operation.iterator_types]
        reduced = [d for d, kind in zip(dims, kinds, strict=True) if kind is IteratorType.REDUCTION]
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
            self._write(operation, array, old, place, value, (dims, inside), bool(reduced))

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
        dims = self.counters(array.extents)
        here = tuple(Index.of(dim) for dim in dims)
        self.assign(array, dims, self.read_element(start, here), operation)
        return self.read_element(array, place)

    def _write(
        self,
        operation: linalg.GenericOp,
        array: Array,
        old: Term,
        place: tuple[Index, ...],
        value: Term,
        domain: tuple[Sequence[Variable], Sequence[Condition]],
        reduces: bool,
    ) -> None:
        dims, inside = domain
        if not reduces:
            self.emit(array, place, value, operation, dims=dims, condition=inside)
            return
        for chosen, conditions in by_condition(value):
            # Where a condition on counters keeps the old value, nothing is combined.
            fold, summands = ADDITION, self.summands(chosen, [old], self._reads_array(array))
            if summands is None:
                found = split_fold(chosen, [old], self._reads_array(array))
                if found is None:
                    raise Unsupported(
                        "a reduction that is no sum, product, minimum or maximum", operation
                    )
                fold, summands = found
            for summand in summands:
                self.emit(
                    array,
                    place,
                    summand,
                    operation,
                    accumulates=True,
                    dims=dims,
                    condition=[*inside, *conditions],
                    fold=fold,
                )

    def _body(self, block: Block, dims: Sequence[Variable]) -> None:
        for operation in block.ops:
            if isinstance(operation, linalg.IndexOp):
                self.values[operation.result] = Index.of(dims[operation.dim.value.data])
            elif not isinstance(operation, linalg.YieldOp):
                self._pure(operation)

    def _loop_extents(
        self,
        operation: linalg.GenericOp | linalg.MatmulOp,
        results: Sequence[Sequence[AffineExpr]],
        count: int,
    ) -> list[Index]:
        """The extent of each loop: that of the operands that its counter indexes alone."""
        extents: list[Index | None] = [None] * count
        first: dict[int, tuple[Array, int]] = {}
        operands = [*operation.inputs, *operation.outputs]
        for value, expressions in zip(operands, results, strict=True):
            array = self.array(value, operation)
            for place, expression in enumerate(expressions):
                if not isinstance(expression, AffineDimExpr):
                    continue
                extent = array.extents[place]
                if extents[expression.position] not in (None, extent):
                    raise Unsupported("operands of different extents", operation)
                extents[expression.position] = extent
                known = first.setdefault(expression.position, (array, place))
                self.same_extents.append((known, (array, place)))
        found = [extent for extent in extents if extent is not None]
        if len(found) != count:
            raise Unsupported("a loop whose extent no operand gives", operation)
        return found
