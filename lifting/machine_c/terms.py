"""Symbolic integers: what the C variables of a kernel hold while its loops are read.

A ``Sum`` is an integer as a sum of terms with constant factors. Terms that differ only in how they
were written become the same sum, so that an address keeps its shape through casts, temporaries and
variables that change from iteration to iteration. Everything is immutable and free of effects; a
sum becomes operations only where an instruction needs it.

Division follows C17 6.5.5: quotients are rounded towards zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

from xdsl.ir import SSAValue

from ..c.polynomial import Interval

BIT = Interval(0, 1)


@dataclass(frozen=True)
class Atom:
    """An integer that is not computed: a loop variable, or a value carried by a loop.

    Under a condition an atom may have a narrower interval; it stays the same atom.
    """

    name: str = field(compare=False)
    interval: Interval = field(compare=False)
    level: int = field(compare=False)
    """Depth of the region that defines it; 0 is the function's body."""
    value: SSAValue | None = field(default=None, compare=False)
    """The ``index`` that holds it; None while a loop is only analysed."""
    key: object = field(default_factory=object)
    """What tells atoms apart."""

    @property
    def depth(self) -> int:
        return 1

    @property
    def atoms(self) -> frozenset[Atom]:
        return frozenset((self,))


class Composed(ABC):
    """What is computed from other values, and depends on what they depend on."""

    @property
    @abstractmethod
    def parts(self) -> tuple[Sum | Condition, ...]:
        """The values it is computed from."""

    @cached_property
    def level(self) -> int:
        return max(part.level for part in self.parts)

    @cached_property
    def depth(self) -> int:
        return 1 + max(part.depth for part in self.parts)

    @cached_property
    def atoms(self) -> frozenset[Atom]:
        return frozenset[Atom]().union(*(part.atoms for part in self.parts))


@dataclass(frozen=True)
class Quotient(Composed):
    """``dividend / divisor`` with a positive constant divisor."""

    dividend: Sum
    divisor: int

    @cached_property
    def interval(self) -> Interval:
        bounds = self.dividend.interval
        return Interval(_truncated(bounds.low, self.divisor), _truncated(bounds.high, self.divisor))

    @property
    def parts(self) -> tuple[Sum | Condition, ...]:
        return (self.dividend,)


@dataclass(frozen=True)
class Remainder(Composed):
    """``dividend % divisor`` with a positive constant divisor; it has the dividend's sign."""

    dividend: Sum
    divisor: int

    @cached_property
    def interval(self) -> Interval:
        bounds = self.dividend.interval
        return Interval(
            -min(self.divisor - 1, max(0, -bounds.low)), min(self.divisor - 1, max(0, bounds.high))
        )

    @property
    def parts(self) -> tuple[Sum | Condition, ...]:
        return (self.dividend,)


@dataclass(frozen=True)
class Product(Composed):
    """The product of two integers, neither a constant."""

    left: Sum
    right: Sum

    @cached_property
    def interval(self) -> Interval:
        return self.left.interval * self.right.interval

    @property
    def parts(self) -> tuple[Sum | Condition, ...]:
        return self.left, self.right


@dataclass(frozen=True)
class Bitwise(Composed):
    """``left & right``, ``|`` or ``^`` of two's complement numbers."""

    operator: str
    left: Sum
    right: Sum

    @cached_property
    def interval(self) -> Interval:
        highest = max(self.left.interval.high, self.right.interval.high, 0)
        lowest = min(self.left.interval.low, self.right.interval.low)
        bits = max(highest.bit_length(), lowest.bit_length())
        if lowest >= 0:
            return Interval(0, highest if self.operator == "&" else (1 << bits) - 1)
        return Interval(-(1 << bits), (1 << bits) - 1)

    @property
    def parts(self) -> tuple[Sum | Condition, ...]:
        return self.left, self.right


@dataclass(frozen=True)
class Choice(Composed):
    """``then`` where ``condition`` holds, ``otherwise`` elsewhere."""

    condition: Condition
    then: Sum
    otherwise: Sum

    @cached_property
    def interval(self) -> Interval:
        then, otherwise = self.then.interval, self.otherwise.interval
        low, high = min(then.low, otherwise.low), max(then.high, otherwise.high)
        if self.is_minimum:
            high = min(then.high, otherwise.high)
        if self.is_maximum:
            low = max(then.low, otherwise.low)
        return Interval(low, high)

    @property
    def is_minimum(self) -> bool:
        """Whether this is the smaller one of ``then`` and ``otherwise``."""
        return self._selects_by("lt", "le", "gt", "ge")

    @property
    def is_maximum(self) -> bool:
        """Whether this is the larger one of ``then`` and ``otherwise``."""
        return self._selects_by("gt", "ge", "lt", "le")

    def _selects_by(self, lt: str, le: str, gt: str, ge: str) -> bool:
        condition = self.condition
        if not isinstance(condition, Comparison):
            return False
        operands = (condition.left, condition.right)
        if condition.predicate in (lt, le):
            return operands == (self.then, self.otherwise)
        return condition.predicate in (gt, ge) and operands == (self.otherwise, self.then)

    @property
    def parts(self) -> tuple[Sum | Condition, ...]:
        return self.condition, self.then, self.otherwise


Term = Atom | Quotient | Remainder | Product | Bitwise | Choice


@dataclass(frozen=True, eq=False)
class Sum:
    """``constant`` plus each term times its factor; factors are not 0 and no term occurs twice."""

    terms: tuple[tuple[Term, int], ...]
    constant: int = 0

    @cached_property
    def _hash(self) -> int:
        return hash((frozenset(self.terms), self.constant))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Sum) or self._hash != other._hash:
            return False
        return self.constant == other.constant and dict(self.terms) == dict(other.terms)

    @cached_property
    def interval(self) -> Interval:
        """Bounds of the value; not always the tightest."""
        total = Interval(self.constant, self.constant)
        for term, factor in self.terms:
            total += term.interval * Interval(factor, factor)
        return total

    @cached_property
    def level(self) -> int:
        """Depth of the innermost region whose atoms the value depends on."""
        return max((term.level for term, _ in self.terms), default=0)

    @cached_property
    def depth(self) -> int:
        """How deep terms are nested in each other."""
        return max((term.depth for term, _ in self.terms), default=0)

    @cached_property
    def atoms(self) -> frozenset[Atom]:
        """All atoms that the value depends on."""
        return frozenset().union(*(term.atoms for term, _ in self.terms))

    @property
    def is_constant(self) -> bool:
        return not self.terms

    def within(self, low: int, high: int) -> bool:
        """Whether every value lies in [low, high]."""
        return low <= self.interval.low and self.interval.high <= high

    def __add__(self, other: Sum | int) -> Sum:
        if isinstance(other, int):
            return Sum(self.terms, self.constant + other)
        factors = dict(self.terms)
        for term, factor in other.terms:
            factors[term] = factors.get(term, 0) + factor
        kept = tuple((term, factor) for term, factor in factors.items() if factor)
        return Sum(kept, self.constant + other.constant)

    def __neg__(self) -> Sum:
        return self.scaled(-1)

    def __sub__(self, other: Sum | int) -> Sum:
        return self + -other

    def scaled(self, factor: int) -> Sum:
        """The value times a constant."""
        if factor == 0:
            return ZERO
        return Sum(tuple((term, f * factor) for term, f in self.terms), self.constant * factor)

    def divided(self, divisor: int) -> Sum | None:
        """The exact quotient, None if a factor is no multiple of the divisor."""
        if any(number % divisor for number in (self.constant, *(f for _, f in self.terms))):
            return None
        return Sum(tuple((term, f // divisor) for term, f in self.terms), self.constant // divisor)


@dataclass(frozen=True)
class Truth:
    """A condition that always holds, or never."""

    holds: bool
    level: int = 0
    depth: int = 0
    atoms: frozenset[Atom] = frozenset()


@dataclass(frozen=True)
class Comparison(Composed):
    """``left predicate right``; the predicate is ``eq``, ``ne``, ``lt``, ``le``, ``gt``, ``ge``."""

    predicate: str
    left: Sum
    right: Sum

    @property
    def parts(self) -> tuple[Sum | Condition, ...]:
        return self.left, self.right


@dataclass(frozen=True)
class Connective(Composed):
    """Both conditions (``and``), or at least one of them (``or``)."""

    operator: str
    left: Condition
    right: Condition

    @property
    def parts(self) -> tuple[Sum | Condition, ...]:
        return self.left, self.right


Condition = Truth | Comparison | Connective

ZERO = Sum(())
ALWAYS = Truth(True)
NEVER = Truth(False)


def constant(value: int) -> Sum:
    """The integer ``value``."""
    return Sum((), value)


def atom(term: Term) -> Sum:
    """A sum that is one term."""
    return Sum(((term, 1),))


def _truncated(value: int, divisor: int) -> int:
    return value // divisor if value >= 0 else -(-value // divisor)
