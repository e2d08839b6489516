"""Perfectly nested loops as one loop, where the body counts from one to the next (trusted core).

A program that works one iteration ahead forms "the next iteration" of a nest: ``(k + 1) % n``
inside, ``j + (k + 1) // n`` outside. As one counter ``c = n·j + k`` this is ``c + 1``, and the
divisions that remain are digits of it. Iterations keep their order, so the program is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .condition import Condition, Connective, all_of, any_of, compare
from .index import FloorDivision, Index, Variable
from .polyhedral import Read, Statement
from .rewriting import expressions_of, replaced

Schedule = tuple[Index, ...]


def merge_nests(statements: Sequence[Statement]) -> list[Statement]:
    """The statements with such loops merged, as far as their nests are perfect."""
    merged = list(statements)
    while (pair := _next_pair(merged)) is not None:
        merged = [_merge(statement, *pair) for statement in merged]
    return merged


def _next_pair(statements: Sequence[Statement]) -> tuple[Variable, Variable] | None:
    """An inner counter that is divided together with the next outer one, and the outer one."""
    for statement in statements:
        for index in expressions_of(statement):
            for division in index.divisions:
                for inner in statement.dims:
                    outer = _enclosing(statement.schedule, inner)
                    if outer is None or not _carries(division, outer, inner):
                        continue
                    if _is_perfect(statements, outer, inner):
                        return outer, inner
    return None


def _carries(division: FloorDivision, outer: Variable, inner: Variable) -> bool:
    """Whether the dividend is ``inner`` or ``trips * outer + inner``, and the quotient carries."""
    if inner.high is None:
        return False
    trips = inner.high + 1
    factors = dict(division.dividend.terms)
    if tuple(factors) == (inner,):
        return factors[inner] == 1 and division.divisor == trips
    return inner in factors and factors.get(outer) == trips * factors[inner]


def _counter(index: Index) -> Variable | None:
    if index.constant or len(index.terms) != 1:
        return None
    atom, factor = index.terms[0]
    return atom if isinstance(atom, Variable) and factor == 1 else None


def _enclosing(schedule: Schedule, inner: Variable) -> Variable | None:
    """The counter two places before ``inner``, with a constant position in between."""
    for place in range(2, len(schedule)):
        if _counter(schedule[place]) == inner and schedule[place - 1].is_constant:
            outer = _counter(schedule[place - 2])
            return outer if outer is not None and outer.low == inner.low == 0 else None
    return None


def _schedules(statements: Sequence[Statement]) -> Iterator[Schedule]:
    for statement in statements:
        yield statement.schedule
        for read in statement.reads:
            yield read.schedule


def _is_perfect(statements: Sequence[Statement], outer: Variable, inner: Variable) -> bool:
    """Whether everything in the outer loop is in the inner one."""
    positions: set[Index] = set()
    for schedule in _schedules(statements):
        for place, index in enumerate(schedule):
            if _counter(index) != outer:
                continue
            if len(schedule) <= place + 2 or _counter(schedule[place + 2]) != inner:
                return False
            positions.add(schedule[place + 1])
    return len(positions) == 1


def _merge(statement: Statement, outer: Variable, inner: Variable) -> Statement:
    if outer not in statement.dims:
        return statement
    assert inner.high is not None
    trips = inner.high + 1
    high = None if outer.high is None else (outer.high + 1) * trips - 1
    both = Variable(outer.name + inner.name, 0, high)
    shorter = replace(
        statement,
        condition=_weighted(statement.condition, outer, inner, trips),
        schedule=_shortened(statement.schedule, outer, both),
        reads=tuple(
            Read(read.array, read.indices, _shortened(read.schedule, outer, both))
            for read in statement.reads
        ),
    )
    dims = tuple(both if dim == outer else dim for dim in statement.dims if dim != inner)
    quotient = Index.of(both) // trips
    values = {outer.name: quotient, inner.name: Index.of(both) - quotient * trips}
    return replaced(shorter, values, dims)


def _weighted(condition: Condition, outer: Variable, inner: Variable, trips: int) -> Condition:
    """The condition, where it holds from the second outer iteration on, as one on their counter.

    ``a·outer + b·inner >= k`` with ``a >= k`` holds for every ``outer >= 1``, as no counter is
    negative; so it does with any other such ``a``, and ``trips·b`` makes the sum one counter.
    """
    if isinstance(condition, Connective):
        parts = [_weighted(part, outer, inner, trips) for part in condition.parts]
        return all_of(parts) if condition.kind == "and" else any_of(parts)
    value = condition.expression
    factors = dict(value.terms)
    if condition.is_equality or not {outer, inner} <= factors.keys():
        return condition
    if any(f < 0 or not isinstance(a, Variable) or a.low != 0 for a, f in value.terms):
        return condition
    weight = trips * factors[inner]
    if min(factors[outer], weight) + value.constant < 0:
        return condition
    return compare(value + Index.of(outer) * (weight - factors[outer]))


def _shortened(schedule: Schedule, outer: Variable, both: Variable) -> Schedule:
    for place, index in enumerate(schedule):
        if _counter(index) == outer:
            return (*schedule[:place], Index.of(both), *schedule[place + 3 :])
    return schedule
