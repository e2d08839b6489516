"""From views and instructions of the reader to operations of the tile level."""

from __future__ import annotations

import ast
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from math import prod

from xdsl.dialects import affine, arith, memref, scf
from xdsl.dialects.builtin import (
    AffineMapAttr,
    FileLineColLoc,
    IndexType,
    IntAttr,
    IntegerAttr,
    MemRefType,
    StringAttr,
    UnknownLoc,
)
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineExpr, AffineMap

from ...dialects.trn import MemsetOp, ReshapeOp, SpaceAttr, ViewOp
from ...dialects.trn.limits import FREE_DIMENSIONS, PARTITIONS
from ...dialects.trn.types import Space
from .index import Index, LoopVariable
from .indexing import IndexingError
from .values import Array, Dimension, Dtype, View, whole

MAX_OPERATIONS = 100_000
"""Operations of the program that is built; loops that stay loops count once."""


PREDICATES = {"==": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}
"""Python's comparisons as those of ``arith``."""


class ProgramTooLongError(Exception):
    """More operations than any kernel needs: a loop was unrolled too often."""


class Emitter:
    """Appends operations to the block of the innermost loop."""

    def __init__(self, path: str, block: Block) -> None:
        self._path = StringAttr(path)
        self._blocks = [block]
        self._count = 0
        self.branches = 0
        """Branches that stay branches around the place of the next operation."""
        self.arrays: dict[SSAValue, Array] = {}
        """The arrays on chip by their buffer."""
        self._location: FileLineColLoc | UnknownLoc = UnknownLoc()

    @property
    def depth(self) -> int:
        """Loops around the place of the next operation."""
        return len(self._blocks) - 1 - self.branches

    def at(self, node: ast.AST) -> None:
        """Give the operations that follow the place of ``node``."""
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
        self._location = FileLineColLoc(self._path, IntAttr(line), IntAttr(column + 1))

    def insert(self, op: Operation) -> Operation:
        self._count += 1
        if self._count > MAX_OPERATIONS:
            raise ProgramTooLongError(f"over {MAX_OPERATIONS} operations after unrolling")
        op.location = self._location
        self._blocks[-1].add_op(op)
        return op

    def constant(self, value: int) -> SSAValue:
        op = arith.ConstantOp(IntegerAttr(value, IndexType()))
        self.insert(op)
        return op.result

    def index(self, index: Index) -> SSAValue:
        """An index as a value."""
        if index.is_constant:
            return self.constant(index.constant)
        variables = list(index.terms)
        if index.constant == 0 and len(variables) == 1 and index.terms[variables[0]] == 1:
            return variables[0].value
        expression: AffineExpr = AffineConstantExpr(index.constant)
        terms = [
            AffineExpr.dimension(place) * index.terms[variable]
            for place, variable in enumerate(variables)
        ]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        if index.constant:
            total = total + expression
        affine_map = AffineMapAttr(AffineMap(len(variables), 0, (total,)))
        op = affine.ApplyOp([variable.value for variable in variables], affine_map)
        self.insert(op)
        return op.result

    def enter_loop(self, lower: Index, upper: Index, step: int) -> tuple[scf.ForOp, SSAValue]:
        """Begin a loop; what follows is its body until ``leave_loop``."""
        first, last, by = self.index(lower), self.index(upper), self.constant(step)
        body = Block(arg_types=[IndexType()])
        loop = scf.ForOp(first, last, by, [], Region(body))
        self.insert(loop)
        self._blocks.append(body)
        return loop, body.args[0]

    def leave_loop(self) -> None:
        self.insert(scf.YieldOp())
        self._blocks.pop()

    def allocate(
        self, name: str, shape: Sequence[int], dtype: Dtype, space: Space, partition_axis: int = 0
    ) -> Array:
        """A new buffer; on chip its partitions come first, whatever the order of ``shape``."""
        shape = tuple(shape)
        order = list(range(len(shape)))
        if space != Space.HBM:
            if len(shape) == 1:
                shape, order = (*shape, 1), [0, 1]
            order.insert(0, order.pop(partition_axis))
            if shape[partition_axis] > PARTITIONS:
                raise IndexingError(f"{shape[partition_axis]} partitions; there are {PARTITIONS}")
        kind = MemRefType(
            dtype.attribute, [shape[axis] for axis in order], memory_space=SpaceAttr(space)
        )
        op = memref.AllocOp([], [], kind)
        op.memref.name_hint = _identifier(name)
        self.insert(op)
        axes = tuple(order.index(axis) for axis in range(len(shape)))
        array = Array(name, shape, dtype, space, op.memref, axes, self.depth, self.branches)
        array.group_loops = self.depth
        self.arrays[op.memref] = array
        return array

    @contextmanager
    def in_front_of(self, variable: LoopVariable) -> Generator[None]:
        """Put what is emitted meanwhile in front of the loop of ``variable``."""
        body = variable.value.owner
        assert isinstance(body, Block)
        loop = body.parent_op()
        assert loop is not None
        outer = loop.parent
        assert outer is not None
        own, branches = self._blocks, self.branches
        self._blocks, self.branches = [*([outer] * variable.depth), Block()], 0
        yield
        added, self._blocks, self.branches = self._blocks[-1], own, branches
        for op in list(added.ops):
            op.detach()
            outer.insert_op_before(op, loop)

    def enter_branch(self, symbol: str, difference: Index) -> scf.IfOp:
        """Begin a branch that is taken if ``difference symbol 0``, until ``leave_branch``."""
        compare = arith.CmpiOp(self.index(difference), self.constant(0), PREDICATES[symbol])
        self.insert(compare)
        branch = scf.IfOp(compare.result, [], Region(Block()))
        self.insert(branch)
        self._blocks.append(branch.true_region.block)
        self.branches += 1
        return branch

    def enter_else(self, branch: scf.IfOp) -> None:
        """End the branch; what follows is its other side."""
        self.insert(scf.YieldOp())
        self._blocks[-1] = Block()
        branch.false_region.add_block(self._blocks[-1])

    def leave_branch(self) -> None:
        self.insert(scf.YieldOp())
        self._blocks.pop()
        self.branches -= 1

    def clear(self, array: Array) -> None:
        """Set a buffer to zero right behind its allocation."""
        allocation = array.buffer.owner
        assert isinstance(allocation, Operation)
        block = allocation.parent
        assert block is not None
        shape = [dimension.size for dimension in _machine_order(whole(array))]
        view = ViewOp(array.buffer, [0] * len(shape), shape)
        block.insert_ops_after([view, MemsetOp(view.view, 0.0)], allocation)

    def reshape(self, array: Array, shape: Sequence[int]) -> Array:
        """The same buffer with other sizes; on chip the partitions stay first."""
        kind = array.buffer.type
        assert isinstance(kind, MemRefType)
        result = MemRefType(kind.element_type, shape, memory_space=kind.memory_space)
        op = ReshapeOp(array.buffer, result)
        self.insert(op)
        axes = tuple(range(len(shape)))
        result = Array(array.name, tuple(shape), array.dtype, array.space, op.result, axes)
        result.valid = array.valid
        self.arrays[op.result] = result
        return result

    def view(self, view: View) -> SSAValue:
        """An access pattern as an operand of an instruction."""
        dimensions = _machine_order(view)
        offsets = [
            offset.constant if offset.is_constant else self.index(offset) for offset in view.offsets
        ]
        plain = tuple(d.along for d in dimensions) == tuple(range(len(view.offsets)))
        steps = [dimension.step for dimension in dimensions]
        op = ViewOp(
            view.array.buffer,
            offsets,
            [
                self.index(own.extent) if isinstance(own.extent, Index) else own.extent
                for own in dimensions
            ],
            None if plain else [dimension.along for dimension in dimensions],
            None if all(step == 1 for step in steps) else steps,
        )
        self.insert(op)
        return op.view

    def shortened(self, view: SSAValue, count: int) -> SSAValue:
        """A view of the first ``count`` partitions of a view."""
        op = view.owner
        assert isinstance(op, ViewOp)
        along = None if op.along is None else list(op.along.get_values())
        steps = None if op.steps is None else list(op.steps.get_values())
        sizes = [count, *op.size_list[1:]]
        short = ViewOp(op.source, op.offset_list, sizes, along, steps)
        self.insert(short)
        return short.view

    def any_beyond_first(self, variables: Sequence[LoopVariable]) -> SSAValue:
        """Whether any of the loops is past its first iteration."""
        result: SSAValue | None = None
        for variable in variables:
            compare = arith.CmpiOp(variable.value, self.index(variable.lower), "ne")
            self.insert(compare)
            if result is None:
                result = compare.result
                continue
            both = arith.OrIOp(result, compare.result)
            self.insert(both)
            result = both.result
        assert result is not None
        return result

    def true(self) -> SSAValue:
        op = arith.ConstantOp.from_int_and_width(1, 1)
        self.insert(op)
        return op.result


def _machine_order(view: View) -> list[Dimension]:
    """The dimensions of a view as the machine walks them: on chip the partitions first."""
    dimensions = list(view.dimensions)
    if view.array.on_chip:
        own = [place for place, d in enumerate(dimensions) if d.along == 0]
        wide = [place for place in own if dimensions[place].size > 1]
        if len(wide) > 1 or any(dimensions[place].step != 1 for place in wide):
            raise IndexingError("partitions are taken one after the other, and only once")
        size = dimensions[wide[0]].size if wide else 1
        rest = [d for place, d in enumerate(dimensions) if place not in own]
        dimensions = [Dimension(size, 0), *rest]
    limit = FREE_DIMENSIONS + 1
    while len(dimensions) > limit:
        place = next(
            (p for p in range(len(dimensions) - 1, 0, -1) if dimensions[p].extent == 1), None
        )
        if place is None:
            raise IndexingError(f"an access pattern of more than {FREE_DIMENSIONS} free dimensions")
        dimensions.pop(place)
    return dimensions


def free_size(view: View) -> int:
    """Elements per partition of a view on chip."""
    return prod(d.size for d in view.dimensions if d.along != 0)


def partitions(view: View) -> int:
    """Partitions of a view on chip."""
    return prod(d.size for d in view.dimensions if d.along == 0)


def _identifier(name: str) -> str | None:
    return name if name.isidentifier() else None
