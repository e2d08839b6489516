"""``gemmini-stage``: move the loads or stores of an operand out of loops, into a larger buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from xdsl.context import Context
from xdsl.dialects import func, memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint
from xdsl.utils.exceptions import PassFailedException

from ..dialects.tile import LoadOp, MatmulOp, StoreOp
from .dependence import require_private
from .index_math import constant_value, depends_on, slope
from .kernel import (
    OPERANDS,
    Move,
    accesses,
    buffer_type,
    enclosing_loops,
    iv_of,
    named_loop,
    named_loops,
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
    erase,
    insert_loop,
    largest_trip_count,
    loops_it_needs,
    move_nest,
    redirect,
    resized,
    same_tile,
    trip_count,
    with_slot,
)


@dataclass(frozen=True)
class StagePass(ModulePass):
    """Keep all tiles of an operand that one iteration of a loop uses in its buffer at once.

    ``operand`` is a, b or c; the loads (for c: zeros or bias loads) then stand in front of the nest
    in the body of ``loop``, the stores behind it; without ``loop``, around all loops. The buffer
    grows to the footprint. Needs moves without guards whose indices depend on no other values than
    loop variables. Guarantees the same values; drops loads that repeat. Costs local memory:
    gemmini-place refuses what does not fit.
    """

    name = "gemmini-stage"

    operand: str
    loop: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        function = schedulable_kernel(op)
        buffer = operand_buffer(function, self.operand)
        scope = named_loop(function, self.loop) if self.loop else function
        _Staging(function, buffer, scope).run()
        tidy(function)

    def _is_applicable(self, function: func.FuncOp) -> bool:
        try:
            scope = named_loop(function, self.loop) if self.loop else function
            _Staging(function, operand_buffer(function, self.operand), scope).plan()
        except PassFailedException:
            return False
        return True

    @classmethod
    def schedule_space(cls, ctx: Context, module_op: ModuleOp) -> tuple[Self, ...]:
        try:
            function = schedulable_kernel(module_op)
            loops = named_loops(function)
        except PassFailedException:
            return ()
        # Inner loops first: the smallest footprint that still saves something fits best.
        scopes = [*reversed(loops), ""]
        instances = [cls(operand, loop) for operand in OPERANDS for loop in scopes]
        return tuple(x for x in instances if x._is_applicable(function))


class _Staging:
    """One application: ``scope`` is the loop, or the function, in whose body the moves go."""

    def __init__(
        self, function: func.FuncOp, buffer: memref.AllocOp, scope: func.FuncOp | scf.ForOp
    ) -> None:
        self.function = function
        self.buffer = buffer
        self.scope = scope
        found = {id(op) for op in users(buffer)}
        self.accesses = [op for op in accesses(function) if id(op) in found]
        self.moves: list[Move] = [op for op in self.accesses if not isinstance(op, MatmulOp)]
        self.products = [op for op in self.accesses if isinstance(op, MatmulOp)]

    def plan(self) -> tuple[list[scf.ForOp], dict[scf.ForOp, int]]:
        """The loops that the moves leave, and those that tell tiles apart with their counts.

        Refuses, and changes nothing, where the pass does not apply.
        """
        for op in self.accesses:
            if not self.scope.is_ancestor(op):
                raise refusal(op, "uses the buffer outside of the loop")
        common = self._common_loops()
        needed = self._needed(common) if common else []
        if not common or not self.moves:
            raise refusal(self.buffer, "is already loaded and stored there")
        self._check(common, needed)
        for loop in needed:
            if constant_value(loop.step) != 1:
                raise refusal(loop, "does not run in steps of 1")
        return common, {loop: largest_trip_count(loop) for loop in needed}

    def run(self) -> None:
        common, extents = self.plan()
        needed = list(extents)
        self.index = index_builder(self.function)
        shape = buffer_type(self.buffer).get_shape()[:-2]
        new = resized(self.buffer, [*extents.values(), *shape])
        statement = statement_in(self.scope.body.block, common[0])
        behind = statement.next_op
        for move in self.moves:
            after = isinstance(move, StoreOp)
            point = behind if after else statement
            assert point is not None
            self.index.at(InsertPoint.before(point))
            self._rebuild(move, new, common, needed)
        slots = [iv_of(loop) for loop in needed]
        for product in self.products:
            redirect(product, self.buffer.memref, new.memref, lambda old: [*slots, *old])
        for move in self.moves:
            erase(_nest_in(common[-1], move).statement)
        erase(self.buffer)

    def _common_loops(self) -> list[scf.ForOp]:
        """The loops inside the scope around all accesses."""
        chains = [enclosing_loops(op, self.scope) for op in self.accesses]
        return [
            loops[0]
            for loops in zip(*chains, strict=False)
            if all(loop is loops[0] for loop in loops)
        ]

    def _needed(self, common: Sequence[scf.ForOp]) -> list[scf.ForOp]:
        """The common loops that tell tiles apart.

        If it can be, those of rows come before those of columns, and of these the long steps first.
        """
        values: list[SSAValue] = []
        columns: list[SSAValue] = []
        for move in self.moves:
            if isinstance(move, LoadOp | StoreOp):
                values += [*move.indices]
                columns.append(move.indices[-1])
            if isinstance(move, LoadOp) and move.start is not None:
                values.append(move.start)
            if isinstance(move, LoadOp) and move.term is not None:
                values.append(move.term)
                columns[-1] = move.term
            values += [move.rows, move.cols]
            values += [loop.ub for loop in enclosing_loops(move, common[-1])]
        needed = loops_it_needs(values, common)
        by_column = [
            loop for loop in needed if any(depends_on(column, iv_of(loop)) for column in columns)
        ]
        by_column.sort(key=lambda loop: -max(slope(x, iv_of(loop)) or 0 for x in columns))
        order = [loop for loop in needed if loop not in by_column] + by_column
        return order if _bounds_come_first(order) else needed

    def _check(self, common: Sequence[scf.ForOp], needed: Sequence[scf.ForOp]) -> None:
        body = common[-1]
        require_private(self.buffer.memref, self.accesses, body)
        for op in self.moves:
            _nest_in(body, op)
            array = array_of(op)
            if isinstance(op, LoadOp):
                self._require_unwritten(op, array)
        if any(op.c is self.buffer.memref for op in self.products):
            for loop in common:
                if loop not in needed and trip_count(loop) != 1:
                    raise refusal(loop, "computes the same tiles of C in each iteration")
            self._require_order(body)

    def _require_unwritten(self, load: LoadOp, array: SSAValue | None) -> None:
        for op in accesses(self.scope):
            if not isinstance(op, StoreOp) or op.target is not array:
                continue
            if not same_tile(op.indices, load.indices):
                raise refusal(load, "reads an array that the loop stores to")

    def _require_order(self, body: scf.ForOp) -> None:
        """Sums begin, are added to, and are stored, in this order."""
        stages = [
            2 if isinstance(op, StoreOp) else int(isinstance(op, MatmulOp)) for op in self.accesses
        ]
        if stages != sorted(stages) or 2 not in stages:
            raise refusal(body, "does not begin, accumulate and then store its tiles of C")

    def _rebuild(
        self,
        move: Move,
        new: memref.AllocOp,
        common: Sequence[scf.ForOp],
        needed: Sequence[scf.ForOp],
    ) -> None:
        index = self.index
        mapping: dict[SSAValue, SSAValue] = {}
        own = enclosing_loops(move, common[-1])
        for loop in (*needed, *own):
            upper = index.copy(loop.ub, mapping, common[0])
            step = 1 if loop in needed else _step(loop)
            hint = iv_of(loop).name_hint or "x"
            _, mapping[iv_of(loop)] = insert_loop(index, upper, hint, step)

        def copy(value: SSAValue) -> SSAValue:
            return index.copy(value, mapping, common[0])

        slot = [*(mapping[iv_of(loop)] for loop in needed), *(copy(s) for s in move.slot)]
        index.insert(with_slot(move, new.memref, slot, copy))


def _bounds_come_first(order: Sequence[scf.ForOp]) -> bool:
    """Whether no loop's bound depends on a loop behind it."""
    return not any(
        depends_on(loop.ub, iv_of(inner))
        for position, loop in enumerate(order)
        for inner in order[position + 1 :]
    )


def _step(loop: scf.ForOp) -> int:
    step = constant_value(loop.step)
    if not step or constant_value(loop.lb) != 0:
        raise refusal(loop, "does not begin at 0 or has no constant step")
    return step


def _nest_in(loop: scf.ForOp, move: Move) -> MoveNest:
    """The statement of ``loop`` that contains ``move`` and nothing else."""
    nest = move_nest(statement_in(loop.body.block, move))
    if nest is None or nest.guarded:
        raise refusal(move, "shares its loops with other operations, or stands under a guard")
    return nest
