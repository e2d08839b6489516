"""An ISA-level program as the tile program that does the same (trusted core).

Without a hazard, all executions of the streams end with the same contents of all memories, so any
one of them is the program's meaning. Here a program is built in which one engine's instruction
follows the other's, and it is checked that this order is an execution: each wait ends when it is
reached. Moves are carried out when they are started, which is possible in every execution.

What a tile program lacks is translated:

* Buffers with places become buffers without. Where two share cells, it is checked that whatever an
  instruction reads was written through the same buffer.
* Loops of several streams become one loop only if their bounds are the same numbers or values.
* Loading a stationary operand and multiplying by it becomes one product. Nothing but products may
  stand between them, so that the operand is still in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, func, memref, scf
from xdsl.dialects.builtin import IntegerAttr, MemRefType
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from ...dialects import trn
from ...dialects.trn import Instruction
from ...hw.lanes import Scope
from ...hw.trainium.timing.executions import executions_of
from ..core.polyhedral import Unsupported
from .merge_streams import Joined, Step, merge_streams
from .shared_buffers import shared_memories
from .stream_cells import Region as CellRegion
from .stream_events import StreamProgram
from .streams import array_of

_ARRAY_PARTS = ("double_row", "tile_position", "tile_size")


def sequential(
    function: func.FuncOp, program: StreamProgram | None, order: Sequence[int]
) -> func.FuncOp:
    """The tile program that does what a verified ISA-level function without hazards does.

    ``program`` and ``order`` are its events and an order in which they can happen; None if no read
    sees what was written through another buffer. Raises ``Unsupported`` where no order with loops
    is found, or what is read was written otherwise.
    """
    if program is not None:
        require_own_contents(function, program, order)
    block = function.body.block
    streams = [op for op in block.ops if isinstance(op, trn.StreamOp)]
    before = [op for op in block.ops if not isinstance(op, trn.StreamOp | func.ReturnOp)]
    steps = merge_streams(streams, before)
    if steps is None:
        raise Unsupported("no order of the streams with their loops was found", function)
    ordered = _Copy.of(function, before, steps, translated=False)
    _require_execution(ordered.body.block)
    return _Copy.of(function, before, steps, translated=True)


def _require_execution(block: Block) -> None:
    """Refuse an order in which a wait does not end when it is reached."""
    counting = (trn.WaitOp, trn.IncOp, trn.DmaStartOp)
    found, count = executions_of(block, counting, lambda op, scope: _is_no_arithmetic(op))
    amounts: dict[SSAValue, NDArray[np.int64]] = {}
    for one in found:
        assert isinstance(one.op, counting)
        if not isinstance(one.op, trn.WaitOp):
            up = amounts.setdefault(one.op.semaphore, np.zeros(count, np.int64))
            up[one.positions] = _amount(one.op, one.scope)
    reached = {semaphore: np.cumsum(ups) for semaphore, ups in amounts.items()}
    for one in found:
        if isinstance(one.op, trn.WaitOp):
            have = reached.get(one.op.semaphore, np.zeros(count, np.int64))[one.positions]
            if np.any(have < _amount(one.op, one.scope)):
                raise Unsupported("no order of the streams with their loops was found", one.op)


def _amount(op: trn.WaitOp | trn.IncOp | trn.DmaStartOp, scope: Scope) -> NDArray[np.int64]:
    amount = op.step.value.data if isinstance(op, trn.DmaStartOp) else scope.get(op.count)
    return scope.column(amount)


def _is_no_arithmetic(op: Operation) -> bool:
    places = (trn.SemaphoreOp, trn.SbufOp, trn.PsumOp, trn.ReshapeOp, trn.ViewOp)
    return isinstance(op, (*places, memref.AllocOp, memref.DeallocOp, Instruction))


# Buffers that share cells.


def require_own_contents(
    function: func.FuncOp, program: StreamProgram, order: Sequence[int]
) -> None:
    """Refuse a read of cells that were last written through another buffer.

    ``program`` has no hazard, and ``order`` is one in which its events can happen.
    """
    places = [op for memory in shared_memories(function) for op in memory]
    numbers: dict[SSAValue, int] = {op.buffer: number for number, op in enumerate(places, 1)}
    if not numbers:
        return
    writers: dict[int, NDArray[np.int32]] = {}
    for event in (program.events[number] for number in order):
        if not event.touches:
            continue
        op = event.place.op
        assert isinstance(op, Instruction)
        roots = [array_of(view) for view in (*op.read, *op.written)]
        for root, touch in zip(roots, event.touches, strict=True):
            if root not in numbers:
                continue
            region = program.regions[touch.region]
            size = len(region.access.buffer.memory.data)
            memory = writers.setdefault(region.memory, np.zeros(size, np.int32))
            cells = _cells(memory, region)
            is_read = touch.updates or not touch.is_write
            if is_read and not np.all((cells == numbers[root]) | (cells == 0)):
                raise Unsupported("reads what was written through another buffer", op)
            if touch.is_write:
                cells[...] = numbers[root]


def _cells(memory: NDArray[np.int32], region: CellRegion) -> NDArray[np.int32]:
    """The bytes of a region in an array that has a number for each byte of the memory."""
    access, each = region.access, memory.itemsize
    shape, strides = (*access.shape, region.itemsize), (*access.strides, 1)
    wide = [stride * each for stride in strides]
    return np.ndarray(shape, np.int32, memory.data, access.start * each, wide)


# The program in the order that was found.


@dataclass
class _Copy:
    """Copies operations; ``translated`` ones are those of the tile level."""

    translated: bool
    values: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    @staticmethod
    def of(
        function: func.FuncOp, before: list[Operation], steps: Sequence[Step], *, translated: bool
    ) -> func.FuncOp:
        copy = _Copy(translated)
        block = Block(arg_types=[argument.type for argument in function.args])
        for new, old in zip(block.args, function.args, strict=True):
            new.name_hint = old.name_hint
            copy.values[old] = new
        copy.steps(before, block)
        copy.steps(steps, block)
        block.add_op(func.ReturnOp())
        made = func.FuncOp(function.sym_name.data, function.function_type, Region(block))
        made.attributes.update(function.attributes)
        return made

    def steps(self, steps: Sequence[Step], block: Block) -> None:
        loaded: trn.LoadStationaryOp | None = None
        for step in steps:
            if isinstance(step, Joined):
                self._loop(step, block)
                loaded = None
            elif not self.translated:
                block.add_op(step.clone(self.values))
            elif isinstance(step, trn.LoadStationaryOp):
                loaded = step
            elif isinstance(step, trn.MultMovingOp):
                self._product(step, loaded, block)
            else:
                if isinstance(step, Instruction):
                    loaded = None
                self._operation(step, block)

    def _loop(self, joined: Joined, block: Block) -> None:
        first = joined.loops[0]
        if len({self._bounds(loop) for loop in joined.loops}) > 1:
            raise Unsupported("loops whose bounds are the same at first only", first)
        body = Block(arg_types=[first.body.block.args[0].type])
        for loop in joined.loops:
            self.values[loop.body.block.args[0]] = body.args[0]
        self.steps(joined.body, body)
        body.add_op(scf.YieldOp())
        lower, upper, step = (self.values[bound] for bound in (first.lb, first.ub, first.step))
        block.add_op(scf.ForOp(lower, upper, step, [], Region(body)))

    def _bounds(self, loop: scf.ForOp) -> tuple[SSAValue | int, ...]:
        """What a loop's bounds are in all its executions: numbers, or values of the program."""
        bounds = (self.values[bound] for bound in (loop.lb, loop.ub, loop.step))
        return tuple(_number_or_value(bound) for bound in bounds)

    def _operation(self, op: Operation, block: Block) -> None:
        if isinstance(op, trn.SemaphoreOp | trn.WaitOp | trn.IncOp):
            return
        made: Operation
        if isinstance(op, trn.SbufOp | trn.PsumOp):
            made = _allocation(op.buffer.type)
            self.values[op.buffer] = made.results[0]
            made.results[0].name_hint = op.buffer.name_hint
        elif isinstance(op, trn.DmaStartOp):
            source, target = self.values[op.src], self.values[op.dst]
            if op.transpose is not None:
                made = trn.DmaTransposeOp(source, target)
            else:
                made = trn.DmaCopyOp(source, target, add=op.add is not None)
        else:
            made = op.clone(self.values)
        if isinstance(made, trn.EngineInstruction):
            engine = trn.stream_engine(op)
            assert engine is not None
            made.engine = trn.EngineAttr(engine)
        made.location = op.location
        block.add_op(made)

    def _product(
        self, op: trn.MultMovingOp, loaded: trn.LoadStationaryOp | None, block: Block
    ) -> None:
        if loaded is None:
            raise Unsupported("a product whose stationary operand is not loaded just before", op)
        if any(loaded.properties.get(name) != op.properties.get(name) for name in _ARRAY_PARTS):
            raise Unsupported("a product with an operand in another part of the array", op)
        values = self.values
        made = trn.NcMatmulOp(
            values[loaded.stationary],
            values[op.moving],
            values[op.dst],
            None if op.accumulate is None else values[op.accumulate],
            double_row=op.double_row is not None,
        )
        made.tile_position, made.tile_size = op.tile_position, op.tile_size
        made.location = op.location
        block.add_op(made)


def _number_or_value(value: SSAValue) -> SSAValue | int:
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    return value


def _allocation(kind: MemRefType[Attribute]) -> memref.AllocOp:
    return memref.AllocOp([], [], kind)
