"""Index arithmetic of the lifter: polynomials over loop variables and sizes, with their ranges.

A subscript such as ``i * n + j`` is a polynomial with whole coefficients. Every loop variable
carries the range of its loop, so that "does this stay inside the array?" can be answered from the
expression alone. The answers guide the lifter only; the proof of the lift does not rest on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from xdsl.ir import SSAValue

_NEXT_NUMBER = count()

Monomial = tuple["IndexSymbol", ...]
"""A product of symbols, in the order of their numbers; ``()`` is the constant 1."""


@dataclass(frozen=True, eq=False)
class IndexSymbol:
    """A whole number that subscripts are made of: a :class:`LoopVariable` or :class:`Size`."""

    name: str
    number: int = field(default_factory=lambda: next(_NEXT_NUMBER), kw_only=True)
    """Order of creation; it sorts monomials and is not shown to anyone."""


@dataclass(frozen=True, eq=False)
class Size(IndexSymbol):
    """A number known at run time only: a scalar parameter, or the extent of an array.

    ``dimension`` is ``None`` for a scalar parameter, else which extent of the array ``value``.
    """

    value: SSAValue
    dimension: int | None = None
    is_unsigned: bool = False
    """Whether a scalar parameter is to be read without a sign."""
    is_positive: bool = True
    """Whether it is at least 1, as extents, bounds of loops and distances are taken to be."""


@dataclass(frozen=True, eq=False)
class Quotient(IndexSymbol):
    """``dividend / divisor``, rounded down; the dividend is made of sizes and never negative."""

    dividend: IndexExpression
    divisor: int


@dataclass(frozen=True, eq=False)
class LoopVariable(IndexSymbol):
    """A variable that runs over ``lower <= variable < upper`` for every one of ``uppers``."""

    lower: IndexExpression
    uppers: tuple[IndexExpression, ...]

    @property
    def depth(self) -> int:
        """Return how many variables its range depends on, directly or through others."""
        return 1 + max((v.depth for v in self.range_variables()), default=0)

    def range_variables(self) -> frozenset[LoopVariable]:
        """Return the variables that occur in the bounds."""
        return self.lower.variables.union(*(upper.variables for upper in self.uppers))

    @property
    def extent(self) -> IndexExpression | None:
        """Return the number of values, or ``None`` if it is the minimum of several expressions."""
        return self.uppers[0] - self.lower if len(self.uppers) == 1 else None


@dataclass(frozen=True)
class IndexExpression:
    """A polynomial; ``terms`` pairs each monomial with its coefficient, which is never 0."""

    terms: tuple[tuple[Monomial, int], ...]

    @staticmethod
    def of(value: int | IndexSymbol) -> IndexExpression:
        """Return the constant or the symbol as an expression."""
        if isinstance(value, int):
            return IndexExpression((((), value),) if value else ())
        return IndexExpression((((value,), 1),))

    @staticmethod
    def from_terms(terms: Iterable[tuple[Monomial, int]]) -> IndexExpression:
        """Return the sum of the terms, with equal monomials collected."""
        sums: dict[Monomial, int] = {}
        for monomial, coefficient in terms:
            sums[monomial] = sums.get(monomial, 0) + coefficient
        kept = [(m, c) for m, c in sums.items() if c]
        kept.sort(key=lambda term: tuple(symbol.number for symbol in term[0]))
        return IndexExpression(tuple(kept))

    def __add__(self, other: IndexExpression | int) -> IndexExpression:
        return IndexExpression.from_terms((*self.terms, *_expression(other).terms))

    def __sub__(self, other: IndexExpression | int) -> IndexExpression:
        return self + _expression(other) * -1

    def __mul__(self, other: IndexExpression | int) -> IndexExpression:
        return IndexExpression.from_terms(
            (tuple(sorted(m + n, key=lambda symbol: symbol.number)), c * d)
            for m, c in self.terms
            for n, d in _expression(other).terms
        )

    @property
    def constant(self) -> int | None:
        """Return the value if it is a number, else ``None``."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    @property
    def symbols(self) -> frozenset[IndexSymbol]:
        """Return every symbol that occurs."""
        return frozenset(symbol for monomial, _ in self.terms for symbol in monomial)

    @property
    def variables(self) -> frozenset[LoopVariable]:
        """Return the loop variables that occur."""
        return frozenset(s for s in self.symbols if isinstance(s, LoopVariable))

    @property
    def single_variable(self) -> LoopVariable | None:
        """Return the variable if the expression is exactly one variable, else ``None``."""
        if len(self.terms) != 1 or self.terms[0][1] != 1 or len(self.terms[0][0]) != 1:
            return None
        symbol = self.terms[0][0][0]
        return symbol if isinstance(symbol, LoopVariable) else None

    def split(self, symbol: IndexSymbol) -> tuple[IndexExpression, IndexExpression] | None:
        """Return ``(a, b)`` with ``self == a * symbol + b``; ``None`` if it is not linear in it."""
        factor: list[tuple[Monomial, int]] = []
        rest: list[tuple[Monomial, int]] = []
        for monomial, coefficient in self.terms:
            match monomial.count(symbol):
                case 0:
                    rest.append((monomial, coefficient))
                case 1:
                    others = tuple(s for s in monomial if s is not symbol)
                    factor.append((others, coefficient))
                case _:
                    return None
        return IndexExpression.from_terms(factor), IndexExpression.from_terms(rest)

    def substitute(self, values: Mapping[LoopVariable, IndexExpression]) -> IndexExpression:
        """Return the expression with all the variables replaced at once."""
        if self.symbols.isdisjoint(values):
            return self
        total = IndexExpression(())
        for monomial, coefficient in self.terms:
            product = IndexExpression.of(coefficient)
            for symbol in monomial:
                kept = IndexExpression.of(symbol)
                product *= values.get(symbol, kept) if isinstance(symbol, LoopVariable) else kept
            total = total + product
        return total

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        text = " + ".join(_term_text(m, c) for m, c in reversed(self.terms))
        return text.replace("+ -", "- ")


def _expression(value: IndexExpression | int) -> IndexExpression:
    return IndexExpression.of(value) if isinstance(value, int) else value


def _term_text(monomial: Monomial, coefficient: int) -> str:
    names = [symbol.name for symbol in monomial]
    if not names:
        return str(coefficient)
    return "*".join(names if coefficient == 1 else [str(coefficient), *names])


def is_nonnegative(expression: IndexExpression) -> bool:
    """Return whether the expression is at least 0 for all values in range, as far as we can tell.

    Variables are replaced by the end of their range that makes the expression smallest, the
    innermost first. What is left over sizes (each at least 1) is accepted if, written in
    ``size - 1``, it has no negative coefficient. ``False`` also means "not known".
    """
    variables = expression.variables
    if not variables:
        return _is_nonnegative_over_sizes(expression)
    variable = max(variables, key=lambda v: (v.depth, v.number))
    parts = expression.split(variable)
    if parts is None:
        return False
    factor, rest = parts
    if is_nonnegative(factor):
        return is_nonnegative(factor * variable.lower + rest)
    if not is_nonnegative(factor * -1):
        return False
    return any(is_nonnegative(factor * (upper - 1) + rest) for upper in variable.uppers)


def smallest(expression: IndexExpression) -> IndexExpression | None:
    """Return the least value over the ranges of the loop variables, in terms of sizes.

    It is a lower bound if ranges depend on each other. ``None`` if the sign of a coefficient is
    not known, or if a range ends at the minimum of several expressions.
    """
    variables = expression.variables
    if not variables:
        return expression
    variable = max(variables, key=lambda v: (v.depth, v.number))
    parts = expression.split(variable)
    if parts is None:
        return None
    factor, rest = parts
    if is_nonnegative(factor):
        return smallest(factor * variable.lower + rest)
    if is_nonnegative(factor * -1) and len(variable.uppers) == 1:
        return smallest(factor * (variable.uppers[0] - 1) + rest)
    return None


def largest(expression: IndexExpression) -> IndexExpression | None:
    """Return the greatest value over the ranges of the loop variables; see :func:`smallest`."""
    opposite = smallest(expression * -1)
    return None if opposite is None else opposite * -1


def _is_nonnegative_over_sizes(expression: IndexExpression) -> bool:
    quotients = [symbol for symbol in expression.symbols if isinstance(symbol, Quotient)]
    if quotients:
        return _is_nonnegative_over_quotient(expression, max(quotients, key=lambda q: q.number))
    if any(isinstance(symbol, Size) and not symbol.is_positive for symbol in expression.symbols):
        return False
    shifted = IndexExpression(())
    for monomial, coefficient in expression.terms:
        product = IndexExpression.of(coefficient)
        for symbol in monomial:
            product = product * (IndexExpression.of(symbol) + 1)
        shifted = shifted + product
    return all(coefficient >= 0 for _, coefficient in shifted.terms)


def _is_nonnegative_over_quotient(expression: IndexExpression, quotient: Quotient) -> bool:
    """Decide by ``dividend - divisor < divisor * quotient <= dividend`` and ``quotient >= 0``."""
    parts = expression.split(quotient)
    if parts is None:
        return False
    factor, rest = parts
    if is_nonnegative(factor):
        least = quotient.dividend - (quotient.divisor - 1)
        return is_nonnegative(rest) or is_nonnegative(rest * quotient.divisor + factor * least)
    if not is_nonnegative(factor * -1):
        return False
    return is_nonnegative(rest * quotient.divisor + factor * quotient.dividend)


def is_positive(expression: IndexExpression) -> bool:
    """Return whether the expression is at least 1 in range, as far as we can tell."""
    return is_nonnegative(expression - 1)


def is_within(index: IndexExpression, extent: IndexExpression) -> bool:
    """Return whether ``0 <= index < extent`` for all values in range, as far as we can tell."""
    return is_nonnegative(index) and is_positive(extent - index)


def reversals(index: IndexExpression) -> dict[LoopVariable, IndexExpression]:
    """Return the substitution that runs backwards the variables that ``index`` subtracts."""
    reversed_variables: dict[LoopVariable, IndexExpression] = {}
    for variable in sorted(index.variables, key=lambda v: v.number):
        parts = index.split(variable)
        if parts is None or len(variable.uppers) != 1 or variable.range_variables():
            continue
        if all(coefficient < 0 for _, coefficient in parts[0].terms):
            last = variable.uppers[0] - 1 + variable.lower
            reversed_variables[variable] = last - IndexExpression.of(variable)
    return reversed_variables
