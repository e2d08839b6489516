"""ISA IR (``gemmini`` operations) to affine statements (trusted core).

Each instruction becomes a few statements with its own element counters; where they go is what
``hw.gemmini.semantics`` says, called with symbolic indices. Local memories are arrays with the
capacity of the configuration, so overflow and uninitialised reads are ordinary obligations.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from ...dialects.gemmini import (
    AccOp,
    ComputeAccumulatedOp,
    ComputePreloadedOp,
    ConfigExOp,
    ConfigLdOp,
    ConfigStOp,
    FenceOp,
    FlushOp,
    MvinOp,
    MvinZerosOp,
    MvoutOp,
    NoneOp,
    PreloadOp,
    SpadOp,
)
from ...hw.gemmini import semantics
from ...hw.gemmini.config import GemminiConfig
from ...hw.gemmini.fields import LARGEST_EXTENT
from ..core.condition import FALSE, TRUE, Condition, all_of, any_of, less_than, negate, within
from ..core.index import Index, Variable, constant_index
from ..core.initialised import require_initialised
from ..core.polyhedral import Array, Program, Unsupported, all_within
from ..core.terms import Term, is_float
from ..hazards.final_fence import store_without_fence
from .dram_elements import dram_element
from .flat_views import FlatViews
from .from_loops import extract_memrefs
from .gemmini_pooling import emit_pooling_store
from .gemmini_products import emit_computation
from .gemmini_rows import RowRecorder
from .gemmini_state import (
    STORE,
    LoadConfig,
    LocalAddress,
    Operand,
    Preload,
    Register,
    Registers,
    StoreConfig,
    load_register,
)
from .gemmini_values import scale_and_saturate, scaled_float, store_value, widened, zero
from .pure_operations import as_condition
from .structured import Extractor, single_function

ELEMENT_TYPES = {"int8": "i8", "int16": "i16", "int32": "i32", "float32": "f32", "float16": "f16"}
"""Element types of a configuration as they are spelled in MLIR."""


def extract_gemmini(module: ModuleOp, config: GemminiConfig) -> Program:
    """The affine statements of a function of Gemmini instructions.

    Raises ``Unsupported`` for constructs outside the quasi-affine class.
    """
    extractor = GemminiExtractor(config)
    function = single_function(module)
    program = extract_memrefs(extractor, function)
    extractor.finish(function.body.block)
    return program


class GemminiExtractor(Extractor):
    """The machine's instructions on top of structured control flow."""

    inlines_single_iterations = True

    def __init__(self, config: GemminiConfig) -> None:
        super().__init__()
        self.config = config
        self.input_type = ELEMENT_TYPES[config.input_type]
        self.sum_type = ELEMENT_TYPES[config.accumulator_type]
        columns = constant_index(config.dim)
        self.spad = Array("spad", self.input_type, (constant_index(config.spad_rows), columns))
        self.acc = Array("acc", self.sum_type, (constant_index(config.acc_rows), columns))
        self.mesh = Array("mesh", self.input_type, (columns, columns))
        self.sums = Array("mesh_sums", self.sum_type, (columns, columns))
        self.program.local_memories = frozenset(
            memory.name for memory in (self.spad, self.acc, self.mesh, self.sums)
        )
        self.program.loads_in_flight = config.loads_in_flight
        self.registers = Registers()
        self.recorder = RowRecorder(self)
        self.views = FlatViews()
        self.addresses: dict[SSAValue, LocalAddress] = {}
        self.handlers |= {
            SpadOp: self._spad,
            AccOp: self._acc,
            NoneOp: self._none,
            ConfigExOp: self._configure,
            ConfigLdOp: self._configure,
            ConfigStOp: self._configure,
            MvinOp: self._mvin,
            MvinZerosOp: self._mvin_zeros,
            MvoutOp: self._mvout,
            PreloadOp: self._preload,
            ComputePreloadedOp: self._compute,
            ComputeAccumulatedOp: self._compute,
            FenceOp: self._fence,
            FlushOp: lambda operation: None,
            memref.CollapseShapeOp: self._join_dimensions,
        }

    def finish(self, body: Block) -> None:
        """What must hold at the end: no preload is pending, and a fence comes last."""
        for preload in self.registers.preloads:
            self.demand(negate(preload.condition), "a computation follows", preload.origin)
        store = store_without_fence(body)
        if store is not None:
            raise Unsupported("no `gemmini.fence` after the last store", store)

    def _fence(self, operation: FenceOp) -> None:
        if not self.scope.predicates:
            self.program.fences.append(self.recorder.moment())

    # Views.

    def _join_dimensions(self, operation: memref.CollapseShapeOp) -> None:
        base = self.array(operation.src, operation)
        self.arrays[operation.result] = self.views.view(base, operation)

    def read_element(self, array: Array, indices: tuple[Index, ...]) -> Term:
        return super().read_element(*self.views.element(array, indices))

    def emit(
        self, array: Array, indices: tuple[Index, ...], *arguments: Any, **options: Any
    ) -> None:
        super().emit(*self.views.element(array, indices), *arguments, **options)

    # Addresses and registers.

    def _spad(self, operation: SpadOp) -> None:
        row = self.index(operation.row, operation)
        self.addresses[operation.address] = LocalAddress("spad", row, FALSE)

    def _acc(self, operation: AccOp) -> None:
        row = self.index(operation.row, operation)
        accumulate: Condition | None = FALSE
        if operation.accumulate is not None:
            accumulate = as_condition(self.value(operation.accumulate, operation))
        if accumulate is None:
            raise Unsupported("an accumulate bit that depends on data", operation)
        full = operation.full is not None
        self.addresses[operation.address] = LocalAddress("acc", row, accumulate, full)

    def _none(self, operation: NoneOp) -> None:
        self.addresses[operation.address] = LocalAddress("none", constant_index(0), FALSE)

    def address(self, value: SSAValue, operation: Operation) -> LocalAddress:
        if value not in self.addresses:
            raise Unsupported("a local address that is not computed here", operation)
        return self.addresses[value]

    def _configure(self, operation: Operation) -> None:
        if self.registers.preloads:
            raise Unsupported("configuration between a preload and its computation", operation)
        self._static(operation)
        self.registers.configure(operation)
        if isinstance(operation, ConfigExOp):
            self.recorder.drain()

    def state(self) -> tuple[dict[str, Register], list[Preload]]:
        return self.registers.snapshot(), list(self.registers.preloads)

    def restore(self, state: tuple[dict[str, Register], list[Preload]]) -> None:
        self.registers.contents, self.registers.preloads = dict(state[0]), list(state[1])

    def enter_loop(self, loop: scf.ForOp) -> None:
        self._none_pending(loop)
        self.registers.enter_loop(loop.body)

    def leave_loop(
        self, loop: scf.ForOp, before: tuple[dict[str, Register], list[Preload]], *, runs: bool
    ) -> None:
        self._none_pending(loop)
        if not runs:
            self.registers.join(before[0], self.registers.snapshot())

    def merge(
        self,
        branch: scf.IfOp,
        condition: Condition | None,
        then: tuple[dict[str, Register], list[Preload]],
        otherwise: tuple[dict[str, Register], list[Preload]],
    ) -> None:
        if condition is None:
            self._static(branch)
            return
        self.registers.join(then[0], otherwise[0])
        self.registers.preloads = [
            replace(preload, condition=all_of([preload.condition, side]))
            for side, preloads in ((condition, then[1]), (negate(condition), otherwise[1]))
            for preload in preloads
        ]

    def _none_pending(self, operation: Operation) -> None:
        if self.registers.preloads:
            raise Unsupported("a loop between a preload and its computation", operation)

    def _static(self, operation: Operation) -> None:
        """Machine instructions may not depend on data: the verdict would depend on it too."""
        instructions = [op for op in operation.walk() if op.name.startswith("gemmini.")]
        if self.scope.predicates or (instructions and instructions[0] is not operation):
            raise Unsupported("an instruction under a condition that depends on data", operation)

    def demand(self, holds: Condition, description: str, operation: Operation) -> None:
        """A rule of the instruction set."""
        self.require(holds, f"legal instruction: {description}", operation)

    # Moves.

    def _counters(
        self, rows: Index, cols: Index, most_rows: int, most_cols: int
    ) -> tuple[list[Variable], list[Condition], Index, Index]:
        """Element counters of a move, limited to what is legal (a demand besides)."""
        row, row_condition = self.counter("r", rows, most_rows)
        col, col_condition = self.counter("c", cols, most_cols)
        return [row, col], [row_condition, col_condition], Index.of(row), Index.of(col)

    def counter(self, label: str, extent: Index, most: int) -> tuple[Variable, Condition]:
        """A counter from 0 below ``extent``, which is at most ``most``."""
        high = extent.interval[1]
        bound = most if high is None else min(most, high)
        variable = Variable(self.fresh(label), 0, bound - 1)
        return variable, less_than(Index.of(variable), extent)

    def size(self, value: SSAValue, operation: Operation, least: int, most: int) -> Index:
        extent = self.index(value, operation)
        self.demand(within(extent, least, most + 1), f"size {least} to {most}", operation)
        return extent

    def _load_config(self, channel: int, operation: Operation) -> LoadConfig:
        config = self.registers.get(load_register(channel), operation)
        assert isinstance(config, LoadConfig)
        if config.pixel_repeats > 1:
            raise Unsupported("pixel repeats", operation)
        return config

    def _mvin(self, operation: MvinOp) -> None:
        self._move_in(operation, operation.channel.value.data, operation.source)

    def _mvin_zeros(self, operation: MvinZerosOp) -> None:
        self._move_in(operation, operation.channel.value.data, None)

    def _move_in(
        self, operation: MvinOp | MvinZerosOp, channel: int, source: SSAValue | None
    ) -> None:
        self._between_preload_and_computation(operation)
        config = self._load_config(channel, operation)
        target = self.address(operation.target, operation)
        narrow = target.space == "spad" or config.shrunk
        from_type = self.input_type if narrow else self.sum_type
        bytes = self.config.input_bytes if narrow else self.config.accumulator_bytes
        most = max(self.config.max_request_bytes // bytes, self.config.dim)
        rows = self.size(operation.rows, operation, 1, self.config.dim)
        cols = self.size(operation.cols, operation, 1, most)
        dims, condition, row, col = self._counters(rows, cols, self.config.dim, most)
        place = semantics.mvin_target(row, col, self.config.dim, config.block_stride)
        cell = (target.row + place[0], place[1])
        memory = self.local(target)
        self.require(
            all_within(cell, memory.extents), f"move-in within {memory.name}", operation,
            dims, condition,
        )  # fmt: skip
        value = zero(memory.element_type)
        origin: tuple[Hashable, ...] = ()
        start: tuple[Index, ...] = ()
        if source is not None:
            assert isinstance(operation, MvinOp)
            element = self._dram_read(
                operation, source, from_type, config, row, col, dims, condition
            )
            value = self._loaded(element, config, narrow, memory.element_type)
            start = self.indices(operation.indices, operation)
            origin = (source, config)
        self.recorder.load(target, rows, cols, config.block_stride, origin, start, operation)
        first = len(self.program.statements)
        self.write_local(memory, cell, value, target.accumulate, operation, dims, condition)
        self._note_moves(first)

    def _dram_read(
        self,
        operation: MvinOp,
        source: SSAValue,
        type: str,
        config: LoadConfig,
        row: Index,
        col: Index,
        dims: Sequence[Variable],
        condition: Sequence[Condition],
    ) -> Term:
        array = self.array(source, operation)
        indices = self.indices(operation.indices, operation)
        element = dram_element(array, indices, type, config.stride, row, col, operation)
        self.require(
            all_within(element, array.extents), "move-in within the array", operation,
            dims, condition,
        )  # fmt: skip
        return self.read_element(array, element)

    def _loaded(self, value: Term, config: LoadConfig, narrow: bool, type: str) -> Term:
        """Scaling of a move-in: in the scratchpad's type, or in float accumulators."""
        if is_float(value.type):
            return widened(scaled_float(value, config.scale), type)
        if narrow and config.scale != 1.0:
            value = scale_and_saturate(value, config.scale, value.type)
        return widened(value, type)

    def write_local(
        self,
        memory: Array,
        cell: tuple[Index, ...],
        value: Term,
        accumulate: Condition,
        operation: Operation,
        dims: Sequence[Variable],
        condition: Sequence[Condition],
    ) -> None:
        """Assign where ``accumulate`` is false, add where it is true."""
        require_initialised(self, memory, cell, operation, dims, [*condition, accumulate])
        for adds, when in ((False, negate(accumulate)), (True, accumulate)):
            if when != FALSE:
                self.emit(
                    memory, cell, value, operation,
                    accumulates=adds, dims=dims, condition=[*condition, when],
                )  # fmt: skip

    def _mvout(self, operation: MvoutOp) -> None:
        self._between_preload_and_computation(operation)
        config = self.registers.get(STORE, operation)
        assert isinstance(config, StoreConfig)
        source = self.address(operation.source, operation)
        if config.pooling is not None:
            emit_pooling_store(self, operation, source, config, config.pooling)
            return
        dim = self.config.dim
        most = dim if source.full else dim * self.config.max_blocks
        rows = self.size(operation.rows, operation, 1, dim)
        cols = self.size(operation.cols, operation, 1, most)
        dims, condition, row, col = self._counters(rows, cols, dim, most)
        place = semantics.mvout_source(row, col, dim)
        cell = (source.row + place[0], place[1])
        memory = self.local(source)
        self.require(
            all_within(cell, memory.extents), f"move-out within {memory.name}", operation,
            dims, condition,
        )  # fmt: skip
        self.recorder.store(source, (cols - 1) // dim * dim + rows, operation)
        value = self.stored(source, cell, config, operation)
        array = self.array(operation.target, operation)
        indices = self.indices(operation.indices, operation)
        element = dram_element(array, indices, value.type, config.stride, row, col, operation)
        self.store_element(array, element, value, operation, dims, condition)

    def stored(
        self,
        source: LocalAddress,
        cell: tuple[Index, Index],
        config: StoreConfig,
        operation: MvoutOp,
    ) -> Term:
        """What a move-out makes of a local cell."""
        value = self.read_element(self.local(source), cell)
        if source.space == "spad" or source.full:
            return value
        if config.activation not in ("none", "relu"):
            raise Unsupported(f"activation {config.activation}", operation)
        return store_value(value, config.activation == "relu", config.scale, self.input_type)

    def store_element(
        self,
        array: Array,
        element: tuple[Index, ...],
        value: Term,
        operation: MvoutOp,
        dims: Sequence[Variable],
        condition: Sequence[Condition],
    ) -> None:
        """Write one element of a move-out to DRAM."""
        self.require(
            all_within(element, array.extents), "move-out within the array", operation,
            dims, condition,
        )  # fmt: skip
        first = len(self.program.statements)
        self.emit(array, element, value, operation, dims=dims, condition=condition)
        self._note_moves(first)

    def _note_moves(self, first: int) -> None:
        """The statements from number ``first`` on access DRAM in no order."""
        self.program.moves |= {statement.name for statement in self.program.statements[first:]}

    def local(self, address: LocalAddress) -> Array:
        return self.acc if address.space == "acc" else self.spad

    # The array.

    def _operand(
        self, value: SSAValue, rows: SSAValue, cols: SSAValue, operation: Operation
    ) -> Operand:
        address = self.address(value, operation)
        if address.space == "none":
            # No element is touched; the numbers are still to fit their fields.
            for size in (rows, cols):
                self.size(size, operation, 0, LARGEST_EXTENT)
            return Operand(address, constant_index(0), constant_index(0))
        dim = self.config.dim
        return Operand(
            address, self.size(rows, operation, 0, dim), self.size(cols, operation, 0, dim)
        )

    def _preload(self, operation: PreloadOp) -> None:
        for pending in self.registers.preloads:
            self.demand(negate(pending.condition), "a computation follows", pending.origin)
        stationary = self._operand(
            operation.stationary, operation.stationary_rows, operation.stationary_cols, operation
        )
        target = self._operand(
            operation.target, operation.target_rows, operation.target_cols, operation
        )
        self.registers.preloads = [Preload(TRUE, stationary, target, operation)]

    def _between_preload_and_computation(self, operation: Operation) -> None:
        self._static(operation)
        if self.registers.preloads:
            raise Unsupported("a move between a preload and its computation", operation)

    def _compute(self, operation: ComputePreloadedOp | ComputeAccumulatedOp) -> None:
        self._static(operation)
        preloads, self.registers.preloads = self.registers.preloads, []
        covered = any_of([preload.condition for preload in preloads])
        self.demand(covered, "a computation has a preload of its own", operation)
        a = self._operand(operation.a, operation.a_rows, operation.a_cols, operation)
        other = self._operand(operation.bd, operation.bd_rows, operation.bd_cols, operation)
        for preload in preloads:
            emit_computation(self, operation, preload, a, other)
