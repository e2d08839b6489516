"""Computes constants exactly as C does: typed, wrapping, truncating, rounding."""

from __future__ import annotations

import math
import operator as python_operator
from collections.abc import Callable, Mapping

from ...diagnostics import Diagnostic
from . import syntax
from .literals import round_to_float
from .traversal import descendants
from .types import (
    LONG,
    CFloat,
    CInteger,
    CScalar,
    integer_promotion,
    usual_arithmetic_conversions,
)

Number = int | float

COMPARISONS: Mapping[str, Callable[[Number, Number], bool]] = {
    "<": python_operator.lt,
    "<=": python_operator.le,
    ">": python_operator.gt,
    ">=": python_operator.ge,
    "==": python_operator.eq,
    "!=": python_operator.ne,
}
_INTEGER_OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": python_operator.add,
    "-": python_operator.sub,
    "*": python_operator.mul,
    "&": python_operator.and_,
    "|": python_operator.or_,
    "^": python_operator.xor,
}
_FLOAT_OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "+": python_operator.add,
    "-": python_operator.sub,
    "*": python_operator.mul,
}


def convert_constant(value: Number, kind: CScalar) -> Number | None:
    """Return ``value`` converted to ``kind`` (C17 6.3.1), None where C leaves it undefined.

    None also for 16-bit floats: an operation of the program rounds to them.
    """
    if isinstance(kind, CFloat):
        if kind.is_storage:
            return None
        return round_to_kind(float(value), kind)
    if isinstance(value, int):
        return kind.wrap(value)
    if kind.boolean:
        return int(value != 0.0)
    if not math.isfinite(value) or not kind.holds(math.trunc(value), math.trunc(value)):
        return None
    return math.trunc(value)


def round_to_kind(value: float, kind: CFloat) -> float:
    """Return ``value`` (exact, or rounded once to double) rounded to ``kind``.

    One operation computed in double and rounded to float equals the operation in float, because
    double has more than twice the digits plus two (Figueroa, "When is double rounding innocuous?").
    """
    return round_to_float(value) if kind.bits == 32 else value


def fold_binary(operator: str, kind: CScalar, left: Number, right: Number) -> Number | None:
    """Return ``left operator right`` computed in ``kind``, the operands' common type.

    A comparison gives 0 or 1. None where C leaves the result undefined (division by zero, ...).
    """
    if operator in COMPARISONS:
        return int(COMPARISONS[operator](left, right))
    if isinstance(kind, CFloat):
        return _fold_float(operator, kind, float(left), float(right))
    return _fold_integer(operator, kind, int(left), int(right))


def fold_shift(operator: str, kind: CInteger, value: int, amount: int) -> int | None:
    """Return ``value << amount`` or ``value >> amount`` in ``kind``, None if undefined in C."""
    if not 0 <= amount < kind.bits:
        return None
    return kind.wrap(value << amount if operator == "<<" else value >> amount)


def truncating_division(left: int, right: int) -> int:
    """Return the quotient rounded towards zero, as C17 6.5.5 defines it; ``right`` is not 0."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _fold_integer(operator: str, kind: CInteger, left: int, right: int) -> int | None:
    if operator in _INTEGER_OPERATIONS:
        return kind.wrap(_INTEGER_OPERATIONS[operator](left, right))
    if right == 0:
        return None
    quotient = truncating_division(left, right)
    if not kind.holds(quotient, quotient):
        return None
    return quotient if operator == "/" else left - quotient * right


def _fold_float(operator: str, kind: CFloat, left: float, right: float) -> float | None:
    if operator == "/":
        return round_to_kind(left / right, kind) if right != 0 else None
    return round_to_kind(_FLOAT_OPERATIONS[operator](left, right), kind)


def evaluate_constant(
    expression: syntax.Expression, names: Mapping[str, int], kind: CInteger = LONG
) -> int:
    """Return the value of an integer constant expression, as ``#if`` computes it: in ``intmax_t``.

    Raises Diagnostic, with the place, for anything that is not a constant.
    """
    match expression:
        case syntax.Literal(value=int(value)):
            return kind.wrap(value)
        case syntax.Identifier(name=name) if name in names:
            return names[name]
        case syntax.Unary(operator="!"):
            return int(evaluate_constant(expression.operand, names) == 0)
        case syntax.Unary(operator="+" | "-" | "~" as sign):
            value = evaluate_constant(expression.operand, names)
            return kind.wrap({"+": value, "-": -value, "~": ~value}[sign])
        case syntax.Binary(operator="&&" | "||" as operator):
            left = evaluate_constant(expression.left, names) != 0
            if left == (operator == "||"):
                return int(left)
            return int(evaluate_constant(expression.right, names) != 0)
        case syntax.Binary(operator=operator):
            left = evaluate_constant(expression.left, names)
            right = evaluate_constant(expression.right, names)
            fold = fold_shift if operator in ("<<", ">>") else fold_binary
            result = fold(operator, kind, left, right)
            if result is not None and min(left, right, result) < 0 and _has_unsigned(expression):
                raise Diagnostic(
                    f"'{operator}' of unsigned numbers wraps around here", expression.location
                )
            if result is not None:
                return int(result)
            raise Diagnostic(f"'{operator}' has no defined result here", expression.location)
        case syntax.Conditional(condition=condition, then=then, otherwise=otherwise):
            taken = then if evaluate_constant(condition, names) else otherwise
            return evaluate_constant(taken, names)
        case _:
            raise Diagnostic("an integer constant is expected here", expression.location)


def _has_unsigned(expression: syntax.Expression) -> bool:
    literals = (node for node in descendants(expression) if isinstance(node, syntax.Literal))
    return any(isinstance(one.type, CInteger) and not one.type.signed for one in literals)


def common_type(operator: str, left: CScalar, right: CScalar) -> CScalar:
    """Return the type in which ``left operator right`` is evaluated; for shifts the left one's."""
    if operator in ("<<", ">>") and isinstance(left, CInteger):
        return integer_promotion(left)
    return usual_arithmetic_conversions(left, right)
