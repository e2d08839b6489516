"""Tile IR (``tile`` operations on buffers) to affine statements (trusted core)."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from ...dialects.tile import LoadOp, MatmulOp, StoreOp, ZeroOp
from ..core.condition import TRUE, Condition, equal, less_than, negate
from ..core.index import Index, Variable
from ..core.initialised import require_initialised
from ..core.polyhedral import Array, Program, Unsupported, all_within
from ..core.terms import Term, constant, is_float, term
from .from_loops import extract_memrefs
from .gemmini_values import product, store_value, widened, zero
from .pure_operations import as_condition
from .structured import Extractor, single_function


def extract_tiles(module: ModuleOp) -> Program:
    """The affine statements of a function of tile operations.

    Raises ``Unsupported`` for constructs outside the quasi-affine class.
    """
    return extract_memrefs(TileExtractor(), single_function(module))


class TileExtractor(Extractor):
    """Tile operations on top of structured control flow."""

    inlines_single_iterations = True
    instructions = (LoadOp, ZeroOp, MatmulOp, StoreOp)

    def __init__(self) -> None:
        super().__init__()
        self.handlers |= {
            LoadOp: self._tile_load,
            ZeroOp: self._tile_zero,
            MatmulOp: self._tile_matmul,
            StoreOp: self._tile_store,
        }

    def _counter(self, label: str, extent: Index) -> tuple[Variable, Condition, Index]:
        """A counter from 0 below ``extent``."""
        high = extent.interval[1]
        variable = Variable(self.fresh(label), 0, None if high is None else high - 1)
        return variable, less_than(Index.of(variable), extent), Index.of(variable)

    def _counters(
        self, operation: Operation, **sizes: SSAValue
    ) -> tuple[list[Variable], list[Condition], list[Index]]:
        found = [self._counter(k, self.index(v, operation)) for k, v in sizes.items()]
        return [f[0] for f in found], [f[1] for f in found], [f[2] for f in found]

    def _cell(
        self, buffer: Array, slot: Sequence[Index], row: Index, col: Index
    ) -> tuple[Index, ...]:
        """Element of a tile; columns beyond the tile go on in the next slot."""
        if not slot:
            return (row, col)
        width = buffer.extents[-1]
        return (*slot[:-1], slot[-1] + col // width, row, col % width)

    def _element(
        self, operation: LoadOp | StoreOp, row: Index, col: Index, one_row: bool
    ) -> tuple[Index, ...]:
        """The element of the array in row ``row`` and column ``col`` of a move."""
        moved = [*self.indices(operation.indices, operation)]
        if isinstance(operation, LoadOp) and (terms := operation.terms) is not None:
            assert operation.term is not None
            col = self.index(operation.term, operation) + col
            col = col % terms.width + col // terms.width * terms.step
        moved[-1] = moved[-1] + col
        if (len(moved) > 1 or operation.row_dimension is not None) and not one_row:
            dimension, step = operation.rows_along
            if isinstance(operation, LoadOp) and (fold := operation.fold) is not None:
                assert operation.start is not None
                row = self.index(operation.start, operation) + row
                line, row = row // fold.width, row % fold.width
                moved[fold.dimension] = moved[fold.dimension] + line * fold.step
            moved[dimension] = moved[dimension] + row * step
        return tuple(moved)

    def _require(
        self,
        array: Array,
        cell: tuple[Index, ...],
        operation: Operation,
        dims: Sequence[Variable],
        conditions: Sequence[Condition],
    ) -> None:
        inside = all_within(cell, array.extents)
        self.require(inside, "tile within the array", operation, dims, conditions)

    def _tile_load(self, operation: LoadOp) -> None:
        source = self.array(operation.source, operation)
        buffer = self.array(operation.buffer, operation)
        dims, conditions, (row, col) = self._counters(operation, r=operation.rows, c=operation.cols)
        has_rows = len(operation.indices) > 1 or operation.row_dimension is not None
        if not has_rows and not operation.has_one_row:
            raise Unsupported("a load of rows of an array of rank 1", operation)
        element = self._element(operation, row, col, operation.has_one_row)
        slot = self.indices(operation.slot, operation)
        cell = self._cell(buffer, slot, row, col)
        self._require(buffer, cell, operation, dims, conditions)
        loaded = TRUE
        if operation.diagonal is not None:
            loaded = equal(row, col)
        if operation.border is not None:
            loaded = all_within(element, source.extents)
        self._require(source, element, operation, dims, [*conditions, loaded])
        value = widened(self.read_element(source, element), buffer.element_type)
        inside = [*conditions, loaded]
        self.emit(buffer, cell, value, operation, dims=dims, condition=inside)
        if operation.diagonal is not None or operation.border is not None:
            outside = [*conditions, negate(loaded)]
            value = zero(buffer.element_type)
            self.emit(buffer, cell, value, operation, dims=dims, condition=outside)

    def _tile_zero(self, operation: ZeroOp) -> None:
        buffer = self.array(operation.buffer, operation)
        dims, conditions, (row, col) = self._counters(operation, r=operation.rows, c=operation.cols)
        cell = self._cell(buffer, self.indices(operation.slot, operation), row, col)
        self._require(buffer, cell, operation, dims, conditions)
        value = zero(buffer.element_type)
        self.emit(buffer, cell, value, operation, dims=dims, condition=conditions)

    def _tile_matmul(self, operation: MatmulOp) -> None:
        a, b, c = (self.array(v, operation) for v in (operation.a, operation.b, operation.c))
        if c in (a, b):
            raise Unsupported("a product that overwrites its operand", operation)
        accumulate: Condition | None = negate(TRUE)
        if operation.accumulate is not None:
            accumulate = as_condition(self.value(operation.accumulate, operation))
        if accumulate is None:
            raise Unsupported("an accumulate flag that depends on data", operation)
        dims, conditions, (i, j) = self._counters(operation, i=operation.m, j=operation.n)
        target = (*self.indices(operation.c_slot, operation), i, j)
        self._require(c, target, operation, dims, conditions)
        require_initialised(self, c, target, operation, dims, [*conditions, accumulate])
        fresh = [*conditions, negate(accumulate)]
        self.emit(c, target, zero(c.element_type), operation, dims=dims, condition=fresh)
        k_dim, k_condition, k = self._counter("k", self.index(operation.depth, operation))
        dims, conditions = [*dims, k_dim], [*conditions, k_condition]
        left = (k, i) if operation.a_transpose is not None else (i, k)
        right = (j, k) if operation.b_transpose is not None else (k, j)
        left = (*self.indices(operation.a_slot, operation), *left)
        right = (*self.indices(operation.b_slot, operation), *right)
        self._require(a, left, operation, dims, conditions)
        self._require(b, right, operation, dims, conditions)
        value = product(self.read_element(a, left), self.read_element(b, right), c.element_type)
        self.emit(c, target, value, operation, accumulates=True, dims=dims, condition=conditions)

    def _tile_store(self, operation: StoreOp) -> None:
        buffer = self.array(operation.buffer, operation)
        target = self.array(operation.target, operation)
        dims, conditions, (row, col) = self._counters(operation, r=operation.rows, c=operation.cols)
        cell = self._cell(buffer, self.indices(operation.slot, operation), row, col)
        element = self._element(operation, row, col, one_row=False)
        self._require(buffer, cell, operation, dims, conditions)
        self._require(target, element, operation, dims, conditions)
        value = self._stored(operation, self.read_element(buffer, cell), target.element_type)
        self.emit(target, element, value, operation, dims=dims, condition=conditions)

    def _stored(self, operation: StoreOp, value: Term, type: str) -> Term:
        relu = operation.relu is not None
        if operation.scale is not None:
            return store_value(value, relu, operation.scale.value.data, type)
        if not relu:
            return value
        if is_float(type):
            return store_value(value, True, 1.0, type)
        return term("maxsi", type, value, constant(0, type))
