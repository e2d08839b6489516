"""The scalar code of a ``linalg.generic`` as operations on whole rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects.trn import Function, Operator
from ..computations import conditions_on_positions, is_about_positions
from ..scalar_operations import BINARY, COMPARISONS, FUNCTIONS, TRUTH
from ..subscripts import Subscript
from .graph import COPY, ROW, SELECT, Access, Code, Guard, Operand, RowGraph
from .masks import pointwise

_FOLDED: dict[Code, np.ufunc] = {
    Operator.ADD: np.add,
    Operator.SUBTRACT: np.subtract,
    Operator.MULTIPLY: np.multiply,
    Operator.DIVIDE: np.divide,
    Function.SQRT: np.sqrt,
}
"""What is computed of constants here; each of these rounds once."""


class RowCode:
    """Evaluates values of a body for all elements of an iteration space over ``free``."""

    def __init__(
        self,
        graph: RowGraph,
        known: Mapping[SSAValue, Operand],
        free: Sequence[int],
        omitted: int | None = None,
    ) -> None:
        """``omitted`` is a loop that the space lacks, counted with that over the rows."""
        self._graph = graph
        self._known = dict(known)
        self._free = tuple(free) or ROW
        self._omitted = omitted

    def operand(self, value: SSAValue) -> Operand:
        """What a value is; raises ``PassFailedException`` for one that no instruction computes."""
        if value not in self._known:
            if not isinstance(value.owner, Operation):
                raise PassFailedException("a total that is used besides its reduction")
            self._known[value] = self._computed(value.owner)
        return self._known[value]

    def copy(self, value: Operand, sizes: Sequence[int], element: Attribute) -> Access:
        """Elements of an array of their own, with the given sizes and type."""
        return pointwise(self._graph, COPY, [value], tuple(sizes) or ROW, element)

    def masked(self, value: Access, condition: Subscript, fill: float) -> Access:
        """Elements of the whole space where a condition on loops holds, else a number."""
        if self._omitted in condition.loops:
            raise PassFailedException("a condition on a loop that its data does not run along")
        loops = [loop for loop in range(1, len(self._free) + 2) if loop != self._omitted]
        steps = tuple(condition.factor(loop) for loop in loops[: len(self._free)])
        if value.sizes != self._free:
            value = self.copy(value, self._free, value.node.element)
        guard = Guard(condition.factor(0), steps, condition.constant)
        return self._graph.masked(value, guard, fill)

    def _computed(self, operation: Operation) -> Operand:
        if isinstance(operation, arith.ConstantOp) and isinstance(operation.value, FloatAttr):
            return float(operation.value.value.data)
        if isinstance(operation, arith.ExtFOp):
            # Engines read every type as float32.
            return self.operand(operation.input)
        if isinstance(operation, arith.SelectOp) and is_about_positions(operation.cond):
            return self._masked_choice(operation)
        code = _code_of(operation)
        if code is None:
            raise PassFailedException(f"`{operation.name}` has no instruction on rows")
        operands = [self.operand(value) for value in operation.operands]
        if isinstance(operation, arith.NegfOp):
            operands.append(-1.0)
        numbers = [one for one in operands if isinstance(one, float)]
        if len(numbers) == len(operands):
            if code in _FOLDED and isfinite(folded := _folded(_FOLDED[code], numbers)):
                return folded
            operands[0] = self.copy(operands[0], ROW, operation.operands[0].type)
            numbers = numbers[1:]
        if code == SELECT and len(numbers) == 2 and isinstance(operands[0], Access):
            operands[1] = self.copy(operands[1], operands[0].sizes, operation.results[0].type)
            numbers = numbers[1:]
        is_wide = any(isinstance(one, Access) and not one.is_row for one in operands)
        is_condition = isinstance(operation, arith.CmpfOp)
        element = TRUTH if is_condition else operation.results[0].type
        if numbers and isinstance(operation, arith.MaxnumfOp | arith.MinnumfOp):
            return self._limited(operation, operands)
        return pointwise(self._graph, code, operands, self._free if is_wide else ROW, element)

    def _limited(
        self, operation: arith.MaxnumfOp | arith.MinnumfOp, operands: Sequence[Operand]
    ) -> Operand:
        """``fmaxf`` with a number: the engines' maximum keeps NaN, a comparison leaves it out."""
        data, limit = sorted(operands, key=lambda one: isinstance(one, float))
        assert isinstance(data, Access)
        is_greater = isinstance(operation, arith.MaxnumfOp)
        comparison = Operator.GREATER if is_greater else Operator.LESS
        free, element = data.sizes, operation.result.type
        beyond = pointwise(self._graph, comparison, [data, limit], free, TRUTH)
        return pointwise(self._graph, SELECT, [beyond, data, limit], free, element)

    def _masked_choice(self, operation: arith.SelectOp) -> Operand:
        """A choice by position, between data and a number."""
        then, otherwise = self.operand(operation.lhs), self.operand(operation.rhs)
        holds = isinstance(otherwise, float)
        data, fill = (then, otherwise) if holds else (otherwise, then)
        if not isinstance(fill, float):
            raise PassFailedException("a choice by position between two arrays")
        if not isinstance(data, Access):
            data = self.copy(data, self._free, operation.result.type)
        for condition in conditions_on_positions(operation.cond, holds):
            data = self.masked(data, condition, fill)
        return data


def _code_of(operation: Operation) -> Code | None:
    if isinstance(operation, arith.NegfOp):
        return Operator.MULTIPLY
    if isinstance(operation, arith.CmpfOp):
        return COMPARISONS.get(operation.predicate.value.data)
    if isinstance(operation, arith.SelectOp):
        return SELECT
    if isinstance(operation, arith.TruncFOp):
        return COPY
    return BINARY.get(type(operation)) or FUNCTIONS.get(type(operation))


def _folded(function: np.ufunc, numbers: Sequence[float]) -> float:
    """A constant of float32 arithmetic."""
    with np.errstate(all="ignore"):
        return float(function(*(np.float32(number) for number in numbers)))
