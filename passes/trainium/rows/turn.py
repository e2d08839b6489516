"""Transposes rows on the tensor engine: what is summed over then lies along the partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from xdsl.builder import Builder
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Space
from ....dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from .buffers import Place, allocate, over_parts, plus, times, view

_AT_ONCE = MOVING_COLUMNS // PARTITIONS
"""Tiles that are copied out of PSUM together: those of 32-bit numbers fill a bank."""


def turned_shape(depth: int, rows: int) -> tuple[int, int, int]:
    """The sizes of a buffer for transposed rows: partitions, tiles of the depth, rows."""
    return min(PARTITIONS, depth), -(-depth // PARTITIONS), rows


def turn_rows(
    builder: Builder,
    source: Callable[[Builder, Place, int], SSAValue],
    buffer: SSAValue,
    extent: tuple[int, int],
    column: Place = 0,
) -> None:
    """Transpose some rows, of ``extent`` depth and number, into a buffer from a column on.

    ``source`` gives a view of the rows from a place of the depth on, of up to 128 elements.
    """
    depth, rows = extent
    assert isinstance(buffer.type, MemRefType)
    element = buffer.type.element_type

    def part(inner: Builder, start: Place, size: int, number: Place) -> None:
        tiles = [(at, min(PARTITIONS, size - at)) for at in range(0, size, PARTITIONS)]
        turned = allocate(inner, (tiles[0][1], len(tiles), rows), element, Space.PSUM)
        for tile, (at, deep) in enumerate(tiles):
            target = view(inner, turned, (0, tile, 0), (deep, rows), (0, 2))
            inner.insert(trn.NcTransposeOp(source(inner, plus(inner, start, at), deep), target))
        first, begin = times(inner, number, _AT_ONCE), 0
        for deep, count in Counter(deep for _, deep in tiles).items():
            sizes = (deep, count, rows)
            target = view(inner, buffer, (0, plus(inner, first, begin), column), sizes)
            inner.insert(trn.TensorCopyOp(view(inner, turned, (0, begin, 0), sizes), target))
            begin += count

    over_parts(builder, depth, _AT_ONCE * PARTITIONS, part)
