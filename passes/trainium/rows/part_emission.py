"""The instructions of a group of steps on some columns of a block of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xdsl.builder import Builder
from xdsl.dialects.builtin import FloatAttr, f32
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects import trn
from ....dialects.trn import Engine
from .buffers import Columns, Stored, access_view, allocate, shape_of, view
from .gathering import gather
from .graph import ROW, Access, Load, Node, Operand, Product, Repeated
from .hiding import hide
from .matrices import LeftOperand
from .partial import totals_of
from .schedule import Group
from .steps import (
    Activate,
    Choose,
    Combine,
    Fill,
    Gather,
    Hide,
    Move,
    Multiply,
    Pair,
    Scalars,
    Step,
)

if TYPE_CHECKING:
    from .emission import BlockEmission


class PartEmission:
    """The steps of a group on some columns."""

    def __init__(
        self,
        block: BlockEmission,
        builder: Builder,
        group: Group,
        columns: Columns,
        left: Mapping[Access, LeftOperand],
    ) -> None:
        self.block = block
        self.builder = builder
        self.group = group
        self.columns = columns
        self.left = left
        self.own: dict[Node, Stored] = {}
        """Where these columns of a node lie, for this group only."""

    def run(self) -> None:
        for step in self.group.steps:
            self._step(step)
            for access, position in self.block.plan.outputs:
                if access.node is step.node or access.node in totals_of(step):
                    self._store(access, position)

    def _store(self, access: Access, position: int) -> None:
        where = self.own.get(access.node)
        if where is not None and where.in_psum:
            where = self._copied(access)
        found = where or self.block.stored[access.node]
        columns = None if access.is_row else self.columns
        self.block.save(self.builder, found, access, position, columns)

    # Places.

    def _view(self, access: Access, where: Stored | None = None) -> SSAValue:
        found = where or self.own.get(access.node) or self.block.stored[access.node]
        return access_view(self.builder, found, access, self.block.rows, self.columns)

    def _scalar(self, operand: Operand) -> SSAValue | FloatAttr:
        return FloatAttr(operand, f32) if not isinstance(operand, Access) else self._view(operand)

    def _wide(self, access: Access) -> SSAValue:
        """An operand in the sizes of the group's space; one element of a row is repeated."""
        if access.is_row and self.group.space != ROW:
            count = len(self.group.space)
            space = self.group.space
            spread = Access(access.node, space, access.offsets, (0,) * count, (0,) * count)
            found = self.own.get(access.node) or self.block.stored[access.node]
            return access_view(self.builder, found, spread, self.block.rows, self.columns)
        return self._view(access)

    def _target(self, node: Node) -> SSAValue:
        """Where a node's elements at these columns go."""
        block = self.block
        if node in block.partial:
            return block.partial[node].place(self.builder, self.columns.number)
        if node in block.plan.weights:
            return self._view(Access.whole(node))
        if node not in block.stored or node in block.plan.local:
            if self.columns.is_all:
                block.allocate(self.builder, node)
            else:
                buffer = allocate(self.builder, self._room(), node.element)
                self.own[node] = Stored(buffer, self.columns)
        return self._view(Access.whole(node))

    def _room(self) -> tuple[int, ...]:
        """The sizes of a buffer for these columns."""
        return self.block.rows, self.columns.room

    def _copied(self, access: Access) -> Stored:
        """These columns of an array in PSUM, in SBUF."""
        copied = Stored(allocate(self.builder, self._room(), access.node.element), self.columns)
        self.builder.insert(trn.TensorCopyOp(self._view(access), self._view(access, copied)))
        return copied

    # Instructions.

    def _step(self, step: Step) -> None:
        insert = self.builder.insert
        match step:
            case Move(node=node):
                self._move(node)
            case Multiply():
                self._multiply(step)
            case Activate():
                self._activate(step)
            case Scalars():
                self._scalars(step)
            case Pair():
                self._pair(step)
            case Choose():
                self._choose(step)
            case Hide():
                hide(self.block, self.builder, step, self.columns)
            case Combine(node=node, data=data, operator=operator, axes=axes):
                source = self._view(data)
                if step.start is not None and node not in self.block.partial:
                    source = view(self.builder, self.block.stored[data.node].buffer)
                insert(trn.TensorReduceOp(operator, source, self._target(node), axes))
            case Gather():
                assert self.block.plan.ones is not None
                gather(self.block, self.builder, step, self.block.plan.ones)
            case Fill(node=node, source=float(number)):
                insert(trn.MemsetOp(self._target(node), number))
            case Fill(node=node, source=Access() as source):
                insert(trn.TensorCopyOp(self._wide(source), self._target(node)))
            case _:
                raise AssertionError(step)

    def _move(self, node: Node) -> None:
        assert isinstance(node, Load | Repeated)
        if node in self.block.stored and node not in self.block.plan.local:
            return
        self._target(node)
        where = self.own.get(node) or self.block.stored[node]
        self.block.load(self.builder, node, where, self.columns)

    def _multiply(self, step: Multiply) -> None:
        node, plan = step.node, self.block.plan
        assert isinstance(node, Product)
        total = self.left[step.left].multiply(self.builder, plan.matrices, node, self.columns)
        self._keep_product(node, total)
        if step.total is not None:
            self._keep_total(step.total, total)

    def _keep_total(self, node: Node, product: SSAValue) -> None:
        """The sum of what was multiplied, which is the last column."""
        *_, width = shape_of(product)
        last = view(self.builder, product, (0, width - 1), (self.block.rows, 1))
        self.builder.insert(trn.TensorCopyOp(last, self._target(node)))

    def _keep_product(self, node: Product, buffer: SSAValue) -> None:
        """Note where a product lies in PSUM; if later groups read it, copy it out."""
        self.own[node] = Stored(buffer, self.columns)
        if node not in self.block.plan.local:
            source = self._view(Access.whole(node))
            if node not in self.block.stored:
                self.block.allocate(self.builder, node)
            target = self._view(Access.whole(node), self.block.stored[node])
            self.builder.insert(trn.TensorCopyOp(source, target))

    def _activate(self, step: Activate) -> None:
        scale = self._view(step.scale) if isinstance(step.scale, Access) else step.scale
        bias = None if step.bias is None else self._view(step.bias)
        reduced = None if step.total is None else self._target(step.total)
        data, dst = self._wide(step.data), self._target(step.node)
        self.builder.insert(
            trn.ActivationOp(step.function, data, dst, scale=scale, bias=bias, reduced=reduced)
        )

    def _scalars(self, step: Scalars) -> None:
        first, *second = zip(step.operators, step.scalars, step.reverse, strict=True)
        more = [(operator, self._scalar(scalar), reverse) for operator, scalar, reverse in second]
        operator, scalar, reverse = more[0] if more else (None, None, False)
        self.builder.insert(
            trn.TensorScalarOp(
                first[0],
                self._wide(step.data),
                self._scalar(first[1]),
                self._target(step.node),
                operator,
                scalar,
                reverse0=first[2],
                reverse1=reverse,
                engine=Engine.DVE,
            )
        )

    def _pair(self, step: Pair) -> None:
        left, right = self._wide(step.left), self._wide(step.right)
        if step.on_pool and trn.view_of(left).in_psum:
            left = self._view(step.left, self._copied(step.left))
        if trn.view_of(right).in_psum and (step.on_pool or trn.view_of(left).in_psum):
            right = self._view(step.right, self._copied(step.right))
        dst = self._target(step.node)
        if step.inner is None:
            self.builder.insert(
                trn.TensorTensorOp(step.operator, left, right, dst, engine=step.engine)
            )
            return
        self.builder.insert(
            trn.ScalarTensorTensorOp(
                step.inner,
                step.operator,
                left,
                self._scalar(step.scalar),
                right,
                dst,
                reverse0=step.reverse_inner,
                reverse1=step.reverse,
            )
        )

    def _choose(self, step: Choose) -> None:
        insert, condition = self.builder.insert, self._wide(step.condition)
        then, otherwise = step.then, step.otherwise
        if isinstance(then, Access) and _is_scalar(otherwise):
            scalar, dst = self._scalar(otherwise), self._target(step.node)
            insert(trn.SelectReduceOp(self._wide(then), condition, scalar, dst))
            return
        if isinstance(otherwise, Access) and _is_scalar(then):
            scalar, dst = self._scalar(then), self._target(step.node)
            insert(trn.SelectReduceOp(self._wide(otherwise), condition, scalar, dst, reverse=True))
            return
        if not isinstance(then, Access) or not isinstance(otherwise, Access):
            raise PassFailedException("a choice between two numbers")
        dst = self._target(step.node)
        insert(trn.TensorCopyOp(self._wide(otherwise), dst))
        insert(trn.TensorCopyPredicatedOp(self._wide(then), condition, dst))


def _is_scalar(operand: Operand) -> bool:
    return not isinstance(operand, Access) or (operand.is_row and operand.node.element == f32)
