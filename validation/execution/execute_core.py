"""Run what the core of a Gemmini does to arrays itself, on the DRAM image of the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import memref
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation

from ...hw.gemmini.commands import instructions
from ...hw.gemmini.memory import MemoryLayout, own_arrays
from ...hw.stream import CommandStream
from ..core.polyhedral import Unsupported
from .common import ExecutionFault
from .execute_loops import LoopExecutor


class CoreExecutor:
    """Executes the core's own loops of one function, each when the simulator comes to its row."""

    def __init__(
        self,
        function: FuncOp,
        stream: CommandStream,
        layout: MemoryLayout,
        memory: NDArray[np.uint8],
    ) -> None:
        self.function = function
        self.stream = stream
        values = [*function.args, *own_arrays(function)]
        self.arrays: dict[Any, NDArray[Any]] = {
            value: layout.view(memory, array)
            for value, array in zip(values, layout.all_arrays, strict=True)
        }

    def run(self, row: int) -> None:
        """Execute the loops behind a row of the stream.

        Raises ``ExecutionFault`` where they fail, and ``Unsupported`` for loops between commands.
        """
        operation = instructions(self.function)[int(self.stream.origin[row])]
        if operation.parent_op() is not self.function:
            raise Unsupported("no execution of the core's loops between commands", operation)
        executor = LoopExecutor()
        for value, array in self.arrays.items():
            if array.ndim:
                executor.arrays[value] = array
            else:
                executor.values[value] = array
        for before in self.function.body.block.ops:
            if before is operation:
                break
            _define(executor, before)
        try:
            executor.operation(operation)
        except ExecutionFault as fault:
            raise ExecutionFault(str(fault), operation) from fault


def _define(executor: LoopExecutor, operation: Operation) -> None:
    """Give ``executor`` the value of a constant or of a view of an array."""
    if isinstance(operation, memref.CollapseShapeOp):
        shape = operation.result.type.get_shape()
        executor.arrays[operation.result] = executor.arrays[operation.src].reshape(shape)
    elif operation.dialect_name() == "arith":
        executor.operation(operation)
