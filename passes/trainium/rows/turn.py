"""Transposes rows on the tensor engine: what is summed over then lies along the partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from xdsl.builder import Builder
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute, SSAValue

from ....dialects import trn
from ....dialects.trn import Space
from ....dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from .buffers import allocate, view
from .parts import Place, Size, Tiles, over_columns, over_tiles, plus, times

_AT_ONCE = MOVING_COLUMNS // PARTITIONS
"""Tiles that are copied out of PSUM together: those of 32-bit numbers fill a bank."""


def turned_shape(depth: int, rows: int) -> tuple[int, int, int]:
    """The sizes of a buffer for transposed rows: partitions, tiles of the depth, rows."""
    return min(PARTITIONS, depth), -(-depth // PARTITIONS), rows


def turn_rows(
    builder: Builder,
    source: Callable[[Builder, Place, int], SSAValue],
    buffer: SSAValue,
    extent: tuple[Size, int],
    column: Place = 0,
    element: Attribute | None = None,
) -> None:
    """Transpose some rows, of ``extent`` depth and number, into a buffer from a column on.

    ``source`` gives a view of the rows from a place of the depth on, of up to 128 elements; their
    type is ``element``, if it is not that of the buffer.
    """
    depth, rows = extent
    assert isinstance(buffer.type, MemRefType)
    element = element or buffer.type.element_type

    def part(inner: Builder, start: Place, size: Size, number: Place) -> None:
        most = _AT_ONCE * PARTITIONS if isinstance(size, Tiles) else size
        shape = (min(PARTITIONS, most), -(-most // PARTITIONS), rows)
        turned = allocate(inner, shape, element, Space.PSUM)

        def turn(inmost: Builder, at: Place, deep: int, tile: Place) -> None:
            target = view(inmost, turned, (0, tile, 0), (deep, rows), (0, 2))
            inmost.insert(trn.NcTransposeOp(source(inmost, plus(inmost, start, at), deep), target))

        first = times(inner, number, _AT_ONCE)
        begin = 0
        for deep, count in _turned_tiles(inner, size, turn):
            sizes = (deep, count, rows)
            target = view(inner, buffer, (0, plus(inner, first, begin), column), sizes)
            inner.insert(trn.TensorCopyOp(view(inner, turned, (0, begin, 0), sizes), target))
            begin = plus(inner, begin, count)

    over_columns(builder, depth, _AT_ONCE * PARTITIONS, part)


def _turned_tiles(
    builder: Builder, size: Size, turn: Callable[[Builder, Place, int, Place], None]
) -> list[tuple[int, Place]]:
    """Transpose tiles one after the other; for each depth of a tile, how many have it."""
    if isinstance(size, Tiles):
        over_tiles(builder, size, turn)
        return [(PARTITIONS, size.tiles)]
    tiles = [(at, min(PARTITIONS, size - at)) for at in range(0, size, PARTITIONS)]
    for tile, (at, deep) in enumerate(tiles):
        turn(builder, at, deep, tile)
    return list(Counter(deep for _, deep in tiles).items())
