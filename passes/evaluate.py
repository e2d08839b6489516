"""Run the body of an element-wise ``linalg.generic`` on many values at once, with NumPy.

It is used to recognise what a body computes: a candidate that differs on a value is out. Integers
are held in int64 and reduced to their type after each operation, floats in their own precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    Float32Type,
    Float64Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue

Values = NDArray[Any]


class NotElementWiseError(Exception):
    """A body holds an operation that is not a known scalar operation."""

    def __init__(self, op: Operation, reason: str) -> None:
        super().__init__(f"{op.name} {reason}")


def evaluate_body(block: Block, inputs: dict[SSAValue, Values]) -> list[Values]:
    """The values that ``block`` yields when its arguments, and other values, are ``inputs``.

    Raises ``NotElementWiseError`` for an operation that is not scalar arithmetic.
    """
    known = dict(inputs)
    terminator = block.last_op
    assert terminator is not None
    with np.errstate(all="ignore"):
        for op in block.ops:
            if op is not terminator and not known.keys() >= set(op.results):
                known[op.results[0]] = _evaluate(op, known)
    return [_value(operand, known, terminator) for operand in terminator.operands]


def _value(operand: SSAValue, known: dict[SSAValue, Values], user: Operation) -> Values:
    if operand in known:
        return known[operand]
    owner = operand.owner
    if isinstance(owner, arith.ConstantOp):  # a constant of the function around
        return _constant(owner)
    raise NotElementWiseError(user, "reads a value from outside of its body")


def _evaluate(op: Operation, known: dict[SSAValue, Values]) -> Values:
    if isinstance(op, arith.ConstantOp):
        return _constant(op)
    operands = [_value(operand, known, op) for operand in op.operands]
    if isinstance(op, arith.CmpiOp):
        return _compare_integers(op, *operands)
    if isinstance(op, arith.CmpfOp):
        return _compare_floats(op, *operands)
    if isinstance(op, arith.ExtUIOp | arith.UIToFPOp):
        return _convert(_unsigned(operands[0], op), op.results[0].type, op)
    if type(op) not in FORMULAS:
        raise NotElementWiseError(op, "is not a known element-wise operation")
    return _convert(FORMULAS[type(op)](*operands), op.results[0].type, op)


def _constant(op: arith.ConstantOp) -> Values:
    value = op.value
    if isinstance(value, IntegerAttr):
        return _convert(np.array(value.value.data, np.int64), op.result.type, op)
    if isinstance(value, FloatAttr):
        return _convert(np.array(value.value.data), op.result.type, op)
    raise NotElementWiseError(op, "is not a scalar constant")


def _convert(values: Values, type: Attribute, op: Operation) -> Values:
    match type:
        case IntegerType():
            return wrap(values.astype(np.int64), type.width.data)
        case IndexType():
            return values.astype(np.int64)
        case Float32Type():
            return values.astype(np.float32)
        case Float64Type():
            return values.astype(np.float64)
        case _:
            raise NotElementWiseError(op, f"has the unsupported type {type}")


def wrap(values: Values, bits: int) -> Values:
    """Reduce integers to signed numbers of ``bits`` bits; i1 to 0 and 1."""
    if bits == 1:
        return values & 1
    if bits >= 64:
        return values
    half = 1 << (bits - 1)
    return ((values + half) & (2 * half - 1)) - half


def _unsigned(values: Values, op: Operation) -> Values:
    type = op.operands[0].type
    assert isinstance(type, IntegerType)
    bits = type.width.data
    return values.astype(np.uint64) if bits >= 64 else values & ((1 << bits) - 1)


def _compare_integers(op: arith.CmpiOp, a: Values, b: Values) -> Values:
    predicate = op.predicate.value.data
    if predicate >= 6:
        a, b, predicate = _unsigned(a, op), _unsigned(b, op), predicate - 4
    comparisons = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
    return comparisons[predicate](a, b).astype(np.int64)


def _compare_floats(op: arith.CmpfOp, a: Values, b: Values) -> Values:
    predicate = op.predicate.value.data
    ordered = {1: np.equal, 2: np.greater, 3: np.greater_equal, 4: np.less, 5: np.less_equal}
    if predicate in ordered:
        return ordered[predicate](a, b).astype(np.int64)
    unordered = {
        8: np.equal,
        9: np.greater,
        10: np.greater_equal,
        11: np.less,
        12: np.less_equal,
        13: np.not_equal,
    }
    if predicate not in unordered:
        raise NotElementWiseError(op, "has an unsupported predicate")
    return (unordered[predicate](a, b) | np.isnan(a) | np.isnan(b)).astype(np.int64)


def _divide(a: Values, b: Values) -> Values:
    """C's division, which truncates; a division by zero gives 0 (it is undefined there)."""
    quotient = np.abs(a) // np.where(b == 0, 1, np.abs(b))
    return np.where(b == 0, 0, np.where((a < 0) != (b < 0), -quotient, quotient))


def _remainder(a: Values, b: Values) -> Values:
    return a - _divide(a, b) * b


def _to_integer(values: Values) -> Values:
    limited = np.clip(np.trunc(np.nan_to_num(values)), -(2.0**62), 2.0**62)
    return limited.astype(np.int64)


FORMULAS: dict[type[Operation], Callable[..., Values]] = {
    arith.AddiOp: np.add,
    arith.SubiOp: np.subtract,
    arith.MuliOp: np.multiply,
    arith.DivSIOp: _divide,
    arith.FloorDivSIOp: lambda a, b: np.where(b == 0, 0, a // np.where(b == 0, 1, b)),
    arith.RemSIOp: _remainder,
    arith.MaxSIOp: np.maximum,
    arith.MinSIOp: np.minimum,
    arith.AndIOp: np.bitwise_and,
    arith.OrIOp: np.bitwise_or,
    arith.XOrIOp: np.bitwise_xor,
    arith.ShLIOp: lambda a, b: a << np.clip(b, 0, 63),
    arith.ShRSIOp: lambda a, b: a >> np.clip(b, 0, 63),
    arith.ExtSIOp: lambda a: a,
    arith.TruncIOp: lambda a: a,
    arith.SIToFPOp: lambda a: a,
    arith.FPToSIOp: _to_integer,
    arith.ExtFOp: lambda a: a,
    arith.TruncFOp: lambda a: a,
    arith.AddfOp: np.add,
    arith.SubfOp: np.subtract,
    arith.MulfOp: np.multiply,
    arith.DivfOp: np.divide,
    arith.NegfOp: np.negative,
    arith.MaximumfOp: np.maximum,
    arith.MinimumfOp: np.minimum,
    arith.MaxnumfOp: np.fmax,
    arith.MinnumfOp: np.fmin,
    arith.SelectOp: lambda c, a, b: np.where(c != 0, a, b),
    math.RoundEvenOp: np.rint,
    math.FloorOp: np.floor,
    math.CeilOp: np.ceil,
    math.TruncOp: np.trunc,
    math.RoundOp: lambda a: np.trunc(a + np.copysign(0.5, a)),
    math.AbsFOp: np.abs,
    math.AbsIOp: np.abs,
}
"""Each operation on NumPy arrays; the result is then reduced to the operation's type."""
