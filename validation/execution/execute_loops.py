"""Execute loop IR on NumPy arrays, many iterations of a loop at a time where they are independent.

A loop whose iterations touch different elements of every array that they write becomes an array
axis (a *lane* per iteration); values then broadcast over the axes of all such loops around. Other
loops run one iteration after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import memref, scf
from xdsl.dialects.builtin import MemRefType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, SSAValue

from ..core.polyhedral import Unsupported
from ..extract.pure_operations import type_name
from .arithmetic import DIVISIONS
from .common import ExecutionFault, Lanes, TooExpensive, Values, garbage
from .independence import runs_in_lanes

MAX_STEPS = 3_000_000
"""Operations executed one after the other, each on all lanes."""
MAX_WORK = 40_000_000_000
"""Lane operations in total: minutes at the speed of NumPy."""


class LoopExecutor:
    """Executes one function of loop IR."""

    def __init__(self, *, strict: bool = False) -> None:
        self.values = Values(strict=strict)
        self.arrays: dict[SSAValue, NDArray[Any]] = {}
        self.cells: dict[SSAValue, Lanes] = {}
        """Contents of rank-0 memrefs."""
        self._private: dict[SSAValue, tuple[Lanes, ...]] = {}
        """Lane numbers by which an array that each lane owns is indexed first."""
        self.axes: tuple[int, ...] = ()
        """Sizes of the lane axes, the innermost loop first."""
        self.mask: Lanes = np.asarray(True)
        self._steps = 0
        self._work = 0
        self.handlers: dict[type[Operation], Callable[..., None]] = {
            scf.ForOp: self._for,
            scf.IfOp: self._if,
            memref.AllocaOp: self._allocate,
            memref.AllocOp: self._allocate,
            memref.DeallocOp: lambda operation: None,
            memref.LoadOp: self._load,
            memref.StoreOp: self._store,
            ReturnOp: lambda operation: None,
            scf.YieldOp: lambda operation: None,
        }

    def run(self, function: FuncOp, arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Execute the function on its parameters, which are changed in place and returned."""
        for argument, array in zip(function.args, arrays, strict=True):
            if isinstance(argument.type, MemRefType):
                self.arrays[argument] = array
            else:
                self.values[argument] = array
        self.block(function.body.block)
        return arrays

    def block(self, block: Block) -> None:
        for operation in block.ops:
            self.operation(operation)

    def operation(self, operation: Operation) -> None:
        """Execute one operation, whose operands are known."""
        self._steps += 1
        self._work += prod(self.axes)
        if self._steps > MAX_STEPS or self._work > MAX_WORK:
            raise TooExpensive(f"more than {self._steps} steps")
        handler = self.handlers.get(type(operation))
        if handler is None:
            self._pure(operation)
        else:
            handler(operation)

    def _pure(self, operation: Operation) -> None:
        self.values.pure(operation)
        if operation.name.removeprefix("arith.") in DIVISIONS:
            is_zero = self.values[operation.operands[1]] == 0
            if (is_zero & self.mask).any():
                raise ExecutionFault("division by zero", operation)

    def number(self, value: SSAValue) -> int:
        """A value that is the same in all lanes."""
        lanes = self.values[value]
        first = lanes.flat[0]
        if lanes.size > 1 and not np.all(lanes == first):
            raise Unsupported("no execution where this differs between lanes", value.owner)  # pyright: ignore[reportArgumentType]
        return int(first)

    # Control flow.

    def _for(self, loop: scf.ForOp) -> None:
        low, high = self.values[loop.lb], self.values[loop.ub]
        step = self.number(loop.step)
        if step <= 0:
            raise ExecutionFault("a loop step that is not positive")
        uniform = low.size == 1 and high.size == 1
        if uniform and not loop.iter_args and runs_in_lanes(loop):
            self._in_lanes(loop, int(low), int(high), step)
            return
        self._in_order(loop, low, high, step)

    def _in_lanes(self, loop: scf.ForOp, low: int, high: int, step: int) -> None:
        count = len(range(low, high, step))
        if count == 0:
            return
        outer_axes, outer_mask = self.axes, self.mask
        counters = np.arange(count, dtype=np.int64) * step + low
        self.values[loop.body.block.args[0]] = counters.reshape(count, *(1,) * len(outer_axes))
        self.axes = (count, *outer_axes)
        self.block(loop.body.block)
        self.axes, self.mask = outer_axes, outer_mask
        for cell, value in self.cells.items():
            # What a cell holds after the loop is what the last iteration left there.
            if value.ndim > len(outer_axes):
                self.cells[cell] = value[-1]

    def _in_order(self, loop: scf.ForOp, low: Lanes, high: Lanes, step: int) -> None:
        outer = self.mask
        block = loop.body.block
        carried = [self.values[start] for start in loop.iter_args]
        trips = np.maximum(0, -((low - high) // step))
        for trip in range(int(trips.max()) if trips.size else 0):
            active = trip < trips
            if trips.size > 1:
                self.mask = outer & active
            self.values[block.args[0]] = low + trip * step
            for argument, value in zip(block.args[1:], carried, strict=True):
                self.values[argument] = value
            self.block(block)
            last = block.last_op
            if carried and last is not None:
                results = [self.values.used(operand, self.mask) for operand in last.operands]
                carried = [
                    new if trips.size == 1 else np.where(active, new, old)
                    for new, old in zip(results, carried, strict=True)
                ]
        self.mask = outer
        for result, value in zip(loop.results, carried, strict=True):
            self.values[result] = value

    def _if(self, branch: scf.IfOp) -> None:
        condition = self.values.used(branch.cond, self.mask)
        outer = self.mask
        chosen: list[list[Lanes]] = []
        for region, active in (
            (branch.true_region, condition),
            (branch.false_region, ~condition),
        ):
            self.mask = outer & active
            results: list[Lanes] = []
            if region.blocks and self.mask.any():
                self.block(region.block)
                last = region.block.last_op
                if last is not None:
                    results = [self.values.used(value, self.mask) for value in last.operands]
            chosen.append(results)
        self.mask = outer
        for number, result in enumerate(branch.results):
            if not chosen[0] or not chosen[1]:
                only = chosen[0] or chosen[1]
                if only:
                    self.values[result] = only[number]
                continue
            self.values[result] = np.where(condition, chosen[0][number], chosen[1][number])

    # Memory.

    def _allocate(self, operation: memref.AllocaOp | memref.AllocOp) -> None:
        type = operation.memref.type
        shape = tuple(type.get_shape())
        kind = type_name(type.element_type)
        if not shape:
            self.cells[operation.memref] = garbage((), kind)
            return
        if any(extent < 0 for extent in shape):
            raise Unsupported("no execution of an array without constant extents", operation)
        self._private[operation.memref] = tuple(
            np.arange(size).reshape(size, *(1,) * (len(self.axes) - place - 1))
            for place, size in enumerate(self.axes)
        )
        self.arrays[operation.memref] = garbage((*self.axes, *shape), kind)

    def array(self, value: SSAValue, operation: Operation) -> NDArray[Any]:
        if value not in self.arrays:
            raise Unsupported("no execution with this array", operation)
        return self.arrays[value]

    def _subscripts(
        self, value: SSAValue, indices: Sequence[SSAValue], operation: Operation
    ) -> tuple[Lanes, ...]:
        array = self.array(value, operation)
        lanes = self._private.get(value, ())
        subscripts = [self.values[index] for index in indices]
        for subscript, extent in zip(subscripts, array.shape[len(lanes) :], strict=True):
            outside = (subscript < 0) | (subscript >= extent)
            if outside.any() and (outside & self.mask).any():
                raise ExecutionFault(f"subscript out of bounds in `{operation}`")
        if self.mask.size > 1 or not self.mask:
            pairs = zip(subscripts, array.shape[len(lanes) :], strict=True)
            subscripts = [np.clip(subscript, 0, extent - 1) for subscript, extent in pairs]
        return (*lanes, *subscripts)

    def _load(self, operation: memref.LoadOp) -> None:
        if not operation.indices and operation.memref in self.cells:
            self.values[operation.res] = self.cells[operation.memref]
            return
        array = self.array(operation.memref, operation)
        self.values[operation.res] = array[
            self._subscripts(operation.memref, operation.indices, operation)
        ]

    def _store(self, operation: memref.StoreOp) -> None:
        value = self.values.used(operation.value, self.mask)
        if not operation.indices and operation.memref in self.cells:
            old = self.cells[operation.memref]
            everywhere = self.mask.size == 1 and bool(self.mask)
            self.cells[operation.memref] = value if everywhere else np.where(self.mask, value, old)
            return
        array = self.array(operation.memref, operation)
        subscripts = self._subscripts(operation.memref, operation.indices, operation)
        if self.mask.size == 1 and bool(self.mask):
            array[subscripts] = value
            return
        *places, values, mask = np.broadcast_arrays(*subscripts, value, self.mask)
        array[tuple(place[mask] for place in places)] = values[mask]
