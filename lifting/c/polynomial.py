"""Integer polynomials over loop variables and scalar parameters: what subscripts and bounds are.

A subscript such as ``i * 64 + k - 1`` is kept as a polynomial until it is used, so that it reaches
the loop IR as plain arithmetic on ``index``, whatever casts and temporaries the C source had.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from xdsl.ir import SSAValue

TERM_LIMIT = 64
"""Terms of a polynomial; beyond it an expression is no subscript that anyone would write."""

_serial = count()


def next_serial() -> int:
    """Return a serial number; all atoms that are made from now on have larger ones."""
    return next(_serial)


@dataclass(frozen=True, order=True)
class Interval:
    """The integers from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __mul__(self, other: Interval) -> Interval:
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(corners), max(corners))

    def intersect(self, other: Interval) -> Interval:
        """Return the common part; ``other`` if there is none (the code is never reached)."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Interval(low, high) if low <= high else other


@dataclass(frozen=True, eq=False)
class LoopRange:
    """The values of a loop variable: ``lower``, ``lower + step``, ... below ``upper``."""

    lower: Polynomial
    upper: Polynomial
    step: int


@dataclass(frozen=True, eq=False)
class Atom:
    """An integer that is not computed by +, − and ×: a loop variable, a parameter, a quotient."""

    name: str
    value: SSAValue
    """The integer as an ``index``."""
    interval: Interval
    loop_range: LoopRange | None = None
    exact: bool = True
    """Whether every integer of ``interval`` (or of ``loop_range``) may occur, whatever the other
    atoms are; a quotient, say, moves with its dividend."""
    is_size: bool = False
    """Whether it is the size of a C++ vector."""
    shown: Polynomial | None = None
    """What to print instead of ``name``, in terms of what the programmer wrote."""
    at_most: tuple[Polynomial, ...] = ()
    """If it is a minimum: of what."""
    quotient_of: tuple[Polynomial, int] | None = None
    """If it is a quotient of parameters by a positive constant: the two."""
    serial: int = field(default_factory=lambda: next(_serial))
    """Atoms made later depend on earlier ones only."""


Monomial = tuple[Atom, ...]
"""The product of some atoms, by serial number; the empty product is 1."""


@dataclass(frozen=True, eq=False)
class Polynomial:
    """A sum of monomials with coefficients that are not 0."""

    terms: dict[Monomial, int]

    @staticmethod
    def constant(value: int) -> Polynomial:
        """Return the polynomial that is ``value`` everywhere."""
        return Polynomial({(): value} if value else {})

    @staticmethod
    def atom(atom: Atom) -> Polynomial:
        """Return the polynomial that is ``atom``."""
        return Polynomial({(atom,): 1})

    @property
    def constant_value(self) -> int | None:
        """Return the value if the polynomial has no atoms."""
        if any(monomial for monomial in self.terms):
            return None
        return self.terms.get((), 0)

    @property
    def interval(self) -> Interval:
        """Return bounds of the value; not always the tightest."""
        total = Interval(0, 0)
        for monomial, coefficient in self.terms.items():
            product = Interval(coefficient, coefficient)
            for atom in monomial:
                product *= atom.interval
            total += product
        return total

    def atoms(self) -> Iterator[Atom]:
        """Yield every occurrence of an atom."""
        for monomial in self.terms:
            yield from monomial

    def same_as(self, other: Polynomial) -> bool:
        """Tell whether the two are the same polynomial."""
        return self.terms == other.terms

    def __add__(self, other: Polynomial) -> Polynomial:
        terms = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Polynomial({monomial: value for monomial, value in terms.items() if value})

    def __neg__(self) -> Polynomial:
        return Polynomial({monomial: -value for monomial, value in self.terms.items()})

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial) -> Polynomial:
        total = Polynomial({})
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                product = tuple(sorted((*left, *right), key=lambda atom: atom.serial))
                total += Polynomial({product: a * b})
        return total

    def substitute(self, atom: Atom, value: Polynomial) -> Polynomial:
        """Return the polynomial with ``value`` in the place of ``atom``."""
        total = Polynomial({})
        for monomial, coefficient in self.terms.items():
            product = Polynomial.constant(coefficient)
            for factor in monomial:
                product *= value if factor is atom else Polynomial.atom(factor)
            total += product
        return total

    def coefficient_of(self, atom: Atom) -> Polynomial | None:
        """Return c where the polynomial is ``c * atom + rest``; None if atom's degree exceeds 1."""
        total = Polynomial({})
        for monomial, coefficient in self.terms.items():
            if monomial.count(atom) > 1:
                return None
            if atom in monomial:
                rest = tuple(factor for factor in monomial if factor is not atom)
                total += Polynomial({rest: coefficient})
        return total

    def __str__(self) -> str:
        shown = self
        for atom in self.atoms():
            if atom.shown is not None:
                shown = shown.substitute(atom, atom.shown)
        if not shown.terms:
            return "0"
        ordered = sorted(shown.terms.items(), key=lambda term: (-len(term[0]), _serials(term[0])))
        text = ""
        for monomial, coefficient in ordered:
            factors = [atom.name for atom in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = " - " if coefficient < 0 else " + "
            text += sign + " * ".join(factors)
        return "-" + text[3:] if text.startswith(" - ") else text[3:]


def _serials(monomial: Monomial) -> tuple[int, ...]:
    return tuple(atom.serial for atom in monomial)
