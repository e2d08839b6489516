"""Finds how large the arrays behind pointers are, and which dimensions their subscripts stand for.

C does not say how many elements a pointer parameter leads to. The accesses say: ``A[i * n + j]``
with ``i < m`` and ``j < n`` reaches m × n elements, row by row. Subscripts are taken apart into
digits of a mixed-radix number, whose digits are the subscripts of an array with more dimensions.
What that takes for granted (rows that do not overlap, say) is stated as an assumption.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from .bounds import extreme
from .named import NamedPolynomial, surely_nonnegative
from .polynomial import TERM_LIMIT, Atom, Monomial, Polynomial

MOST_STRIDES = 5
"""Different strides of one subscript; all their combinations are tried."""

_ONE = Polynomial.constant(1)


@dataclass(frozen=True)
class Dimension:
    """One subscript of C: the digits it stands for, the most significant first."""

    strides: tuple[NamedPolynomial, ...]
    """How far apart the elements are along each digit; the last one is 1."""
    extents: tuple[NamedPolynomial, ...]
    assumptions: tuple[str, ...] = ()
    """What keeps the digits apart, such as ``K <= lda``."""


@dataclass
class AccessLog:
    """The subscripts with which arrays of unknown extents are accessed, by the arrays' names."""

    accesses: dict[str, list[tuple[Polynomial, ...]]] = field(
        default_factory=dict[str, list[tuple[Polynomial, ...]]]
    )

    _is_paused: bool = False

    def add(self, name: str, subscripts: tuple[Polynomial, ...]) -> None:
        """Note one access."""
        if self._is_paused:
            return
        self.accesses.setdefault(name, []).append(subscripts)

    @contextmanager
    def paused(self) -> Generator[None]:
        """Note nothing within the ``with`` statement, where code is lowered on trial."""
        before, self._is_paused = self._is_paused, True
        try:
            yield
        finally:
            self._is_paused = before

    def shapes(self, parameters: Mapping[Atom, str]) -> dict[str, tuple[Dimension, ...]]:
        """Return the dimensions of each array for which they could be found.

        ``parameters`` names the atoms that are scalar parameters.
        """
        found: dict[str, tuple[Dimension, ...]] = {}
        for name, accesses in self.accesses.items():
            dimensions = [
                _dimension([access[place] for access in accesses], parameters)
                for place in range(len(accesses[0]))
            ]
            known = tuple(dimension for dimension in dimensions if dimension is not None)
            if len(known) == len(dimensions):
                found[name] = known
        return found


def size_name(vector: str, place: int) -> str:
    """Return the name of the parameter for the size of a C++ vector along one dimension."""
    return vector + "_0" * place + "_size"


def untouched(vector: str, place: int) -> Dimension:
    """Return a dimension that no access uses: as large as ``vector``, if it is one, else 1."""
    one = NamedPolynomial.constant(1)
    size = NamedPolynomial((((size_name(vector, place),), 1),))
    return Dimension((one,), (size if vector else one,))


def equal_sizes(
    log: AccessLog, parameters: Mapping[Atom, str], sizes: frozenset[str]
) -> dict[str, str]:
    """Return which of the parameters ``sizes`` are probably equal: each with the one to use.

    They are if arrays can only be given extents when they are.
    """
    found: dict[str, str] = {}
    for accesses in log.accesses.values():
        for place in range(len(accesses[0])):
            subscripts = [access[place] for access in accesses]
            strides = _strides(subscripts, parameters)
            if strides is None:
                continue
            steps = [*strides, _ONE]
            digits = [split_subscript(subscript, steps) for subscript in subscripts]
            known = [digit for digit in digits if digit is not None]
            if len(known) == len(digits):
                for position in range(len(steps)):
                    found.update(_equal([digit[position] for digit in known], parameters, sizes))
    return found


def _equal(
    digits: Sequence[Polynomial], parameters: Mapping[Atom, str], sizes: frozenset[str]
) -> dict[str, str]:
    if _extent(digits) is not None:
        return {}
    ends: dict[str, None] = {}
    for digit in digits:
        high = extreme(digit, largest=True)
        named = (
            NamedPolynomial.of(high.value + Polynomial.constant(1), parameters) if high else None
        )
        if named is None or len(named.terms) != 1 or len(named.terms[0][0]) != 1:
            return {}
        ends[named.terms[0][0][0]] = None
    if not sizes.issuperset(ends):
        return {}
    first, *others = ends
    return dict.fromkeys(others, first)


def split_subscript(
    subscript: Polynomial, strides: Sequence[Polynomial]
) -> tuple[Polynomial, ...] | None:
    """Return the digits of ``subscript`` in terms of ``strides``, the last of which is 1.

    ``None`` if a digit but the first may be negative, or is not a whole number.
    """
    digits: list[Polynomial] = []
    rest = subscript
    for stride in strides:
        digit, rest = _divide(rest, stride)
        digits.append(digit)
    if rest.terms:
        return None
    return _without_borrowing(digits, strides)


def _without_borrowing(
    digits: list[Polynomial], strides: Sequence[Polynomial]
) -> tuple[Polynomial, ...] | None:
    """Return the digits with negative ones raised by what the digit before them gives up."""
    for place in range(len(digits) - 1, 0, -1):
        if _is_never_negative(digits[place]):
            continue
        if place == len(digits) - 1:
            ratio = strides[place - 1]
        else:
            quotient = _ratio(strides[place - 1], strides[place])
            if quotient is None:
                return None
            ratio = quotient
        digits[place] = digits[place] + ratio
        digits[place - 1] = digits[place - 1] - Polynomial.constant(1)
        if not _is_never_negative(digits[place]):
            return None
    return tuple(digits)


def _is_never_negative(digit: Polynomial) -> bool:
    low = extreme(digit, largest=False)
    return low is not None and surely_nonnegative(low.value)


def _ratio(larger: Polynomial, smaller: Polynomial) -> Polynomial | None:
    quotient, rest = _divide(larger, smaller)
    return None if rest.terms else quotient


def _divide(dividend: Polynomial, stride: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Return quotient and rest; the leading term of ``stride`` divides no term of the rest."""
    if len(stride.terms) == 1:
        ((monomial, coefficient),) = stride.terms.items()
        return _divide_by_term(dividend, monomial, coefficient)
    leader = max(stride.terms, key=_order)
    quotient, rest = Polynomial.constant(0), Polynomial.constant(0)
    for _ in range(TERM_LIMIT):
        if not dividend.terms:
            break
        first = max(dividend.terms, key=_order)
        term = Polynomial({first: dividend.terms[first]})
        share, left = _divide_by_term(term, leader, stride.terms[leader])
        quotient, rest = quotient + share, rest + left
        dividend = dividend - share * stride - left
    return quotient, rest + dividend


def _order(monomial: Monomial) -> tuple[int, tuple[int, ...]]:
    return len(monomial), tuple(sorted(atom.serial for atom in monomial))


def _divide_by_term(
    dividend: Polynomial, monomial: Monomial, coefficient: int
) -> tuple[Polynomial, Polynomial]:
    """Split ``dividend`` into the terms divisible by one term, divided, and the others."""
    quotient, rest = Polynomial.constant(0), Polynomial.constant(0)
    for term, factor in dividend.terms.items():
        left = list(term)
        for atom in monomial:
            if atom not in left:
                rest += Polynomial({term: factor})
                break
            left.remove(atom)
        else:
            whole, remaining = divmod(factor, coefficient)
            if whole:
                quotient += Polynomial({tuple(left): whole})
            if remaining:
                rest += Polynomial({term: remaining})
    return quotient, rest


def _dimension(
    subscripts: Sequence[Polynomial], parameters: Mapping[Atom, str]
) -> Dimension | None:
    candidates = _strides(subscripts, parameters)
    if candidates is None:
        return None
    best: Dimension | None = None
    for count in range(min(len(candidates), MOST_STRIDES), -1, -1):
        for chosen in combinations(candidates, count):
            found = _try(subscripts, (*chosen, _ONE), parameters)
            if found is None:
                continue
            if not found.assumptions:
                return found
            best = best or found
    return best


def _strides(
    subscripts: Sequence[Polynomial], parameters: Mapping[Atom, str]
) -> list[Polynomial] | None:
    """Return the strides other than 1 that the subscripts may have, the largest first."""
    found: dict[frozenset[tuple[Monomial, int]], Polynomial] = {}
    for subscript in subscripts:
        for monomial in subscript.terms:
            fixed = [atom for atom in monomial if atom.loop_range is None]
            if any(atom not in parameters for atom in fixed):
                return None
            moving = [atom for atom in monomial if atom.loop_range is not None]
            if len(moving) == 1 and (whole := subscript.coefficient_of(moving[0])) is not None:
                candidates = [_without_sign(whole)]
            elif len(fixed) > 1 or moving:
                candidates = [Polynomial.atom(atom) for atom in fixed]
            else:
                candidates = []
            found.update({frozenset(c.terms.items()): c for c in candidates})
    found.pop(frozenset(_ONE.terms.items()), None)
    return sorted(found.values(), key=_size, reverse=True)[:MOST_STRIDES]


def _without_sign(stride: Polynomial) -> Polynomial:
    return -stride if all(c < 0 for c in stride.terms.values()) else stride


def _size(stride: Polynomial) -> tuple[int, int, int]:
    """Return what sorts strides: the degree, the number of terms, the largest factor."""
    terms = stride.terms
    return max(map(len, terms), default=0), len(terms), max(terms.values(), default=0)


def _try(
    subscripts: Sequence[Polynomial], steps: Sequence[Polynomial], parameters: Mapping[Atom, str]
) -> Dimension | None:
    ratios = [_ratio(larger, smaller) for larger, smaller in pairwise(steps)]
    digits = [split_subscript(subscript, steps) for subscript in subscripts]
    known_ratios = [ratio for ratio in ratios if ratio is not None]
    known_digits = [digit for digit in digits if digit is not None]
    if len(known_ratios) < len(ratios) or len(known_digits) < len(digits):
        return None
    extents: list[Polynomial] = []
    assumptions: list[str] = []
    for place in range(len(steps)):
        extent = _extent([digit[place] for digit in known_digits])
        if extent is None or (place > 0 and not _earns_its_place(extent, steps[place - 1])):
            return None
        fits = place > 0 and surely_nonnegative(known_ratios[place - 1] - extent)
        if fits and extent.constant_value != 1:
            extent = known_ratios[place - 1]  # whole rows, without gaps between them
        if place > 0 and not fits:
            if surely_nonnegative(extent - known_ratios[place - 1] - Polynomial.constant(1)):
                return None
            assumptions.append(f"{extent} <= {known_ratios[place - 1]}")
        extents.append(extent)
    named_steps = [NamedPolynomial.of(step, parameters) for step in steps]
    named = [NamedPolynomial.of(extent, parameters) for extent in extents]
    if None in named or None in named_steps:
        return None
    return Dimension(
        tuple(step for step in named_steps if step is not None),
        tuple(extent for extent in named if extent is not None),
        tuple(assumptions),
    )


def _earns_its_place(extent: Polynomial, stride: Polynomial) -> bool:
    """Tell whether a digit is worth a dimension: it moves, or its stride is no number."""
    return extent.constant_value != 1 or stride.constant_value is None


def _extent(digits: Sequence[Polynomial]) -> Polynomial | None:
    """Return one more than the largest value of any of ``digits``; ``None`` if it is not known."""
    highest: list[Polynomial] = []
    for digit in digits:
        low, high = extreme(digit, largest=False), extreme(digit, largest=True)
        if low is None or high is None or not surely_nonnegative(low.value):
            return None
        highest.append(high.value)
    for candidate in highest:
        if all(surely_nonnegative(candidate - other) for other in highest):
            return candidate + Polynomial.constant(1)
    return None


def reached_elements(name: str, dimensions: Sequence[Dimension]) -> list[str]:
    """Return in words what is taken for granted about the array ``name``."""
    extents = " × ".join(str(extent) for part in dimensions for extent in part.extents)
    facts = [f"'{name}' points to {extents} {'element' if extents == '1' else 'elements'}"]
    for part in dimensions:
        facts.extend(f"rows of '{name}' do not overlap: {fact}" for fact in part.assumptions)
    return facts
