"""From a tile-level program to instruction records and the cells that they touch.

The program is evaluated operation by operation for all iterations at once (see ``hw/lanes.py``).
Sequential semantics become dependences; the engines, the DMA queues and the number of copies of
each buffer are chosen as AWS's compiler does for an NKI kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Operation, SSAValue

from ....diagnostics import Diagnostic
from ....dialects import trn
from ....dialects.trn.types import element_bytes
from ...lanes import Scope, UnknownValueError, Value, ceiling_quotient, evaluate
from ..config import TrainiumConfig
from .allocation import Allocation, allocate, partition_bytes
from .cells import Buffer, BufferAccess, Column, accesses_of
from .costs import Operands, engine_cost
from .dependencies import Accesses
from .dma import contiguous_run, dma_cost
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

MAX_INSTRUCTIONS = 1 << 23


class TileProgramError(Diagnostic):
    """A tile program that cannot be timed; the message names the operation."""


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
    walk = _Walk(config, allocation or allocate(function, config))
    trace = _Trace(Scope(1))
    if function.body.blocks:
        walk.block(function.body.block, trace)
    return walk.program(trace)


@dataclass
class _Issue:
    """An operation that issues one instruction per lane."""

    op: trn.Instruction
    scope: Scope
    origin: int
    positions: Column = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass
class _Trace:
    """What one region does, in order, in each of its lanes."""

    scope: Scope
    items: list[_Issue | _Nested] = field(default_factory=list["_Issue | _Nested"])
    count: Value = 0
    """Instructions per lane."""

    def nest(self, inner: _Trace) -> None:
        nested = _Nested(inner)
        self.items.append(nested)
        self.count = self.count + nested.totals


class _Nested:
    """A region and, per lane, the instructions of earlier lanes of the same outer lane."""

    def __init__(self, trace: _Trace) -> None:
        self.trace = trace
        scope = trace.scope
        total = np.concatenate(([0], np.cumsum(scope.column(trace.count), dtype=np.int64)))
        at_bounds = total[scope.bounds]
        self.totals = np.diff(at_bounds)
        self.before = total[:-1] - np.repeat(at_bounds[:-1], np.diff(scope.bounds))


class _Walk:
    def __init__(self, config: TrainiumConfig, allocation: Allocation) -> None:
        self.config = config
        self.allocation = allocation
        self.issues: list[_Issue] = []

    def block(self, block: Block, trace: _Trace) -> None:
        for op in block.ops:
            try:
                self._operation(op, trace)
            except UnknownValueError as error:
                raise _refused(op, f"the value {error} is not known here") from error
            except ZeroDivisionError as error:
                raise _refused(op, str(error)) from error

    def _operation(self, op: Operation, trace: _Trace) -> None:
        scope = trace.scope
        if isinstance(op, scf.ForOp):
            return self._loop(op, trace)
        if isinstance(op, scf.IfOp):
            return self._branch(op, trace)
        if isinstance(op, trn.Instruction):
            issue = _Issue(op, scope, len(self.issues))
            self.issues.append(issue)
            trace.items.append(issue)
            trace.count = trace.count + 1
            return None
        if isinstance(op, memref.AllocOp):
            copies = self.allocation.copies[op.memref]
            scope.values[op.memref] = np.arange(scope.size) % copies if copies > 1 else 0
            return None
        if isinstance(op, trn.ViewOp | trn.ReshapeOp | scf.YieldOp | func.ReturnOp):
            return None
        value = evaluate(op, scope)
        if value is None and op.name != "arith.constant":
            raise _refused(op, "the tile level has no such operation")
        if value is not None:
            scope.values[op.results[0]] = value
        return None

    def _loop(self, op: scf.ForOp, trace: _Trace) -> None:
        scope = trace.scope
        if op.iter_args:
            raise _refused(op, "a loop of the tile level carries no values")
        lower, upper, step = (scope.get(bound) for bound in (op.lb, op.ub, op.step))
        if np.any(np.less_equal(step, 0)):
            raise _refused(op, "the step of a loop must be positive")
        trips = np.maximum(scope.column(ceiling_quotient(upper - lower, step)), 0)
        if int(trips.sum()) > MAX_INSTRUCTIONS:
            raise _refused(op, f"more than {MAX_INSTRUCTIONS} iterations")
        body = scope.child(trips, loops=True)
        iteration = np.arange(body.size) - np.repeat(body.bounds[:-1], trips)
        induction = op.body.block.args[0]
        body.values[induction] = body.widen(lower) + iteration * body.widen(step)
        inner = _Trace(body)
        self.block(op.body.block, inner)
        trace.nest(inner)

    def _branch(self, op: scf.IfOp, trace: _Trace) -> None:
        scope = trace.scope
        if op.results:
            raise _refused(op, "a branch of the tile level has no results")
        taken = scope.column(scope.get(op.cond)) != 0
        for region, mask in ((op.true_region, taken), (op.false_region, ~taken)):
            if region.blocks:
                inner = _Trace(scope.child(mask.astype(np.int64), loops=False))
                self.block(region.block, inner)
                trace.nest(inner)

    def program(self, trace: _Trace) -> TileProgram:
        count = int(np.sum(trace.scope.column(trace.count)))
        if count > MAX_INSTRUCTIONS:
            raise TileProgramError(f"over {MAX_INSTRUCTIONS} instructions")
        _place(trace, np.zeros(1, np.int64))
        records = new_instructions(count)
        for issue in self.issues:
            _write_records(records, issue, self.config)
        spread_dmas(records)
        buffers = self._buffers()
        statements = tuple(issue.op for issue in self.issues)
        positions = tuple(issue.positions for issue in self.issues)
        return TileProgram(records, accesses_of(buffers, count), statements, positions)

    def _buffers(self) -> list[Buffer]:
        """The accesses of each buffer; buffers that share memory count as one."""
        uses: dict[SSAValue, list[tuple[SSAValue, _Issue, bool]]] = {}
        is_flat: set[SSAValue] = set()
        for issue in self.issues:
            written = issue.op.written
            for view in issue.op.views:
                root, reshaped = root_of(view)
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

    def _access(self, view: SSAValue, issue: _Issue, writes: bool, *, flat: bool) -> BufferAccess:
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


def _place(trace: _Trace, position: Column) -> None:
    """Number the instructions of a region that begins at ``position`` in each lane."""
    for item in trace.items:
        if isinstance(item, _Issue):
            item.positions = position
            position = position + 1
        else:
            inner = item.trace.scope
            _place(item.trace, position[inner.parent_lanes] + item.before)
            position = position + item.totals


def _refused(op: Operation, reason: str) -> TileProgramError:
    text = str(op).split("\n", 1)[0]
    return TileProgramError(f"{op.name}: {reason}, in {text[:160]!r}")


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


def _write_records(records: Records, issue: _Issue, config: TrainiumConfig) -> None:
    """Fill in the records of one operation: once per combination of its operands' sizes."""
    op, scope = issue.op, issue.scope
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
