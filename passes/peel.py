"""``gemmini-peel``: treat the short tile at the edge apart from the full ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from ..dialects.tile import MatmulOp
from .dependence import require_permutable
from .index_math import IndexBuilder, Linear, constant_value, depends_on, linear_form
from .kernel import accesses, iv_of, loop_name, named_loop, refusal, schedulable_kernel
from .loop_transforms import index_builder, tidy
from .nests import insert_if
from .schedule_space import plannable, schedulable_loops


@dataclass(frozen=True)
class PeelPass(ModulePass):
    """Run ``loop`` over full tiles only, and the short tile at the edge of the array apart.

    The short tile comes behind the loop, or with ``first`` in front of it, where it costs no more
    cycles than it has rows if the others reuse its weights (gemmini-reuse-weights): the next
    weights come in behind a full tile. Needs an innermost loop from 0 whose body takes the minimum
    of the tile size and of what is left of the array. Guarantees the same operations. Extents in
    the loop become constants, which saves the core several cycles per instruction; the body is
    there twice.
    """

    name = "gemmini-peel"

    loop: str
    first: bool = False

    def plan(self, op: ModuleOp) -> tuple[scf.ForOp, _Edge]:
        """The loop, and what is short in its last iteration."""
        loop = named_loop(schedulable_kernel(op), self.loop)
        if any(isinstance(x, scf.ForOp) and x is not loop and loop_name(x) for x in loop.walk()):
            raise refusal(loop, "has named loops inside")
        if constant_value(loop.lb) != 0 or constant_value(loop.step) != 1:
            raise refusal(loop, "is not a loop from 0 in steps of 1")
        edge = _edge_of(loop)
        if edge is None:
            raise refusal(loop, "has no short tile at an edge")
        if self.first:
            require_permutable([loop])
            _require_own_sums(loop)
        return loop, edge

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        loop, edge = self.plan(op)
        function = schedulable_kernel(op)
        _peel(index_builder(function), loop, edge, first=self.first)
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        loops = schedulable_loops(module_op)
        instances = [cls(name, first) for name in reversed(loops) for first in (True, False)]
        return plannable(module_op, instances)


def _require_own_sums(loop: scf.ForOp) -> None:
    """Refuse a loop whose iterations add to one sum: the first of them may have to begin it."""
    for op in accesses(loop):
        if isinstance(op, MatmulOp) and not any(depends_on(s, iv_of(loop)) for s in op.c_slot):
            raise refusal(op, f"{loop_name(loop)!r} adds to the same sum in each iteration")


@dataclass(frozen=True)
class _Edge:
    """Minima ``min(size, extent - size · tile)`` where ``tile`` is ``start`` + loop variable."""

    minima: tuple[arith.MinSIOp, ...]
    size: int
    extent: int
    start: Linear


def _edge_of(loop: scf.ForOp) -> _Edge | None:
    """The minima in ``loop`` that are smaller than the tile in its last iteration only."""
    found: dict[frozenset[tuple[object, int]], list[arith.MinSIOp]] = {}
    sizes: dict[frozenset[tuple[object, int]], int] = {}
    for op in loop.walk():
        if isinstance(op, arith.MinSIOp) and (match := _rest_of_array(op, iv_of(loop))):
            key = frozenset(match[1].items())
            found.setdefault(key, []).append(op)
            sizes[key] = match[0]
    if not found:
        return None
    key = max(found, key=lambda k: len(found[k]))
    form, size = dict(key), sizes[key]
    extent = form.pop(None, 0)
    form.pop(iv_of(loop))
    start = {atom: -factor // size for atom, factor in form.items()}
    return _Edge(tuple(found[key]), size, extent, start)


def _rest_of_array(op: arith.MinSIOp, variable: SSAValue) -> tuple[int, Linear] | None:
    """The tile size and the linear form of what is left, if ``op`` is such a minimum."""
    for limit, rest in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
        size, form = constant_value(limit), linear_form(rest)
        if not size or form.get(variable) != -size or form.get(None, 0) <= 0:
            continue
        others = {atom: factor for atom, factor in form.items() if atom is not None}
        if all(isinstance(atom, SSAValue) and not f % size for atom, f in others.items()):
            return size, form
    return None


def _peel(index: IndexBuilder, loop: scf.ForOp, edge: _Edge, *, first: bool) -> None:
    index.at(InsertPoint.before(loop))
    full = index.constant(edge.extent // edge.size)
    for atom, factor in edge.start.items():
        assert isinstance(atom, SSAValue)
        full = index.sub(full, index.mul(atom, factor))
    upper = loop.ub
    body = [op for op in loop.body.block.ops if not isinstance(op, scf.YieldOp)]
    if edge.extent % edge.size:
        index.at(InsertPoint.before(loop) if first else InsertPoint.after(loop))
        insert_if(index, index.less(full, upper))
        mapping: dict[SSAValue, SSAValue] = {iv_of(loop): full}
        for minimum in edge.minima:
            mapping[minimum.result] = index.constant(edge.extent % edge.size)
        for op in body:
            if op not in edge.minima:
                index.insert(op.clone(mapping))
    index.at(InsertPoint.before(loop))
    loop.operands[1] = index.minimum(upper, full)
    _replace(edge.minima, index.constant(edge.size))


def _replace(minima: Sequence[arith.MinSIOp], size: SSAValue) -> None:
    for minimum in minima:
        for use in list(minimum.result.uses):
            use.operation.operands[use.index] = size
