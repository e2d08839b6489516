"""Emits the instructions for blocks of rows: up to 128 of them, one in each partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.builder import Builder
from xdsl.dialects.builtin import bf16
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects import trn
from ....dialects.trn.limits import MOVING_COLUMNS, PARTITIONS
from .buffers import Columns, InMemory, Stored, access_view, allocate, view
from .gathering import ones
from .graph import Access, Load, Node, Product, Repeated, Weight
from .matrices import LeftOperand, Matrices
from .part_emission import PartEmission
from .partial import Partial, combined_in, totals_of
from .parts import Place, Size, Tiles, over_columns, over_growing_blocks, over_parts, plus
from .reach import Guards, depth_reach, needed_elements
from .schedule import Group, local_nodes
from .steps import Combine, Gather, Hide, Multiply
from .turn import turned_shape
from .turned import Turned
from .turned_emission import emit_turned


@dataclass
class RowPlan:
    """What all blocks of rows share."""

    builder: Builder
    """Before the blocks."""
    arrays: Mapping[int, InMemory]
    groups: Sequence[Group]
    outputs: Sequence[tuple[Access, int]]
    columns: int
    """At most so many elements of a row at a time; 0 for all."""
    turned: Turned = field(default_factory=Turned)
    in_parts: bool = False
    """Whether no group needs rows as a whole: what it combines are first parts, then these."""
    weights: dict[Node, Stored] = field(default_factory=dict[Node, Stored])
    """What is the same for all blocks, and what nothing reads."""

    starts: dict[Node, float] = field(default_factory=dict[Node, float])
    """Numbers that take part in reductions of a node."""
    scratch: dict[tuple[int, ...], SSAValue] = field(
        default_factory=dict[tuple[int, ...], SSAValue]
    )
    """Room for results that nothing reads, in the smallest type that holds any number."""

    def __post_init__(self) -> None:
        self.local = local_nodes(self.groups)
        self.needed: dict[Node, Guards] = needed_elements([access for access, _ in self.outputs])
        self.matrices = Matrices(self.builder, self.arrays, frozenset(self.turned.totals))
        steps = [step for group in self.groups for step in group.steps]
        self.ones = ones(self.builder) if any(isinstance(s, Gather) for s in steps) else None
        self.matrices.load([step.node for step in steps if isinstance(step.node, Product)])
        read = {access.node for access, _ in self.outputs}
        read |= {access.node for step in steps for access in step.reads}
        for step in steps:
            for access in step.reads:
                self._load(access.node)
            if step.node not in read and not self.in_parts:
                self._make_scratch(step.node)
        for group in self.groups:
            self._lead_whole_rows(group)

    def _lead_whole_rows(self, group: Group) -> None:
        if group.turned or (self.in_parts and self.part_size(group) < group.space[0]):
            return
        for step in group.steps:
            if not isinstance(step, Combine) or step.start is None:
                continue
            if self.starts.setdefault(step.data.node, step.start) != step.start:
                raise PassFailedException("limits of the same row from different starts")

    def _make_scratch(self, node: Node) -> None:
        if node.free not in self.scratch:
            self.scratch[node.free] = allocate(self.builder, (PARTITIONS, *node.free), bf16)
        self.weights[node] = Stored(self.scratch[node.free])

    def _load(self, node: Node) -> None:
        """Repeat an array without rows in all partitions."""
        if not isinstance(node, Weight) or node in self.weights:
            return
        buffer = allocate(self.builder, (PARTITIONS, *node.free), node.element)
        rank = len(node.free)
        sizes, along = (PARTITIONS, *node.free), (0, *range(rank))
        steps = (0, *([1] * rank))
        source = self.arrays[node.position].view(self.builder, [0] * rank, sizes, along, steps)
        self.builder.insert(trn.DmaCopyOp(source, view(self.builder, buffer)))
        self.weights[node] = Stored(buffer)

    def part_size(self, group: Group) -> int:
        """How many elements of a row the group works on at a time; 1 for all of several sizes."""
        if len(group.space) != 1:
            return 1
        width = group.space[0]
        if group.has_products:
            return min(width, MOVING_COLUMNS)
        return width if group.combines and not self.in_parts else min(width, self.columns or width)


class BlockEmission:
    """The program for one block of ``rows``, from ``start`` on."""

    def __init__(
        self,
        plan: RowPlan,
        builder: Builder,
        rows: int,
        start: Place,
        visible: Tiles | None = None,
    ) -> None:
        """``visible`` are the columns that masks leave something of; None for all."""
        self.plan = plan
        self.builder = builder
        self.rows = rows
        self.start = start
        self.visible = visible
        self.stored = dict(plan.weights)
        """Where each node lies, for later groups."""
        self.partial: dict[Node, Partial] = {}
        """Where results of parts go, before these are combined."""

    def run(self) -> None:
        for group in self.plan.groups:
            self._group(group)

    def _group(self, group: Group) -> None:
        if group.turned:
            emit_turned(self, self.builder, group)
            return
        width = group.space[0] if len(group.space) == 1 else 1
        size = self.plan.part_size(group)
        left = self.left_operands(group)
        extent = self.extent(width, group.reach)
        if size < width or isinstance(extent, Tiles):
            self.make_room(group)

        def part(inner: Builder, start: Place, count: Size, number: Place) -> None:
            PartEmission(self, inner, group, Columns(start, count, number, width), left).run()

        is_partial = self.plan.in_parts and size < width
        combined = list(combined_in(group)) if is_partial else []
        for one in combined:
            parts = -(-width // size)
            self.partial[one.node] = Partial.room(self.builder, one, self.rows, parts)
        over_columns(self.builder, extent, size, part)
        for node in (one.node for one in combined):
            target = access_view(self.builder, self.stored[node], Access.whole(node), self.rows)
            self.partial[node].combine(self.builder, target)

    def extent(self, width: int, reach: int | None) -> Size:
        """The columns of ``width`` that masks leave something of, if what is done has a reach."""
        return width if reach is None or self.visible is None else self.visible

    def left_operands(self, group: Group) -> dict[Access, LeftOperand]:
        """What the products of a group multiply, turned."""
        found: dict[Access, LeftOperand] = {}
        elements: dict[Access, Attribute] = {}
        for step in group.steps:
            if not isinstance(step, Multiply):
                continue
            assert isinstance(step.node, Product)
            left, element = step.left, self.plan.matrices.element(step.node)
            if elements.setdefault(left, element) != element:
                raise PassFailedException("a product's operand in two types")
            if left not in found:
                found[left] = self._left_operand(step, element)
        return found

    def _left_operand(self, step: Multiply, element: Attribute) -> LeftOperand:
        left, stored = step.left, self.stored[step.left.node]
        depth = self.extent(left.sizes[0], depth_reach(step))
        if left.node not in self.plan.turned.nodes:
            return LeftOperand.turn(self.builder, stored, left, self.rows, depth, element)
        if left.node.element != element:
            raise PassFailedException("a turned operand of another type than the matrix")
        return LeftOperand(stored.buffer, self.rows, depth)

    def make_room(self, group: Group) -> None:
        """Buffers for what a loop over columns leaves behind; rows that it needs all of."""
        made = [step for step in group.steps if not isinstance(step, Hide)]
        for node in [node for step in made for node in (step.node, *totals_of(step))]:
            if node not in self.plan.local and node not in self.plan.weights:
                self.allocate(self.builder, node)
                if isinstance(node, Load):
                    self.load(self.builder, node, self.stored[node], None)

    def allocate(self, builder: Builder, node: Node) -> None:
        """Make room for whole rows of a node, with a number in front that takes part in them."""
        start = self.plan.starts.get(node)
        if start is None:
            is_turned = node in self.plan.turned.nodes
            shape = turned_shape(node.free[0], self.rows) if is_turned else (self.rows, *node.free)
            self.stored[node] = Stored(allocate(builder, shape, node.element))
            return
        buffer = allocate(builder, (self.rows, node.free[0] + 1), node.element)
        first = view(builder, buffer, (0, 0), (self.rows, 1))
        builder.insert(trn.MemsetOp(first, start))
        self.stored[node] = Stored(buffer, lead=1)

    def load(
        self, builder: Builder, node: Load | Repeated, to: Stored, columns: Columns | None
    ) -> None:
        target = access_view(builder, to, Access.whole(node), self.rows, columns)
        if isinstance(node, Repeated):
            start, count = (columns.start, columns.count) if columns else (0, node.free[0])
            sizes = (self.rows, count)
            array = self.plan.arrays[node.position]
            source = array.view(builder, [start], sizes, (0, 0), (0, 1))
        else:
            source = self.memory(builder, node.position, columns)
        builder.insert(trn.DmaCopyOp(source, target))

    def save(
        self, builder: Builder, stored: Stored, access: Access, to: int, columns: Columns | None
    ) -> None:
        """Store what an output gets, or some columns of it."""
        target = self.memory(builder, to, columns)
        source = access_view(builder, stored, access, self.rows, columns)
        builder.insert(trn.DmaCopyOp(source, target))

    def memory(self, builder: Builder, position: int, columns: Columns | None) -> SSAValue:
        """This block's rows of a parameter, or some columns of them."""
        array = self.plan.arrays[position]
        offsets: list[Place] = [self.start, *([0] * (len(array.shape) - 1))]
        sizes: tuple[Place, ...] = (self.rows, *array.shape[1:])
        if columns is not None and not columns.is_all:
            offsets[1] = columns.start
            sizes = (self.rows, columns.count)
        return array.view(builder, offsets, sizes)


def emit_rows(plan: RowPlan, rows: int) -> None:
    """The program for all blocks of rows; the first ones leave out columns that masks hide."""
    limits = list(_limits(plan.groups))
    ahead = max((-(-reach // PARTITIONS) for reach, _ in limits if reach > 0), default=0)
    tiles = min((width // PARTITIONS for _, width in limits), default=0)
    growing = max(0, min(rows // PARTITIONS, tiles - ahead))

    def short(inner: Builder, start: Place, visible: Tiles) -> None:
        BlockEmission(plan, inner, PARTITIONS, start, visible).run()

    def full(inner: Builder, start: Place, count: int, _: Place) -> None:
        BlockEmission(plan, inner, count, plus(inner, start, growing * PARTITIONS)).run()

    over_growing_blocks(plan.builder, growing, ahead, short)
    over_parts(plan.builder, rows - growing * PARTITIONS, PARTITIONS, full)


def _limits(groups: Iterable[Group]) -> Iterator[tuple[int, int]]:
    """For what works on elements ``j <= i + c`` of row i only: c, and the length of a row."""
    for group in groups:
        if group.reach is not None:
            yield group.reach, group.space[0]
        for step in group.steps:
            if isinstance(step, Multiply) and (reach := depth_reach(step)) is not None:
                yield reach, step.left.sizes[0]
