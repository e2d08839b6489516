"""Rows of a left operand that stay in SBUF: the summed dimension in the partitions."""

from __future__ import annotations

from xdsl.builder import Builder
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import SSAValue

from ...dialects import trn
from ...dialects.trn.limits import PARTITIONS
from .matrices import Product
from .rows.buffers import allocate, view
from .rows.parts import Place, over_parts, plus
from .rows.turn import turn_rows, turned_shape


def left_panel(
    builder: Builder, array: SSAValue, product: Product, rows: tuple[SSAValue, int]
) -> SSAValue:
    """A buffer (up to 128, tiles of the depth, rows) with rows of an array in memory.

    ``rows`` is where they start, and their number.
    """
    assert isinstance(array.type, MemRefType)
    first, height = rows
    panel = allocate(builder, turned_shape(product.depth, height), array.type.element_type)

    def load(inner: Builder, start: Place, deep: int, number: Place) -> None:
        source = view(inner, array, (start, first), (deep, height))
        target = view(inner, panel, (0, number, 0), (deep, height), (0, 2))
        inner.insert(trn.DmaCopyOp(source, target))

    def turn(inner: Builder, at: Place, count: int, _: Place) -> None:
        loaded = allocate(inner, (count, product.depth), array.type.element_type)  # pyright: ignore
        source = view(inner, array, (plus(inner, first, at), 0), (count, product.depth))
        inner.insert(trn.DmaCopyOp(source, view(inner, loaded)))

        def part(inmost: Builder, start: Place, deep: int) -> SSAValue:
            return view(inmost, loaded, (0, start), (count, deep))

        turn_rows(inner, part, panel, (product.depth, count), at)

    if product.left.summed_first:
        over_parts(builder, product.depth, PARTITIONS, load)
    else:
        over_parts(builder, height, PARTITIONS, turn)
    return panel
