"""Construction of terms with local simplification: constants, index arithmetic, clamp idioms.

Each rule is an identity of the operation for all operand values, or, where it drops a C undefined
case, a refinement; the proof of the lift checks the result in any case. What the rules are for:
programs that say the same in different C spellings become the same term.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith
from xdsl.ir import Attribute, Operation

from .clamps import clamp, narrow_clamp, ordered_clamp, truncated_clamp, widened_selection
from .comparisons import compare
from .constants import fold
from .index import IndexExpression, is_nonnegative
from .terms import (
    Apply,
    Constant,
    Properties,
    Term,
    Unliftable,
    as_index,
    index_value,
    is_index,
    raw_apply,
)

_INDEX_FOLDS: dict[
    type[Operation], Callable[[IndexExpression, IndexExpression], IndexExpression]
] = {
    arith.AddiOp: lambda a, b: a + b,
    arith.SubiOp: lambda a, b: a - b,
    arith.MuliOp: lambda a, b: a * b,
}

_NEUTRAL: dict[type[Operation], int] = {arith.AddiOp: 0, arith.SubiOp: 0, arith.MuliOp: 1}

_INDEX_CASTS = (arith.IndexCastOp, arith.ExtSIOp, arith.ExtUIOp)


def apply(
    operation: type[Operation],
    operands: tuple[Term, ...],
    type: Attribute,
    properties: Properties = (),
) -> Term:
    """Return ``operation`` applied to ``operands``, simplified; wrap-around flags are dropped."""
    for operand in operands:
        if isinstance(operand, Unliftable):
            return operand
    properties = tuple(p for p in properties if p[0] != "overflowFlags")
    simplified = (
        fold(operation, operands, type)
        or _index_arithmetic(operation, operands, type)
        or _without_neutral(operation, operands)
        or _by_operation(operation, operands, type, properties)
    )
    return simplified or raw_apply(operation, operands, type, properties)


def _by_operation(
    operation: type[Operation],
    operands: tuple[Term, ...],
    type: Attribute,
    properties: Properties,
) -> Term | None:
    if operation is arith.CmpiOp:
        return compare(operands, properties)
    if operation is arith.TruncIOp:
        return _truncation(operands[0], type)
    if operation is arith.SelectOp:
        return _selection(operands)
    if operation in (arith.MinSIOp, arith.MaxSIOp):
        return ordered_clamp(operation, operands, apply)
    return None


def _index_arithmetic(
    operation: type[Operation], operands: tuple[Term, ...], type: Attribute
) -> Term | None:
    """Keep sums and products of loop variables as index expressions, in any integer type.

    C leaves signed overflow undefined, and loop counters are taken not to overflow.
    """
    values = [as_index(operand) for operand in operands]
    if None in values or not any(is_index(operand) for operand in operands):
        return None
    expressions = [value for value in values if value is not None]
    if operation in _INDEX_CASTS:
        return index_value(expressions[0], type)
    if operation in (arith.MaxSIOp, arith.MinSIOp):
        return _extremum(operation is arith.MaxSIOp, expressions, type)
    if (fold := _INDEX_FOLDS.get(operation)) is None:
        return None
    return index_value(fold(expressions[0], expressions[1]), type)


def _extremum(is_maximum: bool, operands: list[IndexExpression], type: Attribute) -> Term | None:
    """Return the larger or the smaller index expression, if it is always the same one."""
    left, right = operands
    if is_nonnegative(left - right):
        return index_value(left if is_maximum else right, type)
    if is_nonnegative(right - left):
        return index_value(right if is_maximum else left, type)
    return None


def _without_neutral(operation: type[Operation], operands: tuple[Term, ...]) -> Term | None:
    """Drop ``+ 0``, ``- 0`` and ``* 1``."""
    if operation not in _NEUTRAL:
        return None
    left, right = operands
    neutral = _NEUTRAL[operation]
    if isinstance(right, Constant) and right.value == neutral:
        return left
    if operation is not arith.SubiOp and isinstance(left, Constant) and left.value == neutral:
        return right
    return None


def _truncation(operand: Term, type: Attribute) -> Term | None:
    if (extremum := truncated_clamp(operand, type, apply)) is not None:
        return extremum
    stripped = _low_bits(operand, type)
    if stripped.type == type:
        return stripped
    return None if stripped is operand else apply(arith.TruncIOp, (stripped,), type)


def _low_bits(term: Term, narrow: Attribute) -> Term:
    """Return a term with the same low bits as ``term``, without extensions that add only others.

    The result has either the type of ``term`` or, if an extension could be removed, ``narrow``.
    """
    if not isinstance(term, Apply):
        return term
    if term.operation in (arith.ExtSIOp, arith.ExtUIOp):
        inner = term.operands[0]
        if inner.type == narrow:
            if isinstance(inner, Apply) and inner.operation is arith.TruncIOp:
                wide = inner.operands[0]
                return wide if wide.type == term.type else inner
            return inner
        return term
    if term.operation is arith.SelectOp:
        condition, chosen, other = term.operands
        arms = (_low_bits(chosen, narrow), _low_bits(other, narrow))
        if arms[0].type == arms[1].type == term.type:
            return apply(arith.SelectOp, (condition, *arms), term.type)
    return term


def _selection(operands: tuple[Term, ...]) -> Term | None:
    condition, chosen, other = operands
    if chosen is other:
        return chosen
    if isinstance(condition, Constant):
        return chosen if condition.value else other
    return (
        widened_selection(condition, chosen, other, apply)
        or clamp(condition, chosen, other, apply)
        or narrow_clamp(condition, chosen, other, apply)
    )
