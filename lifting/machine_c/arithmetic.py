"""C's operators on symbolic values: conversions, wrap-around, and addresses.

Types follow C17 6.3 and 6.5. A sum of unsigned type may leave the range of its type; it is brought
back where that makes a difference. Signed overflow, which C leaves undefined, is taken not to
happen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...diagnostics import Diagnostic, SourceLocation
from ..c.constants import common_type, convert_constant, fold_binary
from ..c.types import BOOL, INT, CFloat, CInteger, CScalar, integer_promotion
from .algebra import (
    both,
    choice,
    choose,
    compare,
    connect,
    indicator,
    invert,
    is_bit,
    narrowed,
    product,
    quotient,
    remainder,
    wrapped,
)
from .bits import bit_and, bit_or, bit_xor, or_flags, shift_right
from .terms import ALWAYS, NEVER, ZERO, Bitwise, Choice, Condition, Sum, constant
from .values import Either, Number, Pointer, Real, Value, is_null, join

_PREDICATES = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def integer(value: int, kind: CInteger = INT) -> Number:
    """An integer constant."""
    return Number(kind, constant(kind.wrap(value)))


def exact(number: Number, location: SourceLocation) -> Sum:
    """The value of an integer in C, wrapped around as its type does."""
    if number.is_row:
        raise Diagnostic(
            "cannot tell the row of this local address from its flags",
            location,
            hint="add flags to a row that is never negative and below 1 << 29",
        )
    value = wrapped(number.sum, number.type)
    if number.type.bits == 64 and not number.type.signed and value.interval.low < 0:
        raise Diagnostic(
            "cannot tell whether this unsigned 64-bit value wraps around",
            location,
            hint="use a signed type, or write it so that it stays positive",
        )
    return value


def convert(value: Value, kind: CScalar, location: SourceLocation) -> Value:
    """``value`` converted to the arithmetic type ``kind`` (C17 6.3.1); addresses stay addresses."""
    match value:
        case Either():
            then = convert(value.then, kind, location)
            otherwise = convert(value.otherwise, kind, location)
            return replace(value, then=then, otherwise=otherwise)
        case Pointer():
            if kind == BOOL:
                return integer(1, BOOL)
            if not isinstance(kind, CInteger) or kind.bits < 64:
                raise Diagnostic(
                    f"an address does not fit the type {kind}", location, hint="use uint64_t"
                )
            return replace(value, unit=1, extents=())
        case Real():
            return _convert_constant(value.value, kind, location)
        case Number():
            if isinstance(kind, CInteger):
                return _convert_integer(value, kind, location)
            return _convert_constant(_constant_of(value, location), kind, location)


def _constant_of(number: Number, location: SourceLocation) -> int:
    value = exact(number, location)
    if not value.is_constant:
        raise Diagnostic(
            "a real number that is not constant is not supported",
            location,
            hint="scales and other real numbers must be constants",
        )
    return value.constant


def _convert_constant(value: float, kind: CScalar, location: SourceLocation) -> Value:
    converted = convert_constant(value, kind)
    if converted is None:
        raise Diagnostic(f"{value} has no value in the type {kind}", location)
    if isinstance(kind, CInteger):
        return Number(kind, constant(int(converted)))
    return Real(kind, float(converted))


def _convert_integer(number: Number, kind: CInteger, location: SourceLocation) -> Number:
    if kind.boolean:
        return Number(kind, indicator(truth(number, location)))
    if number.is_row and kind.bits >= 32:
        return replace(number, type=kind)
    if kind.bits > number.type.bits:
        number = Number(number.type, exact(number, location))
    converted = Number(kind, number.sum)
    if number.sum.is_constant:
        return Number(kind, constant(kind.wrap(number.sum.constant)))
    if not kind.signed:
        return converted
    same = kind.bits == number.type.bits and number.type.signed
    if same or kind.bits > number.type.bits:
        return Number(kind, exact(converted, location))
    return Number(kind, narrowed(number.sum, kind))


def truth(value: Value, location: SourceLocation) -> Condition:
    """Whether ``value`` is not 0."""
    match value:
        case Number():
            return compare("ne", exact(value, location), ZERO)
        case Real():
            return ALWAYS if value.value else NEVER
        case Pointer():
            return ALWAYS
        case Either():
            then, otherwise = truth(value.then, location), truth(value.otherwise, location)
            return choose(value.condition, then, otherwise)


def from_truth(condition: Condition) -> Number:
    """The ``int`` that is 1 where ``condition`` holds, else 0."""
    return Number(INT, indicator(condition))


def unary(operator: str, value: Value, location: SourceLocation) -> Value:
    """``+value``, ``-value``, ``~value`` or ``!value``."""
    if operator == "!":
        return from_truth(invert(truth(value, location)))
    if isinstance(value, Real) and operator in "+-":
        return value if operator == "+" else replace(value, value=-value.value)
    if not isinstance(value, Number):
        raise _no_operation(operator, location)
    kind = integer_promotion(value.type)
    promoted = _convert_integer(value, kind, location)
    if operator == "+":
        return promoted
    result = -promoted.sum if operator == "-" else constant(-1) - promoted.sum
    return _wrapped(kind, result)


def binary(operator: str, left: Value, right: Value, location: SourceLocation) -> Value:
    """``left operator right`` for every operator but ``&&`` and ``||``.

    Raises Diagnostic for what the accelerator's addresses never need: a divisor or a shift that is
    not constant, real numbers that are not constant.
    """
    if isinstance(left, Either):
        return _each(left, lambda part: binary(operator, part, right, location), location)
    if isinstance(right, Either):
        return _each(right, lambda part: binary(operator, left, part, location), location)
    if isinstance(left, Pointer) or isinstance(right, Pointer):
        return _address(operator, left, right, location)
    kind = common_type(operator, left.type, right.type)
    if isinstance(kind, CFloat):
        return _real(operator, kind, left, right, location)
    if isinstance(left, Real) or isinstance(right, Real):
        raise _no_operation(operator, location)
    if operator in ("<<", ">>"):
        return _shift(operator, _convert_integer(left, kind, location), right, location)
    left, right = (_convert_integer(operand, kind, location) for operand in (left, right))
    if operator in _PREDICATES:
        condition = compare(_PREDICATES[operator], exact(left, location), exact(right, location))
        return from_truth(condition)
    if operator in "/%":
        return Number(kind, _division(operator, exact(left, location), right, location))
    if operator in _BITWISE:
        return _bitwise(operator, kind, left, right, location)
    if operator == "*" and (left.is_row or right.is_row):
        raise _no_operation(operator, location)
    result = _wrapped(kind, _RING[operator](left.sum, right.sum))
    return replace(result, is_row=left.is_row or right.is_row)


def _each(value: Either, function: Callable[[Value], Value], location: SourceLocation) -> Value:
    joined = join(value.condition, function(value.then), function(value.otherwise))
    if joined is None:
        raise Diagnostic("the two sides of this choice differ in type", location)
    return joined


def _no_operation(operator: str, location: SourceLocation) -> Diagnostic:
    return Diagnostic(
        f"'{operator}' of these operands is not supported",
        location,
        hint="integers, and addresses plus integers, are supported",
    )


def _wrapped(kind: CInteger, value: Sum) -> Number:
    return Number(kind, constant(kind.wrap(value.constant)) if value.is_constant else value)


def _multiplied(left: Sum, right: Sum) -> Sum:
    for factor, other in ((left, right), (right, left)):
        match factor.terms:
            case ((Choice() as term, scale),) if not factor.constant and not other.is_constant:
                then, otherwise = (
                    product(leaf.scaled(scale), other) for leaf in (term.then, term.otherwise)
                )
                return choice(term.condition, then, otherwise)
            case _:
                pass
    return product(left, right)


_RING: dict[str, Callable[[Sum, Sum], Sum]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": _multiplied,
}
_BITWISE: dict[str, Callable[[Sum, Sum], Sum]] = {"&": bit_and, "|": bit_or, "^": bit_xor}


def _bitwise(
    operator: str, kind: CInteger, left: Number, right: Number, location: SourceLocation
) -> Number:
    if is_bit(left.sum) and is_bit(right.sum):
        sides = (compare("ne", left.sum, ZERO), compare("ne", right.sum, ZERO))
        return Number(kind, indicator(_bit_operation(operator, *sides)))
    if operator == "|" and (left.is_row or right.is_row):
        return _add_flags(kind, left, right, location)
    # Two's complement: bits do not depend on the sign, and sums of bits need all of them positive.
    unsigned = CInteger(kind.bits, signed=False)
    operands = [exact(Number(unsigned, side.sum), location) for side in (left, right)]
    result = _BITWISE[operator](*operands)
    if operator == "|" and any(isinstance(term, Bitwise) for term, _ in result.terms):
        return _add_flags(kind, left, right, location)
    if not kind.signed:
        return Number(unsigned, result)
    return Number(kind, exact(Number(kind, result), location))


def _add_flags(kind: CInteger, left: Number, right: Number, location: SourceLocation) -> Number:
    """``row | flags`` where the row cannot be proved to lie below the flags."""
    combined = or_flags(left.sum, right.sum)
    if combined is None:
        raise Diagnostic(
            "cannot tell which bits the two sides of '|' have in common",
            location,
            hint="use '+', or operands that are never negative",
        )
    return Number(kind, combined, is_row=True)


def _bit_operation(operator: str, left: Condition, right: Condition) -> Condition:
    if operator == "&":
        return both(left, right)
    if operator == "|":
        return connect("or", left, right)
    return choose(left, invert(right), right)


def _division(operator: str, left: Sum, right: Number, location: SourceLocation) -> Sum:
    divisor = exact(right, location)
    if not divisor.is_constant or divisor.constant == 0:
        raise Diagnostic(
            f"the right side of '{operator}' must be a constant other than 0", location
        )
    if operator == "%":
        return remainder(left, abs(divisor.constant))
    return quotient(left, abs(divisor.constant)).scaled(1 if divisor.constant > 0 else -1)


def _shift(operator: str, left: Number, right: Number, location: SourceLocation) -> Number:
    amount = exact(right, location)
    if not amount.is_constant or not 0 <= amount.constant < left.type.bits:
        raise Diagnostic(
            f"the right side of '{operator}' must be a constant from 0 to {left.type.bits - 1}",
            location,
        )
    if operator == "<<":
        return _wrapped(left.type, left.sum.scaled(1 << amount.constant))
    value = exact(left, location)
    if (shifted := shift_right(value, amount.constant)) is not None:
        return Number(left.type, shifted)
    # Rounding towards minus infinity, as the arithmetic shift of every compiler does.
    up = -(value.interval.low >> amount.constant)
    lifted = quotient(value + (up << amount.constant), 1 << amount.constant)
    return Number(left.type, lifted - up)


def _real(
    operator: str, kind: CFloat, left: Number | Real, right: Number | Real, location: SourceLocation
) -> Value:
    if kind.is_storage:
        raise _no_operation(operator, location)
    numbers: list[float] = []
    for operand in (left, right):
        value = operand.value if isinstance(operand, Real) else _constant_of(operand, location)
        numbers.append(float(convert_constant(value, kind) or 0.0))
    if operator not in ("+", "-", "*", "/", *_PREDICATES):
        raise _no_operation(operator, location)
    result = fold_binary(operator, kind, numbers[0], numbers[1])
    if result is None:
        raise Diagnostic("division by zero", location)
    return integer(int(result)) if operator in _PREDICATES else Real(kind, float(result))


def _address(operator: str, left: Value, right: Value, location: SourceLocation) -> Value:
    match operator, left, right:
        case "+", Pointer(), Number():
            return left.moved(exact(right, location))
        case "+", Number(), Pointer():
            return right.moved(exact(left, location))
        case "-", Pointer(), Number():
            return left.moved(-exact(right, location))
        case (("==" | "!="), _, _) if is_null(left) or is_null(right):
            return integer(int(operator == "!="))
        case _:
            raise _no_operation(operator, location)
