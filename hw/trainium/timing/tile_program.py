"""From a tile-level program to instruction records and the cells that they touch.

Sequential semantics become dependences; the engines, the DMA queues and the number of copies of
each buffer are chosen as AWS's compiler does for an NKI kernel.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Operation, SSAValue

from ....dialects import trn
from ....dialects.trn.types import element_bytes
from ...lanes import Scope, Value
from ..config import TrainiumConfig
from .allocation import Allocation, allocate, partition_bytes
from .cells import Buffer, BufferAccess, Column, accesses_of
from .costs import Operands, engine_cost
from .dependencies import Accesses
from .dma import contiguous_run, dma_cost
from .executions import Executions, executions_of
from .records import (
    DMA_ENGINES,
    FIRST_QUEUE,
    PSUM_PORT,
    QUEUES,
    SBUF_PORT,
    Engine,
    Records,
    new_instructions,
)
from .views import (
    box_of,
    flat_box,
    in_bytes,
    inner_stride,
    is_hbm,
    root_of,
    sizes_of,
    view_op,
)


@dataclass(frozen=True)
class TileProgram:
    """A tile program as records in program order."""

    instructions: Records
    accesses: Accesses
    statements: tuple[trn.Instruction, ...]
    """The operation of each ``origin``."""
    positions: tuple[Column, ...]
    """The instructions of each statement, in the order of its iterations."""

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each operation, by ``origin``."""
        return tuple(op.name.removeprefix("trn.") for op in self.statements)


def unroll_tiles(
    function: func.FuncOp, config: TrainiumConfig, allocation: Allocation | None = None
) -> TileProgram:
    """The instructions of ``function`` with their costs and accesses.

    Buffers lie as ``allocation`` says; by default, as AWS's compiler would place them. Raises
    ``TileProgramError`` for an operation that the tile level does not have, or a program of more
    than 8 million instructions.
    """
    allocation = allocation or allocate(function, config)

    def define(op: Operation, scope: Scope) -> bool:
        if isinstance(op, memref.AllocOp):
            copies = allocation.copies[op.memref]
            scope.values[op.memref] = np.arange(scope.size) % copies if copies > 1 else 0
        return isinstance(op, memref.AllocOp | trn.ViewOp | trn.ReshapeOp)

    block = function.body.block if function.body.blocks else Block()
    issues, count = executions_of(block, (trn.Instruction,), define)
    records = new_instructions(count)
    for issue in issues:
        write_records(records, issue, config)
    spread_dmas(records)
    buffers = buffers_of(issues, allocation)
    statements = tuple(instruction_of(issue) for issue in issues)
    positions = tuple(issue.positions for issue in issues)
    return TileProgram(records, accesses_of(buffers, count), statements, positions)


def instruction_of(execution: Executions) -> trn.Instruction:
    assert isinstance(execution.op, trn.Instruction)
    return execution.op


def buffers_of(
    issues: list[Executions], allocation: Allocation, *, without: Container[SSAValue] = ()
) -> list[Buffer]:
    """The accesses of each buffer but some; buffers that share memory count as one."""
    return _Uses(allocation, issues, without).buffers()


@dataclass(frozen=True)
class _Uses:
    """What the executions of a program access."""

    allocation: Allocation
    issues: list[Executions]
    without: Container[SSAValue]

    def buffers(self) -> list[Buffer]:
        """The accesses of each buffer; buffers that share memory count as one."""
        uses: dict[SSAValue, list[tuple[SSAValue, Executions, bool]]] = {}
        is_flat: set[SSAValue] = set()
        for issue in self.issues:
            op = instruction_of(issue)
            written = op.written
            for view in op.views:
                root, reshaped = root_of(view)
                if root in self.without:
                    continue
                memory = self.allocation.group.get(root, root)
                uses.setdefault(memory, []).append((view, issue, view in written))
                if reshaped or root in self.allocation.group:
                    is_flat.add(memory)
        return [
            Buffer(
                1 if memory in self.allocation.group else self.allocation.copies.get(memory, 1),
                [self._access(*use, flat=memory in is_flat) for use in own],
            )
            for memory, own in uses.items()
        ]

    def _access(
        self, view: SSAValue, issue: Executions, writes: bool, *, flat: bool
    ) -> BufferAccess:
        scope, (root, _) = issue.scope, root_of(view)
        box = flat_box(view, scope) if flat else box_of(view, scope)
        copy: Value = scope.get(root) if self.allocation.copies.get(root, 1) > 1 else 0
        if root in self.allocation.group:
            kind = root.type
            assert isinstance(kind, MemRefType)
            offset = self.allocation.place[root] + copy * partition_bytes(kind)
            box, copy = in_bytes(box, view, offset), 0
        return BufferAccess(
            issue.positions,
            scope.column(copy),
            tuple(scope.column(low) for low in box.low),
            tuple(scope.column(high) for high in box.high),
            writes,
        )


SCALED = (trn.Operator.ADD, trn.Operator.SUBTRACT, trn.Operator.MULTIPLY)


def engine_for(op: trn.EngineInstruction) -> trn.Engine:
    """The engine that runs an instruction: the one it names, else that of the stream around it.

    At the tile level, copies out of PSUM and single additions or multiplications of a scalar go to
    the scalar engine, as an activation ``data · scale + bias``: NKIBench's profiles of products, of
    adamw and of rmsnorm show them there. Subtracting a vector would need its negation first, so the
    vector engine does that, and what only it can do.
    """
    stream = trn.stream_engine(op)
    if op.engine is not None or stream is not None:
        return op.chosen_engine
    if isinstance(op, trn.TensorCopyOp) and trn.view_of(op.src).in_psum:
        return trn.Engine.ACT
    if isinstance(op, trn.TensorScalarOp) and op.op1 is None and op.op0.data in SCALED:
        shifts_back = op.op0.data == trn.Operator.SUBTRACT and op.scalar0 is not None
        return trn.Engine.DVE if shifts_back else trn.Engine.ACT
    return op.chosen_engine


def write_records(records: Records, issue: Executions, config: TrainiumConfig) -> None:
    """Fill in the records of one instruction: once per combination of its operands' sizes."""
    op, scope = instruction_of(issue), issue.scope
    records["origin"][issue.positions] = issue.origin
    views = op.views
    sizes = [sizes_of(view, scope) for view in views]
    flat = [size for own in sizes for size in own]
    if all(isinstance(size, int) for size in flat):
        groups = [(flat, issue.positions)]
    else:
        table = np.stack([scope.column(size) for size in flat], axis=1)
        rows, which = np.unique(table, axis=0, return_inverse=True)
        groups = [
            (row.tolist(), issue.positions[which.reshape(-1) == number])
            for number, row in enumerate(rows)
        ]
    for numbers, positions in groups:
        rest = iter(numbers)
        shapes: dict[SSAValue, tuple[int, ...]] = {
            view: tuple(int(next(rest)) for _ in own)
            for view, own in zip(views, sizes, strict=True)
        }
        if isinstance(op, trn.EngineInstruction):
            write_engine(records, op, shapes, positions, config)
        else:
            write_dma(records, op, shapes, positions, issue.origin, config)


Shapes = dict[SSAValue, tuple[int, ...]]


def write_engine(
    records: Records,
    op: trn.EngineInstruction,
    shapes: Shapes,
    positions: Column,
    config: TrainiumConfig,
) -> None:
    """Fill in the records of a compute instruction whose views have these sizes."""
    strides = {view: inner_stride(view, shape) for view, shape in shapes.items()}
    engine = engine_for(op)
    cost = engine_cost(Operands(op, shapes, strides, config), engine)
    ports = 0
    if config.dve_excludes_pool and cost.engine in (Engine.DVE, Engine.POOL) and cost.touches_sbuf:
        ports |= SBUF_PORT
    if config.dve_excludes_act and cost.engine in (Engine.DVE, Engine.ACT) and cost.touches_psum:
        ports |= PSUM_PORT
    for name, value in {
        "stream": cost.engine,
        "engine": cost.engine,
        "occupancy": cost.occupancy,
        "latency": cost.latency,
        "table": cost.table,
        "ports": ports,
        "ideal": cost.ideal,
    }.items():
        records[name][positions] = value


def write_dma(
    records: Records,
    op: trn.Instruction,
    shapes: Shapes,
    positions: Column,
    origin: int,
    config: TrainiumConfig,
) -> None:
    """Fill in the records of a DMA whose views have these sizes, on the queue of its origin."""
    assert isinstance(op, trn.DmaCopyOp | trn.DmaTransposeOp | trn.DmaStartOp)
    sides = (op.src, op.dst)
    elements = prod(shapes[op.src])
    size = max(element_bytes(trn.view_of(side).element_type) for side in sides)
    on_chip = [side for side in sides if not is_hbm(side)]
    partitions = min(shapes[side][0] for side in on_chip) if on_chip else 128
    partitions = max(1, min(partitions, elements))
    row = max(1, elements // partitions)
    run = min(row, *(_run(side, shapes[side]) for side in sides))
    cost = dma_cost(
        partitions,
        row * size,
        run * size,
        descriptor_ns=config.dma_descriptor_ns,
        bytes_per_ns=config.dma_engine_rate,
        descriptor_bytes=config.dma_descriptor_bytes,
    )
    hbm = sum(is_hbm(side) for side in sides)
    for name, value in {
        "stream": FIRST_QUEUE + origin % QUEUES,
        "engine": Engine.DMA,
        "occupancy": config.dma_issue_ns,
        "dmas": cost.engines,
        "dma_time": cost.time,
        "bytes": hbm * elements * size,
    }.items():
        records[name][positions] = value


def _run(view: SSAValue, shape: Sequence[int]) -> int:
    """Elements that lie next to each other in a view; on chip within a partition."""
    first = 1 if trn.view_of(view).on_chip else 0
    return contiguous_run(tuple(shape[first:]), view_op(view).strides[first:])


def spread_dmas(records: Records) -> None:
    """Let DMAs that use some of the engines only take turns at them."""
    part: NDArray[np.int64] = np.flatnonzero(
        (records["dmas"] > 0) & (records["dmas"] < DMA_ENGINES)
    )
    begin = np.cumsum(records["dmas"][part]) - records["dmas"][part]
    records["first_dma"][part] = begin % DMA_ENGINES
