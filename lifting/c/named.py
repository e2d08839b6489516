"""Polynomials over the names of parameters: extents that outlive the lowering that found them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .polynomial import Atom, Polynomial

Names = tuple[str, ...]
"""The product of some parameters, sorted by name; the empty product is 1."""


@dataclass(frozen=True)
class NamedPolynomial:
    """A sum of products of parameters; ``terms`` pairs each product with its coefficient."""

    terms: tuple[tuple[Names, int], ...]

    @staticmethod
    def of(polynomial: Polynomial, parameters: Mapping[Atom, str]) -> NamedPolynomial | None:
        """Return ``polynomial`` over names; ``None`` if it has an atom that is no parameter."""
        terms: list[tuple[Names, int]] = []
        for monomial, coefficient in polynomial.terms.items():
            if any(atom not in parameters for atom in monomial):
                return None
            terms.append((tuple(sorted(parameters[atom] for atom in monomial)), coefficient))
        return NamedPolynomial(tuple(sorted(terms)))

    @staticmethod
    def constant(value: int) -> NamedPolynomial:
        """Return the polynomial that is ``value``."""
        return NamedPolynomial((((), value),) if value else ())

    @property
    def constant_value(self) -> int | None:
        """Return the value if no parameter occurs."""
        if any(names for names, _ in self.terms):
            return None
        return self.terms[0][1] if self.terms else 0

    @property
    def is_linear(self) -> bool:
        """Whether no product of parameters occurs."""
        return all(len(names) <= 1 for names, _ in self.terms)

    def bind(self, parameter: Callable[[str], Polynomial]) -> Polynomial:
        """Return the polynomial with ``parameter(name)`` in the place of each name."""
        total = Polynomial.constant(0)
        for names, coefficient in self.terms:
            product = Polynomial.constant(coefficient)
            for name in names:
                product *= parameter(name)
            total += product
        return total

    def __str__(self) -> str:
        ordered = sorted(self.terms, key=lambda term: (-len(term[0]), term[0]))
        text = ""
        for names, coefficient in ordered:
            factors = list(names)
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            text += (" - " if coefficient < 0 else " + ") + " * ".join(factors)
        if not text:
            return "0"
        return "-" + text[3:] if text.startswith(" - ") else text[3:]


def surely_nonnegative(polynomial: Polynomial) -> bool:
    """Tell whether the polynomial is at least 0 wherever each of its atoms is at least 1."""
    for atom in {atom for atom in polynomial.atoms() if atom.quotient_of is not None}:
        polynomial = _without_quotient(polynomial, atom)
    shifted = Polynomial.constant(0)
    for monomial, coefficient in polynomial.terms.items():
        product = Polynomial.constant(coefficient)
        for atom in monomial:
            product *= Polynomial.atom(atom) + Polynomial.constant(1)
        shifted += product
    return all(coefficient >= 0 for coefficient in shifted.terms.values())


def _without_quotient(polynomial: Polynomial, atom: Atom) -> Polynomial:
    """Return a lower bound: ``divisor * quotient`` is at most the dividend, if that is not < 0."""
    assert atom.quotient_of is not None
    dividend, divisor = atom.quotient_of
    coefficient = polynomial.terms.get((atom,), 0)
    if coefficient >= 0 or coefficient % divisor != 0:
        return polynomial
    share = Polynomial.constant(coefficient // divisor)
    return polynomial - Polynomial({(atom,): coefficient}) + share * dividend
