"""What the core of a Gemmini does to arrays itself, executed over expressions (trusted core)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import Float32Type, MemRefType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue

from ...hw.gemmini.commands import instructions
from ...hw.gemmini.isa import DRAM_BASE, Funct
from ...hw.gemmini.memory import PlacedArray, own_arrays
from ...hw.stream import CORE_WORK, FENCE, CommandStream
from ..core.polyhedral import Unsupported
from .expressions import Expression
from .run_loops import LoopRun
from .run_stream import WORD, StreamRun


def require_fences(stream: CommandStream) -> None:
    """Raise ``Unsupported`` where commands may be under way while the core works on arrays."""
    for row in np.flatnonzero(stream.funct == CORE_WORK):
        before = int(row) - 1
        while before >= 0 and stream.funct[before] in (CORE_WORK, Funct.CONFIG):
            before -= 1
        if before >= 0 and stream.funct[before] != FENCE:
            raise Unsupported(f"command {row}: the core works on arrays without a fence before")


def core_runs(
    function: FuncOp, stream: CommandStream, origin: NDArray[np.int32], run: StreamRun
) -> dict[int, Callable[[], None]]:
    """For each row of the stream that is work of the core, what executes it on the DRAM of ``run``.

    ``origin`` numbers the instructions of ``function`` that the rows come from.
    """
    core, operations = _CoreRun(function, run), instructions(function)
    rows = (int(row) for row in np.flatnonzero(stream.funct == CORE_WORK))
    return {row: partial(core.execute, operations[int(origin[row])], row) for row in rows}


class _CoreRun:
    """Executes loops of the core of one function on the DRAM of a run of its commands."""

    def __init__(self, function: FuncOp, run: StreamRun) -> None:
        self.function = function
        self.run = run
        values = [*function.args, *own_arrays(function)]
        self.arrays: dict[SSAValue, PlacedArray] = dict(
            zip(values, run.layout.all_arrays, strict=True)
        )

    def execute(self, work: Operation, command: int) -> None:
        """Execute ``work``, which the stream has at row ``command``.

        Raises ``Unsupported`` for work inside of loops and branches, and as ``LoopRun`` does.
        """
        if work.parent_op() is not self.function:
            raise Unsupported("the core's loops between commands of a loop", work)
        loops = LoopRun(self.run.table)
        known: set[SSAValue] = set()
        for before in self.function.body.block.ops:
            if before is work:
                break
            if before.dialect_name() == "arith" and known.issuperset(before.operands):
                loops.operation(before)
                known.update(before.results)
        used = {operand for op in work.walk() for operand in op.operands} & self.arrays.keys()
        for value in used:
            loops.memory[value] = dict(self._contents(value))
        loops.operation(work)
        for value in used:
            old = dict(self._contents(value))
            for place, expression in loops.memory[value].items():
                if old.get(place) != expression:
                    cell = self._cell(value, place)
                    self.run.cells[cell] = expression
                    self.run.stored[cell] = command

    def _contents(self, value: SSAValue) -> Iterator[tuple[tuple[int, ...], Expression]]:
        """The elements of an array that have been written, by their subscripts."""
        kind = value.type
        if not isinstance(kind, MemRefType) or not isinstance(kind.element_type, Float32Type):
            raise Unsupported("the core works on an array that is not of float32")
        for place in np.ndindex(*kind.get_shape()):
            found = self.run.cells.get(self._cell(value, place))
            if found is not None:
                yield place, found

    def _cell(self, value: SSAValue, place: tuple[int, ...]) -> tuple[str, int, int]:
        array = self.arrays[value]
        number = int(np.ravel_multi_index(place, array.shape))
        return "dram", 0, (array.address - DRAM_BASE) // WORD + number
