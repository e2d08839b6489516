"""Both sides of an ``if``, and how the variables that they change are joined after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Region, SSAValue
from xdsl.traits import is_side_effect_free

from ...diagnostics import Diagnostic, SourceLocation
from ..c import syntax
from ..c.polynomial import Interval
from .algebra import invert
from .assumption import Assumption
from .context import Context
from .scopes import Cell, State, restore
from .terms import Atom, Condition, Sum, atom
from .values import (
    Unknown,
    Value,
    Variable,
    join,
    level_of,
    map_held,
    sum_of,
    with_sum,
)


def run_branches(
    context: Context,
    run: Callable[[syntax.Statement], None],
    statement: syntax.If,
    condition: Condition,
) -> None:
    """Run both sides of an ``if`` whose condition is not known; ``run`` runs one statement."""
    _Branches(context, run, condition).run(statement)


@dataclass(frozen=True)
class _Hidden:
    """A variable whose value after the ``if`` only values computed inside of the sides can tell."""

    cell: Cell
    like: Value
    """The value, but for the integer in it."""
    then: Sum
    otherwise: Sum

    def resolve(self, level: int, value: SSAValue | None) -> None:
        """Give the variable the value that the ``if`` results in."""
        low = min(self.then.interval.low, self.otherwise.interval.low)
        high = max(self.then.interval.high, self.otherwise.interval.high)
        result = Atom(self.cell.variable.name, Interval(low, high), level, value)
        self.cell.value = with_sum(self.like, atom(result))


class _Branches:
    """The two sides of an ``if`` whose condition is not known."""

    def __init__(
        self,
        context: Context,
        run: Callable[[syntax.Statement], None],
        condition: Condition,
    ) -> None:
        self._context = context
        self._run = run
        self._condition = condition
        self._before = context.scopes.save()

    def run(self, statement: syntax.If) -> None:
        location = statement.location
        blocks = None if self._context.analysing else (Block(), Block())
        inverse = invert(self._condition)
        then = self._side(statement.then, self._condition, blocks and blocks[0])
        otherwise = self._side(statement.otherwise, inverse, blocks and blocks[1])
        restore(self._before)
        hidden = self._join(then, otherwise, location)
        if blocks is not None:
            self._emit(*blocks, hidden, location)
            return
        for variable in hidden:
            variable.resolve(self._context.level, None)

    def _side(
        self, statement: syntax.Statement | None, condition: Condition, block: Block | None
    ) -> State:
        restore(self._before)
        if statement is None:
            return self._before
        assumption = Assumption(condition, self._value_of)
        for variable in self._before:
            variable.cells[:] = [map_held(value, assumption.narrow) for value in variable.cells]
        region = self._context.region(block, is_loop=False, condition=condition)
        with region, self._context.scope():
            self._run(statement)
        return {
            variable: tuple(map_held(value, assumption.widen) for value in variable.cells)
            for variable in self._before
        }

    def _value_of(self, value: Sum) -> SSAValue | None:
        return None if self._context.analysing else self._context.emitter.index(value)

    def _join(self, then: State, otherwise: State, location: SourceLocation) -> list[_Hidden]:
        """Join the variables; returns what only values computed inside of the sides can tell."""
        hidden: list[_Hidden] = []
        for variable, before in self._before.items():
            for number in range(len(before)):
                left, right = then[variable][number], otherwise[variable][number]
                if left == right:
                    variable.cells[number] = left
                elif left is None or right is None:
                    variable.cells[number] = None
                elif isinstance(left, Unknown) or isinstance(right, Unknown):
                    variable.cells[number] = left if isinstance(left, Unknown) else right
                elif max(level_of(left), level_of(right)) > self._context.level:
                    cell = Cell(variable, number)
                    hidden.append(_hidden(cell, left, right, location))
                else:
                    variable.cells[number] = _joined(self._condition, left, right, variable)
        return hidden

    def _emit(
        self,
        then: Block,
        otherwise: Block,
        hidden: list[_Hidden],
        location: SourceLocation,
    ) -> None:
        emitter = self._context.emitter
        if not hidden and not any(_has_effect(block) for block in (then, otherwise)):
            return
        for block, results in (
            (then, [variable.then for variable in hidden]),
            (otherwise, [variable.otherwise for variable in hidden]),
        ):
            with emitter.region(block, is_loop=False):
                emitter.emit(scf.YieldOp(*[emitter.index(result) for result in results]))
        emitter.location = location
        regions = Region(then), Region(otherwise)
        if len(otherwise.ops) == 1 and not hidden:
            regions = regions[0], Region()
        kinds = [IndexType() for _ in hidden]
        op = emitter.emit(scf.IfOp(emitter.condition(self._condition), kinds, *regions))
        for variable, result in zip(hidden, op.results, strict=True):
            variable.resolve(self._context.level, result)


def _hidden(cell: Cell, left: Value, right: Value, location: SourceLocation) -> _Hidden:
    sums = sum_of(left), sum_of(right)
    if sums[0] is None or sums[1] is None or with_sum(left, sums[1]) != with_sum(right, sums[1]):
        raise Diagnostic(f"cannot follow which array '{cell.variable.name}' points to", location)
    return _Hidden(cell, left, sums[0], sums[1])


def _joined(condition: Condition, left: Value, right: Value, variable: Variable) -> Value:
    joined = join(condition, left, right)
    if joined is None:
        raise Diagnostic(f"'{variable.name}' changes its type", variable.location)
    return joined


def _has_effect(block: Block) -> bool:
    return any(op.regions or not is_side_effect_free(op) for op in block.ops)
