"""Summands that masks leave nothing of: zero if what they are computed from else is finite.

A masked element of a row is 0, or -inf in front of an exponential. Products with it add nothing to
a sum, unless the other factor is infinite or NaN: that is an assumption, which the proof lists.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite

from .terms import Term, constant_value, is_zero, subterms

ADDS_NOTHING = (
    "masked summands add nothing: 0·x, 0/y and exp(-inf + x) are 0"
    " (x is neither infinite nor NaN, y is not 0)"
)


def adds_nothing(value: Term) -> bool:
    """Whether a float, the summand of a sum, is zero for finite inputs."""
    match value.operation:
        case "mulf":
            return _prevails(value, _is_nothing)
        case "divf":
            masked, divisor = value.operands
            return _is_nothing(masked) and not _is_nothing(divisor) and _may_be_finite(divisor)
        case "exp":
            return _is_minus_infinity(value.operands[0])
        case _:
            return False


def _is_nothing(value: Term) -> bool:
    return is_zero(value) or adds_nothing(value)


def _prevails(value: Term, masks: Callable[[Term], bool]) -> bool:
    """Whether an operand masks the others, none of which is seen to be infinite for all inputs."""
    others = [operand for operand in value.operands if not masks(operand)]
    return len(others) < len(value.operands) and all(map(_may_be_finite, others))


def _may_be_finite(value: Term) -> bool:
    """Whether no number that a value is computed from, nor a division, makes it infinite."""
    parts = subterms(value)
    numbers = [number for part in parts if (number := constant_value(part)) is not None]
    divided_by_zero = any(part.operation == "divf" and is_zero(part.operands[1]) for part in parts)
    return all(map(isfinite, numbers)) and not divided_by_zero


def _is_minus_infinity(value: Term) -> bool:
    if value.operation == "addf":
        return _prevails(value, _is_minus_infinity)
    return constant_value(value) == -inf
