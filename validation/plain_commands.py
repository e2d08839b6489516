"""Hardware loops as the instructions that they issue, for the engine that knows no such loops.

The commands are those of ``hw.gemmini.loop_unroller``; what is made of them is encoded again and
must be the same commands.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import ArrayAttr, IndexType, IntegerAttr, MemRefType, ModuleOp, i1, i64
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue

from ..dialects import gemmini
from ..hw.gemmini.commands import instructions
from ..hw.gemmini.config import GemminiConfig
from ..hw.gemmini.fields import MOVE, PAIR, decode
from ..hw.gemmini.functional import expanded
from ..hw.gemmini.isa import (
    ACCUMULATE_BIT,
    ACCUMULATOR_BIT,
    FULL_WIDTH_BIT,
    GARBAGE_ADDRESS,
    MVIN_OF_CHANNEL,
    Funct,
    is_garbage,
)
from ..hw.gemmini.memory import MemoryLayout, own_arrays
from ..hw.gemmini.resolve import ROW_MASK
from ..hw.gemmini.unroll import stream_of_module
from ..hw.stream import CommandStream
from .core.polyhedral import Unsupported
from .extract.structured import single_function

_PAIRS = (Funct.PRELOAD, Funct.COMPUTE_PRELOADED, Funct.COMPUTE_ACCUMULATED)
MAX_COMMANDS = 600
"""Commands of all hardware loops that are spelled out: seconds of work for the engine."""


def with_plain_commands(module: ModuleOp, config: GemminiConfig) -> ModuleOp:
    """A copy of a program with the instructions of its hardware loops instead of them.

    Raises ``Unsupported`` for loops inside of others, and for very many instructions; as
    ``stream_of_module`` and ``expanded`` do where there are no commands.
    """
    stream, layout = stream_of_module(module, config)
    plain, index_of = expanded(stream, config)
    is_loop = np.isin(stream.funct, (Funct.LOOP_WS, Funct.LOOP_CONV_WS))
    if np.isin(index_of, np.flatnonzero(is_loop)).sum() > MAX_COMMANDS:
        raise Unsupported(f"hardware loops of more than {MAX_COMMANDS} commands")
    copy = module.clone()
    function = single_function(copy)
    operations = instructions(function)
    for row in np.flatnonzero(is_loop):
        loop = operations[int(stream.origin[row])]
        if loop.parent_op() is not function:
            raise Unsupported("a hardware loop inside of a loop or branch", loop)
        writer = _Writer(function, layout, loop)
        for command in np.flatnonzero(index_of == row):
            writer.write(*(int(c[command]) for c in (plain.funct, plain.rs1, plain.rs2)))
        loop.detach()
        loop.erase()
    again, _ = stream_of_module(copy, config)
    if not all(map(np.array_equal, _columns(again), _columns(plain))):
        raise Unsupported("a hardware loop whose instructions have no spelling here")
    return copy


def _columns(stream: CommandStream) -> tuple[NDArray[Any], ...]:
    """The commands of a stream, with one spelling of the local address that means none."""
    is_pair = np.isin(stream.funct, _PAIRS)

    def spelled(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        is_none = is_pair & ((words >> 29) & 7 == 7) & (words & 0x7FFF == 0x7FFF)
        return np.where(is_none, words | GARBAGE_ADDRESS, words)

    return stream.funct, spelled(stream.rs1), spelled(stream.rs2)


class _Writer:
    """Writes instructions in front of an operation of a function."""

    def __init__(self, function: FuncOp, layout: MemoryLayout, before: Operation) -> None:
        values = [*function.args, *own_arrays(function)]
        self.arrays = list(zip(values, layout.all_arrays, strict=True))
        self.before = before

    def write(self, funct: int, rs1: int, rs2: int) -> None:
        if funct in MVIN_OF_CHANNEL or funct == Funct.MVOUT:
            self._move(funct, decode(MOVE, rs1, rs2))
            return
        pair = decode(PAIR, rs1, rs2)
        operands = (*self._tile(pair, "first"), *self._tile(pair, "second"))
        match funct:
            case Funct.PRELOAD:
                self._insert(gemmini.PreloadOp(*operands))
            case Funct.COMPUTE_PRELOADED:
                self._insert(gemmini.ComputePreloadedOp(*operands))
            case Funct.COMPUTE_ACCUMULATED:
                self._insert(gemmini.ComputeAccumulatedOp(*operands))
            case _:
                raise Unsupported(f"command {funct} of a hardware loop", self.before)

    def _move(self, funct: int, move: dict[str, int]) -> None:
        local = self._local(move["local"])
        extents = self._index(move["rows"]), self._index(move["cols"])
        if funct == Funct.MVOUT:
            array, place = self._place(move["dram"])
            self._insert(gemmini.MvoutOp(local, *extents, array, place))
            return
        channel = MVIN_OF_CHANNEL.index(Funct(funct))
        if not move["dram"]:
            self._insert(gemmini.MvinZerosOp(local, *extents, channel))
            return
        array, place = self._place(move["dram"])
        self._insert(gemmini.MvinOp(array, place, local, *extents, channel))

    def _place(self, address: int) -> tuple[SSAValue, list[SSAValue]]:
        """The array at an address, and the subscripts of its element there."""
        for value, array in self.arrays:
            number, rest = divmod(address - array.address, array.dtype.itemsize)
            if 0 <= number * array.dtype.itemsize < array.size and not rest:
                view = self._rows(value, array.shape)
                subscripts = np.unravel_index(number, view.type.get_shape())
                return view, [self._index(int(subscript)) for subscript in subscripts]
        raise Unsupported(f"a hardware loop that reaches the byte {address:#x}", self.before)

    def _rows(self, value: SSAValue, shape: tuple[int, ...]) -> SSAValue[MemRefType]:
        """An array as one of rows, which a move walks through whatever dimensions they are of."""
        assert isinstance(value.type, MemRefType)
        if len(shape) < 3:
            return SSAValue.get(value, type=MemRefType)
        kind = MemRefType(value.type.get_element_type(), (prod(shape[:-1]), shape[-1]))
        leading = ArrayAttr([IntegerAttr(place, i64) for place in range(len(shape) - 1)])
        groups = ArrayAttr([leading, ArrayAttr([IntegerAttr(len(shape) - 1, i64)])])
        view = memref.CollapseShapeOp(
            operands=[value], result_types=[kind], properties={"reassociation": groups}
        )
        return SSAValue.get(self._insert(view).results[0], type=MemRefType)

    def _tile(self, pair: dict[str, int], name: str) -> tuple[SSAValue, SSAValue, SSAValue]:
        rows, cols = (self._index(pair[f"{name}_{extent}"]) for extent in ("rows", "cols"))
        return self._local(pair[name]), rows, cols

    def _local(self, address: int) -> SSAValue:
        if is_garbage(address):
            return self._insert(gemmini.NoneOp()).results[0]
        row = self._index(address & ROW_MASK)
        if not address & ACCUMULATOR_BIT:
            return self._insert(gemmini.SpadOp(row)).results[0]
        accumulate = None
        if address & ACCUMULATE_BIT:
            accumulate = self._insert(arith.ConstantOp.from_int_and_width(1, i1)).results[0]
        full = bool(address & FULL_WIDTH_BIT)
        return self._insert(gemmini.AccOp(row, accumulate, full=full)).results[0]

    def _index(self, number: int) -> SSAValue:
        constant = arith.ConstantOp.from_int_and_width(number, IndexType())
        return self._insert(constant).results[0]

    def _insert(self, op: Operation) -> Operation:
        block = self.before.parent_block()
        assert block is not None
        op.location = self.before.location
        block.insert_op_before(op, self.before)
        return op
