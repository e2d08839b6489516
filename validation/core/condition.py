"""Boolean combinations of comparisons between quasi-affine expressions (trusted core)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from .index import Atom, FloorDivision, Index


@dataclass(frozen=True)
class Comparison:
    """``expression >= 0`` or ``expression == 0``."""

    expression: Index
    is_equality: bool = False

    @cached_property
    def smt(self) -> str:
        return f"({'=' if self.is_equality else '>='} {self.expression.smt} 0)"

    @cached_property
    def isl(self) -> str:
        return f"({self.expression.isl} {'=' if self.is_equality else '>='} 0)"

    @property
    def decided(self) -> bool | None:
        """The truth value where the ranges of the variables decide it, else ``None``."""
        low, high = self.expression.interval
        if self.is_equality:
            if low == high == 0:
                return True
            outside = (low is not None and low > 0) or (high is not None and high < 0)
            return False if outside else None
        if low is not None and low >= 0:
            return True
        return False if high is not None and high < 0 else None

    def replace(self, values: Mapping[str, Index]) -> Condition:
        return compare(self.expression.replace(values), self.is_equality)


@dataclass(frozen=True)
class Connective:
    """``and`` or ``or`` of conditions."""

    kind: str
    parts: tuple[Condition, ...]

    @cached_property
    def smt(self) -> str:
        if not self.parts:
            return "true" if self.kind == "and" else "false"
        return f"({self.kind} {' '.join(part.smt for part in self.parts)})"

    @cached_property
    def isl(self) -> str:
        if not self.parts:
            return "true" if self.kind == "and" else "false"
        return "(" + f" {self.kind} ".join(part.isl for part in self.parts) + ")"

    def replace(self, values: Mapping[str, Index]) -> Condition:
        parts = [part.replace(values) for part in self.parts]
        return all_of(parts) if self.kind == "and" else any_of(parts)


Condition: TypeAlias = Comparison | Connective

TRUE = Connective("and", ())
FALSE = Connective("or", ())


def compare(expression: Index, is_equality: bool = False) -> Condition:
    """``expression == 0`` or ``>= 0``, decided by ranges or split into digits where possible."""
    if not is_equality and expression.interval[1] == 0:
        is_equality = True
    digits = _digits_of(expression) if is_equality else None
    if digits is not None:
        return all_of([compare(Index.of(atom) - value, is_equality=True) for atom, value in digits])
    factor = math.gcd(*(factor for _, factor in expression.terms))
    if factor > 1:
        if is_equality and expression.constant % factor:
            return FALSE
        # Σ c·x + k >= 0 with integers says (Σ c·x) / g >= -k / g, rounded up.
        terms = tuple((atom, amount // factor) for atom, amount in expression.terms)
        expression = Index(terms, expression.constant // factor)
    if not is_equality:
        expression = without_quotient(expression)
    comparison = Comparison(expression, is_equality)
    decided = comparison.decided
    if decided is None:
        return comparison
    return TRUE if decided else FALSE


def without_quotient(value: Index) -> Index:
    """An expression that is at least 0 where ``value`` is, without its quotient if that is alone.

    ``x + ⌊y / d⌋ >= 0`` says ``d·x + y >= 0``, and ``x - ⌊y / d⌋ >= 0`` says that ``y`` is at most
    ``d·x + d - 1``.
    """
    quotients = [(a, f) for a, f in value.terms if isinstance(a, FloorDivision)]
    if len(quotients) != 1 or abs(quotients[0][1]) != 1:
        return value
    quotient, sign = quotients[0]
    rest = (value - Index.of(quotient) * sign) * quotient.divisor
    cleared = rest + quotient.dividend * sign
    return without_quotient(cleared if sign > 0 else cleared + (quotient.divisor - 1))


def at_least(left: Index | int, right: Index | int) -> Condition:
    """``left >= right``."""
    return compare(Index.of(left) - right)


def less_than(left: Index | int, right: Index | int) -> Condition:
    """``left < right``."""
    return compare(Index.of(right) - left - 1)


def equal(left: Index | int, right: Index | int) -> Condition:
    return compare(Index.of(left) - right, is_equality=True)


def _digits_of(difference: Index) -> list[tuple[Atom, int]] | None:
    """The unique solution of ``Σ weight · digit = number``, or ``None`` if it is not of that form.

    Each digit is at least 0, and all lower ones together are less than one of the next weight. A
    digit outside of its range makes the equality false, which ``compare`` finds.
    """
    if len(difference.terms) < 2:
        return None
    sign = 1 if difference.terms[0][1] > 0 else -1
    terms = sorted(((sign * f, a) for a, f in difference.terms), key=lambda term: -term[0])
    rest = -sign * difference.constant
    found: list[tuple[Atom, int]] = []
    for number, (weight, atom) in enumerate(terms):
        below = [(f, a.interval) for f, a in terms[number + 1 :]]
        bounds = [f * high for f, (_, high) in below if high is not None]
        if weight <= 0 or atom.interval[0] != 0 or len(bounds) < len(below):
            return None
        if sum(bounds) >= weight:
            return None
        last = number == len(terms) - 1
        if last and rest % weight:
            # No value of the last digit fits; -1 is out of its range.
            found.append((atom, -1))
            continue
        found.append((atom, rest // weight))
        rest -= (rest // weight) * weight
    return found


def within(value: Index, low: Index | int, high: Index | int) -> Condition:
    """``low <= value < high``."""
    return all_of([at_least(value, low), less_than(value, high)])


def all_of(parts: Sequence[Condition]) -> Condition:
    return _connect("and", parts, neutral=TRUE, absorbing=FALSE)


def any_of(parts: Sequence[Condition]) -> Condition:
    return _connect("or", parts, neutral=FALSE, absorbing=TRUE)


def negate(condition: Condition) -> Condition:
    if isinstance(condition, Connective):
        parts = [negate(part) for part in condition.parts]
        return any_of(parts) if condition.kind == "and" else all_of(parts)
    if not condition.is_equality:
        return compare(-condition.expression - 1)
    return any_of([compare(condition.expression - 1), compare(-condition.expression - 1)])


def _connect(
    kind: str, parts: Sequence[Condition], neutral: Connective, absorbing: Connective
) -> Condition:
    kept: dict[Condition, None] = {}
    for part in parts:
        if part == absorbing:
            return absorbing
        if isinstance(part, Connective) and part.kind == kind:
            kept.update(dict.fromkeys(part.parts))
        elif part != neutral:
            kept[part] = None
    if not kept:
        return neutral
    return next(iter(kept)) if len(kept) == 1 else Connective(kind, tuple(kept))
