"""Local addresses and bit operations: the symbolic form equals the number, for every iteration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liftproof.dialects.gemmini import LocalSpace
from liftproof.lifting.c.polynomial import Interval
from liftproof.lifting.machine_c.algebra import (
    Rewriter,
    choice,
    compare,
    indicator,
    quotient,
    remainder,
)
from liftproof.lifting.machine_c.bits import bit_and, bit_or, bit_xor, shift_right
from liftproof.lifting.machine_c.local_address import NeedsCase, UnknownFlagsError, decode
from liftproof.lifting.machine_c.terms import Atom, Condition, Sum, Truth, atom, constant

I = Atom("i", Interval(0, 7), 1)  # noqa: E741 - the loop variable's name
BIT = Atom("b", Interval(0, 1), 1)
POINTS = [{I: constant(i), BIT: constant(b)} for i in range(8) for b in range(2)]


def at(value: Sum, point: dict[Atom, Sum]) -> int:
    found = Rewriter(dict(point)).sum(value)
    assert found.is_constant
    return found.constant


def holds(condition: Condition, point: dict[Atom, Sum]) -> bool:
    found = Rewriter(dict(point)).condition(condition)
    assert isinstance(found, Truth)
    return found.holds


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    side = draw(st.sampled_from([atom(I), atom(BIT), remainder(atom(I), 3)]))
    predicate = draw(st.sampled_from(["eq", "ne", "lt", "ge"]))
    return compare(predicate, side, constant(draw(st.integers(-1, 8))))


@st.composite
def rows(draw: st.DrawFn) -> Sum:
    scaled = atom(I).scaled(draw(st.sampled_from([0, 1, 16, 48])))
    toggled = atom(BIT).scaled(draw(st.sampled_from([0, 512])))
    row = scaled + toggled + draw(st.sampled_from([0, 1, 1024]))
    if draw(st.booleans()):
        row = choice(draw(conditions()), row, constant(draw(st.sampled_from([0, 4096]))))
    return row


@given(rows(), st.integers(1, 100))
def test_division_is_exact(value: Sum, divisor: int) -> None:
    """Quotient and remainder equal those of the numbers."""
    for point in POINTS:
        number = at(value, point)
        assert at(quotient(value, divisor), point) == number // divisor
        assert at(remainder(value, divisor), point) == number % divisor


@given(rows(), rows() | st.integers(0, (1 << 32) - 1).map(constant), st.integers(0, 31))
def test_bit_operations_are_exact(left: Sum, right: Sum, amount: int) -> None:
    """&, |, ^ and >> equal those of the numbers."""
    shifted = shift_right(left, amount)
    assert shifted is not None
    for point in POINTS:
        a, b = at(left, point), at(right, point)
        assert at(bit_and(left, right), point) == a & b
        assert at(bit_or(left, right), point) == a | b
        assert at(bit_xor(left, right), point) == a ^ b
        assert at(shifted, point) == a >> amount


@given(rows(), conditions(), st.booleans(), st.sampled_from([0, 1 << 30]), st.booleans())
def test_flags_are_told_from_rows(
    row: Sum, condition: Condition, full: bool, toggled: int, is_sum: bool
) -> None:
    """Whatever way the flags were added, space, row and flags equal the bits of the number."""
    flags = constant(1 << 31 | (1 << 29 if full else 0))
    accumulate = indicator(condition).scaled(1 << 30)
    value = row + flags + accumulate if is_sum else bit_or(bit_or(row, flags), accumulate)
    value = bit_xor(value, constant(toggled))
    address = decode(value)
    assert address.space == LocalSpace.ACC
    assert address.full == full
    for point in POINTS:
        number = at(value, point)
        assert at(address.row, point) == number & (1 << 29) - 1
        assert holds(address.accumulate, point) == bool(number >> 30 & 1)


@given(rows(), rows(), conditions())
def test_choices_between_memories_are_split(spad: Sum, acc: Sum, condition: Condition) -> None:
    """An address in one memory or the other names a condition that decides."""
    value = choice(condition, spad, acc + (1 << 31))
    if isinstance(condition, Truth):
        expected = LocalSpace.SPAD if condition.holds else LocalSpace.ACC
        assert decode(value).space == expected
        return
    with pytest.raises(NeedsCase):
        decode(value)


def test_no_address_is_all_ones() -> None:
    """0xFFFFFFFF and -1 mean "none"; a small negative constant beside a row does not."""
    assert decode(constant(0xFFFFFFFF)).space == LocalSpace.NONE
    assert decode(constant(-1)).space == LocalSpace.NONE
    assert decode(atom(I) - 1).space == LocalSpace.SPAD


@pytest.mark.parametrize("value", [constant(1 << 30), atom(I).scaled(1 << 29)])
def test_flags_without_meaning_are_refused(value: Sum) -> None:
    """A flag without bit 31, or a row that reaches into the flags, is not guessed at."""
    with pytest.raises(UnknownFlagsError):
        decode(value)
