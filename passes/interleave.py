"""``gemmini-interleave``: spread moves evenly between the products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from .index_math import (
    IndexBuilder,
    constant_value,
    is_index_math,
    is_power_of_two,
    name,
    range_of,
)
from .kernel import (
    accesses,
    config_of,
    enclosing_loops,
    iv_of,
    named_loop,
    products,
    refusal,
    schedulable_kernel,
)
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
from .schedule_space import plannable, schedulable_loops


@dataclass(frozen=True)
class InterleavePass(ModulePass):
    """Issue the moves that stand in front of a nest of products one by one inside of it.

    ``loop`` is a loop of the nest: each of its iterations ends with its share of the moves, so
    that the DMA works all the time and the queues never fill. Needs moves that do not touch what
    the products use (gemmini-double-buffer), in front of a perfect nest around the products. Moves
    that depend on each other keep their order, in consecutive parts of the nest. Guarantees the
    same moves and products. With ``wait`` the first iterations issue none, as the array is still
    busy with the last chunk; without, the moves have more room, which helps where loads are the
    limit. Costs a remainder, a comparison and a branch per move nest and iteration of ``loop``.
    """

    name = "gemmini-interleave"

    loop: str
    wait: bool = True

    def plan(self, op: ModuleOp) -> _Interleaving:
        """The nest of products and the moves that go into it."""
        function = schedulable_kernel(op)
        target = named_loop(function, self.loop)
        if not any(target.is_ancestor(product) for product in products(function)):
            raise refusal(target, "has no products inside")
        band = _band_down_to(target)
        nests = _movable(band[0])
        if not nests:
            raise refusal(band[0], "has no independent moves in front of it")
        entries = config_of(function).reservation_execute
        lead = _lead(target, entries) if self.wait else 0
        return _Interleaving(band, nests, lead)

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        interleaving = self.plan(op)
        function = schedulable_kernel(op)
        interleaving.run(index_builder(function))
        tidy(function)

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        # The middle of the nest first: inside the innermost loop, guards cost too much.
        names = list(schedulable_loops(module_op))
        places = names[-2::-1] + names[-1:]
        instances = [cls(name, wait) for wait in (True, False) for name in places]
        return plannable(module_op, instances)


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


def _lead(target: scf.ForOp, entries: int) -> int:
    """Iterations of ``target`` by which the core runs ahead of the array.

    The reservation station holds ``entries`` commands, two for each product. A load issued before
    the array is through with the last chunk would write to the bank that the array still reads.
    """
    inside = [
        prod(largest_trip_count(loop) for loop in enclosing_loops(product, target))
        for product in products(target)
    ]
    ahead = -(-entries // (2 * max(1, sum(inside))))
    return ahead - 1  # moves come at the end of an iteration


def _rhythm(
    moves: int, begin: int, end: int, lead: int, share: tuple[int, int]
) -> tuple[int, int, int]:
    """When to issue ``moves`` moves: first iteration, iterations between, moves at a time.

    The moves of different nests take turns; none comes in the first ``lead`` iterations if there is
    room.
    """
    number, count = share
    every = _power_of_two((end - begin) // moves)
    if every > lead:
        return begin + lead + number * (every - lead) // count, every, 1
    if end - begin - lead >= moves:
        return begin + lead, _power_of_two((end - begin - lead) // moves), 1
    lead = min(lead, end - begin - 1)
    each = -(-moves // (end - begin - lead))
    return begin + lead, 1, each


def _power_of_two(number: int) -> int:
    """The largest power of two up to ``number``: the core has no fast division by others."""
    return 1 << (number.bit_length() - 1) if number else 0


class _Interleaving:
    """One application; making it refuses, and changes nothing, where trip counts are not known."""

    def __init__(self, band: Sequence[scf.ForOp], nests: Sequence[MoveNest], lead: int) -> None:
        self.band = band
        self.counts = [largest_trip_count(loop) for loop in band]
        self.nests = nests
        self.sizes = {nest: [largest_trip_count(loop) for loop in nest.loops] for nest in nests}
        self.lead = lead

    def run(self, index: IndexBuilder) -> None:
        self.index = index
        counts = self.counts
        body = self.band[-1].body.block
        self._make_rectangular(counts)
        end_of_body = body.last_op
        assert end_of_body is not None
        self.index.at(InsertPoint.before(end_of_body))
        position = self._linear([iv_of(loop) for loop in self.band], counts)
        total = prod(counts)
        groups = _windows(self.nests)
        for nest in self.nests:
            self._hoist_invariants(nest)
        for number, group in enumerate(groups):
            begin, end = (total * n // len(groups) for n in (number, number + 1))
            if total < len(groups):
                begin, end = 0, 1  # all in the first iteration, where they keep their order
            for place, nest in enumerate(group):
                self.index.at(InsertPoint.before(end_of_body))
                self._spread(nest, position, begin, end, (place, len(group)))
        for nest in self.nests:
            erase(nest.statement)

    def _make_rectangular(self, counts: Sequence[int]) -> None:
        """Let all loops of the band run to a constant, their body under a guard where needed."""
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

    def _linear(self, variables: Sequence[SSAValue], counts: Sequence[int]) -> SSAValue:
        """The number of an iteration in the order of the loops."""
        position = self.index.constant(0)
        for variable, count in zip(variables, counts, strict=True):
            position = self.index.add(self.index.mul(position, count), variable)
        return name(position, "position")

    def _hoist_invariants(self, nest: MoveNest) -> None:
        """Compute in front of the products what does not change from one move to the next.

        Only what is defined for all iterations: a division stays under the guard that keeps its
        dividend from being negative.
        """
        for op in list(nest.statement.walk()):
            if not is_index_math(op) or isinstance(op, arith.ConstantOp):
                continue
            if any(_is_inside(operand, nest.statement) for operand in op.operands):
                continue
            low = range_of(op.operands[0]).low
            if isinstance(op, arith.FloorDivSIOp | arith.RemSIOp) and (low is None or low < 0):
                continue
            op.detach()
            assert nest.statement.parent is not None
            nest.statement.parent.insert_op_before(op, nest.statement)

    def _spread(
        self, nest: MoveNest, position: SSAValue, begin: int, end: int, share: tuple[int, int]
    ) -> None:
        """Issue the moves of ``nest`` in the iterations ``begin`` … ``end - 1``, evenly.

        ``share`` is the number of this nest, and of all nests, that are spread there.
        """
        index = self.index
        sizes = self.sizes[nest]
        moves = prod(sizes)
        condition = self._guards(nest)
        first, every, each = _rhythm(moves, begin, end, self.lead, share)
        if every == 1:
            condition = index.both(condition, index.less(index.constant(first - 1), position))
        last = first + every * -(-moves // each)
        condition = index.both(condition, index.less(position, index.constant(last)))
        if every > 1:
            turn = index.equal(index.rem(position, every), first % every)
            condition = index.both(condition, turn)
            if first >= every:
                condition = index.both(condition, index.less(index.constant(first - 1), position))
        insert_if(index, name(condition, "turn"))
        number = index.floordiv(index.sub(position, index.constant(first)), every)
        if each > 1:
            _, copy = insert_loop(index, index.constant(each), "n")
            number = index.add(index.mul(number, each), copy)
            if moves % each:
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
        """Insert move ``number`` of ``nest``, whose loops have ``sizes``.

        The moves are independent, so they may be counted in any order: with sizes that are no
        powers of two first, where there is a single one, the core need not divide by it.
        """
        index = self.index
        mapping: dict[SSAValue, SSAValue] = {}
        following = prod(sizes)
        variables: dict[int, SSAValue] = {}
        variables.update((n, index.constant(0)) for n, size in enumerate(sizes) if size == 1)
        order = [place for place in range(len(sizes)) if sizes[place] > 1]
        order.sort(key=lambda place: is_power_of_two(sizes[place]))
        for rank, place in enumerate(order):
            following //= sizes[place]
            quotient = index.floordiv(number, following)
            # The first one needs no remainder: the guards bound the number of the move.
            variables[place] = index.rem(quotient, sizes[place]) if rank else quotient
        remaining = iter(sorted(variables.items()))
        outside = True
        for op in nest.around:
            if isinstance(op, scf.IfOp):
                if not outside:
                    insert_if(index, index.copy(op.cond, mapping, nest.statement))
                continue
            outside = False
            variable = index.mul(next(remaining)[1], _step(op))
            mapping[iv_of(op)] = variable
            if constant_value(op.ub) is None:  # else the number of the move bounds the variable
                insert_if(index, index.less(variable, index.copy(op.ub, mapping, nest.statement)))
        copy_move(index, nest.move, mapping, nest.statement)


def _is_inside(value: SSAValue, statement: Operation) -> bool:
    return statement.is_ancestor(value.owner)


def _step(loop: scf.ForOp) -> int:
    step = constant_value(loop.step)
    assert step is not None
    return step
