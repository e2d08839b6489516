"""The header of a ``for`` loop: where it starts, how far it steps, and how often it runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ...diagnostics import Diagnostic, SourceLocation
from ..c import syntax
from ..c.loop_header import LoopHeader, loop_header
from ..c.traversal import descendants
from ..c.types import CInteger
from . import arithmetic
from .algebra import choice, compare, quotient
from .expressions import Expressions
from .terms import ZERO, Sum
from .values import Number, Variable


@dataclass(frozen=True)
class CountedLoop:
    """A loop whose variable takes the values ``start``, ``start + step``, ... ``trips`` times."""

    header: LoopHeader
    kind: CInteger
    start: Sum
    stop: Sum
    """For an upward loop: the first value that is too large."""
    step: int
    trips: Sum

    @property
    def last(self) -> Sum:
        """The variable's value after the loop."""
        return self.start + self.trips.scaled(self.step)


def counted_loop(loop: syntax.For, expressions: Expressions) -> CountedLoop:
    """Read the header of ``loop``.

    Raises Diagnostic for loops that do not count in a known way, or that may not end.
    """
    header = loop_header(loop)
    _check_unchanged(loop, header)
    kind = _variable_type(header, expressions, loop)
    start = _start(header, kind, expressions, loop)
    size = 1 if header.step is None else expressions.constant(header.step, "the step of a loop")
    step = size * header.direction
    if step == 0:
        raise Diagnostic("this loop does not advance", loop.location)
    bound = expressions.index(header.bound)
    distance = _distance(header.operator, start, bound, step, loop)
    trips = quotient(distance + (abs(step) - 1), abs(step))
    if distance.interval.low < 0:
        trips = choice(compare("gt", distance, ZERO), trips, ZERO)
    _check_end(loop, kind, start + trips.scaled(step))
    return CountedLoop(header, kind, start, start + distance, step, trips)


def _variable_type(header: LoopHeader, expressions: Expressions, loop: syntax.For) -> CInteger:
    if header.declared is not None:
        kind = header.declared.type.base
        is_scalar = not header.declared.type.derivations
    else:
        variable = expressions.scopes.find(header.variable)
        if not isinstance(variable, Variable):
            raise Diagnostic(f"'{header.variable}' is not declared", loop.location)
        kind = variable.type
        is_scalar = not variable.extents and not variable.is_pointer
    if not isinstance(kind, CInteger) or not is_scalar:
        raise Diagnostic("the variable of a loop must be an integer", loop.location)
    return kind


def _start(header: LoopHeader, kind: CInteger, expressions: Expressions, loop: syntax.For) -> Sum:
    if header.initial is None:
        initial = syntax.Identifier(loop.location, header.variable)
        return expressions.index(initial)
    value = arithmetic.convert(expressions.value(header.initial), kind, header.initial.location)
    assert isinstance(value, Number)
    return arithmetic.exact(value, header.initial.location)


def _distance(operator: str, start: Sum, bound: Sum, step: int, loop: syntax.For) -> Sum:
    """How far the variable moves, up or down, before it reaches the bound."""
    upward = step > 0
    distance = bound - start if upward else start - bound
    if operator == "!=":
        if distance.interval.low < 0 or distance.divided(abs(step)) is None:
            raise Diagnostic("this loop may step over its bound", loop.location, hint="use < or >")
        return distance
    if (operator in ("<", "<=")) != upward:
        raise Diagnostic(
            "this loop runs away from its bound",
            loop.location,
            hint=f"with a step of {step:+d} the condition is {'<' if upward else '>'} or "
            f"{'<=' if upward else '>='}",
        )
    return distance + 1 if operator in ("<=", ">=") else distance


def _check_end(loop: syntax.For, kind: CInteger, last: Sum) -> None:
    """The condition must become false before the variable leaves its type."""
    if not kind.holds(last.interval.low, last.interval.high):
        raise Diagnostic(
            f"this loop's variable leaves the range of {kind} before the loop ends",
            loop.location,
            hint="use a larger, signed type",
        )


def _check_unchanged(loop: syntax.For, header: LoopHeader) -> None:
    """Neither the variable nor what the bound reads may change in the body."""
    fixed = {header.variable}
    for expression in (header.bound, header.step):
        if expression is not None:
            fixed |= {n.name for n in descendants(expression) if isinstance(n, syntax.Identifier)}
    for name, location in assignments(loop.body):
        if name in fixed:
            raise Diagnostic(
                f"'{name}' changes while it controls this loop",
                location,
                hint="the variable and the bound of a loop must not be assigned in its body",
            )


@lru_cache(maxsize=1024)
def assignments(statement: syntax.Statement) -> tuple[tuple[str, SourceLocation], ...]:
    """The names of the variables that a statement assigns, and where."""
    found: list[tuple[str, SourceLocation]] = []
    for node in descendants(statement):
        if isinstance(node, (syntax.Assignment, syntax.Increment)):
            target = node.target
            while isinstance(target, syntax.Subscript):
                target = target.base
            if isinstance(target, syntax.Identifier):
                found.append((target.name, node.location))
    return tuple(found)


def divides(statement: syntax.Statement, name: str) -> bool:
    """Whether a statement divides or shifts something that reads the variable ``name``."""
    return any(
        isinstance(node, syntax.Binary)
        and node.operator in ("/", "%", ">>", "&")
        and any(isinstance(n, syntax.Identifier) and n.name == name for n in descendants(node))
        for node in descendants(statement)
    )
