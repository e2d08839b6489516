"""Summands that masks leave nothing of: zero if what they are computed from else is finite.

A masked element of a row is 0, or -inf in front of an exponential. Products with it add nothing to
a sum, unless the other factor is infinite or NaN: that is an assumption, which the proof lists.
"""

from __future__ import annotations

from math import inf

from .terms import Term, constant_value, is_zero

ADDS_NOTHING = (
    "masked summands add nothing: 0·x, 0/y and exp(-inf + x) are 0"
    " (x is neither infinite nor NaN, y is not 0)"
)


def adds_nothing(value: Term) -> bool:
    """Whether a float, the summand of a sum, is zero for finite inputs."""
    match value.operation:
        case "mulf":
            return any(_is_nothing(operand) for operand in value.operands)
        case "divf":
            return _is_nothing(value.operands[0])
        case "exp":
            return _is_minus_infinity(value.operands[0])
        case _:
            return False


def _is_nothing(value: Term) -> bool:
    return is_zero(value) or adds_nothing(value)


def _is_minus_infinity(value: Term) -> bool:
    if value.operation == "addf":
        return any(map(_is_minus_infinity, value.operands))
    return constant_value(value) == -inf
