"""``gemmini-coalesce``: several nested loops become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from .index_math import IndexBuilder, is_index_math
from .kernel import iv_of, kernel_of, loop_name, named_loop, named_loops, refusal, set_loop_name
from .loop_transforms import index_builder, tidy
from .nests import erase, insert_if, trip_count
from .schedule_space import applicable


@dataclass(frozen=True)
class CoalescePass(ModulePass):
    """Replace nested loops by one that counts all their iterations in the same order.

    ``loops`` are names from the outside in, each loop directly in the body of the one before; the
    new loop is called by all the names in one. Needs constant trip counts. Guarantees the same
    order of operations: what stood in front of (or behind) the inner loop runs in its first (or
    last) iteration, under a guard. Costs a division and a remainder per iteration of the new loop.
    It makes "the next iteration" one step away for gemmini-double-buffer, across the ends of the
    inner loop.
    """

    name = "gemmini-coalesce"

    loops: tuple[str, ...]

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        if len(self.loops) < 2 or len(set(self.loops)) != len(self.loops):
            raise refusal(function, "gemmini-coalesce needs two loops or more, each once")
        index = index_builder(function)
        outer = named_loop(function, self.loops[0])
        for name in self.loops[1:]:
            outer = _coalesce(index, outer, named_loop(function, name))
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        try:
            function = kernel_of(module_op)
            chains = _chains(function)
        except PassFailedException:
            return ()
        return applicable(ctx, module_op, [cls(chain) for chain in chains])


def _chains(function: func.FuncOp) -> list[tuple[str, ...]]:
    """Runs of loops over blocks directly inside each other, long ones first."""
    chains: list[tuple[str, ...]] = []
    for name, loop in named_loops(function).items():
        chain = [name]
        while (inner := _named_child(loop)) is not None and trip_count(inner) is not None:
            chain.append(loop_name(inner) or "")
            chains.append(tuple(chain))
            loop = inner
    return sorted(chains, key=len, reverse=True)


def _named_child(loop: scf.ForOp) -> scf.ForOp | None:
    children = [op for op in loop.body.block.ops if isinstance(op, scf.ForOp) and loop_name(op)]
    return children[0] if len(children) == 1 else None


def _coalesce(index: IndexBuilder, outer: scf.ForOp, inner: scf.ForOp) -> scf.ForOp:
    """Merge ``inner`` into ``outer``; returns the new loop."""
    if inner.parent_op() is not outer:
        raise refusal(inner, f"is not directly inside {loop_name(outer)!r}")
    outer_count, inner_count = trip_count(outer), trip_count(inner)
    if not outer_count or not inner_count:
        raise refusal(inner if outer_count else outer, "is not a loop from 0 to a constant")
    body = Block([scf.YieldOp()], arg_types=[IndexType()])
    index.at(InsertPoint.before(outer))
    total = index.constant(outer_count * inner_count)
    new = scf.ForOp(outer.lb, total, outer.step, [], body)
    index.insert(new)
    set_loop_name(new, f"{loop_name(outer)}{loop_name(inner)}")
    end = body.last_op
    assert end is not None
    index.at(InsertPoint.before(end))
    outer_value = index.floordiv(iv_of(new), inner_count)
    inner_value = index.rem(iv_of(new), inner_count)
    before, after = _around(outer, inner)
    _replace_variable(outer, outer_value)
    _replace_variable(inner, inner_value)
    _move_guarded(index, before, inner_value, 0, end)
    for op in _statements(inner):
        op.detach()
        body.insert_op_before(op, end)
    _move_guarded(index, after, inner_value, inner_count - 1, end)
    erase(outer)
    return new


def _statements(loop: scf.ForOp) -> list[Operation]:
    return [op for op in loop.body.block.ops if not isinstance(op, scf.YieldOp)]


def _around(outer: scf.ForOp, inner: scf.ForOp) -> tuple[list[Operation], list[Operation]]:
    """The statements of ``outer`` in front of and behind ``inner``."""
    statements = _statements(outer)
    position = statements.index(inner)
    return statements[:position], statements[position + 1 :]


def _replace_variable(loop: scf.ForOp, value: SSAValue) -> None:
    for use in list(iv_of(loop).uses):
        use.operation.operands[use.index] = value


def _move_guarded(
    index: IndexBuilder, statements: list[Operation], variable: SSAValue, at: int, end: Operation
) -> None:
    """Move ``statements`` in front of ``end``, those with effects under ``variable == at``."""
    for op in statements:
        op.detach()
        index.at(InsertPoint.before(end))
        if not is_index_math(op):
            insert_if(index, index.equal(variable, at))
        index.insert(op)
