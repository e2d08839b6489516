"""A computation of the systolic array as affine statements (trusted core)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from xdsl.ir import Operation

from ...dialects.gemmini import ComputeAccumulatedOp, ComputePreloadedOp
from ...hw.gemmini import semantics
from ..core.condition import FALSE, Condition, all_of, at_least, less_than, negate
from ..core.index import Index, Variable
from ..core.initialised import require_initialised
from ..core.polyhedral import Array, Unsupported, all_within
from ..core.terms import Term, is_float
from .gemmini_state import EXECUTE, ExecuteConfig, LocalAddress, Operand, Preload
from .gemmini_values import (
    clipped,
    product,
    round_half_even_shift,
    spad_result,
    widened,
    zero,
)

if TYPE_CHECKING:
    from .from_gemmini import GemminiExtractor


def emit_computation(
    extractor: GemminiExtractor,
    operation: ComputePreloadedOp | ComputeAccumulatedOp,
    preload: Preload,
    a: Operand,
    other: Operand,
) -> None:
    """The statements of one computation with one of its possible preloads."""
    config = extractor.registers.get(EXECUTE, operation)
    assert isinstance(config, ExecuteConfig)
    emitter = _Computation(extractor, operation, config, preload)
    preloaded = isinstance(operation, ComputePreloadedOp)
    extractor.registers.use_array(config.dataflow, operation, preloaded=preloaded)
    extractor.recorder.computation(config, preload, a, other, operation, preloaded=preloaded)
    if config.dataflow == "ws":
        emitter.weight_stationary(a, other, preloaded)
    else:
        emitter.output_stationary(a, other, preloaded)


class _Computation:
    def __init__(
        self,
        extractor: GemminiExtractor,
        operation: Operation,
        config: ExecuteConfig,
        preload: Preload,
    ) -> None:
        self.extractor = extractor
        self.operation = operation
        self.config = config
        self.preload = preload
        self.dim = extractor.config.dim
        self.target = preload.target
        self.target_memory = extractor.local(preload.target.address)

    def weight_stationary(self, a: Operand, bias: Operand, preloaded: bool) -> None:
        """C = A · mesh + D, where the mesh may first take the preloaded B."""
        if preloaded:
            self._load_mesh(self.extractor.mesh, self.config.b_transpose)
        self._read_rest(a, self._a_cell, self._result_uses_a)
        self._read_rest(bias, _plain_cell, self._result_uses_bias)
        if not self.target.exists:
            return
        # Results for the accumulator are formed there; others in cells of their own.
        direct = self.target.address.space == "acc"
        cells = self.target_memory if direct else self._scratch()
        self._start(cells, direct)
        self._add_bias(cells, direct, bias)
        self._add_products(cells, direct, a)
        if not direct:
            self._write_scratchpad(cells)

    def output_stationary(self, a: Operand, b: Operand, preloaded: bool) -> None:
        """mesh sums += A · B, where they may start from the preloaded D; then C = mesh sums."""
        sums = self.extractor.sums
        if preloaded:
            self._load_mesh(sums, transpose=False)
        self._read_rest(a, self._a_cell, _never)
        self._read_rest(b, self._b_cell, _never)
        i, k, j = (self._counter(label) for label in "ikj")
        conditions = [
            less_than(i[1], a.rows),
            less_than(k[1], a.cols),
            less_than(k[1], b.rows),
            less_than(j[1], b.cols),
        ]
        if a.exists and b.exists:
            dims = [i[0], k[0], j[0]]
            left = self._read(a.address, self._a_cell(i[1], k[1]), dims, conditions)
            right = self._read(b.address, self._b_cell(k[1], j[1]), dims, conditions)
            value = product(left, right, sums.element_type)
            self._emit(sums, (i[1], j[1]), value, dims, conditions, accumulates=True)
        if self.target.exists:
            self._write_sums(sums)

    # The mesh.

    def _load_mesh(self, mesh: Array, transpose: bool) -> None:
        """Each cell takes its element of the preloaded operand, or zero outside of it."""
        operand = self.preload.stationary
        i, j = self._counter("i"), self._counter("j")
        inside = all_of([less_than(i[1], operand.rows), less_than(j[1], operand.cols)])
        dims, place = [i[0], j[0]], (i[1], j[1])
        if operand.exists:
            cell = semantics.stationary_cell(i[1], j[1], transpose)
            value = self._read(operand.address, cell, dims, [inside])
            self._emit(mesh, place, widened(value, mesh.element_type), dims, [inside])
        outside = negate(inside) if operand.exists else all_of([])
        self._emit(mesh, place, zero(mesh.element_type), dims, [outside])

    def _read_rest(
        self,
        operand: Operand,
        cell: Callable[[Index, Index], tuple[Index, Index]],
        used: Callable[[Index, Index], Condition],
    ) -> None:
        """The machine fetches all of an operand, also what does not reach the result."""
        if not operand.exists:
            return
        i, k = self._counter("i"), self._counter("k")
        dims = [i[0], k[0]]
        inside = [less_than(i[1], operand.rows), less_than(k[1], operand.cols)]
        memory = self.extractor.local(operand.address)
        row, column = cell(i[1], k[1])
        place = (operand.address.row + row, column)
        self._require_within(memory, place, dims, inside)
        where = [self.preload.condition, *inside, negate(used(i[1], k[1]))]
        require_initialised(self.extractor, memory, place, self.operation, dims, where)

    def _result_uses_a(self, i: Index, k: Index) -> Condition:
        reaches = [less_than(i, self.target.rows), at_least(self.target.cols, 1)]
        return all_of(reaches) if self.target.exists else FALSE

    def _result_uses_bias(self, i: Index, j: Index) -> Condition:
        reaches = [less_than(i, self.target.rows), less_than(j, self.target.cols)]
        return all_of(reaches) if self.target.exists else FALSE

    def _b_cell(self, k: Index, j: Index) -> tuple[Index, Index]:
        return semantics.b_cell(k, j, self.config.b_transpose)

    def _a_cell(self, i: Index, k: Index) -> tuple[Index, Index]:
        return semantics.a_cell(i, k, self.config.a_stride, self.config.a_transpose)

    # The result.

    def _scratch(self) -> Array:
        sums = self.extractor.sums
        return Array(self.extractor.fresh("result"), sums.element_type, sums.extents)

    def _cell(self, direct: bool, i: Index, j: Index) -> tuple[Index, Index]:
        """Where row ``i``, column ``j`` of the result is formed."""
        if not direct:
            return i, j
        return self.target.address.row + semantics.c_target(i, self.config.c_stride), j

    def _result_counters(self) -> tuple[list[Variable], list[Condition], Index, Index]:
        i, j = self._counter("i"), self._counter("j")
        conditions = [less_than(i[1], self.target.rows), less_than(j[1], self.target.cols)]
        return [i[0], j[0]], conditions, i[1], j[1]

    def _start(self, cells: Array, direct: bool) -> None:
        """The result starts at zero, or at what is there if the address says accumulate."""
        dims, conditions, i, j = self._result_counters()
        cell = self._cell(direct, i, j)
        if direct:
            self._require_within(cells, cell, dims, conditions)
            self._require_initialised(cells, cell, dims, conditions)
            conditions = [*conditions, negate(self.target.address.accumulate)]
        self._emit(cells, cell, zero(cells.element_type), dims, conditions)

    def _add_bias(self, cells: Array, direct: bool, bias: Operand) -> None:
        if not bias.exists:
            return
        dims, conditions, i, j = self._result_counters()
        conditions += [less_than(i, bias.rows), less_than(j, bias.cols)]
        value = self._read(bias.address, (i, j), dims, conditions)
        place = self._cell(direct, i, j)
        added = widened(value, cells.element_type)
        self._emit(cells, place, added, dims, conditions, accumulates=True)

    def _add_products(self, cells: Array, direct: bool, a: Operand) -> None:
        if not a.exists:
            return
        dims, conditions, i, j = self._result_counters()
        k, inside = self.extractor.counter("k", a.cols, self.dim)
        dims = [*dims, k]
        conditions = [*conditions, inside, less_than(i, a.rows)]
        left = self._read(a.address, self._a_cell(i, Index.of(k)), dims, conditions)
        right = self.extractor.read_element(self.extractor.mesh, (Index.of(k), j))
        value = product(left, right, cells.element_type)
        self._emit(cells, self._cell(direct, i, j), value, dims, conditions, accumulates=True)

    def _write_scratchpad(self, cells: Array) -> None:
        dims, conditions, i, j = self._result_counters()
        value = self.extractor.read_element(cells, (i, j))
        result = spad_result(value, self._relu(), self.extractor.input_type)
        place = self._cell(True, i, j)
        self._require_within(self.target_memory, place, dims, conditions)
        self._emit(self.target_memory, place, result, dims, conditions)

    def _write_sums(self, sums: Array) -> None:
        """Output-stationary sums leave the mesh shifted and clipped."""
        dims, conditions, i, j = self._result_counters()
        value = self.extractor.read_element(sums, (i, j))
        if not is_float(value.type):
            config = self.extractor.config
            bits = semantics.array_output_bits(
                config.dim, 8 * config.input_bytes, 8 * config.accumulator_bytes
            )
            value = clipped(round_half_even_shift(value, self.config.shift), bits)
        place = self._cell(True, i, j)
        self._require_within(self.target_memory, place, dims, conditions)
        if self.target.address.space == "spad":
            value = spad_result(value, self._relu(), self.extractor.input_type)
            self._emit(self.target_memory, place, value, dims, conditions)
            return
        self._require_initialised(self.target_memory, place, dims, conditions)
        accumulate = self.target.address.accumulate
        for adds, when in ((False, negate(accumulate)), (True, accumulate)):
            if when != FALSE:
                where = [*conditions, when]
                self._emit(self.target_memory, place, value, dims, where, accumulates=adds)

    def _relu(self) -> bool:
        if self.config.activation not in ("none", "relu"):
            raise Unsupported(f"activation {self.config.activation}", self.operation)
        return self.config.activation == "relu"

    # Helpers.

    def _counter(self, label: str) -> tuple[Variable, Index]:
        variable = Variable(self.extractor.fresh(label), 0, self.dim - 1)
        return variable, Index.of(variable)

    def _read(
        self,
        address: LocalAddress,
        cell: tuple[Index, Index],
        dims: Sequence[Variable],
        conditions: Sequence[Condition],
    ) -> Term:
        memory = self.extractor.local(address)
        place = (address.row + cell[0], cell[1])
        self._require_within(memory, place, dims, conditions)
        return self.extractor.read_element(memory, place)

    def _require_within(
        self,
        memory: Array,
        cell: tuple[Index, Index],
        dims: Sequence[Variable],
        conditions: Sequence[Condition],
    ) -> None:
        where = [self.preload.condition, *conditions]
        text = f"operand within {memory.name}"
        holds = all_within(cell, memory.extents)
        self.extractor.require(holds, text, self.operation, dims, where)

    def _require_initialised(
        self,
        memory: Array,
        cell: tuple[Index, Index],
        dims: Sequence[Variable],
        conditions: Sequence[Condition],
    ) -> None:
        where = [self.preload.condition, *conditions, self.target.address.accumulate]
        require_initialised(self.extractor, memory, cell, self.operation, dims, where)

    def _emit(
        self,
        array: Array,
        indices: tuple[Index, ...],
        value: Term,
        dims: Sequence[Variable],
        conditions: Sequence[Condition],
        *,
        accumulates: bool = False,
    ) -> None:
        where = [self.preload.condition, *conditions]
        if all_of(where) == FALSE:
            return
        self.extractor.emit(
            array,
            indices,
            value,
            self.operation,
            accumulates=accumulates,
            dims=dims,
            condition=where,
        )


def _plain_cell(row: Index, column: Index) -> tuple[Index, Index]:
    return row, column


def _never(i: Index, k: Index) -> Condition:
    return FALSE
