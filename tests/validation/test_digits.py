"""Simpler forms of statements: counters as digits, unrolled loops as one statement."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from liftproof.validation.core.at_point import is_true, value_at
from liftproof.validation.core.condition import Condition, at_least, compare, less_than
from liftproof.validation.core.digits import with_digits
from liftproof.validation.core.index import (
    Extremum,
    FloorDivision,
    Index,
    Variable,
    constant_index,
    extremum,
)
from liftproof.validation.core.polyhedral import Array, Read, Role, Statement
from liftproof.validation.core.rewriting import expressions_of
from liftproof.validation.core.terms import read
from liftproof.validation.core.unrolled import roll_up
from liftproof.validation.oracle.inverse import solve

SOURCE = Array("source", "i8", (constant_index(1000),), Role.INPUT, 0)
TARGET = Array("target", "i8", (constant_index(1000),))


def statement(
    name: str,
    dims: tuple[Variable, ...],
    condition: Condition,
    cells: tuple[Index, Index],
    position: int,
) -> Statement:
    """A copy of an element in the innermost of perfectly nested loops, one per counter."""
    schedule: list[Index] = []
    for dim in dims:
        schedule += [constant_index(0), Index.of(dim)]
    time = (*schedule, constant_index(position))
    target, source = cells
    reads = (Read(SOURCE, (source,), time),)
    return Statement(name, dims, condition, time, TARGET, (target,), read(0, "i8"), reads)


def executions(statements: list[Statement]) -> list[tuple[str, int, int]]:
    """What is executed, in order: the statement, the element written and the one read."""
    return [entry[1:] for entry in sorted(_timed(statements))]


def _timed(statements: list[Statement]) -> Iterator[tuple[tuple[int, ...], str, int, int]]:
    for each in statements:
        spans = [range(dim.low or 0, (dim.high or 0) + 1) for dim in each.dims]
        for point in product(*spans):
            values = {dim.name: number for dim, number in zip(each.dims, point, strict=True)}
            if is_true(each.condition, values):
                time = tuple(value_at(index, values) for index in each.schedule)
                cells = (each.indices[0], each.reads[0].indices[0])
                yield time, each.name, *(value_at(cell, values) for cell in cells)


def nest(trips: tuple[int, int, int]) -> list[Statement]:
    """Loops that use the iteration after this one, and the one before, counted by hand."""
    outer, middle, inner = (
        Variable(name, 0, number - 1) for name, number in zip("abc", trips, strict=True)
    )
    a, b, c = (Index.of(counter) for counter in (outer, middle, inner))
    dims = (outer, middle, inner)
    carry = extremum("max", c + 1 - (trips[2] - 1), constant_index(0))
    next_c = c + 1 - carry * trips[2]
    second = extremum("max", b + carry - (trips[1] - 1), constant_index(0))
    next_b, next_a = b + carry - second * trips[1], a + second
    borrow = constant_index(1) - extremum("min", b, constant_index(1))
    before_b, before_a = b - 1 + borrow * trips[1], extremum("max", a - borrow, constant_index(0))
    return [
        statement(
            "next",
            dims,
            less_than(next_a, trips[0]),
            (next_c, (next_a * 9 + next_b) * 9 + next_c),
            0,
        ),
        statement(
            "before",
            dims,
            at_least(a + b, 1),
            (before_b, (before_a * 9 + before_b) * 9 + c),
            1,
        ),
    ]


@pytest.mark.parametrize("trips", [(2, 3, 4), (3, 2, 5), (4, 4, 2), (2, 7, 3)])
def test_digits_keep_the_executions(trips: tuple[int, int, int]) -> None:
    """The same elements are copied in the same order, whatever counters say so."""
    plain = nest(trips)
    assert executions(with_digits(plain)) == executions(plain)
    assert len(executions(plain)) > 2


@pytest.mark.parametrize("trips", [(2, 3, 4), (2, 7, 3)])
def test_counting_by_hand_leaves_neither_limits_nor_divisions(trips: tuple[int, int, int]) -> None:
    """The next iteration, formed with ``max``, is digits of one counter, as with division."""
    for each in with_digits(nest(trips)):
        for index in expressions_of(each):
            assert not index.divisions
            assert not any(isinstance(atom, Extremum) for atom, _ in index.terms)


def test_other_radices_are_digits_of_their_own() -> None:
    """A statement that divides the number of a pair otherwise than the others has own digits."""
    outer, inner = Variable("a", 0, 2), Variable("b", 0, 5)
    a, b = Index.of(outer), Index.of(inner)
    dims = (outer, inner)
    pair = a * 6 + b
    plain = [
        statement("next", dims, at_least(a, 0), (pair, (b + 1) // 6 + a), 0),
        statement("third", dims, at_least(a, 0), (pair, b // 3 * 9 + b % 3 + a), 1),
        statement("fourth", dims, at_least(a, 0), (pair, pair // 4 * 9 + pair % 4), 2),
    ]
    changed = with_digits(plain)
    assert executions(changed) == executions(plain)
    assert not any(index.divisions for index in expressions_of(changed[2]))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("added", range(-3, 4))
def test_a_quotient_in_a_comparison_is_multiplied_out(sign: int, added: int) -> None:
    """``x ± ⌊y / 3⌋ >= 0`` holds for the same numbers without its division."""
    x, y = Variable("x", -4, 4), Variable("y", -9, 9)
    quotient = Index.of(FloorDivision(Index.of(y) + 1, 3))
    value = Index.of(x) + quotient * sign + added
    condition = compare(value)
    assert "floor" not in condition.isl
    for a, b in product(range(-4, 5), range(-9, 10)):
        assert is_true(condition, {"x": a, "y": b}) == (a + sign * ((b + 1) // 3) + added >= 0)


def unrolled(cells: list[tuple[int, int]]) -> list[Statement]:
    """Copies within a loop, one after the other, each between two cells of its own."""
    loop = Variable("a", 0, 2)
    a = Index.of(loop)
    return [
        statement(f"copy{place}", (loop,), at_least(a, 0), (a * 50 + to, a * 50 + of), place)
        for place, (to, of) in enumerate(cells)
    ]


def nameless(statements: list[Statement]) -> list[tuple[int, int]]:
    """The elements that are copied, in order."""
    return [cells for _, *cells in executions(statements)]


@pytest.mark.parametrize(
    ("cells", "left"),
    [
        ([(n, 3 * n) for n in range(7)], 1),
        ([(n % 3 + 8 * (n // 3), 2 * n) for n in range(12)], 1),
        ([(n, 3 * n) for n in range(4)] + [(30 + n, 5 * n) for n in range(3)], 2),
        ([(n, 3 * n + (n == 2)) for n in range(5)], 3),
    ],
    ids=["one direction", "two directions", "one after the other", "one is different"],
)
def test_unrolled_loops_are_one_statement(cells: list[tuple[int, int]], left: int) -> None:
    """Copies in equal steps become one statement, and what is copied stays the same, in order."""
    plain = unrolled(cells)
    changed, rolled = roll_up(plain, set())
    assert len(changed) == left
    assert nameless(changed) == nameless(plain)
    assert sum(len(each.origins) for each in rolled.values()) + left - len(rolled) == len(cells)


def test_statements_in_between_keep_their_place() -> None:
    """Two unrolled statements that take turns are two, and take turns."""
    plain = unrolled([(10 * (n % 2) + n // 2, 40 if n % 2 else n) for n in range(8)])
    changed, _ = roll_up(plain, set())
    assert len(changed) == 2
    assert nameless(changed) == nameless(plain)


def test_moves_are_not_one_with_others() -> None:
    """Whether the machine orders an access is part of what a statement is."""
    plain = unrolled([(n, n) for n in range(4)])
    changed, _ = roll_up(plain, {"copy1"})
    assert "copy1" in {each.name for each in changed}
    assert nameless(changed) == nameless(plain)


def test_low_parts_do_not_carry() -> None:
    """``⌊(8·x + 4·y + z) / 8⌋`` loses what stays below 8, and only that."""
    x, y, z = Variable("x", 0, 5), Variable("y", 0, 1), Variable("z", 0, 3)
    value = Index.of(x) * 2 + Index.of(y) * 4 + Index.of(z)
    for total, divisor in ((value, 8), (value + 1, 8), (value * 3 + 2, 12), (value - 1, 4)):
        quotient = total // divisor
        for a, b, c in product(range(6), range(2), range(4)):
            at = {"x": a, "y": b, "z": c}
            assert value_at(quotient, at) == value_at(total, at) // divisor
    assert (Index.of(x) * 4 + Index.of(z)) // 8 == Index.of(x) // 2


def test_digits_of_divided_counters_are_found() -> None:
    """``u // 4`` and ``u % 4`` in different subscripts give ``u``."""
    u = Variable("u", 0, 7)
    row, column = Variable("row", 0, 1), Variable("column", 0, 3)
    plain = statement("s", (u,), at_least(Index.of(u), 0), (Index.of(u), Index.of(u)), 0)
    sides = [(Index.of(u) // 4, Index.of(row)), (Index.of(u) % 4 * 14, Index.of(column) * 14)]
    solved = solve(plain, sides)
    assert solved is not None
    inside, (point,) = solved
    for a, b in product(range(2), range(4)):
        assert value_at(point, {"row": a, "column": b}) == 4 * a + b
        assert is_true(inside, {"row": a, "column": b})


def test_a_multiple_of_a_bound_decides_a_limit() -> None:
    """Where ``a >= 2``, ``7·a + b - 14`` is no less than 0."""
    a, b = Index.of(Variable("a", 0, 5)), Index.of(Variable("b", 0, 6))
    limited = extremum("max", a * 7 + b - 14, constant_index(0))
    dims = (Variable("a", 0, 5), Variable("b", 0, 6))
    plain = [statement("s", dims, at_least(a, 2), (limited, limited), 0)]
    (changed,) = with_digits(plain)
    assert executions([changed]) == executions(plain)
    assert changed.indices == (a * 7 + b - 14,)
