"""Simpler forms of one statement: counters as digits, and what its conditions imply (trusted core).

A statement that divides a counter n, as in ``(n + s) // 8`` and ``(n + s) % 8``, is the same
statement with the digits of ``n + s`` as counters: ``n = 8·a + b - s`` with ``0 <= b < 8``. Nothing
is divided then, and a load that works one iteration ahead gets the digits of the iteration it works
for. Which digits help is a guess from the divisions; the change of counters is one to one for any.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .condition import (
    Comparison,
    Condition,
    Connective,
    all_of,
    any_of,
    at_least,
    compare,
    without_quotient,
)
from .index import Extremum, FloorDivision, Index, Variable, constant_index, extremum
from .nests import merge_nests
from .polyhedral import Statement
from .rewriting import divisions_of, expressions_of, replaced, with_subscripts

ROUNDS = 3
"""How often digits are split again."""


def with_digits(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with digits for each counter that one of them divides.

    All statements split a counter in the same way, each with a shift of its own.
    """
    plain = merge_nests([simplified(statement) for statement in statements])
    plain = [simplified(statement) for statement in plain]
    divisors: dict[str, Counter[int]] = defaultdict(Counter)
    for statement in plain:
        for counter, division in divisions_of(statement):
            divisors[counter.name][division.divisor] += 1
    chains = {name: _chain(uses) for name, uses in divisors.items()}
    return [_with_own_digits(statement, chains) for statement in plain]


def _with_own_digits(statement: Statement, chains: Mapping[str, list[int]]) -> Statement:
    """The statement with the digits that all have, or those it divides by if more divisions go."""
    common = _with_chains(statement, chains)
    if not _has_division(common):
        return common
    used = {(counter.name, division.divisor) for counter, division in divisions_of(statement)}
    own = {
        name: [weight for weight in chain if weight == 1 or (name, weight) in used]
        for name, chain in chains.items()
    }
    alone = _with_chains(statement, own)
    for _ in range(ROUNDS):
        # What is left are divisions of the digits.
        left = {counter.name: [division.divisor, 1] for counter, division in divisions_of(alone)}
        alone = _with_chains(alone, left)
    return common if _has_division(alone) else alone


def _has_division(statement: Statement) -> bool:
    return any(index.divisions for index in expressions_of(statement))


def _with_chains(statement: Statement, chains: Mapping[str, list[int]]) -> Statement:
    shifts = _shifts(statement)
    for counter in statement.dims:
        if counter.name in chains:
            shift = shifts.get(counter.name, 0)
            statement = _split(statement, counter, chains[counter.name], shift)
    return simplified(statement)


def simplified(statement: Statement) -> Statement:
    """The statement with counters that its condition fixes replaced, and limits decided."""
    parts = _conjuncts(statement.condition)
    fixed = dict(_fixed_counters(parts))
    if fixed:
        # The schedule keeps its counters: merging nests looks for them.
        schedule, times = statement.schedule, [read.schedule for read in statement.reads]
        statement = replaced(statement, fixed, statement.dims)
        reads = zip(statement.reads, times, strict=True)
        reads = tuple(replace(read, schedule=time) for read, time in reads)
        statement = replace(statement, schedule=schedule, reads=reads)
        known = [_fixed_to(dim, fixed[dim.name]) for dim in statement.dims if dim.name in fixed]
        statement = replace(statement, condition=all_of([statement.condition, *known]))
    if not any(_has_extremum(index) for index in expressions_of(statement)):
        return statement
    bounds = [
        part.expression
        for part in _conjuncts(statement.condition)
        if isinstance(part, Comparison) and not part.is_equality
    ]
    # The condition itself is what the bounds are from: nothing in it is decided by them.
    statement = replace(statement, condition=_with_carries(statement.condition))
    return with_subscripts(statement, lambda index: _without_limits(index, bounds))


def _fixed_to(dim: Variable, value: Index) -> Condition:
    """``dim == value``, kept even where the range of the counter says so already."""
    return compare(Index.of(dim) - value, is_equality=True)


# Digits.


def _shifts(statement: Statement) -> dict[str, int]:
    """What is added to each counter in its division by the largest number."""
    largest: dict[str, FloorDivision] = {}
    for counter, division in divisions_of(statement):
        known = largest.get(counter.name)
        if known is None or division.divisor > known.divisor:
            largest[counter.name] = division
    return {name: division.dividend.constant for name, division in largest.items()}


def _chain(divisors: Mapping[int, int]) -> list[int]:
    """Weights of digits, highest first: numbers that divide each other, used as often as possible.

    ``divisors`` says how often each number divides the counter.
    """
    best: dict[int, tuple[int, list[int]]] = {1: (0, [1])}
    for divisor in sorted(divisors):
        uses, below = max(
            (chain for last, chain in best.items() if divisor % last == 0 and last < divisor),
            key=lambda chain: chain[0],
        )
        best[divisor] = (uses + divisors[divisor], [divisor, *below])
    return max(best.values(), key=lambda chain: (chain[0], chain[1]))[1]


def _split(statement: Statement, counter: Variable, weights: list[int], shift: int) -> Statement:
    digits: list[Variable] = []
    number = constant_index(0)
    limit = None if counter.high is None else counter.high + shift + 1
    for weight in weights:
        high = None if limit is None else -(-limit // weight) - 1
        if high != 0:
            digit = Variable(f"{counter.name}_{weight}", 0, high)
            digits.append(digit)
            number = number + Index.of(digit) * weight
        limit = weight if limit is None else min(weight, limit)
    value = number - shift
    place = statement.dims.index(counter)
    dims = (*statement.dims[:place], *digits, *statement.dims[place + 1 :])
    ordered = len(statement.dims) - statement.unordered
    more = len(digits) - 1 if place >= ordered else 0
    inside = [at_least(value, 0 if counter.low is None else counter.low)]
    if counter.high is not None:
        inside.append(at_least(counter.high, value))
    changed = replaced(statement, {counter.name: value}, dims)
    return replace(
        changed,
        condition=all_of([*inside, changed.condition]),
        unordered=statement.unordered + more,
    )


# Facts from the condition.


def _conjuncts(condition: Condition) -> tuple[Condition, ...]:
    if isinstance(condition, Connective) and condition.kind == "and":
        return condition.parts
    return (condition,)


def _fixed_counters(parts: tuple[Condition, ...]) -> Iterator[tuple[str, Index]]:
    """Counters that an equality sets to a number."""
    for part in parts:
        if isinstance(part, Comparison) and part.is_equality and len(part.expression.terms) == 1:
            atom, factor = part.expression.terms[0]
            number = -part.expression.constant * factor
            if isinstance(atom, Variable) and abs(factor) == 1:
                yield atom.name, constant_index(number)


def _has_extremum(index: Index) -> bool:
    atoms = [atom for atom, _ in index.terms]
    return any(
        isinstance(atom, Extremum)
        or (isinstance(atom, FloorDivision) and _has_extremum(atom.dividend))
        for atom in atoms
    )


def _without_limits(index: Index, bounds: list[Index]) -> Index:
    """The index with each ``max(x, y)`` and ``min(x, y)`` decided that a bound decides."""
    result = constant_index(index.constant)
    for atom, factor in index.terms:
        if isinstance(atom, FloorDivision):
            value = _without_limits(atom.dividend, bounds) // atom.divisor
        elif isinstance(atom, Extremum):
            left, right = _without_limits(atom.left, bounds), _without_limits(atom.right, bounds)
            if _follows(left - right, bounds):
                value = left if atom.kind == "max" else right
            elif _follows(right - left, bounds):
                value = right if atom.kind == "max" else left
            else:
                value = _carry(atom.kind, left, right) or extremum(atom.kind, left, right)
        else:
            value = Index.of(atom)
        result = result + value * factor
    return result


def _with_carries(condition: Condition) -> Condition:
    if isinstance(condition, Comparison):
        changed = _without_limits(condition.expression, [])
        return compare(changed, condition.is_equality)
    parts = [_with_carries(part) for part in condition.parts]
    return all_of(parts) if condition.kind == "and" else any_of(parts)


def _carry(kind: str, left: Index, right: Index) -> Index | None:
    """An extremum as a quotient, where it is one of its sides or one more: ``None`` elsewhere.

    Loops that count by hand form "one more where the inner counter is at its end" so. With
    ``d = left - right`` and ``low <= d <= 1``, ``max(d, 0) = 1 + ⌊(d - 1) / m⌋`` for any
    ``m >= 1 - low``; a number of iterations gives the division that merging nests looks for.
    """
    sides = (left, right), (right, left)
    for first, second in sides if kind == "max" else reversed(sides):
        difference = first - second
        low, high = difference.interval
        if high != 1 or low is None:
            continue
        larger = second + (difference - 1) // _period(difference, 1 - low) + 1
        return larger if kind == "max" else left + right - larger
    return None


def _period(value: Index, least: int) -> int:
    """The smallest number of iterations of a counter in ``value`` that is at least ``least``."""
    counters = [atom for atom, _ in value.terms if isinstance(atom, Variable)]
    trips = [atom.high + 1 for atom in counters if atom.low == 0 and atom.high is not None]
    return min((number for number in trips if number >= least), default=max(least, 1))


def _follows(value: Index, bounds: list[Index]) -> bool:
    """Whether ``value >= 0`` follows from one of ``bound >= 0``."""
    value = without_quotient(value)
    factors = dict(value.terms)
    for bound in bounds:
        # A multiple of what is at least 0 is so too.
        multiples = {factors.get(atom, 0) // factor for atom, factor in bound.terms}
        for multiple in sorted({1, *(number for number in multiples if number > 1)}):
            low = (value - bound * multiple).interval[0]
            if low is not None and low >= 0:
                return True
    return False
