"""Input arrays that make a suspected difference visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.polyhedral import Program
from ..core.terms import Term, is_float
from ..core.values import slot_kind, slots_of
from ..oracle.pairing import Difference


@dataclass(frozen=True)
class Summand:
    """One summand of an output element: its term and the subscripts of its input elements."""

    shape: Term
    subscripts: tuple[int, ...]


@dataclass(frozen=True)
class Suspicion:
    """What a failed proof says about inputs that would show the difference."""

    differences: tuple[Difference, ...] = ()
    """Summands that only one of the programs has."""
    summands: tuple[Summand, ...] = ()
    """All summands of one output element of the source."""
    witness: int | None = None
    """A value of their sum for which the outputs differ."""
    sizes: tuple[tuple[int, int], ...] = ()
    """Values of scalar parameters, by position, at which an obligation fails."""
    filled: tuple[tuple[int, int], ...] = ()
    """Numbers which whole input arrays, by position, may be filled with to show a difference."""
    sums_floats: bool = True
    """Whether floats may be added up in another order; else results must agree bit for bit."""


def sums_floats(*programs: Program) -> bool:
    """Whether one of the programs accumulates floating-point numbers."""
    return any(
        statement.accumulates and is_float(statement.value.type)
        for program in programs
        for statement in program.statements
    )


def elements_of(
    shape: Term, subscripts: Sequence[int], arrays: Sequence[NDArray[Any]]
) -> list[tuple[int, tuple[int, ...]]] | None:
    """The input elements of a summand: parameter and subscripts; ``None`` if it has others."""
    found: list[tuple[int, tuple[int, ...]]] = []
    rest = list(subscripts)
    for slot in slots_of(shape):
        kind, position = slot_kind(slot)
        if kind != "input" or not isinstance(position, int):
            return None
        rank = arrays[position].ndim
        place, rest = tuple(rest[:rank]), rest[rank:]
        inside = all(0 <= i < n for i, n in zip(place, arrays[position].shape, strict=True))
        if not inside:
            return None
        found.append((position, place))
    return found


def arrays_for_difference(
    arrays: list[NDArray[Any]], difference: Difference, magnitude: int
) -> list[NDArray[Any]] | None:
    """All zero but the elements of the summand that only one program has."""
    elements = elements_of(difference.shape, difference.subscripts, arrays)
    if elements is None:
        return None
    for position, place in elements:
        arrays[position][place] = magnitude
    return arrays


def arrays_for_sum(
    arrays: list[NDArray[Any]], summands: Sequence[Summand], total: int
) -> list[NDArray[Any]] | None:
    """All zero but the elements of one output's summands, chosen so that they sum to ``total``.

    Each product of two elements takes the largest amount that is left; the last ones make it exact.
    """
    used: set[tuple[int, tuple[int, ...]]] = set()
    for summand in summands:
        elements = elements_of(summand.shape, summand.subscripts, arrays)
        if elements is None or used & set(elements) or total == 0:
            continue
        if summand.shape.operation not in ("mul", "slot") or len(elements) > 2:
            continue
        used.update(elements)
        limits = [int(np.iinfo(arrays[position].dtype).max) for position, _ in elements]
        amounts = _factors(total, limits)
        for (position, place), amount in zip(elements, amounts, strict=True):
            arrays[position][place] = amount
        total -= int(np.prod(amounts))
    return arrays if total == 0 else None


def _factors(total: int, limits: Sequence[int]) -> list[int]:
    """One or two numbers within ±limits whose product comes close to ``total`` from zero."""
    sign = -1 if total < 0 else 1
    if len(limits) == 1:
        return [sign * min(abs(total), limits[0])]
    first, second = limits
    if abs(total) <= first:
        return [sign * abs(total), 1]
    return [sign * first, max(1, min(abs(total) // first, second))]
