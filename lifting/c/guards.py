"""Conditions around an access that keep its subscripts inside of an array.

In ``if (y >= 0 && y < H) s += x[y * W + c]`` the subscript reaches no further than ``H * W``,
whatever the loops that ``y`` is computed from reach. Such a linear form is replaced by a variable
of its own, with the range that the conditions leave; shapes are then found as without conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .bounds import extreme
from .polynomial import Atom, LoopRange, Polynomial, next_serial

Fact = Polynomial
"""A polynomial that is at least 0."""


@dataclass(frozen=True)
class Facts:
    """What a condition says about index arithmetic if it is true, and if it is false."""

    if_true: tuple[Fact, ...] = ()
    if_false: tuple[Fact, ...] = ()

    @staticmethod
    def of_comparison(operator: str, left: Polynomial, right: Polynomial) -> Facts:
        """Return what ``left operator right`` says."""
        one = Polynomial.constant(1)
        match operator:
            case "<":
                return Facts((right - left - one,), (left - right,))
            case "<=":
                return Facts((right - left,), (left - right - one,))
            case ">":
                return Facts((left - right - one,), (right - left,))
            case ">=":
                return Facts((left - right,), (right - left - one,))
            case "==":
                return Facts((left - right, right - left))
            case _:
                return Facts((), (left - right, right - left))

    def negated(self) -> Facts:
        """Return what the negated condition says."""
        return Facts(self.if_false, self.if_true)

    def both(self, other: Facts) -> Facts:
        """Return what the conjunction says."""
        return Facts(self.if_true + other.if_true)

    def either(self, other: Facts) -> Facts:
        """Return what the disjunction says."""
        return Facts((), self.if_false + other.if_false)


NO_FACTS = Facts()


@dataclass(frozen=True)
class Narrowing:
    """A substitution of loop variables that makes the bounds of guarded forms known."""

    steps: tuple[tuple[Atom, Polynomial], ...] = ()
    """Each with what it becomes, in this order."""
    forms: tuple[tuple[Atom, Polynomial], ...] = ()
    """The new variables, each with what it stands for."""

    @staticmethod
    def of(facts: Sequence[Fact]) -> Narrowing:
        """Return the substitution for all forms that ``facts`` bound."""
        found = Narrowing()
        for fact in facts:
            form, _ = _parts(found.narrowed(fact))
            pivot = next(_pivots(form, {atom for atom, _ in found.forms}), None)
            if pivot is None:
                continue
            bounds = [_parts(found.narrowed(other)) for other in facts]
            lows = [-rest for other, rest in bounds if other.same_as(form)]
            highs = [rest for other, rest in bounds if (-other).same_as(form)]
            found = found._with(form, pivot, lows, highs)
        return found

    def _with(
        self, form: Polynomial, pivot: Atom, lows: list[Polynomial], highs: list[Polynomial]
    ) -> Narrowing:
        """Return the substitution that also makes ``form`` one variable, through ``pivot``."""
        first, last = extreme(form, largest=False), extreme(form, largest=True)
        low = lows[0] if lows else first.value if first is not None else None
        high = highs[0] if highs else last.value if last is not None else None
        if low is None or high is None:
            return self
        limits = LoopRange(low, high + Polynomial.constant(1), 1)
        atom = Atom(
            "guarded", pivot.value, low.interval + high.interval, limits, serial=next_serial()
        )
        sign = form.terms[(pivot,)]
        others = form - Polynomial({(pivot,): sign})
        value = Polynomial({(atom,): sign}) - others * Polynomial.constant(sign)
        whole = form
        for other, stands_for in self.forms:
            whole = whole.substitute(other, stands_for)
        return Narrowing((*self.steps, (pivot, value)), (*self.forms, (atom, whole)))

    def narrowed(self, polynomial: Polynomial) -> Polynomial:
        """Return the polynomial in terms of the new variables, where that makes it simpler."""
        for atom, value in self.steps:
            changed = polynomial.substitute(atom, value)
            others = len({*value.atoms()}) - 1
            if len(_moving(changed)) < len(_moving(polynomial)) + (others == 0):
                polynomial = changed
        return polynomial

    def widened(self, polynomial: Polynomial) -> Polynomial:
        """Return the polynomial in terms of what the new variables stand for."""
        for atom, form in self.forms:
            polynomial = polynomial.substitute(atom, form)
        return polynomial


def _moving(polynomial: Polynomial) -> set[Atom]:
    return {atom for atom in polynomial.atoms() if not _is_fixed(atom)}


def _parts(fact: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Split into the terms with a variable of some loop, and those over parameters only."""
    moving = {m: c for m, c in fact.terms.items() if any(not _is_fixed(atom) for atom in m)}
    fixed = {m: c for m, c in fact.terms.items() if m not in moving}
    return Polynomial(moving), Polynomial(fixed)


def _is_fixed(atom: Atom) -> bool:
    return atom.loop_range is None and atom.exact


def _pivots(form: Polynomial, taken: set[Atom]) -> Iterator[Atom]:
    """Yield the variables that the form has once, with factor 1 or -1, the innermost first."""
    candidates = [
        monomial[0]
        for monomial, coefficient in form.terms.items()
        if len(monomial) == 1 and abs(coefficient) == 1 and monomial[0] not in taken
    ]
    for atom in sorted(candidates, key=lambda atom: -atom.serial):
        if atom.loop_range is not None and form.coefficient_of(atom) is not None:
            yield atom
