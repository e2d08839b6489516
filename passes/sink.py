"""``gemmini-sink``: move what stands in front of a loop into its first iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from .index_math import is_index_math
from .kernel import iv_of, named_loop, refusal, schedulable_kernel
from .loop_transforms import index_builder
from .nests import insert_if, move_nest, trip_count
from .schedule_space import plannable, schedulable_loops


@dataclass(frozen=True)
class SinkPass(ModulePass):
    """Run the moves that stand in front of ``loop`` at the start of its first iteration.

    Needs a loop with a constant trip count of at least 1. Guarantees the same order of operations.
    Costs a comparison and a branch per iteration. It brings moves of an outer loop next to the
    products, so that gemmini-interleave can spread them.
    """

    name = "gemmini-sink"

    loop: str

    def plan(self, op: ModuleOp) -> tuple[scf.ForOp, list[Operation]]:
        """The loop, and the moves that go into it."""
        target = named_loop(schedulable_kernel(op), self.loop)
        if not trip_count(target):
            raise refusal(target, "is not a loop from 0 to a constant")
        moves = _moves_in_front(target)
        if not moves:
            raise refusal(target, "has no moves in front of it")
        return target, moves

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target, moves = self.plan(op)
        index = index_builder(schedulable_kernel(op))
        start = target.body.block.first_op
        assert start is not None
        for move in moves:
            index.at(InsertPoint.before(start))
            insert_if(index, index.equal(iv_of(target), 0))
            move.detach()
            index.insert(move)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        return plannable(module_op, [cls(name) for name in schedulable_loops(module_op)])


def _moves_in_front(loop: scf.ForOp) -> list[Operation]:
    """The move nests directly in front of ``loop``, in order."""
    found: list[Operation] = []
    op = loop.prev_op
    while op is not None and (move_nest(op) is not None or is_index_math(op)):
        if not is_index_math(op):
            found.append(op)
        op = op.prev_op
    return found[::-1]
