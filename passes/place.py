"""``gemmini-place``: give every buffer its rows in the scratchpad or the accumulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, ModuleOp, i64
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from ..dialects.gemmini import LocalSpace
from ..dialects.tile import MatmulOp
from ..hw.gemmini.config import GemminiConfig
from .index_math import slope
from .kernel import (
    accesses,
    buffer_type,
    config_of,
    iv_of,
    kernel_of,
    refusal,
    space_of_buffer,
)
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
    ``auto`` takes the first that fits. Where there is room, empty rows in A (or B) spare the core a
    multiplication for each product. Needs static buffers without a place. Guarantees disjoint rows
    inside the memories; refuses buffers that do not fit.
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
        padded = _padded(function)
        places: list[Place] = []
        for space, memory in _memories(config).items():
            slots = {x: _slots(x) for x in buffers if space_of_buffer(x) == space}
            roomy = {buffer: padded.get(buffer, shape) for buffer, shape in slots.items()}
            places += _places(slots, roomy, memory, self.layout, config.dim)
        return places

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for place in self.plan(op):
            place.set()

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
    """Where a buffer lies: its first row, and the rows between its slots in each dimension."""

    buffer: memref.AllocOp
    row: int
    strides: tuple[int, ...]

    def set(self) -> None:
        self.buffer.attributes[ROW] = IntegerAttr(self.row, i64)
        self.buffer.attributes[STRIDES] = DenseArrayBase.from_list(i64, self.strides)


Slots = Mapping[memref.AllocOp, tuple[int, ...]]
"""The slots of buffers in each dimension, with those that are left empty."""


def _places(slots: Slots, padded: Slots, memory: Memory, layout: str, dim: int) -> list[Place]:
    """The places in the first layout that fits, with empty slots where there is room for them."""
    if not slots:
        return []
    layouts = LAYOUTS[1:] if layout == "auto" else (layout,)
    for candidate in layouts:
        for shapes in (padded, slots):
            places = _layout(shapes, memory, candidate, dim)
            if places is not None:
                return places
    rows = {buffer: dim * prod(shape) for buffer, shape in slots.items()}
    raise refusal(
        max(slots, key=lambda buffer: rows[buffer]),
        f"the buffers need {sum(rows.values())} rows of the {memory.name}, laid out as {layout!r};"
        f" it has {memory.banks * memory.bank_rows} in {memory.banks} banks",
    )


def _layout(slots: Slots, memory: Memory, layout: str, dim: int) -> list[Place] | None:
    """The place of each buffer, or None where the memory is too small."""

    def whole_banks(rows: int) -> int:
        return -(-rows // memory.bank_rows) * memory.bank_rows

    places: list[Place] = []
    row = 0
    for buffer, shape in slots.items():
        strides = [dim * prod(shape[axis + 1 :]) for axis in range(len(shape))]
        size = dim * prod(shape)
        if layout == "banks":
            if PHASES in buffer.attributes:
                strides[0] = whole_banks(strides[0])
                size = shape[0] * strides[0]
            else:
                size = whole_banks(size)
        if layout == "buffers":
            size = whole_banks(size)
        # The last buffer may leave its last bank partly unused.
        places.append(Place(buffer, row, tuple(strides)))
        row += size
    return places if row <= memory.banks * memory.bank_rows else None


def _slots(buffer: memref.AllocOp) -> tuple[int, ...]:
    return buffer_type(buffer).get_shape()[:-2]


def _padded(function: func.FuncOp) -> dict[memref.AllocOp, tuple[int, ...]]:
    """Slots of the operands of products, with empty ones that make addresses cheap.

    The innermost loop around a product steps through C and through A, or B. It counts in rows of
    one of them if the other's stride is the same or differs by a power of two, which is a shift;
    else the core multiplies for each product (see ``hw.core``).
    """
    found: dict[memref.AllocOp, tuple[int, ...]] = {}
    for product in accesses(function):
        loop = product.parent_op()
        if not isinstance(product, MatmulOp) or not isinstance(loop, scf.ForOp):
            continue
        sums = _step(product.c, product.c_slot, iv_of(loop))
        if sums is None:
            continue
        for buffer, slot in ((product.a, product.a_slot), (product.b, product.b_slot)):
            step = _step(buffer, slot, iv_of(loop))
            if step is not None:
                found[step.buffer] = step.padded(_shifted(step.tiles, sums.tiles))
    return found


@dataclass(frozen=True)
class _Step:
    """A loop goes through ``buffer`` along ``axis``, by ``tiles`` tiles in each iteration."""

    buffer: memref.AllocOp
    axis: int
    tiles: int

    def padded(self, tiles: int) -> tuple[int, ...]:
        """The slots that put ``tiles`` tiles between neighbours on the axis, if there are such.

        Neighbours on the last axis stay side by side, as one move may carry them.
        """
        shape = _slots(self.buffer)
        inside = prod(shape[self.axis + 2 :])
        if self.axis == len(shape) - 1 or tiles % inside:
            return shape
        return (*shape[: self.axis + 1], tiles // inside, *shape[self.axis + 2 :])


def _step(memory: SSAValue, slot: Sequence[SSAValue], variable: SSAValue) -> _Step | None:
    slopes = [slope(index, variable) for index in slot]
    along = [axis for axis, step in enumerate(slopes) if step != 0]
    if not isinstance(memory.owner, memref.AllocOp) or [slopes[axis] for axis in along] != [1]:
        return None
    axis = along[0]
    return _Step(memory.owner, axis, prod(_slots(memory.owner)[axis + 1 :]))


def _shifted(tiles: int, other: int) -> int:
    """The least number from ``tiles`` on that differs from ``other`` by a power of two."""
    while other >= 2 * tiles and other % 2 == 0:
        other //= 2
    while other < tiles:
        other *= 2
    return other
