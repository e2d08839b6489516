"""``gemmini-double-buffer``: move the tiles of one iteration while another computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from ..dialects.tile import LoadOp, MatmulOp, StoreOp
from .dependence import require_private
from .index_math import IndexBuilder, constant_value
from .iterations import iteration_space
from .kernel import (
    OPERANDS,
    Move,
    accesses,
    buffer_type,
    enclosing_loops,
    operand_buffer,
    refusal,
    schedulable_kernel,
    statement_in,
    users,
)
from .loop_transforms import index_builder, tidy
from .nests import (
    MoveNest,
    array_of,
    copy_nest,
    erase,
    insert_if,
    move_nest,
    redirect,
    resized,
    with_slot,
)
from .place import PHASES
from .schedule_space import plannable


@dataclass(frozen=True)
class DoubleBufferPass(ModulePass):
    """Give a buffer two phases and move tiles one iteration ahead, or behind.

    Needs operand a, b or c staged by gemmini-stage in the body of a loop. Loads of the next
    iteration of that loop are issued in this one (the first ones in front of all loops), stores of
    the last iteration in this one (the last ones behind all loops), both at the start of the body.
    "Next" goes on across the ends of the loop, where the loops around it have constant trip counts
    too. Guarantees the same values: it refuses where an array is both loaded and stored. Costs
    twice the local memory.
    """

    name = "gemmini-double-buffer"

    operand: str

    def plan(self, op: ModuleOp) -> _Doubling:
        """The buffer, the loop and the moves that are doubled."""
        function = schedulable_kernel(op)
        return _Doubling(function, operand_buffer(function, self.operand))

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        doubling = self.plan(op)
        function = schedulable_kernel(op)
        doubling.run(index_builder(function))
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        return plannable(module_op, [cls(operand) for operand in OPERANDS])


class _Doubling:
    """One application; making it refuses, and changes nothing, where the pass does not apply."""

    def __init__(self, function: func.FuncOp, buffer: memref.AllocOp) -> None:
        self.buffer = buffer
        if PHASES in buffer.attributes:
            raise refusal(buffer, "has two phases already")
        found = {id(op) for op in users(buffer)}
        self.accesses = [op for op in accesses(function) if id(op) in found]
        self.loop = self._loop(function)
        self.space = iteration_space(self.loop)
        if self.space.total < 2:
            raise refusal(self.loop, "runs only once")
        self.nests = [self._nest(op) for op in self.accesses if not isinstance(op, MatmulOp)]
        require_private(self.buffer.memref, self.accesses, self.loop)
        self._require_no_aliasing()

    def _loop(self, function: func.FuncOp) -> scf.ForOp:
        """The innermost loop around all accesses."""
        chains = [enclosing_loops(op, function) for op in self.accesses]
        common = [
            loops[0]
            for loops in zip(*chains, strict=False)
            if all(loop is loops[0] for loop in loops)
        ]
        if not common:
            raise refusal(self.buffer, "is not filled and used in the body of one loop")
        return common[-1]

    def _nest(self, move: Move) -> MoveNest:
        nest = move_nest(statement_in(self.loop.body.block, move))
        if nest is None or nest.guarded:
            raise refusal(move, "is not alone in an unguarded nest of its own: stage it first")
        for loop in nest.loops:
            if constant_value(loop.lb) != 0 or constant_value(loop.step) is None:
                raise refusal(loop, "does not begin at 0 or has no constant step")
        return nest

    def run(self, index: IndexBuilder) -> None:
        self.index = index
        shape = buffer_type(self.buffer).get_shape()[:-2]
        new = resized(self.buffer, [2, *shape])
        new.attributes[PHASES] = UnitAttr()
        start = self.loop.body.block.first_op
        assert start is not None
        self.index.at(InsertPoint.before(start))
        phase = self.space.parity(self.index)
        # A tile of the last iteration must be stored before the next one's comes to its phase.
        for nest in self.nests:
            if isinstance(nest.move, StoreOp):
                self._defer(nest, new, start)
        for nest in self.nests:
            if not isinstance(nest.move, StoreOp):
                self._prefetch(nest, new)
        for op in self.accesses:
            if isinstance(op, MatmulOp):
                redirect(op, self.buffer.memref, new.memref, lambda slot: [phase, *slot])
        for nest in self.nests:
            erase(nest.statement)
        erase(self.buffer)

    def _require_no_aliasing(self) -> None:
        moved = {array_of(nest.move) for nest in self.nests} - {None}
        for op in accesses(self.space.loops[0]):
            if not isinstance(op, LoadOp | StoreOp) or array_of(op) not in moved:
                continue
            if any(
                array_of(op) is array_of(nest.move)
                and isinstance(op, StoreOp) != isinstance(nest.move, StoreOp)
                for nest in self.nests
            ):
                raise refusal(op, "accesses an array that the loop both loads and stores")

    def _copy(
        self,
        nest: MoveNest,
        buffer: memref.AllocOp,
        variables: dict[SSAValue, SSAValue],
        phase: SSAValue,
    ) -> None:
        """Copy ``nest`` for the iteration with these ``variables``, to a phase of the buffer."""
        move = copy_nest(self.index, nest, variables, self.space.loops[0])
        resume = self.index.builder.insertion_point
        self.index.at(InsertPoint.before(move))
        self.index.insert(with_slot(move, buffer.memref, [phase, *move.slot], lambda value: value))
        erase(move)
        self.index.at(resume)

    def _prefetch(self, nest: MoveNest, buffer: memref.AllocOp) -> None:
        index = self.index
        index.at(InsertPoint.before(self.space.loops[0]))
        self._copy(nest, buffer, self.space.first(index), index.constant(0))
        index.at(InsertPoint.before(nest.statement))
        exists, variables = self.space.following(index)
        phase = self.space.parity(index, 1)
        insert_if(index, exists)
        self._copy(nest, buffer, variables, phase)

    def _defer(self, nest: MoveNest, buffer: memref.AllocOp, start: Operation) -> None:
        index = self.index
        index.at(InsertPoint.after(self.space.loops[0]))
        self._copy(nest, buffer, self.space.last(index), index.constant((self.space.total - 1) % 2))
        index.at(InsertPoint.before(start))
        exists, variables = self.space.previous(index)
        # Two phases: that of the last iteration is that of the next one.
        phase = self.space.parity(index, 1)
        insert_if(index, exists)
        self._copy(nest, buffer, variables, phase)
