"""Lowers counted C loops to ``scf.for`` with ``index`` bounds, counting upwards.

A loop that counts downwards, from ``a`` while it is above ``b``, becomes a loop of ``k`` from 0 to
``a - b`` in whose body the C variable is ``a - k``: the iterations and their order are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from xdsl.dialects import arith, builtin, memref, scf
from xdsl.ir import Block, Region

from ...diagnostics import Diagnostic, SourceLocation
from . import syntax
from .arithmetic import Arithmetic
from .bounds import surely_runs
from .constants import COMPARISONS
from .emitter import Emitter, mlir_location
from .expressions import ExpressionLowering
from .loop_header import LoopHeader, loop_header
from .named import surely_nonnegative
from .polynomial import Atom, Interval, LoopRange, Polynomial, next_serial
from .traversal import assigned_names, descendants, root_name
from .types import INT, LONG, CInteger, usual_arithmetic_conversions
from .values import ScalarVariable, Value, Variable
from .walking import (
    Motion,
    after_loop,
    at_iteration,
    mark_of,
    motion_of,
    moving_names,
    placed,
    position,
    walking_variables,
)

_ONE = Polynomial.constant(1)


@dataclass(frozen=True)
class _Counter:
    """A loop with its header evaluated: from ``initial``, the variable moves by ``step``."""

    variable: ScalarVariable
    kind: CInteger
    initial: Polynomial
    bound: Polynomial
    """The first value (upwards or downwards) at which the loop stops."""
    step: int
    """Positive; ``upward`` gives the direction."""
    upward: bool


class LoopLowering:
    """Emits ``for`` loops; the statements of their bodies are lowered by ``body``."""

    assumptions: list[str]
    """What a loop needs to terminate as C says, where that depends on parameters."""
    required: list[Polynomial]
    """What must be at least 0, for the formulas of variables after loops to hold."""

    def __init__(
        self,
        emitter: Emitter,
        expressions: ExpressionLowering,
        body: Callable[[syntax.Statement], None],
    ) -> None:
        self.assumptions = []
        self.required = []
        self._whole_steps: dict[Atom, tuple[Polynomial, int]] = {}
        self._emitter = emitter
        self._arithmetic = Arithmetic(emitter)
        self._expressions = expressions
        self._body = body

    def lower(self, loop: syntax.For) -> None:
        """Emit ``loop``. Raises Diagnostic if it is not a counted loop that surely ends."""
        header = loop_header(loop)
        with self._emitter.at(loop.location):
            counter = self._counter(loop, header)
            self._emit(loop, counter)
            if counter.variable.storage is not None:
                self._store_final_value(counter)
            elif counter.variable.walks is not None:
                self._expressions.scopes.rebind(self._final_formula(counter))

    # ---- header ---------------------------------------------------------------------------------
    def _counter(self, loop: syntax.For, header: LoopHeader) -> _Counter:
        variable = self._variable(loop, header)
        kind = variable.type
        if not isinstance(kind, CInteger) or kind.boolean:
            raise Diagnostic(
                f"the loop variable '{variable.name}' has type {variable.type}",
                loop.location,
                hint="count with an integer",
            )
        self._check_bound_is_fixed(header, loop.body)
        if header.initial is not None:
            initial = self._expressions.converted(header.initial, kind)
        elif header.declared is None:
            initial = self._expressions.load(variable)
        else:
            raise Diagnostic(f"'{variable.name}' is not set at the start", loop.location)
        step, upward = self._step(header)
        bound = self._expressions.value(header.bound)
        bound = self._converted_bound(header, initial, bound, upward)
        operator = _operator(header, upward)
        limit = self._arithmetic.polynomial(bound, variable.name)
        start = self._arithmetic.polynomial(initial, variable.name)
        self._check_termination(header, kind, (start, limit, bound.interval), step, upward)
        if operator in ("<=", ">="):
            limit = limit + _ONE if upward else limit - _ONE
        return _Counter(variable, kind, start, limit, step, upward)

    def _variable(self, loop: syntax.For, header: LoopHeader) -> ScalarVariable:
        if (declared := header.declared) is not None:
            if declared.type.derivations or not isinstance(declared.type.base, CInteger):
                raise Diagnostic(
                    f"the loop variable '{declared.name}' is not an integer", declared.location
                )
            return ScalarVariable(declared.name, declared.type.base, False, declared.location)
        variable = self._expressions.find(header.variable, loop.location)
        if not isinstance(variable, ScalarVariable):
            raise Diagnostic(
                f"the loop variable '{header.variable}' is not a scalar", loop.location
            )
        if variable.is_loop_variable:
            raise Diagnostic(
                f"the loop variable '{header.variable}' is changed in the body of its loop",
                loop.location,
                hint="give the inner loop a variable of its own",
            )
        if variable.const:
            raise Diagnostic(f"'{header.variable}' is const and cannot count", loop.location)
        return variable

    def _check_bound_is_fixed(self, header: LoopHeader, body: syntax.Statement) -> None:
        changed = assigned_names(body) | {header.variable}
        changed -= _sized_only(header.bound) - moving_names(body)
        for node in descendants(header.bound):
            if isinstance(node, (syntax.Assignment, syntax.Increment)):
                raise Diagnostic("a loop condition may not assign", node.location)
            if isinstance(node, (syntax.Identifier, syntax.Subscript)):
                names = root_name(node) & changed
                if names:
                    raise Diagnostic(
                        f"the loop bound depends on '{min(names)}', which the loop changes",
                        node.location,
                        hint="compute the bound once before the loop",
                    )

    def _step(self, header: LoopHeader) -> tuple[int, bool]:
        if header.step is None:
            return 1, header.direction > 0
        step = self._expressions.value(header.step).constant
        if not isinstance(step, int) or step == 0:
            raise Diagnostic(
                "the step of a loop must be an integer constant other than 0",
                header.step.location,
                hint="write a number or a macro",
            )
        return abs(step), (step > 0) == (header.direction > 0)

    def _converted_bound(
        self, header: LoopHeader, initial: Value, bound: Value, upward: bool
    ) -> Value:
        """Return the bound as C compares it with the variable, in their common type."""
        location = header.bound.location
        if not isinstance(bound.type, CInteger):
            raise Diagnostic(
                f"mismatched types: the loop bound has type {bound.type}",
                location,
                hint="convert it to an integer before the loop",
            )
        kind = usual_arithmetic_conversions(initial.type, bound.type)
        assert isinstance(kind, CInteger)
        assert isinstance(initial.type, CInteger)
        turns_unsigned = initial.type.signed and not kind.signed
        if turns_unsigned and (not upward or initial.interval.low < 0):
            raise Diagnostic(
                f"the signed loop variable '{header.variable}' is compared as unsigned and may be "
                "negative",
                location,
                hint="give the variable and its bound the same type",
            )
        if bound.type.signed and not kind.signed and bound.interval.low < 0 and kind.bits == 64:
            self._assume("the bound of the loop is not negative", location)
        return self._arithmetic.convert(bound, kind)

    def _check_termination(
        self,
        header: LoopHeader,
        kind: CInteger,
        values: tuple[Polynomial, Polynomial, Interval],
        step: int,
        upward: bool,
    ) -> None:
        """Refuse loops that do not end; note what the end of others depends on."""
        start, limit, limits = values
        location = header.bound.location
        first, last = start.constant_value, limit.constant_value
        if last is not None and not LONG.holds(last, last + 1):
            raise _endless(header, f"the bound {last} is never reached", location)
        if first is not None and last is not None:
            self._check_constant_loop(header, kind, (first, last), step, upward)
            return
        if not upward and not kind.signed and header.operator == ">=" and last == 0:
            raise _endless(header, "an unsigned variable is always at least 0", location)
        if header.operator == "!=" and step != 1:
            raise Diagnostic(
                "a loop that ends at '!=' must step by one",
                location,
                hint="compare with '<' or '>'",
            )
        narrow = kind.bits < INT.bits
        if narrow and not kind.holds(limits.low, limits.high):
            raise _endless(header, f"{kind} cannot reach every value of the bound", location)
        if header.operator == "!=":
            self._assume(f"'{header.variable}' reaches its bound", location)
        elif not kind.signed:
            self._assume(f"'{header.variable}' does not wrap around", location)

    def _check_constant_loop(
        self,
        header: LoopHeader,
        kind: CInteger,
        values: tuple[int, int],
        step: int,
        upward: bool,
    ) -> None:
        first, last = values
        if not COMPARISONS[header.operator](first, last):
            return
        distance = last - first if upward else first - last
        if header.operator == "!=" and (distance < 0 or distance % step != 0):
            raise _endless(header, "it steps past its bound", header.bound.location)
        steps = distance // step + 1 if header.operator in ("<=", ">=") else -(-distance // step)
        stop = first + steps * step if upward else first - steps * step
        if not kind.holds(stop, stop):
            raise _endless(
                header, f"{kind} has no value {stop}, where it would stop", header.bound.location
            )

    def _assume(self, what: str, location: SourceLocation) -> None:
        text = f"line {location.line}: {what}"
        if text not in self.assumptions:
            self.assumptions.append(text)

    def _require(self, distance: Polynomial) -> None:
        if distance.interval.low >= 0 or self._is_what_is_left(distance):
            return
        self._assume(f"{distance} >= 0", self._emitter.location)
        if not any(distance.same_as(other) for other in self.required):
            self.required.append(distance)

    def _is_what_is_left(self, distance: Polynomial) -> bool:
        """Tell whether ``distance`` is what whole steps left, as ``n - 4 * (n / 4)``."""
        for count, (length, step) in self._whole_steps.items():
            if (share := distance.coefficient_of(count)) is not None and share.terms == {(): -step}:
                rest = distance + Polynomial({(count,): step})
                return (rest - length + Polynomial.constant(step - 1)).interval.low >= 0
        return False

    # ---- loop -----------------------------------------------------------------------------------
    def _emit(self, loop: syntax.For, counter: _Counter) -> None:
        factors = _factors(counter)
        moving = walking_variables(self._expressions.scopes, moving_names(loop.body))
        if factors is not None and moving.keys() <= {counter.variable.name}:
            self._emit_nest(loop, counter, factors)
        else:
            self._emit_loop(loop, counter)

    def _emit_nest(
        self, loop: syntax.For, counter: _Counter, factors: tuple[Polynomial, Polynomial]
    ) -> None:
        """Emit a loop over ``rows * columns`` as two: subscripts then tell rows from columns.

        The order of the iterations is the same.
        """
        rows, columns = factors
        for factor in factors:
            self._require(factor)
        bodies = [Block(arg_types=[builtin.IndexType()]) for _ in factors]
        ranges = [LoopRange(Polynomial.constant(0), extent, 1) for extent in factors]
        atoms = [
            Atom(f"{counter.variable.name}{place}", body.args[0], _values(range_), range_)
            for place, (body, range_) in enumerate(zip(bodies, ranges, strict=True))
        ]
        for atom, body in zip(atoms, bodies, strict=True):
            body.args[0].name_hint = atom.name
        start, step = self._emitter.index_constant(0), self._emitter.index_constant(1)
        outer_stop, inner_stop = self._emitter.index(rows), self._emitter.index(columns)
        scopes = self._expressions.scopes
        with self._expressions.paths.branch(certain=True) as block:
            position = Polynomial.atom(atoms[0]) * columns + Polynomial.atom(atoms[1])
            ssa = self._arithmetic.from_index(self._emitter.index(position), counter.kind)
            value = Value(counter.kind, ssa=ssa, polynomial=position)
            scopes.push()
            scopes.declare(_bound(counter.variable, value))
            self._body(loop.body)
            scopes.pop()
        for op in list(block.ops):
            op.detach()
            bodies[1].add_op(op)
        bodies[1].add_op(scf.YieldOp())
        inner = scf.ForOp(start, inner_stop, step, [], Region(bodies[1]))
        inner.location = mlir_location(self._emitter.location)
        bodies[0].add_ops([inner, scf.YieldOp()])
        self._emitter.emit(scf.ForOp(start, outer_stop, step, [], Region(bodies[0])))

    def _emit_loop(self, loop: syntax.For, counter: _Counter) -> None:
        zero = Polynomial.constant(0)
        lower, upper = counter.initial, counter.bound
        if not counter.upward:
            lower, upper = zero, counter.initial - counter.bound
        start, stop = self._emitter.index(lower), self._emitter.index(upper)
        step = self._emitter.index_constant(counter.step)
        loop_range = LoopRange(lower, upper, counter.step)
        motions = self._motions(loop, counter, loop_range)
        body = Block(arg_types=[builtin.IndexType()])
        body.args[0].name_hint = counter.variable.name
        runs = surely_runs(loop_range)
        newest = next_serial()
        scopes = self._expressions.scopes
        with self._expressions.paths.branch(certain=runs is not False) as block:
            variable, atom = self._bound_variable(counter, body, loop_range)
            number = _iteration_number(Polynomial.atom(atom), loop_range)
            for motion in motions.values():
                scopes.rebind(at_iteration(motion, number))
            scopes.push()
            scopes.declare(variable)
            self._body(loop.body)
            scopes.pop()
        for op in list(block.ops):
            op.detach()
            body.add_op(op)
        body.add_op(scf.YieldOp())
        self._emitter.emit(scf.ForOp(start, stop, step, [], Region(body)))
        self._finish_motions(motions, atom, loop_range, newest)

    # ---- variables that walk --------------------------------------------------------------------
    def _motions(
        self, loop: syntax.For, counter: _Counter, loop_range: LoopRange
    ) -> dict[str, Motion]:
        """Return what an iteration does to each variable that walks, by a trial."""
        scopes = self._expressions.scopes
        starts = walking_variables(scopes, moving_names(loop.body))
        starts = {n: v for n, v in starts.items() if n != counter.variable.name}
        if not starts:
            return {}
        before, newest = scopes.bindings(), next_serial()
        zero = self._emitter.index_constant(0)
        marks = {n: mark_of(n, zero) for n, v in starts.items() if position(v) is not None}
        trial = Block(arg_types=[builtin.IndexType()])
        with self._expressions.paths.branch() as block, self._expressions.accesses.paused():
            for name, mark in marks.items():
                scopes.rebind(placed(starts[name], Polynomial.atom(mark)))
            variable, _ = self._bound_variable(counter, trial, loop_range)
            scopes.push()
            scopes.declare(variable)
            self._body(loop.body)
            scopes.pop()
            ends = {name: scopes.find(name) for name in starts}
        self._expressions.paths.discard(block)
        scopes.restore(before)
        return {
            name: motion_of(starts[name], marks.get(name), end, newest)
            for name, end in ends.items()
            if end is not None
        }

    def _finish_motions(
        self, motions: dict[str, Motion], atom: Atom, loop_range: LoopRange, newest: int
    ) -> None:
        """Move each variable that walks to where it stands after the loop."""
        if not motions:
            return
        distance = loop_range.upper - loop_range.lower
        trips = _trips(loop_range)
        if (
            trips is not None
            and trips.constant_value is None
            and any(motion.step is not None and motion.step.terms for motion in motions.values())
        ):
            self._require(distance)
        last = None
        if trips is not None and surely_nonnegative(trips - _ONE):
            steps = (trips - _ONE) * Polynomial.constant(loop_range.step)
            last = (atom, loop_range.lower + steps)
        for motion in motions.values():
            self._expressions.scopes.rebind(after_loop(motion, trips, last, newest))

    def _bound_variable(
        self, counter: _Counter, body: Block, loop_range: LoopRange
    ) -> tuple[ScalarVariable, Atom]:
        """Return the variable as the body sees it, a value that only the loop changes."""
        name = counter.variable.name
        atom = Atom(name, body.args[0], _values(loop_range), loop_range)
        polynomial = Polynomial.atom(atom)
        if not counter.upward:
            atom = replace(atom, shown=counter.initial - polynomial)
            polynomial = counter.initial - Polynomial.atom(atom)
        index = self._emitter.index(polynomial)
        ssa = self._arithmetic.from_index(index, counter.kind)
        value = Value(counter.kind, ssa=ssa, polynomial=polynomial)
        return _bound(counter.variable, value), atom

    def _final_formula(self, counter: _Counter) -> Variable:
        """Return the variable, which walks, as it is after the loop."""
        distance = counter.bound - counter.initial
        if not counter.upward:
            distance = -distance
        trips = _trips(LoopRange(Polynomial.constant(0), distance, counter.step))
        if trips is None:
            trips = self._rounded_trips(distance, counter.step)
        elif trips.constant_value is None:
            self._require(distance)
        moved = trips * Polynomial.constant(counter.step if counter.upward else -counter.step)
        return placed(counter.variable, counter.initial + moved)

    def _rounded_trips(self, distance: Polynomial, step: int) -> Polynomial:
        """Return the number of steps that cover ``distance``, which is not before the start."""
        if all(coefficient % step == 0 for coefficient in distance.terms.values()):
            self._require(distance)
            return Polynomial({m: c // step for m, c in distance.terms.items()})
        rounded = distance + Polynomial.constant(step - 1)
        self._require(rounded)
        operands = self._emitter.index(rounded), self._emitter.index_constant(step)
        count = self._emitter.value(arith.DivSIOp(*operands))
        values = Interval(0, max(0, rounded.interval.high // step))
        atom = Atom("trips", count, values, exact=False, quotient_of=(rounded, step))
        self._whole_steps[atom] = (rounded, step)
        return Polynomial.atom(atom)

    def _store_final_value(self, counter: _Counter) -> None:
        """Store what the variable, declared before the loop, holds after it."""
        assert counter.variable.storage is not None
        emit = self._emitter.value
        start = self._emitter.index(counter.initial)
        distance = counter.bound - counter.initial
        if not counter.upward:
            distance = -distance
        # trips = ceil(max(distance, 0) / step)
        rounded = self._emitter.index(distance + Polynomial.constant(counter.step - 1))
        moved = emit(arith.MaxSIOp(rounded, self._emitter.index_constant(0)))
        if counter.step != 1:
            step = self._emitter.index_constant(counter.step)
            moved = emit(arith.MuliOp(emit(arith.DivSIOp(moved, step)), step))
        final = emit((arith.AddiOp if counter.upward else arith.SubiOp)(start, moved))
        ssa = self._arithmetic.from_index(final, counter.kind)
        self._emitter.emit(memref.StoreOp.get(ssa, counter.variable.storage, []))


def _values(loop_range: LoopRange) -> Interval:
    """Return bounds of the values that a loop variable takes."""
    lower, upper = loop_range.lower.interval, loop_range.upper.interval
    return Interval(lower.low, max(lower.low, upper.high - 1))


def _bound(variable: ScalarVariable, value: Value) -> ScalarVariable:
    """Return the variable of a loop as its body sees it."""
    return replace(variable, storage=None, walks=None, value=value, is_loop_variable=True)


def _factors(counter: _Counter) -> tuple[Polynomial, Polynomial] | None:
    """Return rows and columns of a loop from 0 to the product of two parameters."""
    terms = list(counter.bound.terms.items())
    starts_at_zero = counter.initial.constant_value == 0
    if not counter.upward or counter.step != 1 or not starts_at_zero or len(terms) != 1:
        return None
    (monomial, coefficient) = terms[0]
    if coefficient != 1 or len(monomial) != 2 or any(atom.loop_range for atom in monomial):
        return None
    rows, columns = (Polynomial.atom(atom) for atom in monomial)
    return rows, columns


def _sized_only(bound: syntax.Expression) -> set[str]:
    """Return the vectors whose size, which no store changes, is all that ``bound`` uses of them."""
    return {
        name
        for node in descendants(bound)
        if isinstance(node, syntax.MethodCall)
        for name in root_name(node.target)
    }


def _iteration_number(variable: Polynomial, loop_range: LoopRange) -> Polynomial | None:
    """Return how many iterations came before; ``None`` if that is no polynomial."""
    return (variable - loop_range.lower) if loop_range.step == 1 else None


def _trips(loop_range: LoopRange) -> Polynomial | None:
    """Return the number of iterations, for a loop whose bounds are in order."""
    distance = loop_range.upper - loop_range.lower
    if (length := distance.constant_value) is not None:
        return Polynomial.constant(max(0, -(-length // loop_range.step)))
    return distance if loop_range.step == 1 else None


def _endless(header: LoopHeader, reason: str, location: SourceLocation) -> Diagnostic:
    return Diagnostic(
        f"the loop over '{header.variable}' does not end: {reason}",
        location,
        hint="use a wider or a signed type for the loop variable, or change the bound",
    )


def _operator(header: LoopHeader, upward: bool) -> str:
    expected = ("<", "<=") if upward else (">", ">=")
    if header.operator not in (*expected, "!="):
        raise Diagnostic(
            f"the loop variable '{header.variable}' moves away from its bound",
            header.bound.location,
            hint="check the direction of the step and of the comparison",
        )
    return header.operator
