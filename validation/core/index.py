"""Quasi-affine integer expressions: the language of subscripts, bounds and schedules.

An ``Index`` is ``constant + Σ coefficient · atom``; an atom is a variable, or the floor division,
minimum or maximum of other expressions. The form is canonical enough that equal text means equal
value, and each expression knows how it reads in SMT-LIB and in isl.

Part of the trusted core: the checker takes these texts at their word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

Interval: TypeAlias = tuple[int | None, int | None]
"""Least and greatest value; ``None`` where there is no bound."""


@dataclass(frozen=True)
class Variable:
    """A loop counter, an element counter within an instruction, or a symbolic size."""

    name: str
    low: int | None = None
    high: int | None = None

    @cached_property
    def smt(self) -> str:
        return "{" + self.name + "}"

    @cached_property
    def isl(self) -> str:
        return self.name

    @property
    def interval(self) -> Interval:
        return self.low, self.high

    def replace(self, values: Mapping[str, Index]) -> Index:
        return values.get(self.name) or Index.of(self)


@dataclass(frozen=True)
class FloorDivision:
    """⌊dividend / divisor⌋ for a positive constant divisor."""

    dividend: Index
    divisor: int

    @cached_property
    def smt(self) -> str:
        # SMT-LIB's div rounds down for positive divisors.
        return f"(div {self.dividend.smt} {self.divisor})"

    @cached_property
    def isl(self) -> str:
        return f"floor(({self.dividend.isl})/{self.divisor})"

    @cached_property
    def interval(self) -> Interval:
        low, high = self.dividend.interval
        return (
            None if low is None else low // self.divisor,
            None if high is None else high // self.divisor,
        )

    def replace(self, values: Mapping[str, Index]) -> Index:
        return self.dividend.replace(values) // self.divisor


@dataclass(frozen=True)
class Extremum:
    """The smaller (``min``) or the larger (``max``) of two expressions."""

    kind: str
    left: Index
    right: Index

    @cached_property
    def smt(self) -> str:
        relation = "<=" if self.kind == "min" else ">="
        left, right = self.left.smt, self.right.smt
        return f"(ite ({relation} {left} {right}) {left} {right})"

    @cached_property
    def isl(self) -> str:
        return f"{self.kind}({self.left.isl}, {self.right.isl})"

    @cached_property
    def interval(self) -> Interval:
        choose = min if self.kind == "min" else max
        lows = (self.left.interval[0], self.right.interval[0])
        highs = (self.left.interval[1], self.right.interval[1])
        return self._bound(lows, choose, "max"), self._bound(highs, choose, "min")

    def _bound(self, bounds: tuple[int | None, int | None], choose: object, open_kind: str):
        known = [bound for bound in bounds if bound is not None]
        if len(known) == 2:
            return min(known) if choose is min else max(known)
        # One side is unbounded; the other still bounds a minimum from above, a maximum from below.
        return known[0] if known and self.kind == open_kind else None

    def replace(self, values: Mapping[str, Index]) -> Index:
        return extremum(self.kind, self.left.replace(values), self.right.replace(values))


Atom: TypeAlias = Variable | FloorDivision | Extremum


@dataclass(frozen=True)
class Index:
    """``constant + Σ coefficient · atom`` with atoms in a fixed order and no zero coefficient."""

    terms: tuple[tuple[Atom, int], ...]
    constant: int

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Kept, as expressions are asked for it again and again, each with all within it."""
        return hash((self.terms, self.constant))

    @staticmethod
    def of(value: int | Atom | Index) -> Index:
        if isinstance(value, Index):
            return value
        if isinstance(value, int):
            return Index((), value)
        return Index(((value, 1),), 0)

    @property
    def is_constant(self) -> bool:
        return not self.terms

    @cached_property
    def smt(self) -> str:
        """SMT-LIB text with ``{name}`` where a variable stands (see ``str.format_map``)."""
        parts = [
            atom.smt if factor == 1 else f"(* {smt_integer(factor)} {atom.smt})"
            for atom, factor in self.terms
        ]
        if self.constant or not parts:
            parts.append(smt_integer(self.constant))
        return parts[0] if len(parts) == 1 else f"(+ {' '.join(parts)})"

    @cached_property
    def isl(self) -> str:
        parts = [f"{factor}*{atom.isl}" for atom, factor in self.terms]
        return " + ".join([*parts, str(self.constant)])

    @cached_property
    def interval(self) -> Interval:
        low: int | None = self.constant
        high: int | None = self.constant
        for atom, factor in self.terms:
            least, greatest = atom.interval
            if factor < 0:
                least, greatest = greatest, least
            low = None if low is None or least is None else low + factor * least
            high = None if high is None or greatest is None else high + factor * greatest
        return low, high

    @cached_property
    def divisions(self) -> tuple[FloorDivision, ...]:
        """All divisions in the expression, outer ones first."""
        found: list[FloorDivision] = []
        for atom, _ in self.terms:
            if isinstance(atom, FloorDivision):
                found += [atom, *atom.dividend.divisions]
            elif isinstance(atom, Extremum):
                found += [*atom.left.divisions, *atom.right.divisions]
        return tuple(found)

    @cached_property
    def variables(self) -> frozenset[str]:
        """Names of all variables in the expression."""
        names: set[str] = set()
        for atom, _ in self.terms:
            if isinstance(atom, Variable):
                names.add(atom.name)
            elif isinstance(atom, FloorDivision):
                names |= atom.dividend.variables
            else:
                names |= atom.left.variables | atom.right.variables
        return frozenset(names)

    def replace(self, values: Mapping[str, Index]) -> Index:
        """The expression with variables replaced by name."""
        if values.keys().isdisjoint(self.variables):
            return self
        factors: dict[Atom, int] = {}
        constant = self.constant
        for atom, factor in self.terms:
            value = atom.replace(values)
            constant += value.constant * factor
            for inner, amount in value.terms:
                factors[inner] = factors.get(inner, 0) + amount * factor
        return _canonical(factors, constant)

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.terms, self.constant + other)
        if not other.terms or not self.terms:
            return Index(self.terms or other.terms, self.constant + other.constant)
        factors = dict(self.terms)
        for atom, factor in other.terms:
            factors[atom] = factors.get(atom, 0) + factor
        return _canonical(factors, self.constant + other.constant)

    __radd__ = __add__

    def __neg__(self) -> Index:
        return self * -1

    def __sub__(self, other: Index | int) -> Index:
        return self + (-other)

    def __rsub__(self, other: int) -> Index:
        return -self + other

    def __mul__(self, other: Index | int) -> Index:
        """The product; one factor must be a constant, else ``NotAffine`` is raised."""
        if isinstance(other, Index):
            if other.is_constant:
                other = other.constant
            elif self.is_constant:
                return other * self.constant
            else:
                raise NotAffine("product of two loop-dependent indices")
        if other == 0:
            return Index((), 0)
        terms = tuple((atom, factor * other) for atom, factor in self.terms)
        return Index(terms, self.constant * other)

    __rmul__ = __mul__

    def __floordiv__(self, other: Index | int) -> Index:
        """Division that rounds down, by a positive constant (else ``NotAffine``)."""
        divisor = _divisor(other)
        whole: dict[Atom, int] = {}
        rest: dict[Atom, int] = {}
        for atom, factor in self.terms:
            # The factor's residue nearest to 0 stays under the division.
            residue = (factor + (divisor - 1) // 2) % divisor - (divisor - 1) // 2
            whole[atom], rest[atom] = (factor - residue) // divisor, residue
        remainder = _canonical(rest, self.constant % divisor)
        result = _canonical(whole, self.constant // divisor)
        if remainder.terms and all(factor < 0 for _, factor in remainder.terms):
            # ⌊(c - x) / d⌋ = -⌊(x - c + d - 1) / d⌋
            return result - (-remainder + (divisor - 1)) // divisor
        low, high = remainder.interval
        if low is not None and high is not None and low // divisor == high // divisor:
            return result + low // divisor
        for common in sorted({math.gcd(divisor, factor) for _, factor in remainder.terms}):
            if common > 1 and (whole_part := _without_low_part(remainder, common)) is not None:
                return result + whole_part // (divisor // common)
        inner = remainder.terms[0]
        # A remainder without terms was decided by its range above.
        if len(remainder.terms) == 1 and isinstance(inner[0], FloorDivision) and inner[1] == 1:
            # ⌊(⌊x / d⌋ + c) / e⌋ = ⌊(x + c·d) / (d·e)⌋
            outer = inner[0].divisor
            whole_dividend = inner[0].dividend + remainder.constant * outer
            return result + whole_dividend // (outer * divisor)
        return result + Index.of(FloorDivision(remainder, divisor))

    def __mod__(self, other: Index | int) -> Index:
        """The non-negative remainder of the division by a positive constant."""
        divisor = _divisor(other)
        return self - (self // divisor) * divisor


class NotAffine(Exception):  # noqa: N818 - it states a property of the input
    """An index computation outside the quasi-affine class."""


def smt_integer(value: int) -> str:
    return str(value) if value >= 0 else f"(- {-value})"


def _divisor(value: Index | int) -> int:
    divisor = value.constant if isinstance(value, Index) and value.is_constant else value
    if isinstance(divisor, Index):
        raise NotAffine("division by a loop-dependent index")
    if divisor <= 0:
        raise NotAffine(f"division of an index by {divisor}")
    return divisor


def _without_low_part(value: Index, unit: int) -> Index | None:
    """``value // unit`` if what is not a multiple of ``unit`` in it lies between 0 and ``unit``.

    Then ⌊(g·x + y) / (g·d)⌋ = ⌊x / d⌋, as 0 <= y < g.
    """
    low = tuple((atom, factor) for atom, factor in value.terms if factor % unit)
    least, greatest = Index(low, value.constant % unit).interval
    if least is None or greatest is None or least < 0 or greatest >= unit:
        return None
    high = tuple((atom, factor // unit) for atom, factor in value.terms if factor % unit == 0)
    return Index(high, value.constant // unit)


def _canonical(factors: Mapping[Atom, int], constant: int) -> Index:
    terms = [(atom, factor) for atom, factor in factors.items() if factor]
    if len(terms) > 1:
        terms.sort(key=lambda term: term[0].isl)
    return Index(tuple(terms), constant)


def constant_index(value: int) -> Index:
    return Index((), value)


def extremum(kind: str, left: Index, right: Index) -> Index:
    """``min`` or ``max`` of two expressions, simplified where their ranges decide."""
    if left == right:
        return left
    low, high = (left - right).interval
    left_is_smaller = high is not None and high <= 0
    left_is_larger = low is not None and low >= 0
    if left_is_smaller:
        return left if kind == "min" else right
    if left_is_larger:
        return right if kind == "min" else left
    return Index.of(Extremum(kind, left, right))
