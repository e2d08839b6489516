"""The functional simulator's domain: a value holds all elements of a tile, ``P × N``, at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Attribute, SSAValue

from ...dialects.trn import Function, Instruction, Operator, element_bytes
from .element_types import numpy_type, to_float
from .memory import Access
from .semantics import Values, dropout_number

Tile = NDArray[Any]


class TileValues(Values[Tile]):
    """Operands of one instruction as arrays, float32 or integer; see ``semantics.Values``."""

    def __init__(
        self,
        op: Instruction,
        accesses: Mapping[SSAValue, Access],
        shape: tuple[int, ...],
        runtime: Callable[[SSAValue], int],
    ) -> None:
        """``shape`` is that of the view whose positions count: the target's."""
        self._accesses = accesses
        self._kept = op.written
        self._shape = shape
        self._runtime = runtime
        self.sizes = (shape[0], prod(shape[1:]))

    def raw(self, operand: SSAValue) -> Tile:
        """The operand's elements in its own type."""
        return self._accesses[operand].read().reshape(self.sizes)

    def element(self, operand: SSAValue, /) -> Tile:
        return to_float(self.raw(operand))

    def integer_element(self, operand: SSAValue, /) -> Tile:
        return self.raw(operand).astype(np.int64)

    def copied_element(self, operand: SSAValue, /) -> Tile:
        if operand in self._kept:
            # What a predicate leaves alone need not have been written.
            return self._accesses[operand].elements.reshape(self.sizes)
        return self.raw(operand)

    def of_partition(self, operand: SSAValue, /, *, integer: bool = False) -> Tile:
        column = self._accesses[operand].read().reshape(self.sizes[0], 1)
        return column.astype(np.int64) if integer else to_float(column)

    def number(self, number: float, /) -> Tile:
        return np.asarray(number, np.int64 if isinstance(number, int) else np.float32)

    def partition(self) -> Tile:
        return np.arange(self.sizes[0], dtype=np.int64)[:, None]

    def place(self) -> Tile:
        return np.arange(self.sizes[1], dtype=np.int64)[None, :]

    def index(self, dimension: int, /) -> Tile:
        if dimension == 0:
            return self.partition()
        inner = prod(self._shape[dimension + 1 :])
        return self.place() // max(inner, 1) % max(self._shape[dimension], 1)

    def runtime(self, operand: SSAValue, /) -> Tile:
        return np.asarray(self._runtime(operand), np.int64)

    def apply(self, operator: Operator, left: Tile, right: Tile, /) -> Tile:
        with np.errstate(all="ignore"):
            result = _OPERATORS[operator](left.astype(np.float32), right.astype(np.float32))
        return np.asarray(result).astype(np.float32)

    def bitwise(self, operator: Operator, left: Tile, right: Tile, element: Attribute, /) -> Tile:
        bits = 8 * element_bytes(element)
        mask = (1 << bits) - 1
        return _wrapped(_BITWISE[operator](left & mask, right & mask, bits), element)

    def exact(self, operator: Operator, left: Tile, right: Tile, element: Attribute, /) -> Tile:
        with np.errstate(over="ignore"):
            return _wrapped(_OPERATORS[operator](left, right), element)

    def affine(self, terms: Sequence[tuple[int, Tile]], constant: int, /) -> Tile:
        total = np.asarray(constant, np.int64)
        for factor, value in terms:
            total = total + factor * value
        return total

    def function(self, function: Function, value: Tile, /) -> Tile:
        with np.errstate(all="ignore"):
            return np.asarray(FUNCTIONS[function](value.astype(np.float64))).astype(np.float32)

    def select(self, condition: Tile, then: Tile, otherwise: Tile, /) -> Tile:
        return np.where(condition != 0, then, otherwise)

    def random(self, seed: int, partition: Tile, place: Tile, /) -> Tile:
        return (dropout_number(seed, partition, place) / 2.0**32).astype(np.float32)


def fold(operator: Operator, values: Tile, axis: int) -> Tile:
    """Reduce along an axis; sums and products are rounded to float32 once, at the end."""
    if operator in _BITWISE_FOLDS:
        return _BITWISE_FOLDS[operator].reduce(values, axis=axis)
    if operator in (Operator.ADD, Operator.MULTIPLY):
        wide = values.astype(np.float64)
        with np.errstate(all="ignore"):
            total = wide.sum(axis=axis) if operator == Operator.ADD else wide.prod(axis=axis)
            return total.astype(np.float32)
    return values.max(axis=axis) if operator == Operator.MAXIMUM else values.min(axis=axis)


def _wrapped(values: Tile, element: Attribute) -> Tile:
    """Integers reduced to the range of an integer type."""
    return np.asarray(values, np.int64).astype(numpy_type(element)).astype(np.int64)


def _truth(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: compare(left, right).astype(np.float32)


_OPERATORS: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.ADD: np.add,
    Operator.SUBTRACT: np.subtract,
    Operator.MULTIPLY: np.multiply,
    Operator.DIVIDE: np.divide,
    Operator.POWER: np.power,
    Operator.MAXIMUM: np.maximum,
    Operator.MINIMUM: np.minimum,
    Operator.EQUAL: _truth(np.equal),
    Operator.NOT_EQUAL: _truth(np.not_equal),
    Operator.GREATER: _truth(np.greater),
    Operator.GREATER_EQUAL: _truth(np.greater_equal),
    Operator.LESS: _truth(np.less),
    Operator.LESS_EQUAL: _truth(np.less_equal),
    Operator.LOGICAL_AND: _truth(np.logical_and),
    Operator.LOGICAL_OR: _truth(np.logical_or),
    Operator.LOGICAL_XOR: _truth(np.logical_xor),
    Operator.LOGICAL_NOT: lambda left, right: np.logical_not(left).astype(np.float32),
    Operator.RSQRT: lambda left, right: 1.0 / np.sqrt(left.astype(np.float64)),
    Operator.ABS: lambda left, right: np.abs(left),
}
_BITWISE: dict[Operator, Callable[[Any, Any, int], Any]] = {
    Operator.BITWISE_AND: lambda left, right, bits: left & right,
    Operator.BITWISE_OR: lambda left, right, bits: left | right,
    Operator.BITWISE_XOR: lambda left, right, bits: left ^ right,
    Operator.BITWISE_NOT: lambda left, right, bits: ~left,
    Operator.LEFT_SHIFT: lambda left, right, bits: np.where(
        right < bits, left << np.minimum(right, bits - 1), 0
    ),
    Operator.RIGHT_SHIFT: lambda left, right, bits: np.where(
        right < bits, left >> np.minimum(right, bits - 1), 0
    ),
}
_BITWISE_FOLDS: dict[Operator, np.ufunc] = {
    Operator.BITWISE_AND: np.bitwise_and,
    Operator.BITWISE_OR: np.bitwise_or,
    Operator.BITWISE_XOR: np.bitwise_xor,
}


def _sigmoid(x: Tile) -> Tile:
    return 1.0 / (1.0 + np.exp(-x))


def _softplus(x: Tile) -> Tile:
    return np.logaddexp(0.0, x)


def _erf(x: Tile) -> Tile:
    return np.asarray(_ERF(x), np.float64)


_ERF = np.frompyfunc(math.erf, 1, 1)

FUNCTIONS: dict[Function, Callable[[Tile], Tile]] = {
    Function.COPY: lambda x: x,
    Function.ABS: np.abs,
    Function.ARCTAN: np.arctan,
    Function.COS: np.cos,
    Function.ERF: _erf,
    Function.ERF_DX: lambda x: 2.0 / math.sqrt(math.pi) * np.exp(-(x**2)),
    Function.EXP: np.exp,
    Function.GELU: lambda x: 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0))),
    Function.GELU_APPRX_TANH: lambda x: (
        0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    ),
    Function.GELU_DX: lambda x: (
        0.5 * (1.0 + _erf(x / math.sqrt(2.0))) + x * np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)
    ),
    Function.LOG: np.log,
    Function.MISH: lambda x: x * np.tanh(_softplus(x)),
    Function.RECIPROCAL: lambda x: 1.0 / x,
    Function.RELU: lambda x: np.maximum(x, 0.0),
    Function.RSQRT: lambda x: 1.0 / np.sqrt(x),
    Function.SIGMOID: _sigmoid,
    Function.SIGN: np.sign,
    Function.SILU: lambda x: x * _sigmoid(x),
    Function.SILU_DX: lambda x: _sigmoid(x) * (1.0 + x * (1.0 - _sigmoid(x))),
    Function.SIN: np.sin,
    Function.SOFTPLUS: _softplus,
    Function.SQRT: np.sqrt,
    Function.SQUARE: np.square,
    Function.TANH: np.tanh,
}
"""The scalar engine's functions in float64; a result is rounded to float32 once."""
