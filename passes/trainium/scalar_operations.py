"""The operators and functions of the engines for scalar code, and how a body reduces."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import IntegerType, Signedness
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from ...dialects.trn import REDUCTIONS, Function, Operator

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
_LIMITS = {
    2: Operator.MAXIMUM,
    3: Operator.MAXIMUM,
    4: Operator.MINIMUM,
    5: Operator.MINIMUM,
}
"""``ogt``, ``oge``, ``olt`` and ``ole``: the greater or smaller one is chosen if they hold."""
_OPPOSITE = {Operator.MAXIMUM: Operator.MINIMUM, Operator.MINIMUM: Operator.MAXIMUM}
COMPARISONS = {
    1: Operator.EQUAL,
    2: Operator.GREATER,
    3: Operator.GREATER_EQUAL,
    4: Operator.LESS,
    5: Operator.LESS_EQUAL,
    13: Operator.NOT_EQUAL,
}
"""``oeq``, ``ogt``, ``oge``, ``olt``, ``ole`` and ``une``: what the engines compare with."""
TRUTH = IntegerType(8, Signedness.UNSIGNED)
"""The type of conditions in memory."""
NEUTRAL = {
    Operator.ADD: 0.0,
    Operator.MULTIPLY: 1.0,
    Operator.MAXIMUM: float("-inf"),
    Operator.MINIMUM: float("inf"),
}
"""What changes no result when it is combined with something."""
FUNCTIONS: dict[type[Operation], Function] = {
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


def reduction_of(body: Block) -> tuple[Operator, SSAValue, tuple[Operation, ...]]:
    """How a reduction combines, what it combines, and the operations that do so.

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
            return operator, others[0], found
    raise PassFailedException("a reduction that is no sum, product, minimum or maximum")


def _limit(compared: arith.CmpfOp, chosen: Sequence[SSAValue]) -> Operator | None:
    """The operator of ``a < b ? a : b`` and its like."""
    predicate = _LIMITS.get(compared.predicate.value.data)
    pair = [compared.lhs, compared.rhs]
    if predicate is None or set(pair) != set(chosen):
        return None
    return predicate if list(chosen) == pair else _OPPOSITE[predicate]
