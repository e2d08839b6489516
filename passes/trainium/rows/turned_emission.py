"""The instructions of groups whose arrays lie turned: tiles of 128 columns in the partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.builder import Builder
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from ....dialects import trn
from ....dialects.trn import Space
from ....dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from ..scalar_operations import NEUTRAL
from .buffers import Columns, Stored, access_view, allocate, shape_of, view
from .graph import ROW, Access, Node, Product, Weight
from .hiding import hide_turned
from .matrices import LeftOperand
from .part_emission import PartEmission
from .parts import Place, Size, over_tiles, over_whole_tiles, plus
from .schedule import Group
from .steps import Combine, Hide, Multiply, Pair, Step

if TYPE_CHECKING:
    from .emission import BlockEmission

_AT_ONCE = MOVING_COLUMNS // PARTITIONS


@dataclass(frozen=True)
class _Limits:
    """What is combined along a row: first tile by tile, at the same place of each."""

    step: Combine
    buffer: SSAValue
    rows: int

    @staticmethod
    def room(builder: Builder, step: Combine, rows: int) -> _Limits:
        width = step.space[0]
        tiles = min(_AT_ONCE, -(-width // PARTITIONS))
        buffer = allocate(builder, (min(PARTITIONS, width), tiles, rows), f32)
        start = NEUTRAL[step.operator] if step.start is None else step.start
        builder.insert(trn.MemsetOp(view(builder, buffer), start))
        return _Limits(step, buffer, rows)

    def combine(self, builder: Builder, target: SSAValue) -> None:
        """Combine the tiles, and then what the partitions have."""
        insert, operator = builder.insert, self.step.operator
        partitions, tiles, rows = shape_of(self.buffer)
        sizes = (partitions, rows, tiles)
        source = view(builder, self.buffer, (), sizes, (0, 2, 1), (1, 1, 1))
        whole = view(builder, allocate(builder, (partitions, rows), f32))
        insert(trn.TensorReduceOp(operator, source, whole, 1))
        turned = view(builder, allocate(builder, (rows, partitions), f32, Space.PSUM))
        insert(trn.NcTransposeOp(whole, turned))
        insert(trn.TensorReduceOp(operator, turned, target, 1))


def emit_turned(block: BlockEmission, builder: Builder, group: Group) -> None:
    """Emit a group's instructions for one block of rows."""
    width = group.space[0]
    extent = block.extent(width, group.reach)
    if group.combines:
        for step in group.steps:
            assert isinstance(step, Hide)
            hide_turned(block, builder, step, extent)
        return
    left = block.left_operands(group)
    block.make_room(group)
    combined = [step for step in group.steps if isinstance(step, Combine)]
    limits = {step: _Limits.room(builder, step, block.rows) for step in combined}
    repeated = {
        access.node: _repeated(block, builder, access, min(PARTITIONS, width))
        for step in group.steps
        for access in step.reads
        if access.node.free == ROW and not isinstance(access.node, Weight)
    }

    def part(inner: Builder, start: Place, count: Size, number: Place) -> None:
        columns = Columns(start, count, number, width)
        TurnedPart(block, inner, group, columns, left, limits, repeated).run()

    over_whole_tiles(builder, extent, part)
    for step in combined:
        if step.node not in block.stored:
            block.allocate(builder, step.node)
        whole, stored = Access.whole(step.node), block.stored[step.node]
        limits[step].combine(builder, access_view(builder, stored, whole, block.rows))
        for access, position in block.plan.outputs:
            if access.node is step.node:
                block.save(builder, stored, access, position, None)


@dataclass(frozen=True)
class _Repeated:
    """One element of each row, in all partitions."""

    in_psum: SSAValue
    in_sbuf: SSAValue


def _repeated(block: BlockEmission, builder: Builder, access: Access, partitions: int) -> _Repeated:
    """Repeat elements by a transpose of them side by side."""
    sizes = (block.rows, partitions)
    source = view(builder, block.stored[access.node].buffer, (0, 0), sizes, (0, 1), (1, 0))
    buffers = [
        allocate(builder, (partitions, block.rows), f32, space)
        for space in (Space.PSUM, Space.SBUF)
    ]
    in_psum, in_sbuf = (view(builder, buffer) for buffer in buffers)
    builder.insert(trn.NcTransposeOp(source, in_psum))
    builder.insert(trn.TensorCopyOp(in_psum, in_sbuf))
    return _Repeated(*buffers)


class TurnedPart(PartEmission):
    """The steps of a group on some columns, which lie in the partitions, in tiles of 128."""

    def __init__(
        self,
        block: BlockEmission,
        builder: Builder,
        group: Group,
        columns: Columns,
        left: Mapping[Access, LeftOperand],
        limits: Mapping[Combine, _Limits],
        repeated: Mapping[Node, _Repeated],
    ) -> None:
        super().__init__(block, builder, group, columns, left)
        self.limits = limits
        self.repeated = repeated
        self.reads_sbuf = False
        """Whether what is repeated in all partitions is read from SBUF."""

    def run(self) -> None:
        for step in self.group.steps:
            self._step(step)

    def _sizes(self) -> tuple[Place, ...]:
        return self.columns.partitions, self.columns.tiles(self.builder), self.block.rows

    def _view(self, access: Access, where: Stored | None = None) -> SSAValue:
        found = where or self.own.get(access.node) or self.block.stored[access.node]
        if access.is_row:
            return access_view(self.builder, found, access, self.columns.partitions)
        first = 0 if found.columns else self.columns.first_tile(self.builder)
        return view(self.builder, found.buffer, (0, first, 0), self._sizes())

    def _wide(self, access: Access) -> SSAValue:
        if not access.is_row:
            return self._view(access)
        if access.node not in self.repeated:
            buffer, steps = self.block.stored[access.node].buffer, (1, 0, 0)
        else:
            both = self.repeated[access.node]
            buffer, steps = both.in_sbuf if self.reads_sbuf else both.in_psum, (1, 0, 1)
        return view(self.builder, buffer, (0, 0), self._sizes(), (0, 1, 1), steps)

    def _target(self, node: Node) -> SSAValue:
        if node in self.block.plan.local:
            buffer = allocate(self.builder, self._room(), node.element)
            self.own[node] = Stored(buffer, self.columns)
        return self._view(Access.whole(node))

    def _room(self) -> tuple[int, ...]:
        return self.columns.partitions, -(-self.columns.room // PARTITIONS), self.block.rows

    def _step(self, step: Step) -> None:
        if isinstance(step, Combine):
            data = self._view(step.data)
            total = view(self.builder, self.limits[step].buffer, (), self._sizes())
            self.builder.insert(
                trn.TensorTensorOp(step.operator, data, total, total, engine=step.engine)
            )
            return
        super()._step(step)

    def _pair(self, step: Pair) -> None:
        wide = [access for access in (step.left, step.right) if not access.is_row]
        self.reads_sbuf = step.on_pool or any(
            trn.view_of(self._view(access)).in_psum for access in wide
        )
        super()._pair(step)

    def _multiply(self, step: Multiply) -> None:
        node, plan, rows = step.node, self.block.plan, self.block.rows
        assert isinstance(node, Product)
        buffer = allocate(self.builder, self._room(), f32, Space.PSUM)

        def tile(inner: Builder, at: Place, count: int, number: Place) -> None:
            start = plus(inner, self.columns.start, at)
            columns = Columns(start, count, number, self.columns.width)
            total = view(inner, buffer, (0, number, 0), (count, rows), (0, 2))
            self.left[step.left].multiply_turned(inner, plan.matrices, node, columns, total)

        over_tiles(self.builder, self.columns.size, tile)
        self._keep_product(node, buffer)
