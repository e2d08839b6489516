"""``gemmini-fuse``: one loop over all iterations of two perfectly nested ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from .index_math import name
from .kernel import (
    iv_of,
    loop_name,
    named_loop,
    refusal,
    schedulable_kernel,
    set_loop_name,
)
from .loop_transforms import index_builder, move_body, tidy
from .nests import erase, insert_loop, perfectly_nested, trip_count
from .schedule_space import plannable, schedulable_loops


@dataclass(frozen=True)
class FusePass(ModulePass):
    """Fuse ``loop`` and the loop perfectly nested in it into one, which gets both names in one.

    Needs a constant trip count of the inner loop. Guarantees the same iterations in the same order.
    Saves the core the control of one loop; where tiles of the two loops lie side by side in their
    buffers (gemmini-stage puts them there), their addresses need no division.
    """

    name = "gemmini-fuse"

    loop: str

    def plan(self, op: ModuleOp) -> tuple[scf.ForOp, scf.ForOp, int]:
        """The outer loop, the inner one, and how often that runs."""
        outer = named_loop(schedulable_kernel(op), self.loop)
        inner = perfectly_nested(outer)
        if inner is None or loop_name(inner) is None:
            raise refusal(outer, "has no named loop perfectly inside")
        count = trip_count(inner)
        if not count:
            raise refusal(inner, "is not a loop from 0 to a constant")
        return outer, inner, count

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        outer, inner, count = self.plan(op)
        function = schedulable_kernel(op)
        index = index_builder(function)
        index.at(InsertPoint.before(outer))
        fused_name = f"{loop_name(outer)}{loop_name(inner)}"
        fused, position = insert_loop(index, index.mul(outer.ub, count), fused_name)
        set_loop_name(fused, fused_name)
        mapping = {
            iv_of(outer): name(index.floordiv(position, count), iv_of(outer).name_hint),
            iv_of(inner): name(index.rem(position, count), iv_of(inner).name_hint),
        }
        move_body(index, inner, mapping, outer)
        erase(outer)
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        loops = schedulable_loops(module_op)
        return plannable(module_op, [cls(outer) for outer in _outer_loops(loops)])


def _outer_loops(loops: dict[str, scf.ForOp]) -> Iterator[str]:
    """Loops with another perfectly inside, the inner ones first: they cost the most."""
    for outer, loop in reversed(loops.items()):
        inner = perfectly_nested(loop)
        if inner is not None and loop_name(inner):
            yield outer
