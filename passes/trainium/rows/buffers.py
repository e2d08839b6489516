"""Buffers and views for blocks of rows, which lie in the partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute, SSAValue

from ....dialects.trn import Space, SpaceAttr, ViewOp
from ..loop_nests import counted_loop
from ..tensor_functions import index_constant
from .graph import Access

Place = SSAValue | int


@dataclass(frozen=True)
class Columns:
    """Part of a row of ``width`` elements: ``size`` of them from ``start`` on, part ``number``."""

    start: Place
    size: int
    number: Place
    width: int

    @property
    def is_all(self) -> bool:
        return self.size == self.width


@dataclass(frozen=True)
class Stored:
    """Where elements of a node lie; ``columns`` if only these."""

    buffer: SSAValue
    columns: Columns | None = None
    lead: int = 0
    """Elements before those of the node."""

    @property
    def in_psum(self) -> bool:
        assert isinstance(self.buffer.type, MemRefType)
        space = self.buffer.type.memory_space
        return isinstance(space, SpaceAttr) and space.data == Space.PSUM


def shape_of(array: SSAValue) -> tuple[int, ...]:
    assert isinstance(array.type, MemRefType)
    return tuple(array.type.get_shape())


def allocate(
    builder: Builder, shape: Sequence[int], element: Attribute, space: Space = Space.SBUF
) -> SSAValue:
    type = MemRefType(element, tuple(shape), memory_space=SpaceAttr(space))
    return builder.insert(memref.AllocOp([], [], type)).memref


def view(
    builder: Builder,
    buffer: SSAValue,
    offsets: Sequence[Place] = (),
    sizes: Sequence[int] = (),
    along: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> SSAValue:
    """A view of a buffer, by default of all of it."""
    shape = shape_of(buffer)
    places = list(offsets) or [0] * len(shape)
    return builder.insert(ViewOp(buffer, places, tuple(sizes) or shape, along, steps)).view


def access_view(
    builder: Builder, stored: Stored, access: Access, rows: int, columns: Columns | None = None
) -> SSAValue:
    """What an access sees in the first partitions of a buffer; of ``columns`` only, if given."""
    offsets: list[Place] = list(access.offsets)
    offsets[-1] = plus(builder, offsets[-1], stored.lead)
    sizes = access.sizes
    if columns is not None and not columns.is_all and not access.is_row:
        sizes = (columns.size,)
        if stored.columns is None:
            along, step = access.along[0], access.steps[0]
            offsets[along] = plus(builder, times(builder, columns.start, step), offsets[along])
    along = (0, *(dimension + 1 for dimension in access.along))
    return view(builder, stored.buffer, (0, *offsets), (rows, *sizes), along, (1, *access.steps))


def plus(builder: Builder, left: Place, right: Place) -> Place:
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    if left == 0 or right == 0:
        return right if left == 0 else left
    pair = [index_constant(builder, one) if isinstance(one, int) else one for one in (left, right)]
    return builder.insert(arith.AddiOp(pair[0], pair[1])).result


def times(builder: Builder, value: Place, factor: int) -> Place:
    if isinstance(value, int):
        return value * factor
    if factor == 1:
        return value
    return builder.insert(arith.MuliOp(value, index_constant(builder, factor))).result


def over_parts(
    builder: Builder, extent: int, size: int, emit: Callable[[Builder, Place, int, Place], None]
) -> None:
    """Emit a program for each part of an extent: where it starts, its size, and its number.

    Parts of equal size, more than one of them, share a loop.
    """
    count, rest = divmod(extent, size)
    if count > 1:
        counted_loop(
            builder,
            count,
            lambda inner, number: emit(inner, times(inner, number, size), size, number),
        )
    elif count:
        emit(builder, 0, size, 0)
    if rest:
        emit(builder, count * size, rest, count)
