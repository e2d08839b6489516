"""All executions of each operation of a program, and their order.

The program is evaluated operation by operation for all iterations at once (see ``hw/lanes.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func, scf
from xdsl.ir import Block, Operation

from ....diagnostics import Diagnostic
from ....dialects import trn
from ...lanes import Scope, UnknownValueError, Value, ceiling_quotient, evaluate
from ...locations import location_of

Column = NDArray[np.int64]
MAX_EXECUTIONS = 1 << 23
Define = Callable[[Operation, Scope], bool]


class TileProgramError(Diagnostic):
    """A program that cannot be timed; the message names the operation."""


@dataclass
class Executions:
    """An operation, once per lane of its scope."""

    op: Operation
    scope: Scope
    origin: int
    """The number of the operation."""
    positions: Column = field(default_factory=lambda: np.zeros(0, np.int64))
    """The number of each execution among those of all operations."""


def executions_of(
    block: Block, wanted: tuple[type[Operation], ...], define: Define
) -> tuple[list[Executions], int]:
    """The executions of all ``wanted`` operations of a block, in its text's order; their number.

    Streams count as if they ran one after the other.
    ``define`` handles operations of the machine that are no integer arithmetic, and says whether
    it did. Raises ``TileProgramError`` for others, for loops that carry values, and for more than
    ``MAX_EXECUTIONS``.
    """
    walk = _Walk(wanted, define)
    trace = _Trace(Scope(1))
    walk.block(block, trace)
    count = int(np.sum(trace.scope.column(trace.count)))
    if count > MAX_EXECUTIONS:
        raise TileProgramError(f"over {MAX_EXECUTIONS} instructions")
    _place(trace, np.zeros(1, np.int64))
    return walk.found, count


@dataclass
class _Trace:
    """What one region does, in order, in each of its lanes."""

    scope: Scope
    items: list[Executions | _Nested] = field(default_factory=list["Executions | _Nested"])
    count: Value = 0
    """Executions per lane."""

    def nest(self, inner: _Trace) -> None:
        nested = _Nested(inner)
        self.items.append(nested)
        self.count = self.count + nested.totals


class _Nested:
    """A region and, per lane, the executions of earlier lanes of the same outer lane."""

    def __init__(self, trace: _Trace) -> None:
        self.trace = trace
        scope = trace.scope
        total = np.concatenate(([0], np.cumsum(scope.column(trace.count), dtype=np.int64)))
        at_bounds = total[scope.bounds]
        self.totals = np.diff(at_bounds)
        self.before = total[:-1] - np.repeat(at_bounds[:-1], np.diff(scope.bounds))


class _Walk:
    def __init__(self, wanted: tuple[type[Operation], ...], define: Define) -> None:
        self.wanted = wanted
        self.define = define
        self.found: list[Executions] = []

    def block(self, block: Block, trace: _Trace) -> None:
        for op in block.ops:
            try:
                self._operation(op, trace)
            except UnknownValueError as error:
                raise _refused(op, f"the value {error} is not known here") from error
            except (ValueError, ZeroDivisionError) as error:
                raise _refused(op, str(error)) from error

    def _operation(self, op: Operation, trace: _Trace) -> None:
        scope = trace.scope
        if isinstance(op, scf.ForOp):
            return self._loop(op, trace)
        if isinstance(op, scf.IfOp):
            return self._branch(op, trace)
        if isinstance(op, trn.StreamOp):
            return self.block(op.body.block, trace)
        if isinstance(op, self.wanted):
            executions = Executions(op, scope, len(self.found))
            self.found.append(executions)
            trace.items.append(executions)
            trace.count = trace.count + 1
            return None
        if isinstance(op, scf.YieldOp | func.ReturnOp) or self.define(op, scope):
            return None
        value = evaluate(op, scope)
        if value is None and op.name != "arith.constant":
            raise _refused(op, "the machine has no such operation")
        if value is not None:
            scope.values[op.results[0]] = value
        return None

    def _loop(self, op: scf.ForOp, trace: _Trace) -> None:
        scope = trace.scope
        if op.iter_args:
            raise _refused(op, "a loop here carries no values")
        lower, upper, step = (scope.get(bound) for bound in (op.lb, op.ub, op.step))
        if np.any(np.less_equal(step, 0)):
            raise _refused(op, "the step of a loop must be positive")
        trips = np.maximum(scope.column(ceiling_quotient(upper - lower, step)), 0)
        if int(trips.sum()) > MAX_EXECUTIONS:
            raise _refused(op, f"more than {MAX_EXECUTIONS} iterations")
        body = scope.child(trips, loops=True)
        iteration = np.arange(body.size) - np.repeat(body.bounds[:-1], trips)
        induction = op.body.block.args[0]
        body.values[induction] = body.widen(lower) + iteration * body.widen(step)
        inner = _Trace(body)
        self.block(op.body.block, inner)
        trace.nest(inner)

    def _branch(self, op: scf.IfOp, trace: _Trace) -> None:
        scope = trace.scope
        if op.results:
            raise _refused(op, "a branch here has no results")
        taken = scope.column(scope.get(op.cond)) != 0
        for region, mask in ((op.true_region, taken), (op.false_region, ~taken)):
            if region.blocks:
                inner = _Trace(scope.child(mask.astype(np.int64), loops=False))
                self.block(region.block, inner)
                trace.nest(inner)


def _place(trace: _Trace, position: Column) -> None:
    """Number the executions of a region that begins at ``position`` in each lane."""
    for item in trace.items:
        if isinstance(item, Executions):
            item.positions = position
            position = position + 1
        else:
            inner = item.trace.scope
            _place(item.trace, position[inner.parent_lanes] + item.before)
            position = position + item.totals


def _refused(op: Operation, reason: str) -> TileProgramError:
    text = str(op).split("\n", 1)[0]
    return TileProgramError(f"{op.name}: {reason}, in {text[:160]!r}", location_of(op))
