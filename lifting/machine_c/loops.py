"""Reads ``for`` loops: they stay loops, and what their iterations change becomes formulas.

A variable that no formula fits is carried from iteration to iteration by the loop itself, as an
``index``; if it is a local address, its flags are carried beside its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, BlockArgument, Region, SSAValue

from ...diagnostics import Diagnostic
from ..c import syntax
from ..c.polynomial import Interval
from ..c.traversal import descendants
from ..c.types import CInteger
from .algebra import choice, compare
from .carried import Carried, carry
from .counted_loop import CountedLoop, assignments, counted_loop, divides
from .recurrences import Formula, guess, is_proved
from .scopes import Cell, restore
from .statements import Statements
from .step_by_step import run_step_by_step
from .terms import ZERO, Atom, Sum, atom, constant
from .values import Held, Number, Unknown, Value, Variable, sum_of, with_sum

_MAX_ROUNDS = 12
"""Iterations that are analysed to find out how the variables of one loop change."""
_PATIENCE = 3
"""Analyses after which bounds that still grow are given up."""
_LARGE_CHANGE = 1 << 29
"""Beyond it, the change of a variable says less than its bounds."""
_POINTER_RANGE = Interval(-(1 << 40), 1 << 40)
"""Bytes that a pointer may move; no array is larger."""


def run_loop(statements: Statements, loop: syntax.For) -> None:
    """Read one loop; iteration by iteration if that is allowed and needed.

    Raises Diagnostic where it cannot be followed.
    """
    context = statements.context
    before = context.scopes.save()
    try:
        _Loop(statements, loop).run()
    except Diagnostic as reason:
        if not context.steps.allowed or statements.is_for_core(loop, reason):
            raise
        restore(before)
        run_step_by_step(statements, loop, reason)


@dataclass
class _Changing:
    """A variable that the loop's body changes."""

    cell: Cell
    initial: Value
    atom: Atom
    """Stands for its value when an iteration begins, as long as nothing better is known."""
    formula: Formula | None = None
    update: Sum | None = None
    """Its value when the iteration ends."""
    is_bounded: bool = False
    """Whether the last analysis kept its bounds."""
    tried: bool = False
    """Whether a formula was looked for since the bounds changed."""

    @property
    def initial_sum(self) -> Sum:
        total = sum_of(self.initial)
        assert total is not None
        return total


class _Loop:
    def __init__(self, statements: Statements, loop: syntax.For) -> None:
        self._statements = statements
        self._context = statements.context
        self._loop = loop
        self._name = ""

    def run(self) -> None:
        with self._context.scope():
            counted = self._header()
            changing = self._changing()
            before = self._context.scopes.save()
            number = self._iteration_number(counted)
            solved = self._solve(counted, number, changing) if changing else []
            restore(before)
            if self._context.analysing:
                results = {c.cell: self._after(c, counted) for c in solved}
            else:
                results = self._emit(counted, solved)
            restore(before)
            for cell, value in results.items():
                cell.value = value
            self._set_outer_variable(counted)

    # ---- header ---------------------------------------------------------------------------------
    def _header(self) -> CountedLoop:
        for part in (self._loop.condition, self._loop.step):
            if part is not None:
                self._context.expressions.require_no_effect(part)
        counted = counted_loop(self._loop, self._context.expressions)
        self._check_bound(counted)
        declared = counted.header.declared
        if declared is not None:
            self._statements.declarations.declare(replace(declared, initializer=None))
        self._name = counted.header.variable
        return counted

    def _check_bound(self, counted: CountedLoop) -> None:
        """No function that the body calls may change a variable of the file that controls it."""
        parts = (
            counted.header.bound,
            counted.header.step,
            syntax.Identifier(self._loop.location, counted.header.variable),
        )
        read = {
            n.name
            for part in parts
            if part is not None
            for n in descendants(part)
            if isinstance(n, syntax.Identifier)
        }
        shared = self._context.scopes.cells_of_file(self._context.changed_by_calls(self._loop.body))
        for name in sorted(read & {cell.variable.name for cell in shared}):
            raise Diagnostic(
                f"'{name}' changes while it controls this loop",
                self._loop.location,
                hint="the variable and the bound of a loop must not be assigned in its body",
            )

    def _variable(self) -> Cell:
        variable = self._context.scopes.find(self._name)
        assert isinstance(variable, Variable)
        return Cell(variable, 0)

    def _set_outer_variable(self, counted: CountedLoop) -> None:
        if counted.header.declared is None:
            self._variable().value = Number(counted.kind, counted.last)

    def _iteration_number(self, counted: CountedLoop) -> Atom:
        trips = counted.trips.interval
        return Atom("n", Interval(0, max(0, trips.high - 1)), self._context.level + 1)

    # ---- what the body changes ------------------------------------------------------------------
    def _changing(self) -> list[_Changing]:
        scopes, body = self._context.scopes, self._loop.body
        cells = scopes.cells_of({name for name, _ in assignments(body)})
        known = {(cell.variable, cell.index) for cell in cells}
        elsewhere = scopes.cells_of_file(self._context.changed_by_calls(body))
        found: list[_Changing] = []
        for cell in [*cells, *(c for c in elsewhere if (c.variable, c.index) not in known)]:
            value = cell.value
            total = sum_of(value)
            if value is None or isinstance(value, Unknown):
                continue
            if total is not None:
                unknown = Atom(cell.variable.name, total.interval, self._context.level + 1)
                found.append(_Changing(cell, value, unknown))
            else:
                cell.value = self._lose(cell)
        return found

    def _solve(
        self, counted: CountedLoop, number: Atom, changing: list[_Changing]
    ) -> list[_Changing]:
        """Find a formula for each variable that changes, and bounds for those without one.

        Formulas and bounds are assumptions until one iteration that starts from all of them is
        seen to keep all of them.
        """
        trips = counted.trips.interval.high
        after = replace(number, interval=Interval(0, max(0, trips)), key=object())
        for round_number in range(_MAX_ROUNDS):
            self._analyse(counted, number, changing)
            if round_number == 0:
                for variable in changing:
                    _guess_advance(variable, after, self._context.level)
                continue
            revised = _revise(changing, number, trips, last_chance=round_number >= _PATIENCE)
            if not self._guess(number, after, changing) and not revised:
                break
        else:
            # Nothing is assumed any more: whatever comes out is true.
            for variable in changing:
                variable.formula = None
                widest = _range_of(variable.initial)
                variable.atom = replace(variable.atom, interval=widest)
            self._analyse(counted, number, changing)
        return [c for c in changing if c.formula is None or c.formula.value != c.initial_sum]

    def _guess(self, number: Atom, after: Atom, changing: list[_Changing]) -> bool:
        """Guess formulas for what has none and has not been tried; tell whether there are any.

        Formulas are in terms of ``after``, which may also be the number of iterations.
        """
        known = [c for c in changing if c.update is not None]
        formulas = guess(
            number,
            after,
            [c.atom for c in known],
            [c.initial_sum for c in known],
            [c.update for c in known if c.update is not None],
            self._context.level,
        )
        found = False
        for variable, formula in zip(known, formulas, strict=True):
            if variable.formula is None and variable.is_bounded and not variable.tried:
                variable.tried, variable.formula = True, formula
                found = found or formula is not None
        return found

    def _analyse(self, counted: CountedLoop, number: Atom, changing: list[_Changing]) -> None:
        """Follow the variables through one iteration, without emitting anything."""
        context = self._context
        before = context.scopes.save()
        was_analysing, context.analysing = context.analysing, True
        try:
            n = atom(number)
            for variable in changing:
                formula = variable.formula
                start = formula.at(n) if formula is not None else atom(variable.atom)
                variable.cell.value = with_sum(variable.initial, start)
            self._iterate(counted, counted.start + n.scaled(counted.step), None)
            for variable in changing:
                variable.update = self._update_of(variable)
        finally:
            context.analysing = was_analysing
            restore(before)

    def _update_of(self, variable: _Changing) -> Sum | None:
        value = variable.cell.value
        if isinstance(value, Unknown):
            return None
        total = sum_of(value)
        if (
            value is None
            or total is None
            or with_sum(variable.initial, total) != with_sum(value, total)
        ):
            return None
        return total

    def _iterate(
        self,
        counted: CountedLoop,
        value: Sum,
        block: Block | None,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        """Run the body once, and ``finish`` at its end."""
        self._variable().value = Number(counted.kind, value)
        with self._context.region(block, is_loop=True), self._context.scope():
            self._statements.run(self._loop.body)
            finish()

    # ---- emission -------------------------------------------------------------------------------
    def _emit(self, counted: CountedLoop, changing: list[_Changing]) -> dict[Cell, Held]:
        emitter, location = self._context.emitter, self._loop.location
        carried = self._carried(changing)
        starts = [emitter.index(start) for item in carried.values() for start in item.starts]
        block = Block(arg_types=[IndexType()] * (1 + len(starts)))
        block.args[0].name_hint = self._name
        lower, upper, step = self._bounds(counted, changing)
        induction = Atom(
            self._name,
            _induction_range(lower, upper, step),
            self._context.level + 1,
            block.args[0],
        )
        value = atom(induction)
        number = value - lower if step == 1 else ZERO
        if lower != counted.start or step != counted.step:
            value = counted.start + number.scaled(counted.step)
        self._enter(changing, carried, number, list(block.args[1:]))
        self._iterate(counted, value, block, lambda: self._yield(changing, carried))
        emitter.location = location
        first, end, stride = (emitter.index(bound) for bound in (lower, upper, constant(step)))
        op = emitter.emit(scf.ForOp(first, end, stride, starts, Region(block)))
        after = iter(op.results)
        return {c.cell: self._result(c, counted, carried.get(c.cell), after) for c in changing}

    def _bounds(self, counted: CountedLoop, changing: list[_Changing]) -> tuple[Sum, Sum, int]:
        """Lower bound, upper bound and step of the emitted loop.

        Loops are emitted as written, except those that run downwards, whose iterations must be
        counted for a formula, or whose variable is divided, most often by its step.
        """
        is_counted = any(variable.formula is not None for variable in changing)
        is_counted = is_counted or divides(self._loop.body, self._name)
        if counted.step > 0 and (counted.step == 1 or not is_counted):
            return counted.start, counted.stop, counted.step
        return ZERO, counted.trips, 1

    def _enter(
        self,
        changing: list[_Changing],
        carried: dict[Cell, Carried],
        number: Sum,
        arguments: list[BlockArgument],
    ) -> None:
        """Give the variables the values that they have when an iteration begins."""
        remaining = iter(arguments)
        for variable in changing:
            if variable.formula is not None:
                total = variable.formula.at(number)
            elif variable.cell in carried:
                total = carried[variable.cell].enter(remaining, self._context.level + 1)
            else:
                variable.cell.value = self._lose(variable.cell)
                continue
            variable.cell.value = with_sum(variable.initial, total)

    def _carried(self, changing: list[_Changing]) -> dict[Cell, Carried]:
        """How the variables without a formula are carried, found by following them again."""
        found: dict[Cell, Carried] = {}
        for variable in changing:
            if variable.formula is None and variable.update is not None:
                initial = variable.initial
                kind = initial.type if isinstance(initial, Number) else None
                start = variable.initial_sum
                found[variable.cell] = carry(variable.atom, kind, start, variable.update)
        return found

    def _yield(self, changing: list[_Changing], carried: dict[Cell, Carried]) -> None:
        emitter = self._context.emitter
        results: list[Sum] = []
        for variable in changing:
            if variable.cell not in carried:
                continue
            total = self._update_of(variable)
            pieces = None if total is None else carried[variable.cell].split(total)
            if pieces is None:
                raise Diagnostic(_lost(variable.cell).reason, self._loop.location)
            results.extend(pieces)
        emitter.emit(scf.YieldOp(*[emitter.index(result) for result in results]))

    def _result(
        self,
        variable: _Changing,
        counted: CountedLoop,
        carried: Carried | None,
        results: Iterator[SSAValue],
    ) -> Held:
        """The variable's value after an emitted loop."""
        if variable.formula is not None:
            return self._after(variable, counted)
        if carried is None:
            return self._lose(variable.cell)
        return with_sum(variable.initial, carried.enter(results, self._context.level))

    def _lose(self, cell: Cell) -> Unknown:
        """Give the value up; raises Diagnostic where running the iterations may still tell it."""
        lost = _lost(cell)
        if self._context.steps.allowed:
            raise Diagnostic(lost.reason, self._loop.location)
        return lost

    def _unknown_after(self, variable: _Changing, counted: CountedLoop) -> Sum:
        name, level = variable.cell.variable.name, self._context.level
        if variable.update is not None:
            change = (variable.update - atom(variable.atom)).interval
            change = _repeated(change, counted.trips.interval.high)
            if max(-change.low, change.high) < _LARGE_CHANGE:
                return variable.initial_sum + atom(Atom(name, change, level))
        return atom(Atom(name, variable.atom.interval, level))

    def _after(self, variable: _Changing, counted: CountedLoop) -> Value:
        """The variable's value after the loop, as far as a formula tells it."""
        if variable.formula is None:
            return with_sum(variable.initial, self._unknown_after(variable, counted))
        total = variable.formula.at(counted.trips)
        if counted.trips.interval.low <= 0:
            ran = compare("gt", counted.trips, ZERO)
            total = choice(ran, total, variable.initial_sum)
        return with_sum(variable.initial, total)


def _lost(cell: Cell) -> Unknown:
    return Unknown(f"cannot follow how '{cell.variable.name}' changes from iteration to iteration")


def _guess_advance(variable: _Changing, number: Atom, level: int) -> None:
    """Guess at once that a variable which one iteration moves by a constant always does so."""
    if variable.update is None:
        return
    step = variable.update - atom(variable.atom)
    if step.is_constant and variable.initial_sum.level <= level:
        value = variable.initial_sum + atom(number).scaled(step.constant)
        variable.formula = Formula(number, value)


def _revise(changing: list[_Changing], number: Atom, trips: int, *, last_chance: bool) -> bool:
    """Drop formulas and widen bounds that one iteration did not keep; tell whether any did not.

    What follows from a wrong formula says nothing about bounds.
    """
    dropped = False
    for variable in changing:
        formula, update = variable.formula, variable.update
        if formula is not None and (update is None or not is_proved(formula, number, update)):
            variable.formula, dropped = None, True
    if dropped:
        return True
    revised = False
    for variable in changing:
        if variable.formula is not None:
            continue
        wanted = _wanted_bounds(variable, trips, last_chance=last_chance)
        variable.is_bounded = wanted == variable.atom.interval
        if not variable.is_bounded:
            variable.atom = replace(variable.atom, interval=wanted)
            variable.tried = False
            revised = True
    return revised


def _wanted_bounds(variable: _Changing, trips: int, *, last_chance: bool) -> Interval:
    """Bounds that one iteration keeps, or wider ones to try next."""
    widest, update, current = _range_of(variable.initial), variable.update, variable.atom.interval
    if update is None:
        return widest
    seen = _hull(variable.initial_sum.interval, update.interval)
    reached = _reach(variable, update, trips)
    if seen == seen.intersect(current) or reached == reached.intersect(current):
        return current
    wanted = reached if last_chance else _hull(current, seen)
    return wanted.intersect(widest)


def _reach(variable: _Changing, update: Sum, trips: int) -> Interval:
    """Where a variable gets to by changing as much as one iteration may change it, each time."""
    change = (update - atom(variable.atom)).interval
    return variable.initial_sum.interval + _repeated(change, trips)


def _repeated(change: Interval, trips: int) -> Interval:
    return Interval(min(0, change.low * trips), max(0, change.high * trips))


def _hull(left: Interval, right: Interval) -> Interval:
    return Interval(min(left.low, right.low), max(left.high, right.high))


def _range_of(value: Value) -> Interval:
    if isinstance(value, Number):
        assert isinstance(value.type, CInteger)
        return Interval(value.type.lowest, value.type.highest)
    return _POINTER_RANGE


def _induction_range(lower: Sum, upper: Sum, step: int) -> Interval:
    low, high = lower.interval.low, upper.interval.high - 1
    if lower.is_constant and high >= low:
        high = low + (high - low) // step * step
    return Interval(low, max(low, high))
