"""``gemmini-lower-tiles``: tile IR becomes ISA IR, one instruction per operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.context import Context
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import (
    DenseArrayBase,
    FixedBitwidthType,
    IntegerAttr,
    MemRefType,
    ModuleOp,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ..dialects.gemmini import (
    LOAD_CHANNELS,
    AccOp,
    ActivationKind,
    ComputeAccumulatedOp,
    ComputePreloadedOp,
    ConfigExOp,
    ConfigLdOp,
    ConfigStOp,
    Dataflow,
    FenceOp,
    LocalSpace,
    MvinOp,
    MvinZerosOp,
    MvoutOp,
    NoneOp,
    PreloadOp,
    SpadOp,
)
from ..dialects.tile import LoadOp, MatmulOp, StoreOp, ZeroOp
from .expand_loads import LoadTarget, load_diagonal, load_lines, load_window
from .index_math import IndexBuilder, constant_value, loop_depth, merged_digits
from .kernel import (
    UNROLLED,
    accesses,
    buffer_type,
    config_of,
    kernel_of,
    refusal,
    space_of_buffer,
)
from .loop_transforms import index_builder, tidy
from .nests import erase
from .place import PHASES, ROW, STRIDES


@dataclass(frozen=True)
class LowerTilesPass(ModulePass):
    """Turn loads, products and stores of tiles into Gemmini instructions.

    Needs placed buffers (gemmini-place). Each instruction gets the configuration it needs right in
    front of it; gemmini-hoist-config takes the repetitions away. Loads with different strides use
    different channels. A product is a preload and a computation, weight-stationary, or
    output-stationary where both operands are transposed. A fence ends the function.
    """

    name = "gemmini-lower-tiles"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        lowering = _Lowering(function)
        for access in list(accesses(function)):
            lowering.lower(access)
        last = function.body.blocks[0].last_op
        assert last is not None
        lowering.index.at(InsertPoint.before(last))
        lowering.index.insert(FenceOp())
        for alloc in [x for x in function.walk() if isinstance(x, memref.AllocOp)]:
            erase(alloc)
        function.attributes.pop(UNROLLED, None)
        tidy(function)


@dataclass(frozen=True)
class LoadConfig:
    """What a load channel must be configured to."""

    stride: int
    block_stride: int
    shrunk: bool


class _Lowering:
    def __init__(self, function: func.FuncOp) -> None:
        self.config = config_of(function)
        self.index: IndexBuilder = index_builder(function)
        self.channels: dict[LoadConfig, int] = {}

    def lower(self, op: Operation) -> None:
        self.index.at(InsertPoint.before(op))
        match op:
            case LoadOp():
                self._load(op)
            case ZeroOp():
                self._zero(op)
            case StoreOp():
                self._store(op)
            case MatmulOp():
                self._product(op)
            case _:
                raise refusal(op, "is not a tile operation")
        erase(op)

    def _value(self, op: Operation) -> SSAValue:
        return self.index.insert(op).results[0]

    def _address(
        self,
        buffer: SSAValue,
        slot: Sequence[SSAValue],
        accumulate: SSAValue | None = None,
        *,
        full: bool = False,
    ) -> SSAValue:
        """The local address of a tile of a placed buffer."""
        row = self._row(buffer, slot)
        if space_of_buffer(_alloc(buffer)) == LocalSpace.SPAD:
            return self._value(SpadOp(row))
        return self._value(AccOp(row, accumulate, full=full))

    def _row(self, buffer: SSAValue, slot: Sequence[SSAValue]) -> SSAValue:
        """The first local row of a tile of a placed buffer."""
        alloc = _alloc(buffer)
        first, strides = alloc.attributes.get(ROW), alloc.attributes.get(STRIDES)
        if not isinstance(first, IntegerAttr) or not isinstance(strides, DenseArrayBase):
            raise refusal(alloc, "has no place in its memory: gemmini-place gives it one")
        numbers = merged_digits(zip(slot, map(int, strides.get_values()), strict=True))
        terms = [self.index.mul(number, stride) for number, stride in numbers]
        # Terms of outer loops come first, so that their sum can leave the inner loops.
        row = self.index.constant(first.value.data)
        for term in sorted(terms, key=loop_depth):
            row = self.index.add(row, term)
        return row

    def _load(self, op: LoadOp) -> None:
        array = array_type(op.source)
        alloc = _alloc(op.buffer)
        row_bytes = row_stride(array, *op.rows_along)
        shrunk = space_of_buffer(alloc) == LocalSpace.ACC and element_bytes(array) != element_bytes(
            buffer_type(alloc)
        )
        stride = 0 if op.has_one_row else row_bytes
        block_stride = self._block_stride(alloc)
        channel = self._channel(LoadConfig(stride, block_stride, shrunk))
        if op.diagonal is not None:
            load_diagonal(self.index, op, self._target(op, channel, channel))
            return
        if op.border is not None:
            zeros = self._channel(LoadConfig(0, block_stride, False))
            load_lines(self.index, op, self._target(op, channel, zeros))
            return
        if op.fold is not None:
            load_lines(self.index, op, self._target(op, channel, channel))
            return
        if op.terms is not None:
            target = self._target(op, channel, channel)
            load_window(self.index, op, target, self.config.dim, block_stride)
            return
        target = self._address(op.buffer, op.slot)
        self.index.insert(MvinOp(op.source, op.indices, target, op.rows, op.cols, channel))

    def _target(self, op: LoadOp, channel: int, zeros: int) -> LoadTarget:
        if space_of_buffer(_alloc(op.buffer)) != LocalSpace.SPAD:
            raise refusal(op, "needs several moves, which lowering makes in the scratchpad only")
        row = self._row(op.buffer, op.slot)
        return LoadTarget(row, lambda row: self._value(SpadOp(row)), channel, zeros)

    def _channel(self, wanted: LoadConfig) -> int:
        """Configure a load channel and return its number; equal configurations share one."""
        channel = self.channels.setdefault(wanted, len(self.channels) % LOAD_CHANNELS)
        self.index.insert(
            ConfigLdOp(wanted.stride, wanted.block_stride, channel=channel, shrunk=wanted.shrunk)
        )
        return channel

    def _block_stride(self, alloc: memref.AllocOp) -> int:
        """Local rows between tiles side by side; tiles of different phases never are."""
        strides = alloc.attributes.get(STRIDES)
        if not isinstance(strides, DenseArrayBase) or len(strides) == int(
            PHASES in alloc.attributes
        ):
            return self.config.dim
        return int(strides.get_values()[-1])

    def _zero(self, op: ZeroOp) -> None:
        channel = self._channel(LoadConfig(0, self._block_stride(_alloc(op.buffer)), False))
        target = self._address(op.buffer, op.slot)
        self.index.insert(MvinZerosOp(target, op.rows, op.cols, channel))

    def _store(self, op: StoreOp) -> None:
        array = array_type(op.target)
        alloc = _alloc(op.buffer)
        full = op.scale is None and self.config.is_integer
        if full and op.relu is not None:
            raise refusal(op, "the store unit applies ReLU to scaled elements only")
        if full and space_of_buffer(alloc) != LocalSpace.ACC:
            raise refusal(op, "stores a scratchpad buffer, which this lowering does not need")
        if self._block_stride(alloc) != self.config.dim:
            raise refusal(op, "the store unit needs adjacent column blocks")
        activation = ActivationKind.NONE if op.relu is None else ActivationKind.RELU
        scale = 1.0 if op.scale is None else op.scale.value.data
        self.index.insert(ConfigStOp(row_stride(array, *op.rows_along), activation, scale))
        source = self._address(op.buffer, op.slot, full=full)
        self.index.insert(MvoutOp(source, op.rows, op.cols, op.target, op.indices))

    def _product(self, op: MatmulOp) -> None:
        a_transpose, b_transpose = op.a_transpose is not None, op.b_transpose is not None
        stationary_output = a_transpose and b_transpose
        self.index.insert(
            ConfigExOp(
                Dataflow.OUTPUT_STATIONARY if stationary_output else Dataflow.WEIGHT_STATIONARY,
                a_transpose=a_transpose,
                b_transpose=b_transpose,
            )
        )
        accumulate = op.accumulate
        if accumulate is not None and constant_value(accumulate) == 0:
            accumulate = None
        a = self._address(op.a, op.a_slot)
        c = self._address(op.c, op.c_slot, accumulate)
        if stationary_output:
            self._output_stationary(op, a, c)
        elif op.keep is None or constant_value(op.keep) == 0:
            self._load_weights(op, a, c)
        elif constant_value(op.keep):
            self._keep_weights(op, a, c)
        else:
            self._choose_weights(op, op.keep, a, c)

    def _output_stationary(self, op: MatmulOp, a: SSAValue, c: SSAValue) -> None:
        b = self._address(op.b, op.b_slot)
        none = self._value(NoneOp())
        self.index.insert(PreloadOp(none, op.m, op.n, c, op.m, op.n))
        self.index.insert(ComputePreloadedOp(a, op.m, op.depth, b, op.depth, op.n))

    def _load_weights(self, op: MatmulOp, a: SSAValue, c: SSAValue) -> None:
        b = self._address(op.b, op.b_slot)
        none = self._value(NoneOp())
        self.index.insert(PreloadOp(b, op.depth, op.n, c, op.m, op.n))
        self.index.insert(ComputePreloadedOp(a, op.m, op.depth, none, op.m, op.n))

    def _keep_weights(self, op: MatmulOp, a: SSAValue, c: SSAValue) -> None:
        none = self._value(NoneOp())
        self.index.insert(PreloadOp(none, op.depth, op.n, c, op.m, op.n))
        self.index.insert(ComputeAccumulatedOp(a, op.m, op.depth, none, op.m, op.n))

    def _choose_weights(self, op: MatmulOp, keep: SSAValue, a: SSAValue, c: SSAValue) -> None:
        kept, loaded = Block([scf.YieldOp()]), Block([scf.YieldOp()])
        self.index.insert(scf.IfOp(keep, [], Region(kept), Region(loaded)))
        for block, emit in ((kept, self._keep_weights), (loaded, self._load_weights)):
            assert block.first_op is not None
            self.index.at(InsertPoint.before(block.first_op))
            emit(op, a, c)


def _alloc(buffer: SSAValue) -> memref.AllocOp:
    owner = buffer.owner
    if not isinstance(owner, memref.AllocOp):
        raise PassFailedException(f"a tile buffer of type {buffer.type} is not a memref.alloc")
    return owner


def array_type(array: SSAValue) -> MemRefType[Attribute]:
    """The type of an array in DRAM."""
    type = array.type
    assert isinstance(type, MemRefType)
    return type


def row_stride(array: MemRefType[Attribute], dimension: int, step: int) -> int:
    """Bytes from one row of a move to the next."""
    return step * prod(array.get_shape()[dimension + 1 :]) * element_bytes(array)


def element_bytes(type: MemRefType[Attribute]) -> int:
    """Bytes of one element."""
    assert isinstance(type.element_type, FixedBitwidthType)
    return type.element_type.size
