"""Buffers, views and instructions for the rows of one block, which lie in the partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.builder import Builder
from xdsl.dialects import memref
from xdsl.dialects.builtin import FloatAttr, MemRefType, f32
from xdsl.ir import Attribute, SSAValue

from ....dialects import trn
from ....dialects.trn import Function, Operator, Space, SpaceAttr, ViewOp


@dataclass(frozen=True)
class Cells:
    """Elements of a buffer as an instruction sees them: an access pattern that is not emitted yet.

    ``sizes`` are those of the free dimensions; every partition of the block takes part.
    """

    buffer: SSAValue
    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    along: tuple[int, ...]
    steps: tuple[int, ...]

    @staticmethod
    def whole(buffer: SSAValue) -> Cells:
        shape = shape_of(buffer)
        rank = len(shape)
        return Cells(buffer, shape[1:], (0,) * rank, tuple(range(rank)), (1,) * rank)

    @property
    def is_row(self) -> bool:
        """Whether each partition has one element."""
        return prod(self.sizes) == 1

    @property
    def element(self) -> Attribute:
        assert isinstance(self.buffer.type, MemRefType)
        return self.buffer.type.element_type


Operand = Cells | float
"""What a scalar of the program is for a block: elements, or a number."""


def spread(value: Operand, sizes: tuple[int, ...]) -> Operand:
    """One number per partition as a row of equal elements."""
    if not isinstance(value, Cells) or not value.is_row or sizes == (1,):
        return value
    along, steps = (0, *([1] * len(sizes))), (1, *([0] * len(sizes)))
    offsets = value.offsets
    return Cells(value.buffer, sizes, offsets, along, steps)


def with_first(cells: Cells, first: Cells) -> Cells | None:
    """Elements with those just before them along the last dimension, if that is what ``first`` is.

    So a reduction that starts from its first element is one of all elements.
    """
    *outer, last = cells.sizes
    before = list(cells.offsets)
    before[cells.along[-1]] -= 1
    same_place = (first.buffer, first.offsets) == (cells.buffer, tuple(before))
    pattern = (tuple(outer), cells.along[:-1], cells.steps[:-1])
    same_rest = (first.sizes, first.along, first.steps) == pattern if outer else first.is_row
    if cells.steps[-1] != 1 or not (same_place and same_rest):
        return None
    return Cells(cells.buffer, (*outer, last + 1), tuple(before), cells.along, cells.steps)


def shape_of(array: SSAValue) -> tuple[int, ...]:
    assert isinstance(array.type, MemRefType)
    return tuple(array.type.get_shape())


class BlockEmitter:
    """Emits instructions for ``rows`` partitions at a builder's place."""

    def __init__(self, builder: Builder, rows: int) -> None:
        self._builder = builder
        self.rows = rows
        self._free: dict[tuple[tuple[int, ...], Attribute], list[SSAValue]] = {}

    def allocate(self, sizes: Sequence[int], element: Attribute) -> SSAValue:
        """A buffer in SBUF with the given free dimensions; one that was released if there is."""
        free = tuple(sizes) or (1,)
        waiting = self._free.get((free, element))
        if waiting:
            return waiting.pop()
        type = MemRefType(element, (self.rows, *free), memory_space=SpaceAttr(Space.SBUF))
        return self._builder.insert(memref.AllocOp([], [], type)).memref

    def release(self, cells: Cells) -> None:
        """The buffer's contents are not needed any more."""
        key = shape_of(cells.buffer)[1:], cells.element
        self._free.setdefault(key, []).append(cells.buffer)

    def view(self, cells: Cells) -> SSAValue:
        sizes = (self.rows, *cells.sizes)
        view = ViewOp(cells.buffer, cells.offsets, sizes, cells.along, cells.steps)
        return self._builder.insert(view).view

    def move(self, source: SSAValue, target: SSAValue) -> None:
        """A DMA between two views."""
        self._builder.insert(trn.DmaCopyOp(source, target))

    # Computation; each gives new elements.

    def copy(self, value: Operand, sizes: Sequence[int], element: Attribute) -> Cells:
        """Elements of their own, with the given free dimensions, in the given type."""
        result = Cells.whole(self.allocate(sizes, element))
        if isinstance(value, Cells):
            self._builder.insert(trn.TensorCopyOp(self.view(value), self.view(result)))
        else:
            self._builder.insert(trn.MemsetOp(self.view(result), value))
        return result

    def apply(
        self, function: Function, value: Cells, element: Attribute, scale: Operand = 1.0
    ) -> Cells:
        """A table function of the scalar engine, of a value times a number per partition."""
        result = Cells.whole(self.allocate(value.sizes, element))
        views = self.view(value), self.view(result)
        factor = self.view(scale) if isinstance(scale, Cells) else scale
        self._builder.insert(trn.ActivationOp(function, *views, scale=factor))
        return result

    def combine(
        self, operator: Operator, left: Operand, right: Operand, element: Attribute
    ) -> Cells:
        """An operator of two operands; at least one of them has elements."""
        if isinstance(left, Cells) and isinstance(right, Cells) and left.is_row == right.is_row:
            result = Cells.whole(self.allocate(left.sizes, element))
            views = self.view(left), self.view(right), self.view(result)
            self._builder.insert(trn.TensorTensorOp(operator, *views))
            return result
        reverse = not isinstance(left, Cells) or (left.is_row and isinstance(right, Cells))
        wide, scalar = (right, left) if reverse else (left, right)
        assert isinstance(wide, Cells)
        result = Cells.whole(self.allocate(wide.sizes, element))
        given = self.view(scalar) if isinstance(scalar, Cells) else FloatAttr(scalar, f32)
        self._builder.insert(
            trn.TensorScalarOp(
                operator, self.view(wide), given, self.view(result), reverse0=reverse
            )
        )
        return result

    def choose(
        self, condition: Cells, then: Operand, otherwise: Operand, element: Attribute
    ) -> Cells:
        """``condition ? then : otherwise``, with conditions as integers."""
        operands = (condition, then, otherwise)
        wide = (one.sizes for one in operands if isinstance(one, Cells) and not one.is_row)
        sizes = next(wide, (1,))
        asked, chosen, other = (spread(one, sizes) for one in operands)
        assert isinstance(asked, Cells)
        if isinstance(chosen, Cells) and isinstance(other, Cells):
            result = self.copy(other, sizes, element)
            views = self.view(chosen), self.view(asked), self.view(result)
            self._builder.insert(trn.TensorCopyPredicatedOp(*views))
            return result
        reverse = not isinstance(chosen, Cells)
        data, number = (other, chosen) if reverse else (chosen, other)
        if not isinstance(data, Cells):
            data = self.copy(data, sizes, element)
        assert not isinstance(number, Cells)
        result = Cells.whole(self.allocate(sizes, element))
        views = self.view(data), self.view(asked)
        given = FloatAttr(number, f32)
        select = trn.SelectReduceOp(*views, given, self.view(result), reverse=reverse)
        self._builder.insert(select)
        return result

    def reduce(self, operator: Operator, value: Cells, axes: int, element: Attribute) -> Cells:
        """Reduce the last ``axes`` free dimensions."""
        kept = value.sizes[: len(value.sizes) - axes]
        result = Cells.whole(self.allocate(kept, element))
        reduction = trn.TensorReduceOp(operator, self.view(value), self.view(result), axes)
        self._builder.insert(reduction)
        return result
