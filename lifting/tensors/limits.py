"""Float clamps spelled as a comparison and a choice, as C programs have them."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, IntegerAttr
from xdsl.ir import Operation, SSAValue

_GREATER = ("ogt", "oge")
_LESS = ("olt", "ole")
_SWAPPED = {"ogt": "olt", "oge": "ole", "olt": "ogt", "ole": "oge"}
_NAMES = (
    "false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord",
    "ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true",
)  # fmt: skip
"""Names of the float comparisons, in the numbering of ``arith.cmpf``."""


@dataclass(frozen=True)
class FloatLimit:
    """``value`` limited by the constant ``limit``, from above or from below."""

    value: SSAValue
    limit: arith.ConstantOp
    bound: float
    is_upper: bool
    is_exact: bool
    """Whether it equals NumPy's ``minimum`` or ``maximum`` for NaN and for both zeros, too."""


def as_float_limit(op: Operation) -> FloatLimit | None:
    """Return ``x > c ? c : x`` and its variants as a limit, or ``None``."""
    if not isinstance(op, arith.SelectOp) or not isinstance(op.cond.owner, arith.CmpfOp):
        return None
    test = op.cond.owner
    predicate = test.properties["predicate"]
    assert isinstance(predicate, IntegerAttr)
    name = _NAMES[predicate.value.data]
    left, right = test.lhs, test.rhs
    if isinstance(left.owner, arith.ConstantOp):
        left, right, name = right, left, _SWAPPED.get(name, name)
    limit = right.owner
    if not isinstance(limit, arith.ConstantOp) or not isinstance(limit.value, FloatAttr):
        return None
    if name not in _GREATER and name not in _LESS:
        return None
    bound = float(limit.value.value.data)
    if op.rhs is left and _is_same(op.lhs, limit):
        return FloatLimit(left, limit, bound, name in _GREATER, bound != 0)
    if op.lhs is left and _is_same(op.rhs, limit):
        return FloatLimit(left, limit, bound, name in _LESS, is_exact=False)
    return None


def _is_same(value: SSAValue, limit: arith.ConstantOp) -> bool:
    return isinstance(value.owner, arith.ConstantOp) and value.owner.value == limit.value
