"""Masks on rows: elements for which a guard fails get a number, on GpSimd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.builder import Builder
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Operator
from ....dialects.trn.limits import PARTITIONS
from .buffers import Columns, access_view, view
from .graph import Access, Masked, Weight
from .parts import Place, Size, Tiles, over_whole_tiles, plus, times
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


def hide_turned(block: BlockEmission, builder: Builder, step: Hide, extent: Size) -> None:
    """Mask rows that lie turned: in place the tiles that may hold a hidden column, else all."""
    node, data = step.node, step.data
    assert isinstance(node, Masked)
    guard, stored = node.guard, block.stored[data.node]
    in_place = guard in block.plan.needed[data.node]
    if in_place:
        block.stored[node] = stored
    else:
        block.allocate(builder, node)

    def part(inner: Builder, start: Place, size: Size, number: Place) -> None:
        columns = Columns(start, size, number, node.free[0])
        sizes = (columns.partitions, columns.tiles(inner), block.rows)
        offsets = (0, columns.first_tile(inner), 0)
        source, target = (
            view(inner, block.stored[array].buffer, offsets, sizes) for array in (data.node, node)
        )
        first = times(inner, offsets[1], PARTITIONS)
        offset = plus(
            inner, times(inner, block.start, guard.row), times(inner, first, guard.steps[0])
        )
        _select_turned(inner, node, (source, target), guard.constant, offset)

    if not (
        isinstance(extent, Tiles) and in_place and guard.reach is not None and guard.reach >= -1
    ):
        over_whole_tiles(builder, extent, part)
        return
    # The last of the growing tiles starts at the block's first row, and some behind it.
    count = extent.ahead // PARTITIONS
    first = plus(builder, extent.count(builder), -count)
    sizes = (PARTITIONS, count, block.rows)
    hidden = view(builder, stored.buffer, (0, first, 0), sizes)
    _select_turned(builder, node, (hidden, hidden), guard.constant, 0)


def _select_turned(
    builder: Builder, node: Masked, pair: tuple[SSAValue, SSAValue], base: int, offset: Place
) -> None:
    row, (step,) = node.guard.row, node.guard.steps
    _number(builder, node, pair, (step * PARTITIONS, row), step, base, offset)


def _select(
    builder: Builder, node: Masked, pair: tuple[SSAValue, SSAValue], base: int, offset: Place
) -> None:
    _number(builder, node, pair, node.guard.steps, node.guard.row, base, offset)


def _number(
    builder: Builder,
    node: Masked,
    pair: tuple[SSAValue, SSAValue],
    steps: tuple[int, ...],
    partition_step: int,
    base: int,
    offset: Place,
) -> None:
    """Number elements by the guard: those below 0 are hidden."""
    if isinstance(offset, int):
        base, offset = base + offset, 0
    builder.insert(
        trn.AffineSelectOp(
            Operator.GREATER_EQUAL,
            pair[0],
            node.fill,
            pair[1],
            steps,
            partition_step,
            base,
            None if isinstance(offset, int) else offset,
        )
    )
