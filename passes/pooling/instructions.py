"""The instructions of one block of a pooling: load the pixels, store them pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Operation, SSAValue

from ...dialects.gemmini import (
    AccOp,
    ConfigLdOp,
    ConfigStOp,
    MvinOp,
    MvinZerosOp,
    MvoutOp,
    SpadOp,
)
from ...hw.gemmini.config import GemminiConfig
from ..coalesce import Form
from ..instruction_tree import Item, Need, TreeBuilder
from ..loop_items import Loops, plus, times
from .blocks import Blocks, Region
from .facts import Pooling
from .plan import Plan

Sides = tuple[Blocks, Blocks]
Place = tuple[Form, Form]
IMAGE, WEIGHTS, SUMS = range(3)
"""Load channels."""


@dataclass(frozen=True)
class LocalRows:
    """Local rows from ``base`` on; blocks with an odd number lie ``half`` rows further."""

    space: str
    base: int
    half: int = 0
    number: Form | None = None

    def address(self, tree: TreeBuilder, row: Form, accumulate: SSAValue | None = None) -> SSAValue:
        """The address of a row."""
        index = tree.index
        value = tree.number(row, self.base)
        if self.half and self.number is not None:
            odd = {loop: 1 for loop, factor in self.number.items() if factor % 2}
            turn = index.mul(index.rem(tree.number(odd), 2), self.half)
            value = index.add(turn, value)
        op = SpadOp(value) if self.space == "spad" else AccOp(value, accumulate)
        return index.insert(op).results[0]


@dataclass(frozen=True)
class _Segment:
    """Pixels along one side: ``size`` of them at ``local``, from ``image`` on or all the same."""

    local: int
    size: int
    image: Form
    is_border: bool


class PoolingCode:
    """Blocks of a pooling of an array."""

    def __init__(
        self, pooling: Pooling, plan: Plan, config: GemminiConfig, arrays: Sequence[SSAValue]
    ) -> None:
        self.pooling = pooling
        self.plan = plan
        self.config = config
        self.dim = config.dim
        self.source, self.out = arrays[pooling.source], arrays[pooling.out]
        self.arrays = arrays
        self.loops = Loops()

    def before(self) -> list[Item]:
        """What comes before all blocks."""
        return []

    def half_of_image(self) -> int:
        """Rows from one block to the next one: moves to and from other banks do not collide."""
        room = self.config.acc_rows if self.plan.space == "acc" else self.config.spad_rows
        return room // 2 if self.plan.image_phases > 1 else 0

    def number(self, at: Sequence[Form], sides: Sides, place: Place) -> Form:
        """How many blocks of pixels come before this one."""
        total: Form = {}
        for extent, batch in zip(self.pooling.batch, at, strict=True):
            total = plus(times(total, extent), batch)
        for groups, side, inner in zip((self.plan.rows, self.plan.cols), sides, place, strict=True):
            blocks = sum(group.count for group in groups)
            total = plus(times(total, blocks), inner, side.number)
        return total

    def block(self, at: Sequence[Form], sides: Sides, place: Place) -> list[Item]:
        """Load and store one block, some channels at a time."""
        size = self.plan.groups * self.dim
        parts = -(-self.pooling.channels // size)
        number = times(self.number(at, sides, place), parts)

        def some(channel: Form, channels: int) -> list[Item]:
            turn = plus(number, {k: v // size for k, v in channel.items()})
            local = LocalRows(self.plan.space, 0, self.half_of_image(), turn)
            return [
                *self.load_pixels(at, sides, place, local, channel, channels),
                *self.store_all(at, sides, place, local, channel, channels),
            ]

        return self.loops.pieces(self.pooling.channels, size, "c", some)

    # Loads.

    def load_pixels(
        self,
        at: Sequence[Form],
        sides: Sides,
        place: Place,
        local: LocalRows,
        channel: Form,
        channels: int,
    ) -> list[Item]:
        """The pixels that the windows of a block see."""
        regions = [side.pixels for side in sides]
        if not self.plan.repeats:
            regions = [Region(0, region.inside, 0) for region in regions]
        pooling = self.pooling
        starts: list[Form] = []
        for side, inner, what in zip(sides, place, (pooling.rows, pooling.cols), strict=True):
            first, step = side.counted(what.step, side.pixels.before - what.pad)
            starts.append(plus(times(inner, step), first))
        shrunk = self.plan.space == "acc"
        return self.load_region(
            at, regions, starts, local, channel, channels, self.plan.image_rows, shrunk=shrunk
        )

    def load_region(
        self,
        at: Sequence[Form],
        regions: Sequence[Region],
        starts: Sequence[Form],
        local: LocalRows,
        channel: Form,
        channels: int,
        block_stride: int,
        *,
        shrunk: bool = False,
        zeros: bool = False,
        first: Form | int = 0,
    ) -> list[Item]:
        """Pixels of the image at ``starts``, from local row ``first`` on.

        Those beyond the border are copies of the last ones, or ``zeros``.
        """
        extents = _shape(self.source)[-3:-1]
        rows, cols = (
            _segments(region, start, extent)
            for region, start, extent in zip(regions, starts, extents, strict=True)
        )
        need = self.load_need(IMAGE, pixel_bytes(self.source), block_stride, shrunk=shrunk)
        pitch = regions[1].size
        items: list[Item] = [need]
        for row in rows:
            for col in cols:
                is_zero = zeros and (row.is_border or col.is_border)
                most = self.dim if is_zero or not col.is_border else 1
                items += self.loops.repeat(
                    row.size,
                    "r",
                    lambda r, row=row, col=col, is_zero=is_zero, most=most: self.loops.pieces(
                        col.size,
                        most,
                        "p",
                        lambda p, size: [
                            self._load(
                                None
                                if is_zero
                                else [
                                    *at,
                                    row.image if row.is_border else plus(row.image, r),
                                    col.image if col.is_border else plus(col.image, p),
                                    channel,
                                ],
                                local,
                                plus(first, times(plus(r, row.local), pitch), p, col.local),
                                (size, channels),
                            )
                        ],
                    ),
                )
        return items

    def load_need(
        self, channel: int, stride: int, block_stride: int, *, shrunk: bool = False
    ) -> Need:
        """The configuration of a load channel."""
        return Need(
            f"load {channel}",
            (stride, block_stride, shrunk),
            lambda: ConfigLdOp(stride, block_stride, channel=channel, shrunk=shrunk),
        )

    def _load(
        self, element: Sequence[Form] | None, local: LocalRows, row: Form, sizes: tuple[int, int]
    ) -> Item:
        def build(tree: TreeBuilder) -> None:
            target = local.address(tree, row)
            rows, cols = (tree.index.constant(size) for size in sizes)
            if element is None:
                tree.index.insert(MvinZerosOp(target, rows, cols, IMAGE))
                return
            indices = [tree.number(form) for form in element]
            tree.index.insert(MvinOp(self.source, indices, target, rows, cols, IMAGE))

        return build

    # Stores.

    def store_all(
        self,
        at: Sequence[Form],
        sides: Sides,
        place: Place,
        local: LocalRows,
        channel: Form,
        channels: int,
    ) -> list[Item]:
        """Store the pixels of a block pooled, DIM channels at a time."""
        return [
            self.store_need(sides),
            *self.loops.pieces(
                channels,
                self.dim,
                "g",
                lambda c, size: [
                    self.store(
                        at,
                        sides,
                        place,
                        local,
                        rows_of(c, self.plan.image_rows, self.dim),
                        plus(channel, c),
                        size,
                    )
                ],
            ),
        ]

    def store_need(self, sides: Sides) -> Need:
        """The configuration of the store unit for a block."""
        rows, cols = sides
        pooling, repeats = self.pooling, self.plan.repeats
        images = [side.pixels.size if repeats else side.pixels.inside for side in sides]
        pads = [0 if repeats else side.pixels.before for side in sides]
        fields = {
            "pool_stride": pooling.rows.step,
            "pool_size": pooling.rows.window,
            "pool_out_dim": pooling.cols.pooled,
            "pool_rows": rows.pooled,
            "pool_cols": cols.pooled,
            "out_rows": images[0],
            "out_cols": images[1],
            "upper_pad": pads[0],
            "left_pad": pads[1],
        }
        stride, post = pixel_bytes(self.out), pooling.post

        def configure() -> Operation:
            return ConfigStOp(stride, post.activation, post.factor, **fields)

        return Need("store", tuple(fields.items()), configure)

    def store(
        self,
        at: Sequence[Form],
        sides: Sides,
        place: Place,
        local: LocalRows,
        row: Form,
        channel: Form,
        channels: int,
    ) -> Item:
        """One pooling store."""

        def build(tree: TreeBuilder) -> None:
            source = local.address(tree, row)
            first = [
                plus(times(inner, side.pooled), side.first)
                for side, inner in zip(sides, place, strict=True)
            ]
            indices = [tree.number(form) for form in (*at, *first, channel)]
            one, cols = tree.index.constant(1), tree.index.constant(channels)
            tree.index.insert(MvoutOp(source, one, cols, self.out, indices))

        return build


def rows_of(channel: Form, rows: int, dim: int) -> Form:
    """Local rows in front of a channel, which is a multiple of ``dim``."""
    return {loop: factor // dim * rows for loop, factor in channel.items()}


def _segments(region: Region, start: Form, extent: int) -> list[_Segment]:
    found = [
        _Segment(0, region.before, {None: 0}, True),
        _Segment(region.before, region.inside, start, False),
        _Segment(region.before + region.inside, region.after, {None: extent - 1}, True),
    ]
    return [segment for segment in found if segment.size]


def _shape(array: SSAValue) -> tuple[int, ...]:
    assert isinstance(array.type, MemRefType)
    return array.type.get_shape()


def pixel_bytes(array: SSAValue) -> int:
    """Bytes from one pixel of int8 channels to the next."""
    return prod(_shape(array)[-1:])
