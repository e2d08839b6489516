"""What each instruction costs its engine, by its operands' sizes.

The formulas are the "estimated instruction cost" sections of the ``nki.isa`` documentation up to
v2.26.1, in engine cycles; N is elements per partition. Numbers come from the configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from xdsl.dialects.builtin import BFloat16Type, FloatAttr
from xdsl.ir import Attribute, SSAValue

from ....dialects import trn
from ....dialects.trn.types import Function, Operator, Space, element_bytes, is_fp8
from ..config import TrainiumConfig
from .records import NO_TABLE, Engine

ENGINES = {
    trn.Engine.PE: Engine.PE,
    trn.Engine.ACT: Engine.ACT,
    trn.Engine.DVE: Engine.DVE,
    trn.Engine.POOL: Engine.POOL,
    trn.Engine.SP: Engine.SP,
}
TABLE_FUNCTIONS = tuple(
    function
    for function in Function
    if function not in (Function.COPY, Function.SQUARE, Function.ABS, Function.RELU)
)
"""Functions that need a table; the others are plain arithmetic, and are in every table."""
Shapes = dict[SSAValue, tuple[int, ...]]
"""The sizes of each view operand, once they are all known."""


@dataclass(frozen=True)
class Operands:
    """An instruction and the sizes of what it works on."""

    op: trn.EngineInstruction
    shapes: Shapes
    strides: dict[SSAValue, int]
    """Bytes between two elements of the innermost free dimension of each view."""
    config: TrainiumConfig

    def free(self, view: SSAValue) -> int:
        """Elements per partition."""
        return prod(self.shapes[view][1:])

    def partitions(self, view: SSAValue) -> int:
        return self.shapes[view][0]

    @property
    def widest(self) -> int:
        """Elements per partition of the widest operand."""
        return max(self.free(view) for view in self.op.views)

    def in_psum(self, view: SSAValue) -> bool:
        return trn.view_of(view).space.data == Space.PSUM

    def element(self, view: SSAValue) -> Attribute:
        return trn.view_of(view).element_type

    def bytes(self, view: SSAValue) -> int:
        return element_bytes(self.element(view))

    @property
    def touches_psum(self) -> bool:
        return any(self.in_psum(view) for view in self.op.views)

    def all_bf16(self, *views: SSAValue) -> bool:
        return all(isinstance(self.element(view), BFloat16Type) for view in views)


def _at_least(operands: Operands, cycles: float) -> float:
    return max(float(operands.config.minimum_interval), cycles)


def _plain(operands: Operands) -> float:
    return _at_least(operands, operands.widest)


def _matmul(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.NcMatmulOp)
    halves = trn.DOUBLE_ROWS if op.double_row is not None else 1
    stationary, moving = (operands.free(v) // halves for v in (op.stationary, op.moving))
    cycles = max(min(operands.config.minimum_interval, stationary), moving)
    return cycles * product_factor(operands, op.moving)


def product_factor(operands: Operands, view: SSAValue) -> float:
    """Passes of the array: four for float32, half a one for pairs of 8-bit floats."""
    if is_fp8(operands.element(view)) and getattr(operands.op, "double_row", None) is not None:
        return 1.0 / operands.config.double_row_factor * trn.DOUBLE_ROWS
    wide = operands.element(view).name == "f32"
    return float(operands.config.wide_float_factor) if wide else 1.0


def _load_stationary(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.LoadStationaryOp)
    columns = operands.free(op.stationary)
    factor = product_factor(operands, op.stationary)
    return columns * factor / operands.config.load_stationary_speedup


def _mult_moving(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.MultMovingOp)
    return _at_least(operands, operands.free(op.moving)) * product_factor(operands, op.moving)


def _transpose(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.NcTransposeOp)
    columns = operands.free(op.src)
    if op.chosen_engine == trn.Engine.DVE:
        return _at_least(operands, columns)
    rows = operands.partitions(op.src)
    factor = product_factor(operands, op.src)
    return max(rows, min(operands.config.minimum_interval, columns)) * factor


def _activation(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.ActivationOp)
    reads_sum = 0 if op.reduced is None else operands.config.minimum_interval
    return _at_least(operands, operands.free(op.data)) + reads_sum


def _tensor_tensor(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.TensorTensorOp)
    count = operands.widest
    if operands.in_psum(op.lhs) != operands.in_psum(op.rhs):
        return _at_least(operands, count)
    simple = op.op.data in (Operator.ADD, Operator.MULTIPLY, Operator.SUBTRACT)
    unit = all(operands.strides[view] <= 2 for view in op.views)
    if simple and unit and operands.all_bf16(*op.views):
        return _at_least(operands, count / (2 if operands.config.has_performance_mode else 1))
    return _at_least(operands, 2 * count)


def _tensor_scalar(operands: Operands) -> float:
    return _at_least(operands, operands.widest / _speedup(operands))


def _speedup(operands: Operands) -> float:
    """The vector engine's performance mode (v3): 16-bit types, four times if all is contiguous."""
    if not operands.config.has_performance_mode or operands.op.chosen_engine != trn.Engine.DVE:
        return 1.0
    wide = [view for view in operands.op.views if operands.free(view) > 1]
    if any(operands.bytes(view) != 2 for view in wide):
        return 1.0
    contiguous = all(operands.strides[view] <= 2 for view in wide)
    return 4.0 if contiguous and not operands.touches_psum else 2.0


def _scalar_reduce(operands: Operands) -> float:
    return _plain(operands) + operands.config.minimum_interval


def _scalar_tensor_tensor(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.ScalarTensorTensorOp)
    count = operands.free(op.data)
    fast = (op.op0.data, op.op1.data) == (Operator.SUBTRACT, Operator.MULTIPLY) and count % 2 == 0
    if fast and operands.all_bf16(op.data, op.rhs):
        return _at_least(operands, count)
    return _at_least(operands, 2 * count)


def _scan(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.TensorTensorScanOp)
    mixed = operands.in_psum(op.data0) != operands.in_psum(op.data1)
    return _at_least(operands, operands.free(op.data0) * (1 if mixed else 2))


def _reduce(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.TensorReduceOp)
    quick = op.op.data in (Operator.ADD, Operator.MAXIMUM)
    half = quick and operands.all_bf16(op.data, op.dst)
    return _at_least(operands, operands.free(op.data) / (2 if half else 1))


def _copy_predicated(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.TensorCopyPredicatedOp)
    mixed = operands.in_psum(op.src) != operands.in_psum(op.predicate)
    return _at_least(operands, operands.free(op.src) * (1 if mixed else 2))


def _dynamic(operands: Operands) -> float:
    return max(float(operands.config.dynamic_interval), operands.widest)


def _reciprocal(operands: Operands) -> float:
    return _at_least(operands, operands.config.reciprocal_per_element * operands.widest)


def _memset(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.MemsetOp)
    value: FloatAttr = op.value
    half = value.value.data == 0.0 and operands.bytes(op.dst) == 2
    return _at_least(operands, operands.free(op.dst) / (2 if half else 1))


def _bn_aggr(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.BnAggrOp)
    return _at_least(operands, 13 * (operands.free(op.data) / 3))


def _gpsimd(operands: Operands) -> float:
    return operands.config.gpsimd_start + operands.widest


def _gather(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.LocalGatherOp)
    count, run = op.count.value.data, op.run.value.data
    lanes = 4 * run
    rate = ((28 + lanes) / lanes) / min(4 / operands.bytes(op.src), run)
    return operands.config.gpsimd_start + count * run / rate


def _topk(operands: Operands) -> float:
    op = operands.op
    assert isinstance(op, trn.TopkOp)
    return 4 * operands.free(op.data) + operands.free(op.dst)


FORMULAS: dict[type[trn.EngineInstruction], Callable[[Operands], float]] = {
    trn.NcMatmulOp: _matmul,
    trn.LoadStationaryOp: _load_stationary,
    trn.MultMovingOp: _mult_moving,
    trn.NcTransposeOp: _transpose,
    trn.ActivationOp: _activation,
    trn.TensorTensorOp: _tensor_tensor,
    trn.TensorScalarOp: _tensor_scalar,
    trn.TensorCopyOp: _tensor_scalar,
    trn.TensorScalarReduceOp: _scalar_reduce,
    trn.ScalarTensorTensorOp: _scalar_tensor_tensor,
    trn.TensorTensorScanOp: _scan,
    trn.TensorReduceOp: _reduce,
    trn.TensorPartitionReduceOp: _gpsimd,
    trn.TensorCopyPredicatedOp: _copy_predicated,
    trn.TensorCopyDynamicSrcOp: _dynamic,
    trn.TensorCopyDynamicDstOp: _dynamic,
    trn.ReciprocalOp: _reciprocal,
    trn.MemsetOp: _memset,
    trn.BnStatsOp: _plain,
    trn.BnAggrOp: _bn_aggr,
    trn.DropoutOp: _plain,
    trn.RangeSelectOp: _plain,
    trn.SelectReduceOp: _plain,
    trn.StreamShuffleOp: _plain,
    trn.Max8Op: _plain,
    trn.FindIndex8Op: _plain,
    trn.MatchReplace8Op: _plain,
    trn.TopkOp: _topk,
    trn.IotaOp: _gpsimd,
    trn.AffineSelectOp: _gpsimd,
    trn.SequenceBoundsOp: _gpsimd,
    trn.LocalGatherOp: _gather,
}
"""Cycles of each instruction; those that the documentation gives no cost for take N cycles."""


@dataclass(frozen=True)
class EngineCost:
    """What an instruction does to its engine, in ns."""

    engine: Engine
    occupancy: float
    latency: float
    table: int
    touches_sbuf: bool
    touches_psum: bool
    ideal: float
    """Time of its products if the whole array worked."""


def engine_cost(operands: Operands, engine: trn.Engine) -> EngineCost:
    """The cost of a compute instruction on ``engine``."""
    config, op = operands.config, operands.op
    formula = FORMULAS[type(op)]
    if engine == trn.Engine.POOL and formula not in (_gpsimd, _gather, _topk):
        formula = _gpsimd
    cycles = formula(operands)
    if engine in (trn.Engine.DVE, trn.Engine.ACT):
        cycles = cycles * _stride_factor(operands) + config.overhead_cycles(engine)
    ghz = config.ghz(engine)
    occupancy = cycles / ghz
    return EngineCost(
        ENGINES[engine],
        occupancy,
        config.latency_ns(engine),
        _table(op),
        any(not operands.in_psum(view) for view in op.views),
        operands.touches_psum,
        _ideal(operands),
    )


def _stride_factor(operands: Operands) -> float:
    """An innermost stride of over 16 bytes halves the bandwidth."""
    strides = [operands.strides[view] for view in operands.op.views if operands.free(view) > 1]
    return 2.0 if max(strides, default=0) > operands.config.wide_stride_bytes else 1.0


def _table(op: trn.EngineInstruction) -> int:
    if not isinstance(op, trn.ActivationOp) or op.function.data not in TABLE_FUNCTIONS:
        return NO_TABLE
    return TABLE_FUNCTIONS.index(op.function.data)


def _ideal(operands: Operands) -> float:
    op = operands.op
    if isinstance(op, trn.MultMovingOp):
        macs = prod(operands.shapes[op.moving]) * operands.partitions(op.dst)
    elif isinstance(op, trn.NcMatmulOp):
        macs = prod(operands.shapes[op.stationary]) * operands.free(op.moving)
    else:
        return 0.0
    return macs * product_factor(operands, op.moving) / operands.config.peak_macs_per_ns
