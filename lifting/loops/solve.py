"""Which iteration of a nest writes a given cell: solving subscripts for loop variables."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from math import gcd

from .index import (
    IndexExpression,
    LoopVariable,
    Monomial,
    is_nonnegative,
    is_positive,
    reversals,
)

Subscripts = tuple[IndexExpression, ...]


class Outcome(Enum):
    """What is known about the iterations in which the subscripts denote the cell."""

    HIT = auto()
    """Exactly one iteration, inside the ranges of the loops."""
    MISS = auto()
    """No iteration."""
    UNKNOWN = auto()


@dataclass(frozen=True)
class Solution:
    """The outcome; ``values`` gives the iteration, ``unique`` says that there is no other."""

    outcome: Outcome
    values: dict[LoopVariable, IndexExpression] = field(
        default_factory=dict[LoopVariable, IndexExpression]
    )
    unique: bool = False


_MISS = Solution(Outcome.MISS)
_UNKNOWN = Solution(Outcome.UNKNOWN)


def solve(unknowns: tuple[LoopVariable, ...], written: Subscripts, cell: Subscripts) -> Solution:
    """Solve ``written == cell`` for ``unknowns``, which must not occur in ``cell``.

    Handled are equations that can be eliminated one variable at a time, and linearised subscripts
    such as ``i * n + j``, whose variables are digits of a mixed-radix number.
    """
    values: dict[LoopVariable, IndexExpression] = {}
    pending = list(zip(written, cell, strict=True))
    while pending:
        progress = _eliminate(unknowns, pending, values)
        if progress is None:
            return _MISS
        if progress:
            continue
        digits = _digits(unknowns, *pending[0])
        if digits is None:
            return _UNKNOWN
        values.update(digits)
        pending = [(left.substitute(digits), right) for left, right in pending]
    if len(values) < len(unknowns):
        return _UNKNOWN
    return Solution(_in_ranges(values), values, unique=True)


@dataclass(frozen=True)
class ConditionalSolution:
    """The only iteration that can write a cell, and what must hold for it to do so."""

    values: dict[LoopVariable, IndexExpression]
    zeros: tuple[IndexExpression, ...]
    """Expressions that must be 0."""
    nonnegative: tuple[IndexExpression, ...]
    """Expressions that must be at least 0."""


def solve_under_conditions(
    unknowns: tuple[LoopVariable, ...], written: Subscripts, cell: Subscripts
) -> ConditionalSolution | None:
    """Solve ``written == cell`` where whether there is a solution depends on the cell.

    ``None`` if the equations do not give the iteration.
    """
    values: dict[LoopVariable, IndexExpression] = {}
    pending = list(zip(written, cell, strict=True))
    while True:
        progress = _eliminate(unknowns, pending, values)
        if progress is None:
            return None
        if not progress:
            break
    if len(values) < len(unknowns) or any(v in a.symbols for a, _ in pending for v in unknowns):
        return None
    while any(not value.symbols.isdisjoint(values) for value in values.values()):
        values = {variable: value.substitute(values) for variable, value in values.items()}
    distances: list[IndexExpression] = []
    for variable, value in values.items():
        distances.append(value - variable.lower.substitute(values))
        distances += [upper.substitute(values) - 1 - value for upper in variable.uppers]
    open_distances = tuple(d for d in distances if not is_nonnegative(d))
    return ConditionalSolution(values, tuple(a - b for a, b in pending), open_distances)


def _eliminate(
    unknowns: tuple[LoopVariable, ...],
    pending: list[tuple[IndexExpression, IndexExpression]],
    values: dict[LoopVariable, IndexExpression],
) -> bool | None:
    """Use up one equation; return whether one was, or ``None`` if it cannot be satisfied."""
    for position, (left, right) in enumerate(pending):
        present = [variable for variable in unknowns if variable in left.symbols]
        if not present:
            difference = left - right
            if is_positive(difference) or is_positive(difference * -1):
                return None
            if is_nonnegative(difference) and is_nonnegative(difference * -1):
                del pending[position]
                return True
            continue
        if _never_equal(left, right):
            return None
        parts = left.split(present[0])
        if len(present) > 1 or parts is None:
            continue
        value = _quotient(right - parts[1], parts[0].constant)
        if value is None:
            continue
        values[present[0]] = value
        del pending[position]
        pending[:] = [(a.substitute({present[0]: value}), b) for a, b in pending]
        return True
    return False


def _never_equal(left: IndexExpression, right: IndexExpression) -> bool:
    """Return whether both sides differ modulo a number, as ``4 * i`` and ``4 * j + 1`` do."""
    terms = (left - right).terms
    divisor = gcd(*(coefficient for monomial, coefficient in terms if monomial))
    rest = sum(coefficient for monomial, coefficient in terms if not monomial)
    return divisor > 1 and rest % divisor != 0


def _quotient(dividend: IndexExpression, divisor: int | None) -> IndexExpression | None:
    """Return the exact quotient by a number, or ``None`` if there is a remainder."""
    if not divisor or any(coefficient % divisor for _, coefficient in dividend.terms):
        return None
    return IndexExpression(tuple((m, c // divisor) for m, c in dividend.terms))


def _in_ranges(values: dict[LoopVariable, IndexExpression]) -> Outcome:
    """Return whether the values respect the ranges: always, never, or unknown."""
    outcome = Outcome.HIT
    for variable, value in values.items():
        distances = [value - variable.lower.substitute(values)]
        distances += [upper.substitute(values) - 1 - value for upper in variable.uppers]
        if any(is_positive(distance * -1) for distance in distances):
            return Outcome.MISS
        if not all(is_nonnegative(distance) for distance in distances):
            outcome = Outcome.UNKNOWN
    return outcome


def _digits(
    unknowns: tuple[LoopVariable, ...], left: IndexExpression, right: IndexExpression
) -> dict[LoopVariable, IndexExpression] | None:
    """Read ``right`` as a number whose digits are the unknowns of ``left``."""
    turned = {v: value for v, value in reversals(left).items() if v in unknowns}
    left = left.substitute(turned)
    strides: list[tuple[LoopVariable, Monomial, int]] = []
    rest = left
    for variable in unknowns:
        if variable not in rest.symbols:
            continue
        parts = rest.split(variable)
        if parts is None or len(parts[0].terms) != 1:
            return None
        strides.append((variable, *parts[0].terms[0]))
        rest = parts[1]
    strides.sort(key=lambda stride: (len(stride[1]), stride[2]), reverse=True)
    if not strides or not _is_positional(strides):
        return None
    remaining = right - rest
    values: dict[LoopVariable, IndexExpression] = {}
    for variable, monomial, coefficient in strides:
        values[variable], remaining = _divide(remaining, monomial, coefficient)
    if remaining.terms or _in_ranges(values) is not Outcome.HIT:
        return None
    return {v: turned[v].substitute({v: x}) if v in turned else x for v, x in values.items()}


def _is_positional(strides: list[tuple[LoopVariable, Monomial, int]]) -> bool:
    """Return whether each stride exceeds all that the smaller digits can add up to."""
    below = IndexExpression(())
    for variable, monomial, coefficient in reversed(strides):
        stride = IndexExpression(((monomial, coefficient),))
        if not is_positive(stride - below):
            return False
        lengths = [u - variable.lower for u in variable.uppers]
        longest = next((length for length in lengths if not length.variables), None)
        if longest is None:
            return False
        below = below + stride * (longest - 1)
    return True


def _divide(
    dividend: IndexExpression, monomial: Monomial, coefficient: int
) -> tuple[IndexExpression, IndexExpression]:
    """Split ``dividend`` into the terms divisible by the divisor, divided, and the others."""
    quotient: list[tuple[Monomial, int]] = []
    rest: list[tuple[Monomial, int]] = []
    for term, factor in dividend.terms:
        left = list(term)
        is_divisible = factor % coefficient == 0
        for symbol in monomial:
            if symbol not in left:
                is_divisible = False
                break
            left.remove(symbol)
        if is_divisible:
            quotient.append((tuple(left), factor // coefficient))
        else:
            rest.append((term, factor))
    return IndexExpression.from_terms(quotient), IndexExpression.from_terms(rest)
