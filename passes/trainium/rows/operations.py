"""The scalar code of a ``linalg.generic`` as operations on whole rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import FloatAttr, IntegerType, Signedness
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ....dialects.trn import REDUCTIONS, Function, Operator
from .graph import COPY, ROW, SELECT, Access, Code, Operand, RowGraph

BINARY: dict[type[Operation], Operator] = {
    arith.AddfOp: Operator.ADD,
    arith.SubfOp: Operator.SUBTRACT,
    arith.MulfOp: Operator.MULTIPLY,
    arith.DivfOp: Operator.DIVIDE,
    arith.MaximumfOp: Operator.MAXIMUM,
    arith.MinimumfOp: Operator.MINIMUM,
    arith.MaxnumfOp: Operator.MAXIMUM,
    arith.MinnumfOp: Operator.MINIMUM,
}
_FOLDED = {
    Operator.ADD: np.add,
    Operator.SUBTRACT: np.subtract,
    Operator.MULTIPLY: np.multiply,
    Operator.DIVIDE: np.divide,
}
_COMPARISONS = {
    1: Operator.EQUAL,
    2: Operator.GREATER,
    3: Operator.GREATER_EQUAL,
    4: Operator.LESS,
    5: Operator.LESS_EQUAL,
    13: Operator.NOT_EQUAL,
}
"""``oeq``, ``ogt``, ``oge``, ``olt``, ``ole`` and ``une``: what the engines compare with."""
_LIMITS = {
    2: Operator.MAXIMUM,
    3: Operator.MAXIMUM,
    4: Operator.MINIMUM,
    5: Operator.MINIMUM,
}
"""``ogt``, ``oge``, ``olt`` and ``ole``: the greater or smaller one is chosen if they hold."""
_OPPOSITE = {Operator.MAXIMUM: Operator.MINIMUM, Operator.MINIMUM: Operator.MAXIMUM}
_FUNCTIONS: dict[type[Operation], Function] = {
    math.ExpOp: Function.EXP,
    math.LogOp: Function.LOG,
    math.SqrtOp: Function.SQRT,
    math.RsqrtOp: Function.RSQRT,
    math.TanhOp: Function.TANH,
    math.AbsFOp: Function.ABS,
    math.SinOp: Function.SIN,
    math.CosOp: Function.COS,
    math.ErfOp: Function.ERF,
}
TRUTH = IntegerType(8, Signedness.UNSIGNED)
"""The type of conditions in memory."""


def reduction_of(body: Block) -> tuple[Operator, SSAValue]:
    """How a reduction combines, and what it combines.

    ``x > total ? x : total`` counts as a maximum. Raises ``PassFailedException`` for other forms.
    """
    total, last = body.args[-1], body.last_op
    assert last is not None
    combiner = last.operands[0].owner
    if isinstance(combiner, Operation):
        found, operands = (combiner,), list(combiner.operands)
        operator = BINARY.get(type(combiner))
        if isinstance(combiner, arith.SelectOp) and isinstance(combiner.cond.owner, arith.CmpfOp):
            compared = combiner.cond.owner
            found, operands = (compared, combiner), [combiner.lhs, combiner.rhs]
            operator = _limit(compared, operands)
        others = [operand for operand in operands if operand is not total]
        alone = {use.operation for use in total.uses} <= set(found) and len(others) == 1
        if operator is not None and operator in REDUCTIONS and alone:
            return operator, others[0]
    raise PassFailedException("a reduction that is no sum, product, minimum or maximum")


def _limit(compared: arith.CmpfOp, chosen: Sequence[SSAValue]) -> Operator | None:
    """The operator of ``a < b ? a : b`` and its like."""
    predicate = _LIMITS.get(compared.predicate.value.data)
    pair = [compared.lhs, compared.rhs]
    if predicate is None or set(pair) != set(chosen):
        return None
    return predicate if list(chosen) == pair else _OPPOSITE[predicate]


class RowCode:
    """Evaluates values of a body for all elements of an iteration space over ``free``."""

    def __init__(
        self, graph: RowGraph, known: Mapping[SSAValue, Operand], free: Sequence[int]
    ) -> None:
        self._graph = graph
        self._known = dict(known)
        self._free = tuple(free) or ROW

    def operand(self, value: SSAValue) -> Operand:
        """What a value is; raises ``PassFailedException`` for one that no instruction computes."""
        if value not in self._known:
            if not isinstance(value.owner, Operation):
                raise PassFailedException("a total that is used besides its reduction")
            self._known[value] = self._computed(value.owner)
        return self._known[value]

    def copy(self, value: Operand, sizes: Sequence[int], element: Attribute) -> Access:
        """Elements of an array of their own, with the given sizes and type."""
        return self._graph.pointwise(COPY, [value], tuple(sizes) or ROW, element)

    def _computed(self, operation: Operation) -> Operand:
        if isinstance(operation, arith.ConstantOp) and isinstance(operation.value, FloatAttr):
            return float(operation.value.value.data)
        if isinstance(operation, arith.ExtFOp):
            # Engines read every type as float32.
            return self.operand(operation.input)
        code = _code_of(operation)
        if code is None:
            raise PassFailedException(f"`{operation.name}` has no instruction on rows")
        operands = [self.operand(value) for value in operation.operands]
        if isinstance(operation, arith.NegfOp):
            operands.append(-1.0)
        numbers = [one for one in operands if isinstance(one, float)]
        if len(numbers) == len(operands):
            return _folded(code, numbers)
        is_wide = any(isinstance(one, Access) and not one.is_row for one in operands)
        is_condition = isinstance(operation, arith.CmpfOp)
        element = TRUTH if is_condition else operation.results[0].type
        return self._graph.pointwise(code, operands, self._free if is_wide else ROW, element)


def _code_of(operation: Operation) -> Code | None:
    if isinstance(operation, arith.NegfOp):
        return Operator.MULTIPLY
    if isinstance(operation, arith.CmpfOp):
        return _COMPARISONS.get(operation.predicate.value.data)
    if isinstance(operation, arith.SelectOp):
        return SELECT
    if isinstance(operation, arith.TruncFOp):
        return COPY
    return BINARY.get(type(operation)) or _FUNCTIONS.get(type(operation))


def _folded(code: Code, numbers: Sequence[float]) -> float:
    """A constant of float32 arithmetic."""
    if isinstance(code, Operator) and code in _FOLDED:
        left, right = (np.float32(number) for number in numbers)
        return float(_FOLDED[code](left, right))
    raise PassFailedException(f"{code} of constants")
