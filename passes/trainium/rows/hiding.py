"""Masks on rows: elements for which a guard fails get a number, on GpSimd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Operator
from .buffers import Columns, access_view, view
from .graph import Access, Masked, Weight
from .parts import Place, Tiles, plus, times
from .steps import Hide

if TYPE_CHECKING:
    from .emission import BlockEmission


def hide(block: BlockEmission, builder: Builder, step: Hide, columns: Columns) -> None:
    """Mask whole rows: in place where nothing needs what is hidden, else in a copy."""
    node, data = step.node, step.data
    assert isinstance(node, Masked)
    guard, stored = node.guard, block.stored[data.node]
    source = access_view(builder, stored, data, block.rows, columns)
    in_place = data.is_whole and guard in block.plan.needed[data.node]
    if in_place and not isinstance(data.node, Weight):
        block.stored[node] = stored
        if guard.reach is not None:
            _hide_end(block, builder, node, columns)
            return
    else:
        block.allocate(builder, node)
    target = access_view(builder, block.stored[node], Access.whole(node), block.rows, columns)
    _select(builder, node, (source, target), guard.constant, times(builder, block.start, guard.row))


def _hide_end(block: BlockEmission, builder: Builder, node: Masked, columns: Columns) -> None:
    """Mask the columns behind the last one that the block's first row sees."""
    start, size = block.start, columns.size
    reach, stored = node.guard.constant, block.stored[node]
    first: Place = 0
    count = columns.count
    base, offset = reach, start
    if isinstance(size, Tiles) and reach >= -1:
        first, count = plus(builder, start, reach + 1), size.ahead - reach - 1
        base, offset = -1, 0
    elif isinstance(start, int) and isinstance(size, int):
        first = max(0, start + reach + 1)
        count, base = size - first, reach - first
    if isinstance(count, int) and count <= 0:
        return
    at = plus(builder, first, stored.lead)
    hidden = view(builder, stored.buffer, (0, at), (block.rows, count))
    _select(builder, node, (hidden, hidden), base, offset)


def _select(
    builder: Builder, node: Masked, pair: tuple[SSAValue, SSAValue], base: int, offset: Place
) -> None:
    """Number elements by the guard: those below 0 are hidden."""
    guard = node.guard
    if isinstance(offset, int):
        base, offset = base + offset, 0
    builder.insert(
        trn.AffineSelectOp(
            Operator.GREATER_EQUAL,
            pair[0],
            node.fill,
            pair[1],
            guard.steps,
            guard.row,
            base,
            None if isinstance(offset, int) else offset,
        )
    )
