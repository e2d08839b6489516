"""``gemmini-unroll``: write out the iterations of short inner loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from xdsl.context import Context
from xdsl.dialects import func, scf
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
    comes_last: ClassVar[bool] = True
    """No other schedule pass applies behind it."""

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
        unrolled = [x for x in _loops(function) if self._is_meant(x) and self._unroll(index, x)]
        if not unrolled:
            raise refusal(function, "has no inner loop of tile operations to unroll")
        function.attributes[UNROLLED] = UnitAttr()
        tidy(function)

    def _is_meant(self, loop: scf.ForOp) -> bool:
        return _is_straight_line(loop) or (bool(self.loop) and loop_name(loop) == self.loop)

    def _unroll(self, index: IndexBuilder, loop: scf.ForOp) -> bool:
        unrolling = _unrolling(loop, self.limit)
        if unrolling is not None:
            _write_out(index, loop, unrolling)
        return unrolling is not None

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        """Instances that write out at least one loop, told without writing any out."""
        try:
            function = schedulable_kernel(module_op)
        except PassFailedException:
            return ()
        names = ["", *list(named_loops(function))[:-3:-1]]
        instances = [cls(limit, loop) for limit in LIMITS for loop in names]
        loops = _loops(function)
        return tuple(
            instance
            for instance in instances
            if any(_unrolling(x, instance.limit) for x in loops if instance._is_meant(x))
        )


@dataclass(frozen=True)
class _Unrolling:
    """What writing out a loop with constant bounds means."""

    lower: int
    step: int
    factor: int
    """Iterations written out in a row."""
    blocks: int
    """Iterations of the loop that stays around them; 1 if none does."""


def _loops(function: func.FuncOp) -> list[scf.ForOp]:
    """All loops, inner ones first."""
    return [op for op in function.walk() if isinstance(op, scf.ForOp)][::-1]


def _is_straight_line(loop: scf.ForOp) -> bool:
    """Whether a loop holds nothing but tile operations and index arithmetic."""
    return all(
        isinstance(op, Move | MatmulOp | scf.YieldOp) or is_index_math(op)
        for op in loop.body.block.ops
    )


def _unrolling(loop: scf.ForOp, limit: int) -> _Unrolling | None:
    """How to write out iterations of ``loop``; None if it cannot be or nothing fits."""
    lower, upper, step = (constant_value(bound) for bound in (loop.lb, loop.ub, loop.step))
    inside = list(accesses(loop))
    if lower is None or upper is None or step is None or not inside or loop.iter_args:
        return None
    in_a_row = sum(isinstance(op, MatmulOp) for op in inside) or len(inside)
    count = max(0, -(-(upper - lower) // step))
    most = max(1, limit // in_a_row)
    if count <= most:
        return _Unrolling(lower, step, count, 1)
    factor = max(n for n in range(1, most + 1) if count % n == 0)
    return _Unrolling(lower, step, factor, count // factor) if factor > 1 else None


def _write_out(index: IndexBuilder, loop: scf.ForOp, unrolling: _Unrolling) -> None:
    index.at(InsertPoint.before(loop))
    start: SSAValue = index.constant(unrolling.lower)
    if unrolling.blocks > 1:
        opened, block = insert_loop(index, index.constant(unrolling.blocks), "block")
        opened.attributes.update(loop.attributes)
        offset = index.mul(block, unrolling.factor * unrolling.step)
        start = name(index.add(offset, unrolling.lower), iv_of(loop).name_hint)
    for iteration in range(unrolling.factor):
        value = index.add(start, iteration * unrolling.step)
        copy_statements(index, loop.body.block, {iv_of(loop): value}, loop)
    erase(loop)
