"""One order in which the streams of an ISA-level program can run, as a program with loops.

Streams that repeat the same work have loops of equal bounds. This module looks for loops of several
streams that can be one loop, by running the first iterations of each: a stream goes on until it
waits for something or stands at a loop. Nothing here is trusted: whether what is found is an order
of the program is decided by ``sequential``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...dialects import trn
from ...hw.lanes import Scope, UnknownValueError, evaluate

ITERATIONS = 4
"""Of each loop that are run; the others are taken to count as much as the last of these."""
MAX_ATTEMPTS = 10_000
"""To join loops: a guard against programs that would take too long to put in order."""


@dataclass(frozen=True)
class Joined:
    """Loops of several streams, or of one, as one loop; what it does, in order."""

    loops: tuple[scf.ForOp, ...]
    body: tuple[Step, ...]


Step = Operation | Joined


def merge_streams(streams: list[trn.StreamOp], before: list[Operation]) -> tuple[Step, ...] | None:
    """All operations of the streams in one order, None if none is found.

    ``before`` are the operations in front of the streams.
    """
    merger = _Merger()
    for op in before:
        merger.define(op)
    return merger.merge([stream.body.block for stream in streams])


@dataclass
class _Merger:
    scope: Scope = field(default_factory=lambda: Scope(1))
    counts: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    attempts: int = 0

    def merge(self, blocks: list[Block]) -> tuple[Step, ...] | None:
        """The blocks' operations in an order in which their first iterations can run."""
        steps: list[Step] = []
        waiting = [list(reversed(list(block.ops))) for block in blocks]
        while any(waiting):
            before = len(steps)
            for ops in waiting:
                self._run_ahead(ops, steps)
            if any(waiting) and len(steps) == before and not self._join(waiting, steps):
                return None
        return tuple(steps)

    def _run_ahead(self, ops: list[Operation], steps: list[Step]) -> None:
        """Take operations up to a wait that does not end yet, or a loop."""
        while ops and not isinstance(ops[-1], scf.ForOp | scf.IfOp):
            op = ops[-1]
            if not self._take(op):
                break
            if not isinstance(op, scf.YieldOp):
                steps.append(op)
            ops.pop()

    def _take(self, op: Operation) -> bool:
        """Run one operation, unless it is a wait that does not end."""
        if isinstance(op, trn.WaitOp):
            return self.counts.get(op.semaphore, 0) >= self._value(op.count)
        if isinstance(op, trn.IncOp):
            self._count(op.semaphore, self._value(op.count))
        elif isinstance(op, trn.DmaStartOp):
            self._count(op.semaphore, op.step.value.data)
        else:
            self.define(op)
        return True

    def _join(self, waiting: list[list[Operation]], steps: list[Step]) -> bool:
        """Run loops at which streams stand as one loop: as many as can be, of equal bounds."""
        standing = [ops for ops in waiting if ops and isinstance(ops[-1], scf.ForOp)]
        bounds = {id(ops): self._bounds(ops[-1]) for ops in standing}
        for group in _groups(standing):
            if len({bounds[id(ops)] for ops in group}) > 1 or bounds[id(group[0])] is None:
                continue
            self.attempts += 1
            if self.attempts > MAX_ATTEMPTS:
                return False
            kept = dict(self.counts)
            joined = self._joined(group)
            if joined is not None:
                steps.append(joined)
                for ops in group:
                    ops.pop()
                return True
            self.counts = kept
        return False

    def _joined(self, group: list[list[Operation]]) -> Joined | None:
        loops = tuple(op for op in (ops[-1] for ops in group) if isinstance(op, scf.ForOp))
        bounds = self._bounds(loops[0])
        assert bounds is not None
        before = dict(self.counts)
        self._begin(loops, bounds[0])
        body = self.merge([loop.body.block for loop in loops])
        if body is None:
            return None
        joined = Joined(loops, body)
        return joined if self._goes_on(joined, bounds, before, 1) else None

    def _begin(self, loops: tuple[scf.ForOp, ...], value: int) -> None:
        for loop in loops:
            self.scope.values[loop.body.block.args[0]] = value

    def _goes_on(
        self, joined: Joined, bounds: tuple[int, int, int], before: dict[SSAValue, int], first: int
    ) -> bool:
        """Run iterations of a loop from number ``first`` on; ``before`` are the counts before it.

        False if a wait in them does not end. Iterations that are not run count like the last one.
        """
        lower, step, trips = bounds
        for number in range(first, min(trips, ITERATIONS)):
            before = dict(self.counts)
            self._begin(joined.loops, lower + number * step)
            if not self._run(joined.body):
                return False
        for semaphore, count in self.counts.items():
            once = count - before.get(semaphore, 0)
            self.counts[semaphore] = count + once * max(0, trips - ITERATIONS)
        return True

    def _run(self, steps: tuple[Step, ...]) -> bool:
        """Run steps that are in order already; whether all waits end."""
        for step in steps:
            if isinstance(step, Joined):
                bounds = self._bounds(step.loops[0])
                if bounds is None or not self._goes_on(step, bounds, dict(self.counts), 0):
                    return False
            elif not self._take(step):
                return False
        return True

    def define(self, op: Operation) -> None:
        try:
            value = evaluate(op, self.scope)
        except (UnknownValueError, ZeroDivisionError, ValueError):
            return
        if value is not None:
            self.scope.values[op.results[0]] = value

    def _bounds(self, op: Operation) -> tuple[int, int, int] | None:
        """First value, step and iterations of a loop that has an iteration and carries nothing."""
        assert isinstance(op, scf.ForOp)
        lower, upper, step = (self._value(bound) for bound in (op.lb, op.ub, op.step))
        if step <= 0 or lower >= upper or op.iter_args:
            return None
        return lower, step, -(-(upper - lower) // step)

    def _value(self, value: SSAValue) -> int:
        found = self.scope.get(value)
        assert isinstance(found, int)
        return found

    def _count(self, semaphore: SSAValue, count: int) -> None:
        self.counts[semaphore] = self.counts.get(semaphore, 0) + count


def _groups(standing: list[list[Operation]]) -> Iterator[list[list[Operation]]]:
    """Which streams' loops may be one: many before few."""
    for size in range(len(standing), 0, -1):
        for group in combinations(standing, size):
            yield list(group)
