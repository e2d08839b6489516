"""Affine expressions of MLIR as index expressions (trusted core)."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Operation
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineSymExpr,
)

from ..core.index import Index, constant_index
from ..core.polyhedral import Unsupported


def affine_index(
    expression: AffineExpr,
    dims: Sequence[Index],
    operation: Operation,
    symbols: Sequence[Index] = (),
) -> Index:
    """A result of an affine map at the given dimensions and symbols."""
    if isinstance(expression, AffineDimExpr):
        return dims[expression.position]
    if isinstance(expression, AffineSymExpr) and expression.position < len(symbols):
        return symbols[expression.position]
    if isinstance(expression, AffineConstantExpr):
        return constant_index(expression.value)
    if isinstance(expression, AffineBinaryOpExpr):
        left = affine_index(expression.lhs, dims, operation, symbols)
        right = affine_index(expression.rhs, dims, operation, symbols)
        match expression.kind:
            case AffineBinaryOpKind.Add:
                return left + right
            case AffineBinaryOpKind.Mul:
                return left * right
            case AffineBinaryOpKind.FloorDiv:
                return left // right
            case AffineBinaryOpKind.Mod:
                return left % right
            case AffineBinaryOpKind.CeilDiv:
                return -((-left) // right)
    raise Unsupported(f"subscript {expression}", operation)
