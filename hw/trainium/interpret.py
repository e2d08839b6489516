"""Walks a function of the dialect: loops, conditions, buffers and views; yields instructions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType, NoneAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from ...diagnostics import Diagnostic
from ...dialects import trn
from ...dialects.trn import Instruction, Space, space_of
from ...dialects.trn.limits import PARTITIONS, PSUM_PARTITION_BYTES
from ...dialects.trn.rules import require_partition_start
from ..lanes import Scope, UnknownValueError, evaluate
from ..locations import location_of
from .config import TrainiumConfig
from .element_types import numpy_type
from .memory import (
    Access,
    AccessError,
    Buffer,
    Memory,
    contiguous_strides,
    new_buffer,
)

Step = Instruction | trn.WaitOp | trn.IncOp | trn.StreamOp
MAX_ITERATIONS = 1 << 24
"""Of all loops together: a guard against programs that would not end in reasonable time."""


class Interpreter:
    """The state of one run: index values, buffers, and the elements behind each view."""

    def __init__(self, config: TrainiumConfig) -> None:
        self.config = config
        self.accesses: dict[SSAValue, Access] = {}
        self._scope = Scope(1)
        self._buffers: dict[SSAValue, Buffer] = {}
        self._memories: dict[Space, Memory] = {}
        self._iterations = 0
        self._plans: dict[Block, list[tuple[Any, bool]]] = {}
        """The operations of each block that do something, and whether they are yielded."""

    def bind(self, value: SSAValue, buffer: Buffer) -> None:
        """Give an array parameter its elements."""
        self._buffers[value] = buffer

    def content(self, value: SSAValue) -> NDArray[np.generic]:
        """A copy of an array's elements as they are now."""
        buffer = self._buffers[value]
        rank = range(len(buffer.shape))
        access = buffer.access([0] * len(buffer.shape), buffer.shape, rank, [1] * len(rank))
        return access.elements.copy()

    def runtime(self, value: SSAValue) -> int:
        """The current value of an index or a condition."""
        found = self._scope.get(value)
        assert isinstance(found, int)
        return found

    def steps(self, block: Block) -> Iterator[Step]:
        """Run the block's bookkeeping, and yield each instruction when it is its turn."""
        if block not in self._plans:
            self._plans[block] = _plan(block)
        for op, is_step in self._plans[block]:
            if is_step:
                yield op
            elif isinstance(op, scf.ForOp):
                yield from self._loop(op)
            elif isinstance(op, scf.IfOp):
                yield from self._branch(op)
            else:
                self._define(op)

    def _loop(self, op: scf.ForOp) -> Iterator[Step]:
        lower, upper, step = (self.runtime(bound) for bound in (op.lb, op.ub, op.step))
        if step <= 0:
            raise refused(op, "the step of a loop must be positive")
        body = op.body.block
        carried = [self.runtime(value) for value in op.iter_args]
        for number in range(lower, upper, step):
            self._iterations += 1
            if self._iterations > MAX_ITERATIONS:
                raise refused(op, f"more than {MAX_ITERATIONS} iterations")
            self._scope.values[body.args[0]] = number
            self._scope.values.update(zip(body.args[1:], carried, strict=True))
            yield from self.steps(body)
            carried = self._yielded(body)
        self._scope.values.update(zip(op.results, carried, strict=True))

    def _branch(self, op: scf.IfOp) -> Iterator[Step]:
        region = op.true_region if self.runtime(op.cond) else op.false_region
        if not region.blocks:
            return
        yield from self.steps(region.block)
        self._scope.values.update(zip(op.results, self._yielded(region.block), strict=True))

    def _yielded(self, block: Block) -> list[int]:
        last = block.last_op
        return [self.runtime(value) for value in last.operands] if last is not None else []

    def _define(self, op: Operation) -> None:
        try:
            if isinstance(op, trn.ViewOp):
                self.accesses[op.view] = self._view(op)
            elif isinstance(op, memref.AllocOp):
                self._buffers[op.memref] = _allocated(op)
            elif isinstance(op, trn.SbufOp | trn.PsumOp):
                self._buffers[op.buffer] = self._placed(op)
            elif isinstance(op, trn.ReshapeOp):
                shape = tuple(op.result.type.get_shape())
                self._buffers[op.result] = self._buffers[op.source].reshaped(shape)
            elif not isinstance(op, memref.DeallocOp):
                self._evaluate(op)
        except UnknownValueError as error:
            raise refused(op, f"the value {error} is not known here") from error
        except (AccessError, VerifyException, ValueError, ZeroDivisionError) as error:
            raise refused(op, str(error)) from error

    def _evaluate(self, op: Operation) -> None:
        value = evaluate(op, self._scope)
        if value is not None:
            self._scope.values[op.results[0]] = value
        elif op.name != "arith.constant":
            raise refused(op, "the machine has no such operation")

    def _view(self, op: trn.ViewOp) -> Access:
        buffer = self._buffers.get(op.source)
        if buffer is None:
            raise refused(op, "the array has no place; it comes from no allocation")
        offsets = [self._number(offset) for offset in op.offset_list]
        shape = [self._number(size) for size in op.size_list]
        access = buffer.access(offsets, shape, op.dimensions, op.step_list)
        if buffer.space != Space.HBM and not access.is_empty:
            require_partition_start(access.first_partition, access.partitions)
        return access

    def _number(self, value: SSAValue | int) -> int:
        return value if isinstance(value, int) else self.runtime(value)

    def _placed(self, op: trn.SbufOp | trn.PsumOp) -> Buffer:
        in_sbuf = isinstance(op, trn.SbufOp)
        space = Space.SBUF if in_sbuf else Space.PSUM
        size = self.config.sbuf_partition_bytes if in_sbuf else PSUM_PARTITION_BYTES
        if space not in self._memories:
            self._memories[space] = Memory.of_size(PARTITIONS * size, space)
        kind = op.buffer.type
        shape = tuple(kind.get_shape())
        offset = op.offset.value.data if isinstance(op, trn.SbufOp) else op.byte_offset
        itemsize = numpy_type(kind.element_type).itemsize
        strides = (size, *contiguous_strides(shape, itemsize)[1:])
        partition = op.partition.value.data
        start = partition * size + offset
        return Buffer(
            _name(op.buffer),
            self._memories[space],
            space,
            kind.element_type,
            shape,
            strides,
            start,
            partition,
            offset,
        )


def _plan(block: Block) -> list[tuple[Any, bool]]:
    return [
        (op, isinstance(op, Instruction | trn.WaitOp | trn.IncOp | trn.StreamOp))
        for op in block.ops
        if not isinstance(op, scf.YieldOp | func.ReturnOp | trn.SemaphoreOp)
    ]


def parameter_buffer(argument: SSAValue, content: NDArray[np.generic]) -> Buffer:
    """An array parameter with its contents, which are copied."""
    kind = argument.type
    assert isinstance(kind, MemRefType)
    buffer = new_buffer(_name(argument), Space.HBM, kind.element_type, tuple(kind.get_shape()))
    buffer.memory.data[...] = np.ascontiguousarray(content).view(np.uint8).reshape(-1)
    buffer.memory.written[...] = True
    return buffer


def _allocated(op: memref.AllocOp) -> Buffer:
    kind: MemRefType[Attribute] = op.memref.type
    shape = tuple(kind.get_shape())
    if DYNAMIC_INDEX in shape or not isinstance(kind.layout, NoneAttr):
        raise refused(op, "a buffer has known sizes, and its rows are contiguous")
    space = space_of(kind)
    if space != Space.HBM and (not shape or shape[0] > PARTITIONS):
        raise refused(op, f"a buffer on chip has 1 to {PARTITIONS} partitions")
    return new_buffer(_name(op.memref), space, kind.element_type, shape)


def _name(value: SSAValue) -> str:
    return f"%{value.name_hint}" if value.name_hint else "a buffer"


def refused(op: Operation, reason: str, hint: str = "") -> Diagnostic:
    """A diagnostic at an operation, with its text."""
    text = str(op).split("\n", 1)[0]
    return Diagnostic(f"{op.name}: {reason}, in {text[:160]!r}", location_of(op), hint)
