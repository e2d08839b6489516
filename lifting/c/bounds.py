"""Decides whether an array access stays inside its array, as far as polynomials can tell.

An access is refused only if it certainly leaves the array; it counts as safe only if it certainly
stays inside. What lies between (guarded or data-dependent accesses) is left to the validator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...diagnostics import Diagnostic, SourceLocation
from .polynomial import Atom, LoopRange, Polynomial

if TYPE_CHECKING:
    from .values import ArrayVariable


@dataclass(frozen=True)
class Extreme:
    """The largest or smallest value of a polynomial over all iterations of the loops around it."""

    value: Polynomial
    attained: bool
    """False if ``value`` is only a bound."""


def check_access(
    array: ArrayVariable,
    subscripts: tuple[Polynomial, ...],
    extents: tuple[Polynomial | None, ...],
    certain: bool,
    location: SourceLocation,
) -> bool:
    """Return whether the access surely stays inside ``array``.

    ``extents`` has one entry for each of ``subscripts``. ``certain`` says that the access happens
    in every iteration of the loops around it; only then can it be refused.

    Raises Diagnostic that names the access, the index range and the extent.
    """
    safe = True
    for subscript, extent in zip(subscripts, extents, strict=True):
        if extent is None:
            safe = False
            continue
        low, high = extreme(subscript, largest=False), extreme(subscript, largest=True)
        if certain:
            _refuse_outside(array, subscripts, subscript, extent, (low, high), location)
        room = (extent - high.value).interval.low if high is not None else 0
        safe = safe and low is not None and low.value.interval.low >= 0 and room >= 1
    return safe


def extreme(polynomial: Polynomial, largest: bool) -> Extreme | None:
    """Return the largest (or smallest) value of ``polynomial`` in terms of parameters.

    None if the sign of a coefficient is not known. The loops are taken to run at least once.
    """
    polynomial, attained = _without_minima(polynomial, largest)
    while (atom := _innermost_loop_variable(polynomial)) is not None:
        assert atom.loop_range is not None
        coefficient = polynomial.coefficient_of(atom)
        if coefficient is None:
            return None
        bounds = coefficient.interval
        if bounds.low < 0 < bounds.high:
            return None
        if (bounds.low >= 0) == largest:
            last, exact = _last_value(atom.loop_range)
            attained = attained and exact
            polynomial = polynomial.substitute(atom, last)
        else:
            polynomial = polynomial.substitute(atom, atom.loop_range.lower)
        polynomial, exact = _without_minima(polynomial, largest)
        attained = attained and exact
    attained = attained and all(atom.exact for atom in polynomial.atoms())
    return Extreme(polynomial, attained)


def _without_minima(polynomial: Polynomial, largest: bool) -> tuple[Polynomial, bool]:
    """Return a bound without minima that are bounded by parameters, and whether it is the same."""
    same = True
    for atom in {atom for atom in polynomial.atoms() if atom.at_most}:
        limits = [limit for limit in atom.at_most if all(a.exact for a in limit.atoms())]
        fixed = [limit for limit in limits if all(a.loop_range is None for a in limit.atoms())]
        coefficient = polynomial.coefficient_of(atom)
        if coefficient is None or not fixed:
            continue
        if (coefficient.interval.low >= 0) == largest:
            polynomial, same = polynomial.substitute(atom, fixed[0]), False
    return polynomial, same


def surely_runs(loop_range: LoopRange) -> bool | None:
    """Tell whether the loop runs at least once whatever the loops around it are at.

    None if that depends on parameters only: such a loop runs for the sizes that matter.
    """
    trips = loop_range.upper - loop_range.lower
    if trips.constant_value is not None:
        return trips.constant_value > 0
    if all(atom.loop_range is None and atom.exact for atom in trips.atoms()):
        return None
    fewest = extreme(trips, largest=False)
    return fewest is not None and fewest.value.interval.low >= 1


def _innermost_loop_variable(polynomial: Polynomial) -> Atom | None:
    loop_variables = [atom for atom in polynomial.atoms() if atom.loop_range is not None]
    return max(loop_variables, key=lambda atom: atom.serial, default=None)


def _last_value(loop_range: LoopRange) -> tuple[Polynomial, bool]:
    """Return the last value of the loop variable, and whether it is exact or only a bound."""
    span = (loop_range.upper - loop_range.lower).constant_value
    if loop_range.step == 1:
        return loop_range.upper - Polynomial.constant(1), True
    if span is None:
        distance = (loop_range.upper - loop_range.lower).terms
        is_whole = all(coefficient % loop_range.step == 0 for coefficient in distance.values())
        gap = loop_range.step if is_whole else 1
        return loop_range.upper - Polynomial.constant(gap), is_whole
    steps = max(0, span - 1) // loop_range.step
    return loop_range.lower + Polynomial.constant(steps * loop_range.step), True


def _refuse_outside(
    array: ArrayVariable,
    subscripts: tuple[Polynomial, ...],
    subscript: Polynomial,
    extent: Polynomial,
    range_: tuple[Extreme | None, Extreme | None],
    location: SourceLocation,
) -> None:
    low, high = range_
    below = low is not None and low.attained and low.value.interval.high < 0
    above = high is not None and high.attained and (extent - high.value).interval.high <= 0
    if not below and not above:
        return
    lowest = str(low.value) if low is not None else "?"
    highest = str(high.value) if high is not None else "?"
    reached = f"is {lowest}" if lowest == highest else f"ranges over {lowest} to {highest}"
    root = array.memref.name_hint or array.name  # a pointer into an array has a name of its own
    access = root + "".join(f"[{part}]" for part in subscripts)
    raise Diagnostic(
        f"out-of-bounds access: in {access}, subscript '{subscript}' {reached}, "
        f"but the extent is {extent}",
        location,
        hint=f"the subscript must stay within 0 to {extent - Polynomial.constant(1)}",
    )
