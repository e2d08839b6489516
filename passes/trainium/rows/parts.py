"""Loops over the parts of an extent: blocks of rows, and columns of which some rows need fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xdsl.builder import Builder
from xdsl.dialects import arith
from xdsl.ir import SSAValue

from ....dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from ..loop_nests import counted_loop
from ..tensor_functions import index_constant

Place = SSAValue | int
_TILES = MOVING_COLUMNS // PARTITIONS
"""Tiles of 128 columns that a matrix product takes at once."""


@dataclass(frozen=True)
class Tiles:
    """Columns whose number grows from one block of rows to the next: tiles of 128.

    They are ``wholes`` times 512 columns, and ``rest`` behind them, in 1 to 4 ``tiles``.
    """

    wholes: Place
    tiles: Place
    rest: Place
    total: Place
    ahead: int
    """Columns behind the one whose number is that of the block's first row."""
    most: int
    """Columns at most."""

    def count(self, builder: Builder) -> Place:
        """How many tiles there are."""
        return plus(builder, times(builder, self.wholes, _TILES), self.tiles)

    @property
    def last(self) -> Tiles:
        """Those behind the whole parts."""
        return Tiles(0, self.tiles, self.rest, self.rest, 0, MOVING_COLUMNS)


Size = int | Tiles
EmitTile = Callable[[Builder, Place, int, Place], None]
EmitPart = Callable[[Builder, Place, Size, Place], None]
"""Emits a program for a part: where it starts, its size, and its number."""


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


def over_parts(builder: Builder, extent: int, size: int, emit: EmitTile) -> None:
    """Emit a program for each part of an extent.

    Parts of equal size, more than one of them, share a loop.
    """
    count, rest = divmod(extent, size)
    _over_wholes(builder, count, size, emit)
    if rest:
        emit(builder, count * size, rest, count)


def over_tiles(builder: Builder, extent: Size, emit: EmitTile) -> None:
    """Emit a program for each 128 of some columns."""
    if isinstance(extent, int):
        over_parts(builder, extent, PARTITIONS, emit)
    else:
        _over_wholes(builder, extent.count(builder), PARTITIONS, emit)


def over_columns(builder: Builder, extent: Size, size: int, emit: EmitPart) -> None:
    """Emit a program for each part of some columns; growing numbers in parts of 512, or whole."""
    if isinstance(extent, int):
        over_parts(builder, extent, size, emit)
    elif size < extent.most:
        _over_wholes(builder, extent.wholes, MOVING_COLUMNS, emit)
        start = times(builder, extent.wholes, MOVING_COLUMNS)
        emit(builder, start, extent.last, extent.wholes)
    else:
        emit(builder, 0, extent, 0)


def over_whole_tiles(builder: Builder, extent: Size, emit: EmitPart) -> None:
    """The like in parts of 512, where what is no whole tile of 128 columns is a part of its own."""
    if isinstance(extent, Tiles):
        over_columns(builder, extent, MOVING_COLUMNS, emit)
        return
    rest = extent % PARTITIONS
    over_parts(builder, extent - rest, MOVING_COLUMNS, emit)
    if rest:
        emit(builder, extent - rest, rest, 0)


def _over_wholes(builder: Builder, count: Place, size: int, emit: EmitTile) -> None:
    if isinstance(count, int) and count < 2:
        if count:
            emit(builder, 0, size, 0)
        return
    counted_loop(
        builder, count, lambda inner, number: emit(inner, times(inner, number, size), size, number)
    )


def over_growing_blocks(
    builder: Builder, blocks: int, ahead: int, emit: Callable[[Builder, Place, Tiles], None]
) -> None:
    """Emit a program for each of some blocks of 128 rows: where it starts, and its columns.

    Block n has the first n + 1 + ``ahead`` tiles of 128 columns.
    """
    numbers = range(ahead, ahead + blocks)
    for wholes, tiles in _in_wholes(numbers):

        def nest(inner: Builder, whole: Place, tiles: range = tiles) -> None:
            over_range(inner, tiles, lambda inmost, tile: block(inmost, whole, tile))

        def block(inner: Builder, whole: Place, tile: Place) -> None:
            number = plus(inner, times(inner, whole, _TILES), tile)
            count = plus(inner, tile, 1)
            rest = times(inner, count, PARTITIONS)
            total = plus(inner, times(inner, whole, MOVING_COLUMNS), rest)
            start = times(inner, plus(inner, number, -ahead), PARTITIONS)
            most = numbers.stop * PARTITIONS
            columns = Tiles(whole, count, rest, total, PARTITIONS * (1 + ahead), most)
            emit(inner, start, columns)

        over_range(builder, wholes, nest)


def _in_wholes(numbers: range) -> Iterator[tuple[range, range]]:
    """Numbers as four times one of a range, plus one of another."""
    first, stop = numbers.start, numbers.stop
    while first < stop:
        whole, tile = divmod(first, _TILES)
        count = max(1, (stop - first) // _TILES) if tile == 0 else 1
        tiles = range(tile, min(_TILES, tile + stop - first))
        yield range(whole, whole + count), tiles
        first += count * len(tiles)


def over_range(builder: Builder, numbers: range, emit: Callable[[Builder, Place], None]) -> None:
    """Emit a program for each of some numbers; more than one share a loop."""
    if len(numbers) == 1:
        emit(builder, numbers.start)
        return
    counted_loop(
        builder,
        len(numbers),
        lambda inner, number: emit(inner, plus(inner, number, numbers.start)),
    )
