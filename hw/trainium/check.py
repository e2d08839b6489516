"""What a program may not do on one version of the machine: instructions and capacity.

The dialect's verifiers refuse what no version accepts; sizes and starts that only a run knows are
checked by the simulator. Source: the version notes of ``nki.isa`` (see docs/trainium.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import trn
from ...dialects.trn import Engine, Space, element_bytes, partition_bytes, space_of
from ...dialects.trn.limits import PARTITIONS, PSUM_PARTITION_BYTES, QUADRANT
from .config import TrainiumConfig
from .interpret import refused


def check(function: func.FuncOp, config: TrainiumConfig) -> None:
    """Raise ``Diagnostic`` at the first operation that this version of the machine refuses.

    Capacity is checked as far as no placement can help: bytes that are live at the same time.
    """
    streams: set[Engine] = set()
    for op in function.walk():
        reason = _reason(op, config)
        if reason:
            raise refused(op, reason)
        if isinstance(op, trn.StreamOp):
            if op.engine.data in streams:
                raise refused(op, f"there is one stream for {op.engine.data}, not two")
            streams.add(op.engine.data)
    _check_hbm(function, config)
    if function.body.blocks:
        _check_live(function, config)


def _reason(op: Operation, config: TrainiumConfig) -> str:
    rule = _RULES.get(type(op))
    return "" if rule is None else rule(op, config)


def _since_v3(exists: Callable[[Any], bool], rule: str) -> Callable[[Any, TrainiumConfig], str]:
    return lambda op, config: rule if exists(op) and config.version < 3 else ""


def _array_tile(op: Any, config: TrainiumConfig) -> str:
    """Rules of the tensor engine's operands."""
    if config.version >= 3:
        return ""
    if op.double_row is not None:
        return "double_row needs NeuronCore-v3"
    size = (PARTITIONS, PARTITIONS) if op.tile_size is None else op.tile_size.get_values()
    if tuple(size) == (QUADRANT, QUADRANT):
        return "tile_size: rows and columns cannot both be 32 before NeuronCore-v3"
    return ""


def _sbuf(op: trn.SbufOp, config: TrainiumConfig) -> str:
    end = op.offset.value.data + partition_bytes(op.buffer.type)
    limit = config.sbuf_partition_bytes
    return f"capacity: reaches byte {end} of {limit} per partition" if end > limit else ""


_RULES: dict[type[Operation], Callable[[Any, TrainiumConfig], str]] = {
    trn.NcMatmulOp: _array_tile,
    trn.LoadStationaryOp: _array_tile,
    trn.MultMovingOp: _array_tile,
    trn.SbufOp: _sbuf,
    trn.DmaTransposeOp: _since_v3(lambda op: True, "a DMA that transposes needs NeuronCore-v3"),
    trn.DmaStartOp: _since_v3(
        lambda op: op.transpose is not None, "a DMA that transposes needs NeuronCore-v3"
    ),
    trn.TensorCopyOp: _since_v3(
        lambda op: op.chosen_engine == Engine.ACT,
        "tensor_copy on act needs NeuronCore-v3; an activation copies before",
    ),
    trn.TensorScalarOp: _since_v3(
        lambda op: op.chosen_engine == Engine.ACT, "tensor_scalar on act needs NeuronCore-v3"
    ),
}


# Capacity: what is live at the same time must fit, wherever it is placed.


def _check_hbm(function: func.FuncOp, config: TrainiumConfig) -> None:
    arrays = [argument.type for argument in function.args]
    arrays += [op.memref.type for op in function.walk() if isinstance(op, memref.AllocOp)]
    needed = sum(
        prod(array.get_shape()) * element_bytes(array.element_type)
        for array in arrays
        if isinstance(array, MemRefType) and space_of(array) == Space.HBM
    )
    if needed > config.hbm_bytes:
        reason = f"capacity: the arrays take {needed} bytes of HBM, which has {config.hbm_bytes}"
        raise refused(function, reason)


def _check_live(function: func.FuncOp, config: TrainiumConfig) -> None:
    limits = {Space.SBUF: config.sbuf_partition_bytes, Space.PSUM: PSUM_PARTITION_BYTES}
    for space, limit in limits.items():
        needed, where = _peak(function.body.block, space)
        if needed > limit * PARTITIONS:
            raise refused(
                where,
                f"capacity: the buffers that are live here take {-(-needed // PARTITIONS)} bytes"
                f" per partition of {space.upper()}, which has {limit}",
            )


def _peak(block: Block, space: Space) -> tuple[int, Operation]:
    """The most bytes that are live at one operation, over all partitions, and the operation."""
    ops = list(block.ops)
    position = {op: number for number, op in enumerate(ops)}
    change = [0] * (len(ops) + 1)
    for number, op in enumerate(ops):
        if isinstance(op, memref.AllocOp) and space_of(op.memref.type) == space:
            last = max(
                (position[_ancestor(use, block)] for use in _uses(op.memref)), default=number
            )
            size = _footprint(op)
            change[number] += size
            change[last + 1] -= size
    peak, where, live = 0, ops[0] if ops else block.parent_op(), 0
    for number, op in enumerate(ops):
        live += change[number]
        inner = [
            _peak(nested, space) for region in op.regions for nested in region.blocks if nested.ops
        ]
        most, place = max(inner, key=lambda found: found[0], default=(0, op))
        if live + most > peak:
            peak, where = live + most, place
    assert where is not None
    return peak, where


def _footprint(op: memref.AllocOp) -> int:
    """Bytes of a buffer, in whole quadrants of partitions."""
    partitions = op.memref.type.get_shape()[0]
    quadrants = -(-partitions // QUADRANT)
    return quadrants * QUADRANT * partition_bytes(op.memref.type)


def _uses(buffer: SSAValue) -> Iterator[Operation]:
    """The operations that use a buffer, directly or through views of it."""
    for use in buffer.uses:
        yield use.operation
        if isinstance(use.operation, trn.ViewOp | trn.ReshapeOp):
            yield from _uses(use.operation.results[0])


def _ancestor(op: Operation, block: Block) -> Operation:
    """The operation of ``block`` that holds ``op``."""
    found = block.find_ancestor_op_in_block(op)
    assert found is not None
    return found
