"""Integer values of a program for all iterations of its loops at once.

A *lane* is one execution of a region: one iteration of the surrounding loops. A value that is the
same in all lanes is a Python integer, any other is an ``int64`` array with one element per lane.
Lanes are in order of execution, so the lanes of an inner region follow those of the outer one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import affine, arith
from xdsl.dialects.builtin import IntegerAttr, IntegerType
from xdsl.ir import Attribute, Operation, SSAValue

Value = int | NDArray[np.int64]
INDEX_BITS = 64


class UnknownValueError(Exception):
    """An SSA value that is not an integer known to the evaluation."""


@dataclass
class Scope:
    """The lanes of one region, and the values that are defined in it."""

    size: int
    parent: Scope | None = None
    bounds: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    """Lanes ``bounds[p]`` up to ``bounds[p + 1]`` belong to the parent's lane p."""
    loop_depth: int = 0
    values: dict[SSAValue, Value] = field(default_factory=dict[SSAValue, Value])
    _widened: dict[SSAValue, Value] = field(default_factory=dict[SSAValue, Value])
    _parent_lanes: NDArray[np.int64] | None = None

    @property
    def parent_lanes(self) -> NDArray[np.int64]:
        """The parent's lane of each lane."""
        if self._parent_lanes is None:
            counts = np.diff(self.bounds)
            self._parent_lanes = np.repeat(np.arange(len(counts)), counts)
        return self._parent_lanes

    def child(self, counts: NDArray[np.int64], *, loops: bool) -> Scope:
        """A region that each lane executes ``counts`` times; ``loops`` if it is a loop's body."""
        bounds = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        return Scope(int(bounds[-1]), self, bounds, self.loop_depth + loops)

    def get(self, value: SSAValue) -> Value:
        """The value in this region's lanes; ``UnknownValueError`` if it is not known."""
        if value in self.values:
            return self.values[value]
        if value not in self._widened:
            if self.parent is None:
                raise UnknownValueError(value.name_hint or str(value.type))
            self._widened[value] = self.widen(self.parent.get(value))
        return self._widened[value]

    def widen(self, outer: Value) -> Value:
        """A value of the parent's lanes in this region's lanes."""
        return outer if isinstance(outer, int) else outer[self.parent_lanes]

    def varies(self, value: SSAValue) -> bool:
        """Whether the value may change from one iteration of the innermost loop to the next."""
        scope: Scope | None = self
        while scope is not None and scope.loop_depth == self.loop_depth > 0:
            if value in scope.values:
                return not isinstance(scope.values[value], int)
            scope = scope.parent
        return False

    def column(self, value: Value) -> NDArray[np.int64]:
        """The value as an array with one element per lane."""
        return np.full(self.size, value, np.int64) if isinstance(value, int) else value


def evaluate(op: Operation, scope: Scope) -> Value | None:
    """The result of an integer operation of ``arith`` or ``affine``, None if it is not one.

    Raises ``ZeroDivisionError`` where a lane divides by 0.
    """
    compute = _OPERATIONS.get(type(op))
    if compute is None:
        if isinstance(op, arith.ConstantOp):
            return _constant(op)
        if isinstance(op, (affine.ApplyOp, affine.MinOp)):
            return _affine(op, [scope.get(operand) for operand in op.operands])
        return None
    operands = [scope.get(operand) for operand in op.operands]
    bits = bit_width(op.operands[-1].type)
    return wrapped(compute(op, operands, bits), bit_width(op.results[0].type))


def bit_width(kind: Attribute) -> int:
    """Bits of an integer or index type."""
    return kind.width.data if isinstance(kind, IntegerType) else INDEX_BITS


def wrapped(value: Value, bits: int) -> Value:
    """Reduce to two's complement of ``bits`` bits; booleans are 0 and 1."""
    if bits == 1:
        return value & 1
    if bits == INDEX_BITS and not isinstance(value, int):
        return value
    half = 1 << (bits - 1)
    if isinstance(value, int):
        return ((value + half) & (2 * half - 1)) - half
    return ((value + half) & (2 * half - 1)) - half


def ceiling_quotient(dividend: Value, divisor: Value) -> Value:
    return -(-dividend // divisor)


def _constant(op: arith.ConstantOp) -> Value | None:
    if not isinstance(op.value, IntegerAttr):
        return None
    return wrapped(op.value.value.data, bit_width(op.result.type))


def _affine(op: affine.ApplyOp | affine.MinOp, operands: Sequence[Value]) -> Value:
    affine_map = op.map.data
    dims, symbols = operands[: affine_map.num_dims], operands[affine_map.num_dims :]
    results: list[Any] = [
        expression.eval(dims, symbols)  # pyright: ignore[reportArgumentType] - arrays compute alike
        for expression in affine_map.results
    ]
    smallest = results[0]
    for result in results[1:]:
        smallest = _minimum(smallest, result)
    return smallest


def _unsigned(value: Value, bits: int) -> Any:
    if isinstance(value, int):
        return value & ((1 << bits) - 1)
    return value.astype(np.uint64) & np.uint64((1 << bits) - 1)


def _signed(value: Any) -> Value:
    return value if isinstance(value, int) else np.asarray(value).astype(np.int64)


def _nonzero(divisor: Value) -> Value:
    if np.any(np.equal(divisor, 0)):
        raise ZeroDivisionError("division by 0")
    return divisor


def _truncated_quotient(dividend: Value, divisor: Value) -> Value:
    quotient = abs(dividend) // abs(_nonzero(divisor))
    negative = (dividend < 0) ^ (divisor < 0)
    if isinstance(quotient, int) and isinstance(negative, bool):
        return -quotient if negative else quotient
    return np.where(negative, -quotient, quotient)


def _minimum(left: Any, right: Any) -> Any:
    both = isinstance(left, int) and isinstance(right, int)
    return min(left, right) if both else np.minimum(left, right)


def _maximum(left: Any, right: Any) -> Any:
    both = isinstance(left, int) and isinstance(right, int)
    return max(left, right) if both else np.maximum(left, right)


def _select(op: Operation, operands: Sequence[Value], bits: int) -> Value:
    condition, if_true, if_false = operands
    if isinstance(condition, int):
        return if_true if condition else if_false
    return np.where(condition != 0, if_true, if_false)


def _compare(op: Operation, operands: Sequence[Value], bits: int) -> Value:
    assert isinstance(op, arith.CmpiOp)
    left, right = operands
    predicate = op.predicate.value.data
    if predicate >= _FIRST_UNSIGNED_PREDICATE or bits == 1:
        left, right = _unsigned(left, bits), _unsigned(right, bits)
        if bits == 1 and predicate >= 2 and predicate < _FIRST_UNSIGNED_PREDICATE:
            left, right = -_signed(left), -_signed(right)  # a signed true is -1
    result = _PREDICATES[predicate](left, right)
    return int(result) if isinstance(result, bool) else np.asarray(result).astype(np.int64)


_FIRST_UNSIGNED_PREDICATE = 6
_PREDICATES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda x, y: x == y,
    lambda x, y: x != y,
    lambda x, y: x < y,
    lambda x, y: x <= y,
    lambda x, y: x > y,
    lambda x, y: x >= y,
    lambda x, y: x < y,
    lambda x, y: x <= y,
    lambda x, y: x > y,
    lambda x, y: x >= y,
)
"""eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge: the order of ``arith.cmpi``."""


def _binary(compute: Callable[[Any, Any], Any]) -> Any:
    return lambda op, operands, bits: compute(operands[0], operands[1])


def _binary_unsigned(compute: Callable[[Any, Any], Any]) -> Any:
    return lambda op, operands, bits: _signed(
        compute(_unsigned(operands[0], bits), _unsigned(operands[1], bits))
    )


def _shift_amount(amount: Value) -> Value:
    if np.any(np.less(amount, 0)) or np.any(np.greater_equal(amount, INDEX_BITS)):
        raise ValueError("shift by less than 0 or more than 63 bits")
    return amount


_OPERATIONS: dict[type[Operation], Callable[[Operation, Sequence[Value], int], Value]] = {
    arith.AddiOp: _binary(lambda x, y: x + y),
    arith.SubiOp: _binary(lambda x, y: x - y),
    arith.MuliOp: _binary(lambda x, y: x * y),
    arith.AndIOp: _binary(lambda x, y: x & y),
    arith.OrIOp: _binary(lambda x, y: x | y),
    arith.XOrIOp: _binary(lambda x, y: x ^ y),
    arith.MinSIOp: _binary(_minimum),
    arith.MaxSIOp: _binary(_maximum),
    arith.MinUIOp: _binary_unsigned(_minimum),
    arith.MaxUIOp: _binary_unsigned(_maximum),
    arith.DivSIOp: _binary(_truncated_quotient),
    arith.RemSIOp: _binary(lambda x, y: x - _truncated_quotient(x, y) * y),
    arith.FloorDivSIOp: _binary(lambda x, y: x // _nonzero(y)),
    arith.CeilDivSIOp: _binary(lambda x, y: ceiling_quotient(x, _nonzero(y))),
    arith.DivUIOp: _binary_unsigned(lambda x, y: x // _nonzero(y)),
    arith.RemUIOp: _binary_unsigned(lambda x, y: x % _nonzero(y)),
    arith.CeilDivUIOp: _binary_unsigned(lambda x, y: x // _nonzero(y) + (x % y != 0)),
    arith.ShLIOp: _binary(lambda x, y: x << _shift_amount(y)),
    arith.ShRSIOp: _binary(lambda x, y: x >> _shift_amount(y)),
    arith.ShRUIOp: _binary_unsigned(lambda x, y: x >> _shift_amount(y)),
    arith.CmpiOp: _compare,
    arith.SelectOp: _select,
    arith.IndexCastOp: lambda op, operands, bits: operands[0],
    arith.ExtSIOp: lambda op, operands, bits: -operands[0] if bits == 1 else operands[0],
    arith.ExtUIOp: lambda op, operands, bits: _signed(_unsigned(operands[0], bits)),
    arith.TruncIOp: lambda op, operands, bits: operands[0],
}
