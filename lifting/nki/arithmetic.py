"""Arithmetic on numbers that are known while a kernel is read, with limits on their size."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from .index import Index, Integer, PastFirst, UnrollRequest, sign, simplified

MAX_ITEMS = 1 << 16
"""Elements of a list, and iterations of a loop that is unrolled."""
MAX_INTEGER = 1 << 63


class ValueTooLargeError(Exception):
    """A number or list that no kernel needs."""


def negate(value: Integer | float) -> Integer | float:
    return simplified(value.scaled(-1)) if isinstance(value, Index) else -value


def combine(symbol: str, left: Any, right: Any) -> Any:
    """``left symbol right``; ``TypeError`` where it has no meaning."""
    if isinstance(left, Index) or isinstance(right, Index):
        return _combine_indices(symbol, left, right)
    if symbol in ("**", "<<") and not (isinstance(right, int | float) and abs(right) <= 64):
        raise ValueTooLargeError(f"{symbol} {right}")
    sequences = [value for value in (left, right) if isinstance(value, list | tuple | str)]
    if symbol == "*" and sequences:
        count = right if sequences[0] is left else left
        if isinstance(count, int) and count * len(sequences[0]) > MAX_ITEMS:
            raise ValueTooLargeError(f"a list of over {MAX_ITEMS} elements")
    if symbol == "+" and sum(map(len, sequences)) > MAX_ITEMS:
        raise ValueTooLargeError(f"a list of over {MAX_ITEMS} elements")
    if not sequences and not all(isinstance(value, int | float) for value in (left, right)):
        raise TypeError
    try:
        result = OPERATORS[symbol](left, right)
    except (OverflowError, ValueError) as error:
        raise ValueTooLargeError(str(error)) from error
    if isinstance(result, int) and abs(result) >= MAX_INTEGER:
        raise ValueTooLargeError("an integer over 64 bits")
    return result


def _combine_indices(symbol: str, left: Any, right: Any) -> Any:
    if not isinstance(left, int | Index) or not isinstance(right, int | Index):
        if isinstance(left, float) or isinstance(right, float):
            values = [v.require_constant() if isinstance(v, Index) else v for v in (left, right)]
            return combine(symbol, *values)
        raise TypeError
    one, two = Index.of(left), Index.of(right)
    if symbol == "+":
        return simplified(one + two)
    if symbol == "-":
        return simplified(one - two)
    if symbol == "*" and (one.is_constant or two.is_constant):
        factor, other = (one, two) if one.is_constant else (two, one)
        return simplified(other.scaled(factor.constant))
    if symbol in ("//", "%") and two.is_constant and two.constant > 0:
        divided = one.divided if symbol == "//" else one.remainder
        result = divided(two.constant)
        if result is not None:
            return simplified(result)
    return combine(symbol, one.require_constant(), two.require_constant())


def compare_integers(symbol: str, left: Integer, right: Integer) -> bool:
    """A comparison that holds or fails in all iterations; else asks to unroll a loop."""
    difference = Index.of(left) - right
    found = sign(difference)
    if found is not None:
        return COMPARISONS[symbol](found, 0)
    low, high = (
        COMPARISONS[symbol](difference.minimum, 0),
        COMPARISONS[symbol](difference.maximum, 0),
    )
    if low == high and symbol not in ("==", "!="):
        return low
    raise UnrollRequest(difference.innermost.loop)


def past_first(symbol: str, left: Integer, right: Integer) -> PastFirst | None:
    """``k != 0`` and ``k > 0`` for a loop that begins at 0: a condition that stays one."""
    difference = Index.of(left) - right
    if symbol not in ("!=", ">") or list(difference.terms.values()) != [1]:
        return None
    variable = difference.innermost
    begins_there = difference - Index.variable(variable) + variable.lower == Index(0)
    return PastFirst((variable,)) if begins_there else None


def least(values: list[Integer], pick_greatest: bool = False) -> Integer:
    """The least (or greatest) of integers that may depend on loop variables."""
    best = values[0]
    for value in values[1:]:
        smaller = compare_integers("<=", value, best)
        best = value if smaller != pick_greatest else best
    return best


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
