"""Rewritten statements execute the same: random loops as digits, as one counter, rolled up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest
from liftproof.validation.core.condition import (
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
from liftproof.validation.core.polyhedral import Array, Read, Role, Statement
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
        schedule: list[Index] = []
        for dim in dims[: len(dims) - unordered]:
            schedule += [constant_index(0), Index.of(dim)]
        time = (*schedule, constant_index(place))
        cell, element, number = (self.expression(dims) for _ in range(3))
        value = term("index", "i32", payload=number)
        reads = (Read(SOURCE, (element,), time),)
        return Statement(
            name, dims, self.condition(dims), time, TARGET, (cell,), value, reads,
            unordered=unordered,
        )  # fmt: skip


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
            assert timed.isdisjoint(dim.name for dim in each.dims[len(ordered) :])
            assert timed <= {dim.name for dim in ordered}
