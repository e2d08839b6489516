"""Functions of Trainium's scalar engine that C writes as an expression.

The engine's tables round such a function once, an expression rounds at each of its operations. They
count as equal, as sums in another order do, and the verdict says so.
"""

from __future__ import annotations

from xdsl.dialects import math
from xdsl.ir import Operation

from ...dialects.trn.types import FunctionAttr, OperatorAttr
from ..core.terms import Term, constant, term

ROUNDED_ONCE = (
    "functions may round as often as what they are made of: rsqrt(x) as 1/sqrt(x),"
    " sigmoid(x) as 1/(1 + exp(-x)), silu(x) as x/(1 + exp(-x))"
)
_NAMES = frozenset(("rsqrt", "sigmoid", "silu"))


def composed(name: str, x: Term) -> Term | None:
    """The expression that a function of one number stands for; None if it is none of these."""
    if name not in _NAMES:
        return None
    one = constant(1.0, x.type)
    if name == "rsqrt":
        return term("divf", x.type, one, term("sqrt", x.type, x))
    exponential = term("exp", x.type, term("negf", x.type, x))
    numerator = x if name == "silu" else one
    return term("divf", x.type, numerator, term("addf", x.type, one, exponential))


def is_composed(operation: Operation) -> bool:
    """Whether an operation computes one of these functions."""
    names = (
        own.data.value
        for own in operation.properties.values()
        if isinstance(own, FunctionAttr | OperatorAttr)
    )
    return isinstance(operation, math.RsqrtOp) or not _NAMES.isdisjoint(names)
