"""Run one instruction on the memories of the functional simulator, as ``semantics.py`` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from ...dialects import trn
from ...dialects.trn import Engine, Instruction, ReduceCommand
from ...dialects.trn.limits import PARTITIONS
from . import rows
from .element_types import numpy_type, to_float
from .memory import Access, AccessError
from .semantics import (
    element_value,
    fold_of,
    gather_cell,
    is_elementwise,
    is_elementwise_kind,
    scan_start,
    scan_step,
    shuffle_source,
)
from .tile_values import TileValues, fold


@dataclass
class EngineState:
    """What the engines keep from one instruction to the next."""

    sums: NDArray[np.float32] = field(default_factory=lambda: np.zeros(PARTITIONS, np.float32))
    """The scalar engine's accumulation registers."""
    sums_known: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(PARTITIONS, np.bool_))
    stationary: NDArray[np.float32] | None = None
    """``K × M`` numbers in the tensor engine's array."""


@dataclass(frozen=True)
class Context:
    """What an instruction works on."""

    accesses: Mapping[SSAValue, Access]
    """The elements behind each of its views."""
    state: EngineState
    runtime: Callable[[SSAValue], int]
    """The index values and conditions of the program."""


def execute(op: Instruction, context: Context) -> None:
    """Run ``op``; an instruction with an empty view does nothing.

    Raises ``AccessError`` for a use of memory that has no defined result.
    """
    if any(access.is_empty for access in context.accesses.values()):
        return
    special = _SPECIAL.get(type(op))
    if isinstance(op, trn.DmaStartOp) and op.transpose is not None:
        special = _transpose
    if special is None:
        assert is_elementwise(op), op.name
        special = _elementwise
    special(op, context)


def has_meaning(kind: type[Instruction]) -> bool:
    """Whether instructions of a class can be run."""
    return kind in _SPECIAL or is_elementwise_kind(kind)


def _elementwise(op: Any, context: Context) -> None:
    dst = context.accesses[op.dst]
    values = TileValues(op, context.accesses, dst.shape, context.runtime)
    result = np.broadcast_to(element_value(op, values), values.sizes)
    reduced: SSAValue | None = op.reduced if "reduced" in op.WRITTEN else None
    total = None
    if isinstance(op, trn.ActivationOp):
        _accumulate(op, result, dst, context.state)
        total = None if reduced is None else _registers(dst, context.state)
    elif reduced is not None:
        total = fold(fold_of(op), result, axis=1)
    where = None
    if isinstance(op, trn.TensorCopyPredicatedOp):
        where = (values.raw(op.predicate) != 0) ^ (op.reverse is not None)
    dst.write(result, where=where)
    if reduced is not None and total is not None:
        context.accesses[reduced].write(total.reshape(-1, 1))


def _accumulate(
    op: trn.ActivationOp, result: NDArray[Any], dst: Access, state: EngineState
) -> None:
    command = op.reduce_command
    used = slice(dst.first_partition, dst.first_partition + dst.partitions)
    if command in (ReduceCommand.RESET, ReduceCommand.RESET_REDUCE):
        state.sums[used], state.sums_known[used] = 0.0, True
    if command in (ReduceCommand.REDUCE, ReduceCommand.RESET_REDUCE):
        state.sums[used] += fold(fold_of(op), result, axis=1)


def _registers(dst: Access, state: EngineState) -> NDArray[np.float32]:
    used = slice(dst.first_partition, dst.first_partition + dst.partitions)
    if not state.sums_known[used].all():
        raise AccessError("reads accumulation registers that were never reset")
    return state.sums[used].copy()


# The tensor engine.


def _matrix(access: Access, double_row: bool) -> NDArray[np.float32]:
    """An operand as ``K × columns``; pairs of rows one after the other with ``double_row``."""
    elements = to_float(access.read())
    if not double_row:
        return elements.reshape(access.partitions, -1)
    return elements.reshape(access.partitions * 2, -1)


def _matmul(op: trn.NcMatmulOp, context: Context) -> None:
    double = op.double_row is not None
    context.state.stationary = None
    stationary = _matrix(context.accesses[op.stationary], double)
    moving = _matrix(context.accesses[op.moving], double)
    _multiply(stationary, moving, context.accesses[op.dst], _flag(op.accumulate, context))


def _load_stationary(op: trn.LoadStationaryOp, context: Context) -> None:
    matrix = _matrix(context.accesses[op.stationary], op.double_row is not None)
    context.state.stationary = matrix.copy()


def _mult_moving(op: trn.MultMovingOp, context: Context) -> None:
    stationary = context.state.stationary
    if stationary is None:
        raise AccessError("the array holds no stationary operand")
    moving = _matrix(context.accesses[op.moving], op.double_row is not None)
    _multiply(stationary, moving, context.accesses[op.dst], _flag(op.accumulate, context))


def _flag(condition: SSAValue | None, context: Context) -> bool:
    return condition is not None and bool(context.runtime(condition))


def _multiply(
    stationary: NDArray[np.float32], moving: NDArray[np.float32], dst: Access, accumulate: bool
) -> None:
    """``dst = stationaryᵀ · moving``, added to what is there or not."""
    if stationary.shape[0] != moving.shape[0]:
        raise AccessError(
            f"the stationary operand has {stationary.shape[0]} rows, the moving one"
            f" {moving.shape[0]}"
        )
    if dst.partitions != stationary.shape[1]:
        raise AccessError(
            f"the result has {dst.partitions} partitions, the stationary operand"
            f" {stationary.shape[1]} columns"
        )
    _require_one_bank(dst)
    with np.errstate(all="ignore"):
        result = (stationary.T.astype(np.float64) @ moving.astype(np.float64)).astype(np.float32)
    if accumulate:
        dst.require_product()
        result = dst.elements.reshape(result.shape) + result
    dst.write(result, product=True)


def _require_one_bank(dst: Access) -> None:
    """Raise ``AccessError`` where the result of a matrix product crosses into another bank."""
    first, last = dst.banks()
    if first != last:
        raise AccessError(f"a matrix product must fit one PSUM bank, got banks {first} to {last}")


def _transpose(op: Any, context: Context) -> None:
    source, dst = context.accesses[op.src], context.accesses[op.dst]
    elements = source.read().reshape(source.partitions, -1)
    through_array = isinstance(op, trn.NcTransposeOp) and op.chosen_engine == Engine.PE
    if through_array:
        context.state.stationary = None
        _require_one_bank(dst)
    dst.write(elements.T.copy(), product=through_array)


# Reductions, scans, statistics.


def _tensor_reduce(op: trn.TensorReduceOp, context: Context) -> None:
    access, operator = context.accesses[op.data], op.op.data
    inner = prod(access.shape[len(access.shape) - op.axes.value.data :])
    elements = access.read().reshape(access.partitions, -1, inner)
    bitwise = operator in trn.BITWISE
    values = elements.astype(np.int64) if bitwise else to_float(elements)
    result = fold(operator, values, axis=2)
    context.accesses[op.dst].write(-result if op.negate is not None else result)


def _partition_reduce(op: trn.TensorPartitionReduceOp, context: Context) -> None:
    access, operator = context.accesses[op.data], op.op.data
    elements = access.read().reshape(access.partitions, -1)
    values = elements.astype(np.int64) if operator in trn.BITWISE else to_float(elements)
    context.accesses[op.dst].write(fold(operator, values, axis=0)[None, :])


def _scan(op: trn.TensorTensorScanOp, context: Context) -> None:
    dst = context.accesses[op.dst]
    values = TileValues(op, context.accesses, dst.shape, context.runtime)
    first, second = values.element(op.data0), values.element(op.data1)
    result = np.empty(values.sizes, np.float32)
    running = np.broadcast_to(scan_start(op, values), (values.sizes[0], 1))
    for place in range(values.sizes[1]):
        column = slice(place, place + 1)
        running = scan_step(op, running, first[:, column], second[:, column], values)
        result[:, column] = running
    dst.write(result)


def _rows(access: Access) -> NDArray[np.float32]:
    return to_float(access.read()).reshape(access.partitions, -1)


def _bn_stats(op: trn.BnStatsOp, context: Context) -> None:
    context.accesses[op.dst].write(rows.statistics(_rows(context.accesses[op.data])))


def _bn_aggr(op: trn.BnAggrOp, context: Context) -> None:
    context.accesses[op.dst].write(rows.aggregate(_rows(context.accesses[op.data])))


# Searches.


def _max8(op: trn.Max8Op, context: Context) -> None:
    found, _ = rows.largest(_rows(context.accesses[op.data]), rows.SEARCH_RESULTS)
    context.accesses[op.dst].write(found)


def _topk(op: trn.TopkOp, context: Context) -> None:
    dst = context.accesses[op.dst]
    found, places = rows.largest(_rows(context.accesses[op.data]), prod(dst.shape[1:]))
    dst.write(found)
    context.accesses[op.indices].write(places)


def _find_index8(op: trn.FindIndex8Op, context: Context) -> None:
    dst = context.accesses[op.dst]
    data, values = _rows(context.accesses[op.data]), _rows(context.accesses[op.values])
    dst.write(rows.find(data, values, _largest_integer(dst)))


def _match_replace8(op: trn.MatchReplace8Op, context: Context) -> None:
    data, values = _rows(context.accesses[op.data]), _rows(context.accesses[op.values])
    context.accesses[op.dst].write(rows.replace(data, values, op.replacement.value.data))
    if op.indices is not None:
        target = context.accesses[op.indices]
        target.write(rows.find(data, values, _largest_integer(target)))


def _largest_integer(access: Access) -> int:
    return int(np.iinfo(numpy_type(access.element_type)).max)


def _sequence_bounds(op: trn.SequenceBoundsOp, context: Context) -> None:
    context.accesses[op.dst].write(rows.runs(_rows(context.accesses[op.data])))


# Moves of elements to other partitions or places.


def _shuffle(op: trn.StreamShuffleOp, context: Context) -> None:
    source, dst = context.accesses[op.src], context.accesses[op.dst]
    mask = op.mask.get_values()
    chosen = [shuffle_source(p, mask) for p in range(dst.partitions)]
    kept = np.array([entry is None for entry in chosen])
    taken = [entry or 0 for entry in chosen]
    used = sorted({entry for entry in chosen if entry is not None})
    elements = source.elements.reshape(source.partitions, -1)
    for partition in used:
        _row(source, partition).read()
    moved = elements[taken]
    dst.write(moved, where=np.broadcast_to(~kept[:, None], moved.shape))


def _row(access: Access, partition: int) -> Access:
    start = access.start + partition * access.strides[0]
    shape = (1, *access.shape[1:])
    return Access(access.buffer, start, shape, access.strides, access.partition + partition)


def _gather(op: trn.LocalGatherOp, context: Context) -> None:
    source, run = context.accesses[op.src], op.run.value.data
    elements = source.read().reshape(source.partitions, -1)
    index = context.accesses[op.index].read().reshape(source.partitions, -1).astype(np.int64)
    p = np.arange(source.partitions)[:, None]
    n = np.arange(op.count.value.data)[None, :]
    chosen = index[gather_cell(p, n)]
    places = (chosen[:, :, None] * run + np.arange(run)).reshape(source.partitions, -1)
    if places.size and places.max() >= elements.shape[1]:
        raise AccessError(
            f"bounds: gathers element {places.max()} of {elements.shape[1]} per partition"
        )
    context.accesses[op.dst].write(np.take_along_axis(elements, places, axis=1))


def _copy_dynamic_src(op: trn.TensorCopyDynamicSrcOp, context: Context) -> None:
    source, dst = context.accesses[op.src], context.accesses[op.dst]
    elements = source.read().reshape(source.partitions, -1)
    window = _window(context.accesses[op.index], prod(dst.shape[1:]), elements.shape[1])
    dst.write(elements[:, window])


def _copy_dynamic_dst(op: trn.TensorCopyDynamicDstOp, context: Context) -> None:
    source, dst = context.accesses[op.src], context.accesses[op.dst]
    elements = source.read().reshape(source.partitions, -1)
    size = prod(dst.shape[1:])
    window = _window(context.accesses[op.index], elements.shape[1], size)
    values = np.zeros((dst.partitions, size), elements.dtype)
    where = np.zeros(values.shape, np.bool_)
    values[:, window], where[:, window] = elements, True
    dst.write(values, where=where)


def _window(index: Access, size: int, extent: int) -> slice:
    start = int(index.read().reshape(-1)[0])
    if start < 0 or start + size > extent:
        raise AccessError(f"bounds: elements {start} to {start + size - 1} of {extent}")
    return slice(start, start + size)


_SPECIAL: dict[type[Instruction], Callable[[Any, Context], None]] = {
    trn.NcMatmulOp: _matmul,
    trn.LoadStationaryOp: _load_stationary,
    trn.MultMovingOp: _mult_moving,
    trn.NcTransposeOp: _transpose,
    trn.DmaTransposeOp: _transpose,
    trn.TensorReduceOp: _tensor_reduce,
    trn.TensorPartitionReduceOp: _partition_reduce,
    trn.TensorTensorScanOp: _scan,
    trn.BnStatsOp: _bn_stats,
    trn.BnAggrOp: _bn_aggr,
    trn.Max8Op: _max8,
    trn.TopkOp: _topk,
    trn.FindIndex8Op: _find_index8,
    trn.MatchReplace8Op: _match_replace8,
    trn.SequenceBoundsOp: _sequence_bounds,
    trn.StreamShuffleOp: _shuffle,
    trn.LocalGatherOp: _gather,
    trn.TensorCopyDynamicSrcOp: _copy_dynamic_src,
    trn.TensorCopyDynamicDstOp: _copy_dynamic_dst,
}
