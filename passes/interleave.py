"""``gemmini-interleave``: spread moves evenly between the products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

from xdsl.context import Context
from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from .index_math import IndexBuilder, constant_value, is_index_math
from .kernel import accesses, iv_of, kernel_of, named_loop, named_loops, products, refusal
from .loop_transforms import index_builder, tidy
from .nests import (
    MoveNest,
    conflict,
    copy_move,
    erase,
    insert_if,
    insert_loop,
    largest_trip_count,
    move_nest,
    perfect_band,
)
from .schedule_space import applicable


@dataclass(frozen=True)
class InterleavePass(ModulePass):
    """Issue the moves that stand in front of a nest of products one by one inside of it.

    ``loop`` is a loop of the nest: each of its iterations begins with its share of the moves, so
    that the DMA works all the time and the queues never fill. Needs moves that do not touch what
    the products use (gemmini-double-buffer), in front of a perfect nest around the products. Moves
    that depend on each other keep their order, in consecutive parts of the nest. Guarantees the
    same moves and products. Costs a remainder, a comparison and a branch per move nest and
    iteration of ``loop``.
    """

    name = "gemmini-interleave"

    loop: str

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = kernel_of(op)
        target = named_loop(function, self.loop)
        if not any(target.is_ancestor(product) for product in products(function)):
            raise refusal(target, "has no products inside")
        band = _band_down_to(target)
        nests = _movable(band[0])
        if not nests:
            raise refusal(band[0], "has no independent moves in front of it")
        _Interleaving(index_builder(function), band, nests).run()
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        try:
            loops = named_loops(kernel_of(module_op))
        except PassFailedException:
            return ()
        # The middle of the nest first: inside the innermost loop, guards cost too much.
        names = list(loops)
        return applicable(ctx, module_op, [cls(name) for name in names[-2::-1] + names[-1:]])


def _band_down_to(target: scf.ForOp) -> list[scf.ForOp]:
    """The perfect nest from the outermost loop that has ``target`` perfectly inside."""
    outermost = target
    while isinstance(parent := outermost.parent_op(), scf.ForOp):
        if target not in perfect_band(parent):
            break
        outermost = parent
    band = perfect_band(outermost)
    return band[: band.index(target) + 1]


def _movable(nest: scf.ForOp) -> list[MoveNest]:
    """The move nests in front of ``nest`` that may run at any time during it, in order."""
    block = nest.parent
    assert block is not None
    staying: list[Operation] = [nest]
    found: list[MoveNest] = []
    op = nest.prev_op
    while op is not None:
        moves = move_nest(op)
        if moves is not None and not any(
            conflict(moves.move, other) for stay in staying for other in accesses(stay)
        ):
            found.append(moves)
        elif not is_index_math(op):
            staying.append(op)
        op = op.prev_op
    return found[::-1]


def _windows(nests: Sequence[MoveNest]) -> list[list[MoveNest]]:
    """Groups of nests: nests of one group are independent, and groups follow one another."""
    groups: list[list[MoveNest]] = []
    for nest in nests:
        level = 0
        for position, group in enumerate(groups):
            if any(conflict(nest.move, other.move) for other in group):
                level = position + 1
        if level == len(groups):
            groups.append([])
        groups[level].append(nest)
    return groups


class _Interleaving:
    def __init__(
        self, index: IndexBuilder, band: Sequence[scf.ForOp], nests: Sequence[MoveNest]
    ) -> None:
        self.index = index
        self.band = band
        self.nests = nests

    def run(self) -> None:
        counts = [largest_trip_count(loop) for loop in self.band]
        body = self.band[-1].body.block
        anchor = self._make_rectangular(counts)
        self.index.at(InsertPoint.before(anchor))
        position = self._linear([iv_of(loop) for loop in self.band], counts)
        total = prod(counts)
        groups = _windows(self.nests)
        order = {id(nest): number for number, nest in enumerate(self.nests)}
        for number, group in enumerate(groups):
            begin, end = (total * n // len(groups) for n in (number, number + 1))
            for nest in sorted(group, key=lambda nest: order[id(nest)]):
                self.index.at(InsertPoint.before(anchor))
                offset = order[id(nest)] if len(groups) == 1 else 0
                self._spread(nest, position, begin, end, offset)
        for nest in self.nests:
            erase(nest.statement)
        assert anchor.parent is body

    def _make_rectangular(self, counts: Sequence[int]) -> Operation:
        """Let all loops of the band run to a constant, their body under a guard where needed.

        Returns the statement of the innermost body in front of which moves may be inserted.
        """
        body = self.band[-1].body.block
        inside = [op for op in body.ops if not isinstance(op, scf.YieldOp)]
        index = self.index
        index.at(InsertPoint.at_start(body))
        condition = index.flag(True)
        for loop in self.band:
            condition = index.both(condition, index.less(iv_of(loop), loop.ub))
        for loop, count in zip(self.band, counts, strict=True):
            loop.operands[1] = index.constant(count)
        if not constant_value(condition):
            insert_if(index, condition)
            for op in inside:
                op.detach()
                index.insert(op)
        effects = [op for op in body.ops if not is_index_math(op)]
        return effects[0]

    def _linear(self, variables: Sequence[SSAValue], counts: Sequence[int]) -> SSAValue:
        """The number of an iteration in the order of the loops."""
        position = self.index.constant(0)
        for variable, count in zip(variables, counts, strict=True):
            position = self.index.add(self.index.mul(position, count), variable)
        return position

    def _spread(self, nest: MoveNest, position: SSAValue, begin: int, end: int, order: int) -> None:
        """Issue the moves of ``nest`` in the iterations ``begin`` … ``end - 1``, evenly."""
        index = self.index
        sizes = [-(-largest_trip_count(loop) // _step(loop)) for loop in nest.loops]
        moves, slots = prod(sizes), max(1, end - begin)
        condition = index.both(self._guards(nest), index.less(index.constant(begin - 1), position))
        if moves <= slots:
            every = slots // moves
            offset = min(order * every // max(1, len(self.nests)), every - 1)
            shifted = index.sub(position, index.constant(begin))
            turn = index.equal(index.rem(shifted, every), offset) if begin == 0 else None
            in_range = index.less(shifted, index.constant(moves * every))
            condition = index.both(condition, in_range)
            insert_if(index, condition if turn is None else index.both(condition, turn))
            if turn is None:
                insert_if(index, index.equal(index.rem(shifted, every), 0))
            self._issue(nest, index.floordiv(shifted, every), sizes)
            return
        each = -(-moves // slots)
        in_range = index.less(position, index.constant(end))
        insert_if(index, index.both(condition, in_range))
        shifted = index.sub(position, index.constant(begin))
        _, copy = insert_loop(index, index.constant(each), "n")
        number = index.add(index.mul(shifted, each), copy)
        insert_if(index, index.less(number, index.constant(moves)))
        self._issue(nest, number, sizes)

    def _guards(self, nest: MoveNest) -> SSAValue:
        """The conditions around the whole nest, which no loop of it changes."""
        condition = self.index.flag(True)
        for op in nest.around:
            if isinstance(op, scf.ForOp):
                break
            condition = self.index.both(condition, self.index.copy(op.cond, {}, nest.statement))
        return condition

    def _issue(self, nest: MoveNest, number: SSAValue, sizes: Sequence[int]) -> None:
        """Insert move ``number`` of ``nest``."""
        index = self.index
        mapping: dict[SSAValue, SSAValue] = {}
        following = prod(sizes)
        variables: list[SSAValue] = []
        for size in sizes:
            following //= size
            variables.append(index.rem(index.floordiv(number, following), size))
        remaining = iter(variables)
        outside = True
        for op in nest.around:
            if isinstance(op, scf.IfOp):
                if not outside:
                    insert_if(index, index.copy(op.cond, mapping, nest.statement))
                continue
            outside = False
            variable = index.mul(next(remaining), _step(op))
            mapping[iv_of(op)] = variable
            insert_if(index, index.less(variable, index.copy(op.ub, mapping, nest.statement)))
        copy_move(index, nest.move, mapping, nest.statement)


def _step(loop: scf.ForOp) -> int:
    step = constant_value(loop.step)
    assert step is not None
    return step
