"""Tile programs of Trainium (``trn`` operations on views) to affine statements (trusted core)."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType, ModuleOp
from xdsl.ir import Operation, SSAValue

from ...dialects import trn
from ...dialects.trn import Instruction, Operator, ReduceCommand, view_of
from ...hw.trainium.semantics import (
    copies_bits,
    element_value,
    fold_of,
    is_elementwise,
    scan_start,
    scan_step,
)
from ..core.condition import FALSE, TRUE, Condition, all_of, at_least, less_than, negate
from ..core.folds import ADDITION
from ..core.index import Index, Variable, constant_index
from ..core.initialised import require_initialised
from ..core.polyhedral import Array, Program, Unsupported, all_within
from ..core.terms import Term, constant, term
from .from_loops import extract_memrefs
from .pure_operations import as_condition
from .structured import Extractor, element_type, single_function
from .trn_values import F32, TermValues, as_float, rounded, to_float
from .trn_views import ONE, ZERO, Positions, View, digits, row_major

_FOLDS = {
    Operator.ADD: ADDITION,
    Operator.MULTIPLY: "mulf",
    Operator.MAXIMUM: "maxf",
    Operator.MINIMUM: "minf",
}


SCANNED = "scan"
"""How the names of arrays begin that hold the running values of scans."""


def extract_trn(module: ModuleOp) -> Program:
    """The affine statements of a function at Trainium's tile level.

    Raises ``Unsupported`` for constructs outside the quasi-affine class, and for the ISA level.
    """
    return extract_memrefs(TrnExtractor(), single_function(module))


class TrnExtractor(Extractor):
    """Instructions on views, on top of structured control flow."""

    inlines_single_iterations = True
    instructions = (Instruction,)

    def __init__(self) -> None:
        super().__init__()
        self._views: dict[SSAValue, View] = {}
        self._reshaped: dict[SSAValue, tuple[SSAValue, tuple[int, ...]]] = {}
        self._allocated_at: dict[SSAValue, tuple[Index, ...]] = {}
        """Buffers allocated in loops are new in each iteration: the iterations' counters."""
        self._limits = False
        """Whether the current instruction computes a minimum or maximum."""
        instructions = [kind for kind in trn.TRN.operations if issubclass(kind, Instruction)]
        self.handlers |= dict.fromkeys(instructions, self._instruction)
        self.handlers |= {
            memref.AllocOp: self._new_buffer,
            trn.ViewOp: self._view,
            trn.ReshapeOp: self._reshape,
            trn.NcMatmulOp: self._matmul,
            trn.NcTransposeOp: self._transpose,
            trn.DmaTransposeOp: self._transpose,
            trn.TensorReduceOp: self._reduce_free,
            trn.TensorTensorScanOp: self._scan,
            trn.TensorPartitionReduceOp: self._reduce_partitions,
        }

    # Arrays and views.

    def _new_buffer(self, operation: memref.AllocOp) -> None:
        type = operation.memref.type
        trips = [self._trips(counter, operation) for counter in self.scope.loops]
        extents = (*trips, *type.get_shape())
        if -1 in type.get_shape():
            raise Unsupported("a buffer of unknown size", operation)
        self._allocated_at[operation.memref] = tuple(Index.of(c) for c in self.scope.loops)
        sizes = tuple(constant_index(extent) for extent in extents)
        self.arrays[operation.memref] = Array(self.fresh("local"), element_type(type), sizes)

    def _trips(self, counter: Variable, operation: Operation) -> int:
        if counter.high is None:
            raise Unsupported("a buffer in a loop of unknown length", operation)
        return counter.high + 1

    def _reshape(self, operation: trn.ReshapeOp) -> None:
        self._reshaped[operation.result] = operation.source, _shape(operation.result)

    def _view(self, operation: trn.ViewOp) -> None:
        offsets = [self._number(offset, operation) for offset in operation.offset_list]
        sizes = [self._number(size, operation) for size in operation.size_list]
        self._views[operation.view] = View.of(operation, offsets, sizes)

    def _number(self, value: SSAValue | int, operation: Operation) -> Index:
        return constant_index(value) if isinstance(value, int) else self.index(value, operation)

    def _seen(self, operand: SSAValue, operation: Operation) -> View:
        if operand not in self._views:
            raise Unsupported("an operand that is no view of this program", operation)
        return self._views[operand]

    def _place(
        self, view: View, at: Sequence[Index], operation: Operation
    ) -> tuple[Array, tuple[Index, ...]]:
        """The array behind a view, and the subscripts of one element."""
        array, cell = view.array, view.element(at)
        while array in self._reshaped:
            source, shape = self._reshaped[array]
            place = row_major(cell, [constant_index(size) for size in shape])
            assert place is not None
            array, cell = source, tuple(digits(place, _shape(source)))
        return self.array(array, operation), (*self._allocated_at.get(array, ()), *cell)

    def _element(
        self, operand: SSAValue, at: Sequence[Index], positions: Positions, operation: Operation
    ) -> tuple[Array, tuple[Index, ...]]:
        """Like ``_place``, and demands that the element is within the array."""
        view = self._seen(operand, operation)
        for index, extent in zip(view.element(at), _shape(view.array), strict=True):
            inside = all_within((index,), (constant_index(extent),))
            self.require(
                inside, "view within the array", operation, positions.dims, positions.conditions
            )
        return self._place(view, at, operation)

    def _read(
        self, operand: SSAValue, at: Sequence[Index], positions: Positions, operation: Operation
    ) -> Term:
        return self.read_element(*self._element(operand, at, positions, operation))

    def _positions(self, operand: SSAValue, operation: Operation) -> Positions:
        sizes = self._seen(operand, operation).sizes
        return Positions.over(sizes, [self.fresh("i") for _ in sizes])

    def _same_place(
        self, operand: SSAValue, positions: Positions, operation: Operation
    ) -> tuple[Index, ...]:
        at = positions.within(self._seen(operand, operation))
        if at is None:
            raise Unsupported("views of unknown sizes in different shapes", operation)
        return at

    def _write(
        self,
        operand: SSAValue,
        positions: Positions,
        value: Term,
        operation: Operation,
        at: Sequence[Index] | None = None,
    ) -> None:
        where = self._same_place(operand, positions, operation) if at is None else at
        array, cell = self._element(operand, where, positions, operation)
        if self._seen(operand, operation).is_injective:
            self._limits = _is_limit(operation)
            self.write_element(array, cell, value, operation, positions.dims, positions.conditions)
            return
        self.emit(
            array, cell, value, operation, dims=positions.dims, condition=positions.conditions
        )

    def combines(self, array: Array, indices: tuple[Index, ...]) -> bool:
        """Whether ``cell = max(cell, x)`` goes on with a reduction; nothing else is combined."""
        writers = list(self.program.writers(array))
        summed = any(s.accumulates and s.fold == ADDITION for s in writers)
        return self._limits and bool(writers) and not summed

    # Instructions.

    def _instruction(self, operation: Instruction) -> None:
        if not is_elementwise(operation):
            raise Unsupported(f"`{operation.name}` has no affine meaning here", operation)
        target = operation.written[0]
        positions = self._positions(target, operation)
        result = element_value(operation, self._values(operation, positions))
        kept = _keeps_bits(operation)
        element = view_of(target).element_type
        reduced = operation.written[1:]
        self._check_registers(operation)
        if reduced:
            # The reduction is of the results before they are rounded to the target's type.
            value = rounded(result, view_of(reduced[0]).element_type)
            inner = positions.dims[1:] if positions.at[0] != ZERO else positions.dims
            self._fold(operation, reduced[0], positions, value, inner)
        self._write(target, positions, rounded(result, element, kept=kept), operation)

    def _values(self, operation: Instruction, positions: Positions) -> TermValues:
        """The operands of an instruction at a position of its target."""

        def read(operand: SSAValue, of_partition: bool) -> Term:
            if of_partition:
                rank = len(self._seen(operand, operation).sizes)
                at: Sequence[Index] = (positions.partition, *[ZERO] * (rank - 1))
            else:
                at = self._same_place(operand, positions, operation)
            return self._read(operand, at, positions, operation)

        return TermValues(
            operation,
            read,
            (positions.at, positions.place),
            lambda operand: self.index(operand, operation),
        )

    def _check_registers(self, operation: Instruction) -> None:
        if not isinstance(operation, trn.ActivationOp):
            return
        alone = operation.reduce_command == ReduceCommand.RESET_REDUCE
        if operation.reduced is not None and not alone:
            raise Unsupported("a sum over several instructions", operation)

    def _fold(
        self,
        operation: Instruction,
        target: SSAValue,
        positions: Positions,
        value: Term,
        inner: Sequence[Variable],
        at: Sequence[Index] | None = None,
        negated: bool = False,
    ) -> None:
        """Combine values over the counters ``inner``, in float32, and write the results."""
        fold = _FOLDS.get(fold_of(operation))
        if fold is None or value.type != F32:
            raise Unsupported("a reduction of integers", operation)
        outer = tuple(dim for dim in positions.dims if dim not in inner)
        cells = (*self.scope.loops, *outer)
        extents = tuple(constant_index(self._trips(dim, operation)) for dim in cells)
        total = Array(self.fresh("total"), F32, extents)
        cell = tuple(Index.of(dim) for dim in cells)
        first = all_of([at_least(ZERO, Index.of(dim)) for dim in inner])
        if fold == ADDITION:
            self.emit(total, cell, constant(0.0, F32), operation, dims=outer)
        else:
            condition = [*positions.conditions, first]
            self.emit(total, cell, value, operation, dims=positions.dims, condition=condition)
        rest = TRUE if fold == ADDITION else negate(first)
        self.emit(
            total,
            cell,
            value,
            operation,
            accumulates=True,
            dims=positions.dims,
            condition=[*positions.conditions, rest],
            fold=fold,
        )
        somewhere = {dim.name: ZERO for dim in inner}
        conditions = tuple(c for c in positions.conditions if c.replace(somewhere) == c)
        kept = Positions(positions.sizes, positions.at, outer, conditions)
        result = self.read_element(total, cell)
        if negated:
            result = term("negf", F32, result)
        where = at if at is not None else self._partition_place(target, positions, operation)
        self._write(target, kept, rounded(result, view_of(target).element_type), operation, where)

    def _partition_place(
        self, target: SSAValue, positions: Positions, operation: Operation
    ) -> tuple[Index, ...]:
        rank = len(self._seen(target, operation).sizes)
        return (positions.partition, *[ZERO] * (rank - 1))

    def _reduce_free(self, operation: trn.TensorReduceOp) -> None:
        positions = self._positions(operation.data, operation)
        value = self._float(operation.data, positions.at, positions, operation)
        kept = len(positions.sizes) - operation.axes.value.data
        inner = [dim for dim in positions.dims if Index.of(dim) in positions.at[kept:]]
        outer = Positions(positions.sizes[:kept], positions.at[:kept], (), ())
        at = outer.within(self._seen(operation.dst, operation))
        if at is None:
            raise Unsupported("a reduction to a view of unknown sizes", operation)
        negated = operation.negate is not None
        self._fold(operation, operation.dst, positions, value, inner, at, negated)

    def _reduce_partitions(self, operation: trn.TensorPartitionReduceOp) -> None:
        positions = self._positions(operation.data, operation)
        value = self._float(operation.data, positions.at, positions, operation)
        inner = [dim for dim in positions.dims if Index.of(dim) == positions.at[0]]
        at = self._same_place(operation.dst, positions, operation)
        self._fold(operation, operation.dst, positions, value, inner, (ZERO, *at[1:]))

    def _scan(self, operation: trn.TensorTensorScanOp) -> None:
        """Values one after the other, in float32, and then the results; inputs are read first."""
        sizes = self._seen(operation.dst, operation).sizes
        long = [number for number, size in enumerate(sizes[1:], start=1) if size != ONE]
        if len(long) > 1 or not all(size.is_constant for size in sizes):
            raise Unsupported("a scan along several dimensions, or of unknown length", operation)
        positions = self._positions(operation.dst, operation)
        length = sizes[long[0]].constant if long else 1
        step = Variable(self.fresh("t"), 0, length - 1)
        along = positions.at[long[0]] if long else ZERO
        rows = tuple(dim for dim in positions.dims if Index.of(dim) != along)
        loops = tuple(self.scope.loops)
        trips = [self._trips(dim, operation) for dim in (*loops, *rows)]
        extents = tuple(constant_index(trip) for trip in (*trips, length))
        running = Array(self.fresh(SCANNED), F32, extents)
        cell = tuple(Index.of(dim) for dim in (*loops, *rows))
        with self.counted(step):
            now = Index.of(step)
            at = tuple(
                now if number in long else place for number, place in enumerate(positions.at)
            )
            here = Positions(positions.sizes, at, rows, positions.conditions)
            values = self._values(operation, here)
            data = [values.element(operand) for operand in (operation.data0, operation.data1)]
            for is_first, condition in ((True, less_than(now, ONE)), (False, at_least(now, 1))):
                before = (
                    scan_start(operation, values)
                    if is_first
                    else self.read_element(running, (*cell, now - 1))
                )
                value = as_float(scan_step(operation, before, data[0], data[1], values))
                self.emit(running, (*cell, now), value, operation, dims=rows, condition=[condition])
        element = view_of(operation.dst).element_type
        result = self.read_element(running, (*cell, along))
        self._write(operation.dst, positions, rounded(result, element), operation)

    def _float(
        self, operand: SSAValue, at: Sequence[Index], positions: Positions, operation: Operation
    ) -> Term:
        value = self._read(operand, at, positions, operation)
        return to_float(value, view_of(operand).element_type)

    def _transpose(self, operation: trn.NcTransposeOp | trn.DmaTransposeOp) -> None:
        positions = self._positions(operation.dst, operation)
        place = positions.place
        source = self._seen(operation.src, operation)
        if place is None or not all(size.is_constant for size in source.sizes[1:]):
            raise Unsupported("a transpose of unknown size", operation)
        inner = digits(positions.partition, [size.constant for size in source.sizes[1:]])
        value = self._read(operation.src, (place, *inner), positions, operation)
        kept = copies_bits(operation.src, operation.dst)
        if not kept:
            value = to_float(value, view_of(operation.src).element_type)
        element = view_of(operation.dst).element_type
        self._write(operation.dst, positions, rounded(value, element, kept=kept), operation)

    def _matmul(self, operation: trn.NcMatmulOp) -> None:
        if operation.double_row is not None:
            raise Unsupported("a product of double rows", operation)
        positions = self._positions(operation.dst, operation)
        accumulate: Condition | None = FALSE
        if operation.accumulate is not None:
            accumulate = as_condition(self.value(operation.accumulate, operation))
        if accumulate is None:
            raise Unsupported("an accumulate flag that depends on data", operation)
        array, cell = self._element(operation.dst, positions.at, positions, operation)
        depth = self._seen(operation.stationary, operation).sizes[0]
        depths = Positions.over([depth], [self.fresh("k")])
        is_sum = accumulate != FALSE or depths.dims != ()  # else one product, written as it is
        if is_sum:
            before = [*positions.conditions, accumulate]
            require_initialised(self, array, cell, operation, positions.dims, before)
            fresh = [*positions.conditions, negate(accumulate)]
            zero = constant(0.0, F32)
            self.emit(array, cell, zero, operation, dims=positions.dims, condition=fresh)
        both = Positions(
            positions.sizes,
            positions.at,
            (*positions.dims, *depths.dims),
            (*positions.conditions, *depths.conditions),
        )
        factors: list[Term] = []
        columns = Positions((ZERO, *positions.sizes[1:]), (ZERO, *positions.at[1:]), (), ())
        rows = Positions((ZERO, positions.sizes[0]), (ZERO, positions.at[0]), (), ())
        for operand, counters in ((operation.stationary, rows), (operation.moving, columns)):
            at = self._same_place(operand, counters, operation)
            at = (depths.at[0], *at[1:])
            factors.append(self._float(operand, at, both, operation))
        value = term("mulf", F32, *factors)
        self.emit(
            array,
            cell,
            value,
            operation,
            accumulates=is_sum,
            dims=both.dims,
            condition=both.conditions,
        )


def _is_limit(operation: Operation) -> bool:
    operators = [operation.properties.get(name) for name in ("op", "op0", "op1")]
    found = {one.data for one in operators if isinstance(one, trn.OperatorAttr)}
    return bool(found & {Operator.MAXIMUM, Operator.MINIMUM})


def _keeps_bits(operation: Instruction) -> bool:
    if isinstance(operation, trn.TensorCopyOp | trn.DmaCopyOp):
        return copies_bits(operation.src, operation.dst)
    return isinstance(operation, trn.TensorCopyPredicatedOp)


def _shape(array: SSAValue) -> tuple[int, ...]:
    assert isinstance(array.type, MemRefType)
    return tuple(array.type.get_shape())
