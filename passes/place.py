"""``gemmini-place``: give every buffer its rows in the scratchpad or the accumulator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

from xdsl.context import Context
from xdsl.dialects import memref
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, ModuleOp, i64
from xdsl.passes import ModulePass

from ..dialects.gemmini import LocalSpace
from ..hw.gemmini.config import GemminiConfig
from .kernel import buffer_type, config_of, kernel_of, refusal, space_of_buffer
from .schedule_space import plannable

ROW = "gemmini.row"
"""Attribute of a placed buffer: its first local row."""
STRIDES = "gemmini.strides"
"""Attribute of a placed buffer: local rows between neighbours in each slot dimension."""
PHASES = "tile.phases"
"""Attribute of a double-buffered buffer: its first slot dimension counts phases."""

LAYOUTS = ("auto", "banks", "buffers", "packed")


@dataclass(frozen=True)
class PlacePass(ModulePass):
    """Assign local rows to buffers, so that reads and DMA writes meet in no bank.

    A single-ported bank serves the DMA's write before the array's read, and A and B in one bank
    halve the speed of the array. ``layout`` says how hard to try: ``banks`` gives each phase of
    each buffer banks of its own, ``buffers`` each buffer, ``packed`` puts them side by side;
    ``auto`` takes the first that fits. Needs static buffers without a place. Guarantees disjoint
    rows inside the memories; refuses buffers that do not fit.
    """

    name = "gemmini-place"

    layout: str = "auto"

    def plan(self, op: ModuleOp) -> list[Place]:
        """The place of each buffer."""
        function = kernel_of(op)
        config = config_of(function)
        if self.layout not in LAYOUTS:
            raise refusal(function, f"layout must be one of {', '.join(LAYOUTS)}")
        buffers = [alloc for alloc in function.walk() if isinstance(alloc, memref.AllocOp)]
        if not buffers or any(ROW in buffer.attributes for buffer in buffers):
            raise refusal(function, "has no buffers, or their places are given already")
        places: list[Place] = []
        for space, memory in _memories(config).items():
            inside = [buffer for buffer in buffers if space_of_buffer(buffer) == space]
            places += _places(inside, memory, self.layout, config.dim)
        return places

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for place in self.plan(op):
            place.set(config_of(kernel_of(op)).dim)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        return plannable(module_op, [cls(), *(cls(layout) for layout in LAYOUTS[1:])])


@dataclass(frozen=True)
class Memory:
    """A local memory of ``banks`` banks of ``bank_rows`` rows."""

    name: str
    banks: int
    bank_rows: int


def _memories(config: GemminiConfig) -> dict[LocalSpace, Memory]:
    return {
        LocalSpace.SPAD: Memory("scratchpad", config.spad_banks, config.spad_bank_rows),
        LocalSpace.ACC: Memory("accumulator", config.acc_banks, config.acc_bank_rows),
    }


@dataclass(frozen=True)
class Place:
    """Where a buffer lies: its first row, and the rows between its phases."""

    buffer: memref.AllocOp
    row: int
    phase_stride: int

    def set(self, dim: int) -> None:
        shape = buffer_type(self.buffer).get_shape()[:-2]
        strides = [dim * prod(shape[axis + 1 :]) for axis in range(len(shape))]
        if PHASES in self.buffer.attributes:
            strides[0] = self.phase_stride
        self.buffer.attributes[ROW] = IntegerAttr(self.row, i64)
        self.buffer.attributes[STRIDES] = DenseArrayBase.from_list(i64, strides)


def _places(
    buffers: Sequence[memref.AllocOp], memory: Memory, layout: str, dim: int
) -> list[Place]:
    if not buffers:
        return []
    layouts = LAYOUTS[1:] if layout == "auto" else (layout,)
    for candidate in layouts:
        places = _layout(buffers, memory, candidate, dim)
        if places is not None:
            return places
    need = sum(_phases(buffer) * _phase_rows(buffer, dim) for buffer in buffers)
    have = memory.banks * memory.bank_rows
    raise refusal(
        max(buffers, key=lambda buffer: _phases(buffer) * _phase_rows(buffer, dim)),
        f"the buffers need {need} rows of the {memory.name}, laid out as {layout!r};"
        f" it has {have} in {memory.banks} banks",
    )


def _layout(
    buffers: Sequence[memref.AllocOp], memory: Memory, layout: str, dim: int
) -> list[Place] | None:
    """The place of each buffer, or None where the memory is too small."""

    def whole_banks(rows: int) -> int:
        return -(-rows // memory.bank_rows) * memory.bank_rows

    places: list[Place] = []
    row = 0
    for buffer in buffers:
        stride = _phase_rows(buffer, dim)
        if layout == "banks":
            stride = whole_banks(stride)
        size = stride * _phases(buffer)
        if layout == "buffers":
            size = whole_banks(size)
        # The last buffer may leave its last bank partly unused.
        places.append(Place(buffer, row, stride))
        row += size
    return places if row <= memory.banks * memory.bank_rows else None


def _phases(buffer: memref.AllocOp) -> int:
    return buffer_type(buffer).get_shape()[0] if PHASES in buffer.attributes else 1


def _phase_rows(buffer: memref.AllocOp, dim: int) -> int:
    shape = buffer_type(buffer).get_shape()[:-2]
    return prod(shape[1:] if PHASES in buffer.attributes else shape) * dim
