"""Buffers and views for blocks of rows, which lie in the partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import memref
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute, SSAValue

from ....dialects.trn import Space, SpaceAttr, ViewOp
from ....dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from .graph import Access
from .parts import Place, Size, Tiles, plus, times


@dataclass(frozen=True)
class Columns:
    """Part of a row of ``width`` elements: ``size`` of them from ``start`` on, part ``number``."""

    start: Place
    size: Size
    number: Place
    width: int

    @property
    def is_all(self) -> bool:
        return self.size == self.width

    @property
    def count(self) -> Place:
        """How many there are."""
        return self.size.total if isinstance(self.size, Tiles) else self.size

    @property
    def partitions(self) -> int:
        """Of a tile of columns that lies turned."""
        return PARTITIONS if isinstance(self.size, Tiles) else min(PARTITIONS, self.size)

    def tiles(self, builder: Builder) -> Place:
        """How many tiles of 128 columns there are, or one of fewer."""
        if isinstance(self.size, Tiles):
            return self.size.count(builder)
        return max(1, self.size // PARTITIONS)

    def first_tile(self, builder: Builder) -> Place:
        """The number of the first tile of parts of 512 columns."""
        if isinstance(self.start, int):
            return self.start // PARTITIONS
        return times(builder, self.number, MOVING_COLUMNS // PARTITIONS)

    @property
    def room(self) -> int:
        """How many there are at most."""
        return min(self.width, self.size.most) if isinstance(self.size, Tiles) else self.size


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


@dataclass(frozen=True)
class InMemory:
    """A parameter in HBM, or the part of it at a place in its first dimensions."""

    array: SSAValue
    at: tuple[Place, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return shape_of(self.array)[len(self.at) :]

    @property
    def element(self) -> Attribute:
        assert isinstance(self.array.type, MemRefType)
        return self.array.type.element_type

    def view(
        self,
        builder: Builder,
        offsets: Sequence[Place],
        sizes: Sequence[Place],
        along: Sequence[int] | None = None,
        steps: Sequence[int] | None = None,
    ) -> SSAValue:
        """A view of the part; dimensions count from its first one."""
        if self.at:
            along = [len(self.at) + one for one in along or range(len(sizes))]
        return view(builder, self.array, (*self.at, *offsets), sizes, along, steps)


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
    sizes: Sequence[Place] = (),
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
    sizes: tuple[Place, ...] = access.sizes
    if columns is not None and not columns.is_all and not access.is_row:
        sizes = (columns.count,)
        if stored.columns is None:
            along, step = access.along[0], access.steps[0]
            offsets[along] = plus(builder, times(builder, columns.start, step), offsets[along])
    along = (0, *(dimension + 1 for dimension in access.along))
    return view(builder, stored.buffer, (0, *offsets), (rows, *sizes), along, (1, *access.steps))
