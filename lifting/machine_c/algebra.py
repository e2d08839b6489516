"""Builds symbolic integers and conditions in one form, whatever way they were written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import gcd

from ..c.polynomial import Interval
from ..c.types import CInteger
from .terms import (
    ALWAYS,
    BIT,
    NEVER,
    ZERO,
    Atom,
    Bitwise,
    Choice,
    Comparison,
    Condition,
    Connective,
    Product,
    Quotient,
    Remainder,
    Sum,
    Term,
    Truth,
    atom,
    constant,
)

FLAG_BITS = (1 << 31, 1 << 30, 1 << 29)
"""The bits of a local address that are not part of its row (LocalAddr.scala)."""

_INVERSE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}
_MIRROR = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


def product(left: Sum, right: Sum) -> Sum:
    """``left * right``."""
    if left.is_constant:
        return right.scaled(left.constant)
    if right.is_constant:
        return left.scaled(right.constant)
    return atom(Product(left, right))


def quotient(dividend: Sum, divisor: int) -> Sum:
    """``dividend / divisor``, rounded towards zero; the divisor is positive."""
    if divisor == 1:
        return dividend
    if dividend.is_constant:
        whole = abs(dividend.constant) // divisor
        return constant(whole if dividend.constant >= 0 else -whole)
    if (exact := dividend.divided(divisor)) is not None:
        return exact
    if dividend.interval.low < 0:
        return atom(Quotient(dividend, divisor))
    rest = Sum(
        tuple((t, f % divisor) for t, f in dividend.terms if f % divisor),
        dividend.constant % divisor,
    )
    whole = (dividend - rest).divided(divisor)
    if whole is None or rest.interval.low < 0:
        return atom(Quotient(dividend, divisor))
    if rest.within(0, divisor - 1):
        return whole
    return whole + atom(Quotient(rest, divisor))


def remainder(dividend: Sum, divisor: int) -> Sum:
    """``dividend % divisor``, which has the sign of the dividend; the divisor is positive."""
    if dividend.is_constant:
        rest = abs(dividend.constant) % divisor
        return constant(rest if dividend.constant >= 0 else -rest)
    if dividend.interval.low < 0:
        return ZERO if dividend.divided(divisor) is not None else atom(Remainder(dividend, divisor))
    reduced = ZERO + dividend.constant
    for term, factor in dividend.terms:
        # x % m differs from x by a multiple of m, which may be a multiple of the divisor.
        if (
            isinstance(term, Remainder)
            and term.dividend.interval.low >= 0
            and factor * term.divisor % divisor == 0
        ):
            reduced += term.dividend.scaled(factor)
        else:
            reduced += Sum(((term, factor),))
    reduced = Sum(
        tuple((t, f % divisor) for t, f in reduced.terms if f % divisor),
        reduced.constant % divisor,
    )
    if reduced.interval.low < 0:
        return atom(Remainder(dividend, divisor))
    if reduced.within(0, divisor - 1):
        return reduced
    if divisor == 2 and reduced.constant == 1:
        return constant(1) - remainder(reduced - 1, 2)
    return atom(Remainder(reduced, divisor))


def wrapped(value: Sum, kind: CInteger) -> Sum:
    """``value`` reduced modulo 2**bits into the range of an integer type.

    Signed overflow, which C leaves undefined, is taken not to happen.
    """
    if kind.bits == 64:  # an index has as many bits
        return value
    bounds, period = value.interval, 1 << kind.bits
    shift = (bounds.low - kind.lowest) // period * period
    if kind.holds(bounds.low - shift, bounds.high - shift):
        return value - shift
    return value if kind.signed else remainder(value - bounds.low // period * period, period)


def narrowed(value: Sum, kind: CInteger) -> Sum:
    """``value`` converted to a signed type that may not hold it: modulo 2**bits."""
    return wrapped(value - kind.lowest, CInteger(kind.bits, signed=False)) + kind.lowest


def choice(condition: Condition, then: Sum, otherwise: Sum) -> Sum:
    """``then`` where ``condition`` holds, else ``otherwise``.

    Flag bits of constants become terms of their own, each 0 or 1 times the bit, so that they can
    be read off an address again.
    """
    if isinstance(condition, Truth):
        return then if condition.holds else otherwise
    then = Rewriter(narrowed_atoms(condition)).sum(then)
    otherwise = Rewriter(narrowed_atoms(invert(condition))).sum(otherwise)
    if then == otherwise:
        return otherwise
    then_flags, otherwise_flags = flag_part(then.constant), flag_part(otherwise.constant)
    if then_flags or otherwise_flags:
        if (then.is_constant and is_none(then.constant)) or (
            otherwise.is_constant and is_none(otherwise.constant)
        ):
            return atom(Choice(condition, then, otherwise))
        low = choice(condition, then - then_flags, otherwise - otherwise_flags)
        return low + _flag_choice(condition, then_flags, otherwise_flags)
    difference = then - otherwise
    if difference.is_constant:
        return otherwise + indicator(condition).scaled(difference.constant)
    return atom(Choice(condition, then, otherwise))


def flag_part(value: int) -> int:
    """The flag bits in a constant that looks like a local address, with their sign; else 0."""
    if not (1 << 29 <= value < 1 << 32 or -(1 << 31) <= value < -(1 << 29)):
        return 0
    bits = value & sum(FLAG_BITS)
    return bits - (1 << 32) if value < 0 else bits


def is_none(value: int) -> bool:
    """Whether a constant is the address that means "none": 0xFFFFFFFF, or -1."""
    return value & 0xFFFFFFFF == 0xFFFFFFFF


def _flag_choice(condition: Condition, then: int, otherwise: int) -> Sum:
    total = ZERO
    for bit in FLAG_BITS:
        signed = bit - (1 << 32) if bit == 1 << 31 and min(then, otherwise) < 0 else bit
        if then & otherwise & bit:
            total += signed
        elif then & bit:
            total += indicator(condition).scaled(signed)
        elif otherwise & bit:
            total += indicator(invert(condition)).scaled(signed)
    return total


def indicator(condition: Condition) -> Sum:
    """1 where ``condition`` holds, else 0."""
    if isinstance(condition, Truth):
        return constant(int(condition.holds))
    if isinstance(condition, Comparison) and condition.predicate in ("eq", "ne"):
        difference = condition.left - condition.right
        for bit in (difference, -difference):
            if bit.within(0, 1):
                return bit if condition.predicate == "ne" else constant(1) - bit
    return atom(Choice(condition, constant(1), ZERO))


def compare(predicate: str, left: Sum, right: Sum) -> Condition:
    """The condition ``left predicate right``."""
    difference = left - right
    low, high = difference.interval.low, difference.interval.high
    known = _known(predicate, low, high)
    if known is not None:
        return ALWAYS if known else NEVER
    decided = _compare_choice(predicate, difference)
    if decided is not None:
        return decided
    if left.is_constant:
        left, right, predicate = right, left, _MIRROR[predicate]
    common = gcd(left.constant, right.constant, *(f for _, f in (*left.terms, *right.terms)))
    if common > 1:
        left, right = left.divided(common) or left, right.divided(common) or right
    return Comparison(predicate, left, right)


def _compare_choice(predicate: str, difference: Sum) -> Condition | None:
    """Decide a comparison that depends on nothing but one choice between constants."""
    match difference.terms:
        case ((Choice(then=Sum(terms=()), otherwise=Sum(terms=())) as term, factor),):
            values = (term.then.constant, term.otherwise.constant)
        case _:
            return None
    low, high = (difference.constant + factor * value for value in values)
    outcomes = (_known(predicate, low, low), _known(predicate, high, high))
    if outcomes[0] == outcomes[1]:
        return ALWAYS if outcomes[0] else NEVER
    return term.condition if outcomes[0] else invert(term.condition)


def _known(predicate: str, low: int, high: int) -> bool | None:
    """Whether ``difference predicate 0`` holds for all differences in [low, high], or for none."""
    match predicate:
        case "eq" | "ne":
            if low > 0 or high < 0:
                return predicate == "ne"
            return predicate == "eq" if low == high == 0 else None
        case "lt" | "ge":
            if high < 0 or low >= 0:
                return (high < 0) == (predicate == "lt")
        case _:
            if high <= 0 or low > 0:
                return (high <= 0) == (predicate == "le")
    return None


def invert(condition: Condition) -> Condition:
    """The condition that holds where ``condition`` does not."""
    match condition:
        case Truth():
            return NEVER if condition.holds else ALWAYS
        case Comparison():
            return Comparison(_INVERSE[condition.predicate], condition.left, condition.right)
        case Connective():
            operator = "or" if condition.operator == "and" else "and"
            return Connective(operator, invert(condition.left), invert(condition.right))


def connect(operator: str, left: Condition, right: Condition) -> Condition:
    """``left and right``, or ``left or right``."""
    deciding = operator == "or"
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Truth):
            return one if one.holds == deciding else other
    if left == right:
        return left
    if left == invert(right):
        return ALWAYS if deciding else NEVER
    return Connective(operator, left, right)


def both(left: Condition, right: Condition) -> Condition:
    return connect("and", left, right)


def choose(condition: Condition, then: Condition, otherwise: Condition) -> Condition:
    """The condition ``then`` where ``condition`` holds, else ``otherwise``."""
    if then == otherwise:
        return then
    return connect("or", both(condition, then), both(invert(condition), otherwise))


def narrowed_atoms(condition: Condition) -> dict[Term, Sum]:
    """Atoms with the narrower intervals that they have where ``condition`` holds."""
    match condition:
        case Connective(operator="and", left=left, right=right):
            found = narrowed_atoms(left)
            for term, value in narrowed_atoms(right).items():
                found[term] = _intersection(found[term], value) if term in found else value
            return found
        case Comparison(predicate=predicate, left=left, right=right):
            return _narrowed_atom(predicate, left - right)
        case _:
            return {}


def _narrowed_atom(predicate: str, difference: Sum) -> dict[Term, Sum]:
    """Solve ``factor * atom + constant predicate 0`` for the atom."""
    match difference.terms:
        case ((Atom() as found, factor),):
            pass
        case _:
            return {}
    limit = -difference.constant
    if predicate == "ne":
        # Only the value at an end of the interval can be cut off.
        at_low, at_high = (
            limit == factor * end for end in (found.interval.low, found.interval.high)
        )
        if at_low == at_high:
            return {}
        predicate = "gt" if at_low == (factor > 0) else "lt"
    if factor < 0:
        predicate, factor, limit = _MIRROR[predicate], -factor, -limit
    low, high = found.interval.low, found.interval.high
    if predicate in ("eq", "ge", "gt"):
        low = max(low, limit // factor + 1 if predicate == "gt" else -(-limit // factor))
    if predicate in ("eq", "le", "lt"):
        high = min(high, -(-limit // factor) - 1 if predicate == "lt" else limit // factor)
    interval = Interval(low, high)
    if low > high or interval == found.interval:
        return {}
    return {found: constant(low) if low == high else atom(replace(found, interval=interval))}


def _intersection(left: Sum, right: Sum) -> Sum:
    """The same atom with both narrower intervals."""
    match left.terms, right.terms:
        case ((Atom() as one, _),), ((Atom() as other, _),):
            interval = one.interval.intersect(other.interval)
            return atom(replace(one, interval=interval))
        case _:
            return left if left.is_constant else right


def assuming(condition: Condition, holds: bool) -> Rewriter:
    """Rewrites sums where it is known whether ``condition`` holds."""
    known = condition if holds else invert(condition)
    terms = narrowed_atoms(known)
    match known:
        case Comparison(predicate="eq" | "ne", left=Sum(terms=((term, 1),)) as left, right=right):
            if known.predicate == "eq":
                terms[term] = right - left.constant
            elif right.is_constant and is_bit(atom(term)):
                terms[term] = constant(1 - (right.constant - left.constant))
        case _:
            pass
    return Rewriter(terms, {condition: holds})


def is_possible(conditions: Sequence[Condition]) -> bool:
    """Whether the conditions may hold together; True where that is not easily told."""
    known: dict[Condition, bool] = {}
    terms: dict[Term, Sum] = {}
    pending = list(conditions)
    while pending:
        condition = pending.pop()
        if isinstance(condition, Connective) and condition.operator == "and":
            pending.extend((condition.left, condition.right))
            continue
        known[condition] = True
        for term, value in narrowed_atoms(condition).items():
            terms[term] = _intersection(terms[term], value) if term in terms else value
    for condition in known:
        others = {other: True for other in known if other != condition}
        if Rewriter(terms, others).condition(condition) == NEVER:
            return False
    return True


class Rewriter:
    """Replaces atoms, terms and conditions in sums; what follows is simplified again."""

    def __init__(
        self,
        terms: Mapping[Term, Sum] | None = None,
        conditions: Mapping[Condition, bool] | None = None,
    ) -> None:
        self._terms: dict[Term, Sum] = dict(terms or {})
        self._conditions: dict[Condition, Condition] = {}
        for condition, holds in (conditions or {}).items():
            self._conditions[condition] = Truth(holds)
            self._conditions[invert(condition)] = Truth(not holds)
        replaced = (*self._terms, *self._conditions)
        self._atoms: frozenset[Atom] = frozenset().union(*(part.atoms for part in replaced))

    def sum(self, value: Sum) -> Sum:
        """``value`` with everything replaced."""
        return value if value.atoms.isdisjoint(self._atoms) else self.rebuilt(value)

    def rebuilt(self, value: Sum) -> Sum:
        """``value`` put together again from its replaced terms."""
        factors: dict[Term, int] = {}
        number = value.constant
        for term, factor in value.terms:
            new = self._term(term)
            number += new.constant * factor
            for part, times in new.terms:
                factors[part] = factors.get(part, 0) + times * factor
        return Sum(tuple((t, f) for t, f in factors.items() if f), number)

    def _term(self, term: Term) -> Sum:
        if term not in self._terms:
            self._terms[term] = self._rebuilt(term)
        return self._terms[term]

    def _rebuilt(self, term: Term) -> Sum:
        match term:
            case Atom():
                return atom(term)
            case Quotient():
                return quotient(self.sum(term.dividend), term.divisor)
            case Remainder():
                return remainder(self.sum(term.dividend), term.divisor)
            case Product():
                return product(self.sum(term.left), self.sum(term.right))
            case Bitwise():
                return bitwise(term.operator, self.sum(term.left), self.sum(term.right))
            case Choice():
                condition = self.condition(term.condition)
                return choice(condition, self.sum(term.then), self.sum(term.otherwise))

    def condition(self, condition: Condition) -> Condition:
        """``condition`` with everything in it replaced."""
        if condition not in self._conditions:
            self._conditions[condition] = self._rebuilt_condition(condition)
        return self._conditions[condition]

    def _rebuilt_condition(self, condition: Condition) -> Condition:
        match condition:
            case Comparison():
                left, right = self.sum(condition.left), self.sum(condition.right)
                return compare(condition.predicate, left, right)
            case Connective():
                left, right = self.condition(condition.left), self.condition(condition.right)
                return connect(condition.operator, left, right)
            case _:
                return condition


_INTEGER_BITWISE: dict[str, Callable[[int, int], int]] = {
    "&": int.__and__,
    "|": int.__or__,
    "^": int.__xor__,
}


def bitwise(operator: str, left: Sum, right: Sum) -> Sum:
    """``left operator right`` on two's complement numbers, without looking into the bits."""
    if left.is_constant and right.is_constant:
        return constant(_INTEGER_BITWISE[operator](left.constant, right.constant))
    return atom(Bitwise(operator, left, right))


def is_bit(value: Sum) -> bool:
    """Whether the value is 0 or 1."""
    return value.within(BIT.low, BIT.high)


POINTS_LIMIT = 512
"""Combinations of values that are tried one by one."""


def tight_bounds(value: Sum) -> Interval:
    """The exact bounds of a value that depends on few small atoms; else those of its interval."""
    points: list[dict[Term, Sum]] = [{}]
    for part in sorted(value.atoms, key=lambda part: part.name):
        size = part.interval.high - part.interval.low + 1
        if size * len(points) > POINTS_LIMIT:
            return value.interval
        numbers = [constant(part.interval.low + offset) for offset in range(size)]
        points = [{**point, part: number} for point in points for number in numbers]
    found = [Rewriter(point).sum(value).constant for point in points]
    return Interval(min(found), max(found))
