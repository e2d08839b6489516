"""Rewritten statements execute the same: random loops as digits, as one counter, rolled up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from random import Random

import pytest
from liftproof.validation.core.condition import (
    TRUE,
    Condition,
    all_of,
    any_of,
    at_least,
    equal,
    less_than,
    negate,
)
from liftproof.validation.core.digits import with_digits
from liftproof.validation.core.index import Index, Variable, constant_index, extremum
from liftproof.validation.core.nests import merge_nests
from liftproof.validation.core.polyhedral import (
    Array,
    Read,
    Role,
    Statement,
    all_within,
    element_variables,
    non_negative,
)
from liftproof.validation.core.rewriting import expressions_of
from liftproof.validation.core.terms import leaves, term
from liftproof.validation.oracle.direct import is_true, value_at

SOURCE = Array("source", "i8", (constant_index(1000),), Role.INPUT, 0)
TARGET = Array("target", "i8", (constant_index(1000),))
FAR = 15
"""Where counters without a limit of their own end here; conditions end them sooner."""

Execution = tuple[tuple[int, ...], str, int, tuple[int, ...], int, int]


def executions(statements: list[Statement]) -> list[Execution]:
    """Each execution: when, of what, the cell written, when and what it reads, and its value."""
    return sorted(found for each in statements for found in _executions(each))


def _executions(statement: Statement) -> Iterator[Execution]:
    spans = [range(d.low or 0, (FAR if d.high is None else d.high) + 1) for d in statement.dims]
    (read,) = statement.reads
    (value,) = leaves(statement.value, "index")
    for numbers in product(*spans):
        point = {dim.name: n for dim, n in zip(statement.dims, numbers, strict=True)}
        if not is_true(statement.condition, point):
            continue
        time, read_time = (
            tuple(value_at(index, point) for index in schedule)
            for schedule in (statement.schedule, read.schedule)
        )
        cells = (statement.indices[0], read.indices[0], value.payload)
        cell, element, number = (value_at(index, point) for index in cells)
        yield time, statement.name, cell, read_time, element, number


def order(found: list[Execution]) -> list[tuple]:
    """Executions by rank in time: merged loops have fewer levels, but the same order."""
    ranks = {time: rank for rank, time in enumerate(sorted({e[0] for e in found}))}
    return sorted((ranks[time], *rest[:2], *rest[3:]) for time, *rest in found)


class Draw:
    """Random expressions of counters as programs form them."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)

    def counters(self) -> tuple[Variable, ...]:
        low = self.rng.choice((0, 0, 0, 1))
        open_ended = self.rng.random() < 0.2
        outer = Variable("a", low, None if open_ended else low + self.rng.randrange(4))
        return (
            outer,
            Variable("b", 0, self.rng.randrange(5)),
            Variable("c", 0, self.rng.randrange(1, 4)),
        )

    def expression(self, dims: tuple[Variable, ...]) -> Index:
        rng = self.rng
        counter = rng.choice(dims)
        index = Index.of(counter)
        if rng.random() < 0.5:
            inner = rng.choice(dims)
            index = index * ((inner.high or 0) + 1) + Index.of(inner)
        index += rng.randrange(-2, 3)
        kind = rng.randrange(6)
        divisor = rng.choice((2, 3, 4, (counter.high or 1) + 1))
        if kind == 0:
            return index // divisor
        if kind == 1:
            return index % divisor
        if kind == 2:
            limited = extremum(rng.choice(("min", "max")), index, constant_index(rng.randrange(4)))
            return limited - index if rng.random() < 0.3 else limited
        if kind == 3:
            carry = extremum("max", Index.of(counter) - (counter.high or 1) + 1, constant_index(0))
            return Index.of(counter) + 1 - carry * ((counter.high or 1) + 1)
        return index * rng.choice((1, 1, -1, 3))

    def condition(self, dims: tuple[Variable, ...]) -> Condition:
        rng = self.rng
        parts = [at_least(FAR, Index.of(dims[0]) + 9)] if dims[0].high is None else []
        for _ in range(rng.randrange(3)):
            value, number = self.expression(dims), rng.randrange(4)
            parts.append(rng.choice((at_least(value, number), less_than(value, number + 1))))
        if rng.random() < 0.4:
            parts.append(equal(Index.of(rng.choice(dims)) * rng.choice((1, -1)), rng.randrange(2)))
        if rng.random() < 0.2:
            parts.append(any_of([negate(part) for part in parts[1:]] or parts))
        return all_of(parts)

    def statements(self) -> list[Statement]:
        dims = self.counters()
        unordered = self.rng.choice((0, 0, 1))
        return [self.statement(f"s{place}", dims, unordered, place) for place in range(2)]

    def statement(
        self, name: str, dims: tuple[Variable, ...], unordered: int, place: int
    ) -> Statement:
        cells = [self.expression(dims) for _ in range(3)]
        return statement(name, dims, self.condition(dims), cells, unordered, place)

    def linear(self, dims: tuple[Variable, ...]) -> Condition:
        """A condition on a sum of multiples of counters."""
        weights = (self.rng.choice((-1, 0, 1, 1, 2, 3, 4)) for _ in dims)
        total = sum((Index.of(d) * w for d, w in zip(dims, weights, strict=True)), Index((), 0))
        return at_least(total, self.rng.randrange(-2, 6))


def statement(
    name: str,
    dims: tuple[Variable, ...],
    condition: Condition,
    cells: list[Index],
    unordered: int = 0,
    place: int = 0,
) -> Statement:
    """A copy in perfectly nested loops: the cell, the element, and a number that it depends on."""
    schedule: list[Index] = []
    for dim in dims[: len(dims) - unordered]:
        schedule += [constant_index(0), Index.of(dim)]
    time = (*schedule, constant_index(place))
    cell, element, number = cells
    value = term("index", "i32", payload=number)
    reads = (Read(SOURCE, (element,), time),)
    return Statement(
        name, dims, condition, time, TARGET, (cell,), value, reads, unordered=unordered
    )


@pytest.mark.parametrize("seeds", [range(start, start + 15) for start in range(0, 60, 15)], ids=str)
def test_digits_of_random_loops(seeds: range) -> None:
    """The same executions in the same order, and element counters stay out of the schedule."""
    for seed in seeds:
        plain = Draw(seed).statements()
        changed = with_digits(plain)
        found = executions(changed)
        assert order(found) == order(executions(plain)), seed
        assert all(time == read_time for time, _, _, read_time, *_ in found)
        for each in changed:
            ordered = each.dims[: len(each.dims) - each.unordered]
            timed = {name for index in each.schedule for name in index.variables}
            assert timed == {dim.name for dim in ordered}


def test_nests_under_random_conditions() -> None:
    """Loops that are merged run the same iterations, whatever condition limits them."""
    merged = 0
    for seed in range(60):
        draw = Draw(seed)
        outer, inner = Variable("a", 0, draw.rng.randrange(1, 4)), Variable("b", 0, 3)
        dims = (outer, inner, Variable("c", 0, draw.rng.randrange(3)))
        a, b, c = map(Index.of, dims)
        following = a * 4 + b + 1
        condition = all_of([draw.linear(dims), any_of([draw.linear(dims), equal(b, 2)])])
        plain = [statement("s", dims, condition, [following // 4 * 9 + c, following % 4, a + b])]
        changed = merge_nests(plain)
        assert order(executions(changed)) == order(executions(plain)), seed
        merged += len(changed[0].dims) == 2
    assert merged == 60


def test_nests_that_are_not_perfect_stay() -> None:
    """A statement beside the inner loop, or an inner loop beside it, keeps loops apart."""
    outer, inner, other = (Variable(name, 0, 3) for name in "abx")
    a, b = Index.of(outer), Index.of(inner)
    following = a * 4 + b + 1
    inside = statement("s", (outer, inner), TRUE, [following // 4, following % 4, a])
    beside = statement("t", (outer,), TRUE, [a + 50, a, a])
    assert len(merge_nests([inside])[0].dims) == 1
    late = (Read(SOURCE, (a,), (constant_index(0), a, constant_index(1))),)
    assert merge_nests([replace(inside, reads=late)]) == [replace(inside, reads=late)]
    for time in ((0, a, 1), (0, a, -1), (0, a, 1, Index.of(other), 0), (0, a, 5, b, 0)):
        schedule = tuple(map(Index.of, time))
        dims = (outer, *(d for d in (inner, other) if Index.of(d) in schedule))
        reads = (Read(SOURCE, (a,), schedule),)
        plain = [inside, replace(beside, dims=dims, schedule=schedule, reads=reads)]
        changed = merge_nests(plain)
        assert order(executions(changed)) == order(executions(plain))
        assert changed == plain


COUNTER = Variable("a", 0, 7)


@pytest.mark.parametrize("kind", ["min", "max"])
@pytest.mark.parametrize("least", [True, False])
@pytest.mark.parametrize("swapped", [True, False])
def test_conditions_decide_limits(kind: str, least: bool, swapped: bool) -> None:
    """Where a counter is at least 3, or at most 3, the limit of both is one of them."""
    a, three = Index.of(COUNTER), constant_index(3)
    limited = extremum(kind, *((three, a) if swapped else (a, three)))
    condition = at_least(a, 3) if least else at_least(3, a)
    plain = [statement("s", (COUNTER,), condition, [limited, a, a])]
    changed = with_digits(plain)
    assert order(executions(changed)) == order(executions(plain))
    assert changed[0].indices[0] in (a, three)


@pytest.mark.parametrize("place", range(5))
def test_divisions_are_found_wherever_they_stand(place: int) -> None:
    """Digits replace a counter that only one expression divides, of whatever kind."""
    a = Index.of(COUNTER)
    divided = a // 2 + a % 2 * 7
    cells = [divided if number == place else a for number in range(3)]
    limit = at_least(a % 2 * 3 + a // 4, 2)
    conditions = {3: limit, 4: any_of([equal(a, 7), all_of([limit, at_least(5, a)])])}
    plain = [statement("s", (COUNTER,), conditions.get(place, TRUE), cells)]
    changed = with_digits(plain)
    assert order(executions(changed)) == order(executions(plain))
    assert any(index.divisions for index in expressions_of(plain[0]))
    assert not any(index.divisions for index in expressions_of(changed[0]))


def test_elements_of_arrays() -> None:
    """Element counters end with an extent that is a number, and are not limited by others."""
    size = Index.of(Variable("n", 1))
    extents = (constant_index(5), size)
    fixed, free = element_variables("e", extents)
    assert (fixed.low, fixed.high, free.low, free.high) == (0, 4, 0, None)
    inside = all_within((Index.of(Variable("i")), Index.of(Variable("j"))), extents)
    signs = non_negative((Variable("i"), Variable("j")))
    for i, j in product(range(-1, 7), repeat=2):
        point = {"i": i, "j": j, "n": 3}
        assert is_true(inside, point) == (0 <= i < 5 and 0 <= j < 3)
        assert is_true(signs, point) == (i >= 0 and j >= 0)
