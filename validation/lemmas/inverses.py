"""Quotients that a program computes as products with an inverse, as Trainium's kernels do.

``x * (1 / y)`` rounds twice where ``x / y`` rounds once. Both count as equal where a program has an
instruction for inverses and the verdict says so; nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import ModuleOp

from ...dialects.trn import Function, FunctionAttr, ReciprocalOp
from ..core.terms import Term, constant_value, rebuilt, rewrite, term
from .equality import LemmaResult, equal_for_all
from .ranges import Range

INVERSES = (
    "quotients may be products with an inverse, which rounds once more and does not overflow:"
    " x / y as x * (1 / y)"
)


def computes_inverses(module: ModuleOp) -> bool:
    """Whether a program has instructions that compute inverses."""
    inverse = FunctionAttr(Function.RECIPROCAL)
    return any(
        isinstance(operation, ReciprocalOp) or inverse in operation.properties.values()
        for operation in module.walk()
    )


def equal_with_inverses(left: Term, right: Term, ranges: Mapping[Term, Range]) -> LemmaResult:
    """``equal_for_all`` of terms in which products with an inverse are quotients."""
    return equal_for_all(rewrite(left, _quotient), rewrite(right, _quotient), ranges)


def _quotient(old: Term, operands: tuple[Term, ...]) -> Term:
    if old.operation == "mulf":
        for factor, inverse in (operands, operands[::-1]):
            if inverse.operation == "divf" and constant_value(inverse.operands[0]) == 1:
                return term("divf", old.type, factor, inverse.operands[1])
    return rebuilt(old, operands)
