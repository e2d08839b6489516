"""Tests of index expressions as terms, for what depends on where in an array it is."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import IndexType, IntegerAttr, i1

from .comparisons import PREDICATES
from .index import IndexExpression
from .simplify import apply
from .terms import Term, constant, index_value


def compared(predicate: str, expression: IndexExpression) -> Term:
    """Return the comparison of an index expression with 0."""
    number = IntegerAttr(PREDICATES.index(predicate), 64)
    operands = (index_value(expression, IndexType()), constant(0, IndexType()))
    return apply(arith.CmpiOp, operands, i1, (("predicate", number),))
