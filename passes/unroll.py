"""``gemmini-unroll``: write out the iterations of short inner loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ..dialects.tile import MatmulOp
from .index_math import IndexBuilder, constant_value, is_index_math, name
from .kernel import (
    UNROLLED,
    Move,
    accesses,
    iv_of,
    loop_name,
    named_loop,
    named_loops,
    refusal,
    schedulable_kernel,
)
from .loop_transforms import index_builder, tidy
from .nests import copy_statements, erase, insert_loop
from .schedule_space import applicable

LIMITS = (8, 16, 32, 4, 64)
"""Tile operations in a row that the menu offers."""


@dataclass(frozen=True)
class UnrollPass(ModulePass):
    """Write out iterations of each innermost loop, up to ``limit`` products or moves in a row.

    With ``loop``, the loop of this name is written out too, after the loops inside of it. A loop
    with more iterations than fit keeps a loop around as many of them as divide their number. Needs
    constant bounds, and comes last: other schedule passes want one product in an iteration.
    Guarantees the same operations in the same order. Saves the core the loop's
    control and much of its address arithmetic, as offsets become constants and guards are decided;
    costs program text. After ``gemmini-tile`` and ``gemmini-interchange`` this is unroll-and-jam.
    """

    name = "gemmini-unroll"

    limit: int = LIMITS[0]
    loop: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = schedulable_kernel(op)
        if self.limit < 2:
            raise refusal(function, f"limit must be at least 2, got {self.limit}")
        if self.loop:
            named_loop(function, self.loop)
        index = index_builder(function)
        # A loop around one that is written out may be the innermost then.
        loops = [x for x in function.walk() if isinstance(x, scf.ForOp)][::-1]
        unrolled = [x for x in loops if self._is_meant(x) and _unroll(index, x, self.limit)]
        if not unrolled:
            raise refusal(function, "has no inner loop of tile operations to unroll")
        function.attributes[UNROLLED] = UnitAttr()
        tidy(function)

    def _is_meant(self, loop: scf.ForOp) -> bool:
        return _is_straight_line(loop) or (bool(self.loop) and loop_name(loop) == self.loop)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        try:
            names = list(named_loops(schedulable_kernel(module_op)))
        except PassFailedException:
            return ()
        loops = ["", *names[:-3:-1]]
        return applicable(ctx, module_op, [cls(limit, loop) for limit in LIMITS for loop in loops])


def _is_straight_line(loop: scf.ForOp) -> bool:
    """Whether a loop holds nothing but tile operations and index arithmetic."""
    return all(
        isinstance(op, Move | MatmulOp | scf.YieldOp) or is_index_math(op)
        for op in loop.body.block.ops
    )


def _unroll(index: IndexBuilder, loop: scf.ForOp, limit: int) -> bool:
    """Write out iterations of ``loop`` if its bounds are constants; whether it was possible."""
    lower, upper, step = (constant_value(bound) for bound in (loop.lb, loop.ub, loop.step))
    inside = list(accesses(loop))
    if lower is None or upper is None or step is None or not inside or loop.iter_args:
        return False
    in_a_row = sum(isinstance(op, MatmulOp) for op in inside) or len(inside)
    count = max(0, -(-(upper - lower) // step))
    most = max(1, limit // in_a_row)
    factor = max((n for n in range(1, most + 1) if count % n == 0), default=1)
    if count > most and factor == 1:
        return False
    index.at(InsertPoint.before(loop))
    start: SSAValue = index.constant(lower)
    if count > most:
        opened, block = insert_loop(index, index.constant(count // factor), "block")
        opened.attributes.update(loop.attributes)
        start = name(index.add(index.mul(block, factor * step), lower), iv_of(loop).name_hint)
    for iteration in range(factor if count > most else count):
        mapping: dict[SSAValue, SSAValue] = {iv_of(loop): index.add(start, iteration * step)}
        copy_statements(index, loop.body.block, mapping, loop)
    erase(loop)
    return True
