"""Arithmetic on known numbers, with the wrap-around and the rounding of the type."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from struct import pack, unpack

from xdsl.dialects import arith
from xdsl.dialects.builtin import Float32Type, Float64Type, IndexType, IntegerType
from xdsl.ir import Attribute, Operation

from .terms import Constant, Term, constant

_INTEGER_FOLDS: dict[type[Operation], Callable[[int, int], int]] = {
    arith.AddiOp: lambda a, b: a + b,
    arith.SubiOp: lambda a, b: a - b,
    arith.MuliOp: lambda a, b: a * b,
    arith.AndIOp: lambda a, b: a & b,
    arith.OrIOp: lambda a, b: a | b,
    arith.XOrIOp: lambda a, b: a ^ b,
    arith.MinSIOp: min,
    arith.MaxSIOp: max,
}


def wrap(value: int, type: Attribute) -> int:
    """Return ``value`` modulo 2^width as a signed number of ``type`` (i1 counts as 0 and 1)."""
    if not isinstance(type, IntegerType):
        return value
    width = type.width.data
    value &= (1 << width) - 1
    return value - (1 << width) if width > 1 and value >> (width - 1) else value


def round_to(value: float, type: Attribute) -> float:
    """Return ``value`` rounded to the nearest number of the float ``type``."""
    if not isinstance(type, Float32Type) or not isfinite(value):
        return value
    try:
        return unpack("<f", pack("<f", value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def fold(operation: type[Operation], operands: tuple[Term, ...], type: Attribute) -> Term | None:
    """Return the result of the operation if its operands are numbers and it is known here."""
    numbers = [operand for operand in operands if isinstance(operand, Constant)]
    if len(numbers) < len(operands):
        return None
    if len(numbers) == 1:
        return _fold_conversion(operation, numbers[0], type)
    combine = _INTEGER_FOLDS.get(operation)
    if combine is None or len(numbers) != 2 or not isinstance(type, IntegerType | IndexType):
        return None
    left, right = (int(number.value) for number in numbers)
    return constant(wrap(combine(left, right), type), type)


def _fold_conversion(operation: type[Operation], operand: Constant, type: Attribute) -> Term | None:
    value = operand.value
    if operation in (arith.ExtSIOp, arith.TruncIOp, arith.IndexCastOp):
        return constant(wrap(int(value), type), type)
    if operation is arith.ExtUIOp and isinstance(operand.type, IntegerType):
        return constant(wrap(int(value) % (1 << operand.type.width.data), type), type)
    if operation is arith.SIToFPOp and isinstance(type, Float32Type | Float64Type):
        exact = float(value)
        return constant(round_to(exact, type), type) if int(exact) == value else None
    if operation in (arith.ExtFOp, arith.TruncFOp):
        return constant(round_to(float(value), type), type)
    if operation is arith.NegfOp:
        return constant(-float(value), type)
    return None
