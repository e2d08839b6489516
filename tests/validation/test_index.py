"""Quasi-affine expressions against Python's integers."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liftproof.validation.core.condition import (
    FALSE,
    Condition,
    Connective,
    all_of,
    any_of,
    at_least,
    compare,
    equal,
    less_than,
    negate,
    within,
)
from liftproof.validation.core.index import (
    Extremum,
    Index,
    NotAffine,
    Variable,
    constant_index,
    extremum,
)

NAMES = ("a", "b", "c")
RANGES = {"a": (0, 3), "b": (0, 15), "c": (-5, 5)}


def variable(name: str) -> Index:
    return Index.of(Variable(name, *RANGES[name]))


@st.composite
def expressions(draw, depth: int = 3) -> tuple[Index, str]:
    """An expression and the same in Python's own arithmetic."""
    if depth == 0 or draw(st.booleans()):
        name = draw(st.sampled_from(NAMES))
        return variable(name), name
    left, left_text = draw(expressions(depth=depth - 1))
    number = draw(st.integers(-20, 20))
    kind = draw(st.sampled_from(("scale", "divide", "remainder", "add", "min", "max")))
    if kind == "scale":
        return left * number + 3, f"(({left_text})*{number}+3)"
    if kind in ("divide", "remainder"):
        divisor = abs(number) + 1
        if kind == "divide":
            return left // divisor, f"(({left_text})//{divisor})"
        return left % divisor, f"(({left_text})%{divisor})"
    right, right_text = draw(expressions(depth=depth - 1))
    if kind == "add":
        return left - right, f"(({left_text})-({right_text}))"
    return extremum(kind, left, right), f"{kind}({left_text}, {right_text})"


values = st.fixed_dictionaries({name: st.integers(*RANGES[name]) for name in NAMES})


def number(index: Index, point: dict[str, int]) -> int:
    """The value of an expression at a point, by replacing all variables."""
    result = index.replace({name: constant_index(value) for name, value in point.items()})
    assert result.is_constant
    return result.constant


def holds(condition: Condition, point: dict[str, int]) -> bool:
    if isinstance(condition, Connective):
        combine = all if condition.kind == "and" else any
        return combine(holds(part, point) for part in condition.parts)
    value = number(condition.expression, point)
    return value == 0 if condition.is_equality else value >= 0


@given(expressions(), values)
def test_arithmetic_is_that_of_integers(expression: tuple[Index, str], point) -> None:
    """Sums, products, divisions, minima and maxima have the value that Python gives them."""
    index, text = expression
    expected = eval(text, {"min": min, "max": max}, dict(point))
    assert number(index, point) == expected


@given(expressions(), values)
def test_ranges_hold(expression: tuple[Index, str], point) -> None:
    """The interval of an expression contains all of its values."""
    index, _ = expression
    low, high = index.interval
    assert low is not None
    assert high is not None
    assert low <= number(index, point) <= high


@given(expressions(), values)
def test_smt_text_has_the_same_value(expression: tuple[Index, str], point) -> None:
    """The SMT-LIB text of an expression means the expression."""
    import z3

    index, _ = expression
    text = index.smt.format_map({name: f"(+ 0 {smt(value)})" for name, value in point.items()})
    solver = z3.SimpleSolver()
    solver.from_string(f"(assert (not (= {text} {smt(number(index, point))})))")
    assert solver.check() == z3.unsat


def smt(value: int) -> str:
    return str(value) if value >= 0 else f"(- {-value})"


@given(expressions(), expressions(), values)
def test_conditions(first: tuple[Index, str], second: tuple[Index, str], point) -> None:
    """Comparisons, their negations and combinations hold where Python says so."""
    left, right = first[0], second[0]
    a, b = number(left, point), number(right, point)
    assert holds(at_least(left, right), point) == (a >= b)
    assert holds(less_than(left, right), point) == (a < b)
    assert holds(equal(left, right), point) == (a == b)
    assert holds(within(left, -3, right), point) == (-3 <= a < b)
    assert holds(negate(equal(left, right)), point) == (a != b)
    both = all_of([at_least(left, 0), less_than(right, 4)])
    assert holds(both, point) == (a >= 0 and b < 4)
    assert holds(negate(both), point) == (not (a >= 0 and b < 4))
    assert holds(any_of([at_least(left, 0), equal(right, 1)]), point) == (a >= 0 or b == 1)


@given(st.integers(-3, 80), values)
def test_digits_of_an_equality(total: int, point) -> None:
    """An equality of digits is decided digit by digit, without changing what it means."""
    digits = variable("b") + variable("a") * 16
    condition = compare(digits - total, is_equality=True)
    assert holds(condition, point) == (point["b"] + 16 * point["a"] == total)


def test_what_is_not_affine_is_refused() -> None:
    """Products of variables and divisions by them raise ``NotAffine``."""
    with pytest.raises(NotAffine):
        _ = variable("a") * variable("b")
    with pytest.raises(NotAffine):
        _ = variable("a") // variable("b")
    with pytest.raises(NotAffine):
        _ = variable("a") // 0


def test_nested_divisions_become_one() -> None:
    """⌊(⌊x/8⌋ + 1) / 4⌋ is ⌊(x + 8) / 32⌋: equal values have equal form."""
    x = Index.of(Variable("x", 0, 1000))
    assert (x // 8 + 1) // 4 == (x + 8) // 32
    assert (x // 8) % 4 + (x // 32) * 4 == x // 8


def test_common_factors_are_divided_out() -> None:
    """Divisions and conditions that say the same become the same expression."""
    x = Index.of(Variable("x", 0))
    y = Index.of(Variable("y", 0))
    assert (x * 2 + 2) // 4 == (x + 1) // 2
    assert (x * 6 + y * 4 + 3) // 8 == (x * 3 + y * 2 + 1) // 4
    assert at_least(x * 2 - y * 4, 3) == at_least(x - y * 2, 2)
    assert equal(x * 2 - y * 4, 3) == FALSE


ENDS = [(0, 5), (2, 3), (-4, -2), (None, 4), (1, None), (None, None)]


@pytest.mark.parametrize("kind", ["min", "max"])
def test_ranges_of_limits(kind: str) -> None:
    """The lesser of two values is bounded from above by either, and from below by both."""
    for left, right in product(ENDS, repeat=2):
        operands = [Index.of(Variable(name, *ends)) for name, ends in (("a", left), ("b", right))]
        side, choose = (1, min) if kind == "min" else (0, max)
        either = [ends[side] for ends in (left, right) if ends[side] is not None]
        both = (left[1 - side], right[1 - side])
        expected = {
            side: choose(either) if either else None,
            1 - side: None if None in both else choose(both),
        }
        assert Extremum(kind, *operands).interval == (expected[0], expected[1])


@pytest.mark.parametrize("kind", ["min", "max"])
@pytest.mark.parametrize("ends", [(0, 3), (3, 5), (4, 6), (-2, 0), (3, 3)], ids=str)
def test_ranges_decide_limits(kind: str, ends: tuple[int, int]) -> None:
    """Whether decided by ranges or not, a limit is one of both values, and the right one."""
    a, b = Index.of(Variable("a", 0, 3)), Index.of(Variable("b", *ends))
    for left, right in ((a, b), (b, a)):
        limited = extremum(kind, left, right)
        assert (limited in (a, b)) == (ends != (0, 3))
        for x, y in product(range(4), range(ends[0], ends[1] + 1)):
            expected = min(x, y) if kind == "min" else max(x, y)
            assert number(limited, {"a": x, "b": y}) == expected


def test_ranges_decide_quotients() -> None:
    """A number within one multiple of the divisor has the quotient of that."""
    for low in (-16, -8, 0, 8, 24):
        value = Index.of(Variable("x", low, low + 7))
        assert value // 8 == constant_index(low // 8)
        assert (value + 3) // 8 != constant_index(low // 8)
