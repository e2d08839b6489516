"""Construction of terms with local simplification: constants, index arithmetic, clamp idioms.

Each rule is an identity of the operation for all operand values, or, where it drops a C undefined
case, a refinement; the proof of the lift checks the result in any case. What the rules are for:
programs that say the same in different C spellings become the same term.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from struct import pack, unpack

from xdsl.dialects import arith
from xdsl.dialects.builtin import Float32Type, Float64Type, IndexType, IntegerAttr, IntegerType, i1
from xdsl.ir import Attribute, Operation

from .lift_index import IndexExpression, is_nonnegative, is_positive
from .lift_terms import (
    Apply,
    Constant,
    IndexValue,
    Properties,
    Term,
    Unliftable,
    as_index,
    constant,
    index_value,
    is_index,
    raw_apply,
)

_INTEGER_FOLDS: dict[type[Operation], Callable[[int, int], int]] = {
    arith.AddiOp: lambda a, b: a + b,
    arith.SubiOp: lambda a, b: a - b,
    arith.MuliOp: lambda a, b: a * b,
    arith.AndIOp: lambda a, b: a & b,
    arith.OrIOp: lambda a, b: a | b,
    arith.XOrIOp: lambda a, b: a ^ b,
    arith.MinSIOp: min,
    arith.MaxSIOp: max,
}

_INDEX_FOLDS: dict[
    type[Operation], Callable[[IndexExpression, IndexExpression], IndexExpression]
] = {
    arith.AddiOp: lambda a, b: a + b,
    arith.SubiOp: lambda a, b: a - b,
    arith.MuliOp: lambda a, b: a * b,
}

_NEUTRAL: dict[type[Operation], int] = {arith.AddiOp: 0, arith.SubiOp: 0, arith.MuliOp: 1}

_INDEX_CASTS = (arith.IndexCastOp, arith.ExtSIOp, arith.ExtUIOp)

PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
"""Names of the integer comparisons, in the numbering of ``arith.cmpi``."""

_SIGNED_TESTS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "slt": lambda a, b: a < b,
    "sle": lambda a, b: a <= b,
    "sgt": lambda a, b: a > b,
    "sge": lambda a, b: a >= b,
}

_CLAMPS: dict[str, tuple[type[Operation], type[Operation]]] = {
    "slt": (arith.MinSIOp, arith.MaxSIOp),
    "sle": (arith.MinSIOp, arith.MaxSIOp),
    "sgt": (arith.MaxSIOp, arith.MinSIOp),
    "sge": (arith.MaxSIOp, arith.MinSIOp),
    "ult": (arith.MinUIOp, arith.MaxUIOp),
    "ule": (arith.MinUIOp, arith.MaxUIOp),
    "ugt": (arith.MaxUIOp, arith.MinUIOp),
    "uge": (arith.MaxUIOp, arith.MinUIOp),
}
"""``a PREDICATE b ? a : b`` is the first operation; ``a PREDICATE b ? b : a`` is the second."""


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
        _index_arithmetic(operation, operands, type)
        or _comparison(operation, operands, properties)
        or _integer_arithmetic(operation, operands, type)
        or _conversion(operation, operands, type)
        or _selection(operation, operands)
        or _clamp_order(operation, operands)
    )
    return simplified or raw_apply(operation, operands, type, properties)


def wrap(value: int, type: Attribute) -> int:
    """Return ``value`` modulo 2^width as a signed number of ``type`` (i1 counts as 0 and 1)."""
    if not isinstance(type, IntegerType):
        return value
    width = type.width.data
    value &= (1 << width) - 1
    return value - (1 << width) if width > 1 and value >> (width - 1) else value


def predicate_of(term: Apply) -> str:
    """Return the name of the predicate of an ``arith.cmpi``."""
    predicate = dict(term.properties)["predicate"]
    assert isinstance(predicate, IntegerAttr)
    return PREDICATES[predicate.value.data]


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
    if (fold := _INDEX_FOLDS.get(operation)) is None:
        return None
    return index_value(fold(expressions[0], expressions[1]), type)


def _comparison(
    operation: type[Operation], operands: tuple[Term, ...], properties: Properties
) -> Term | None:
    if operation is not arith.CmpiOp:
        return None
    predicate = dict(properties)["predicate"]
    assert isinstance(predicate, IntegerAttr)
    name = PREDICATES[predicate.value.data]
    left, right = operands
    if _is_truth_test(name, left, right):
        assert isinstance(left, Apply)
        return left.operands[0]
    a, b = as_index(left), as_index(right)
    if a is None or b is None:
        return None
    outcome = _decide(name, a, b)
    return None if outcome is None else constant(int(outcome), i1)


def _is_truth_test(name: str, left: Term, right: Term) -> bool:
    """Return whether ``left != right`` asks a widened comparison result for being true."""
    return (
        name == "ne"
        and isinstance(right, Constant)
        and right.value == 0
        and isinstance(left, Apply)
        and left.operation is arith.ExtUIOp
        and left.operands[0].type == i1
    )


def _decide(name: str, a: IndexExpression, b: IndexExpression) -> bool | None:
    """Return the outcome of the comparison if it is the same for all values in range."""
    if (difference := (a - b).constant) is not None and name in _SIGNED_TESTS:
        return _SIGNED_TESTS[name](difference, 0)
    less, greater = is_positive(b - a), is_positive(a - b)
    not_greater, not_less = less or is_nonnegative(b - a), greater or is_nonnegative(a - b)
    holds = {"slt": less, "sle": not_greater, "sgt": greater, "sge": not_less}
    fails = {"slt": not_less, "sle": greater, "sgt": not_greater, "sge": less}
    fails["eq"] = holds["ne"] = less or greater
    if holds.get(name, False):
        return True
    return False if fails.get(name, False) else None


def _integer_arithmetic(
    operation: type[Operation], operands: tuple[Term, ...], type: Attribute
) -> Term | None:
    if len(operands) != 2 or not isinstance(type, IntegerType | IndexType):
        return None
    left, right = operands
    if isinstance(left, Constant) and isinstance(right, Constant):
        fold = _INTEGER_FOLDS.get(operation)
        if fold is not None:
            return constant(wrap(fold(int(left.value), int(right.value)), type), type)
    if operation in _NEUTRAL:
        if isinstance(right, Constant) and right.value == _NEUTRAL[operation]:
            return left
        if (
            operation is not arith.SubiOp
            and isinstance(left, Constant)
            and left.value == _NEUTRAL[operation]
        ):
            return right
    return None


def round_to(value: float, type: Attribute) -> float:
    """Return ``value`` rounded to the nearest number of the float ``type``."""
    if not isinstance(type, Float32Type) or not isfinite(value):
        return value
    try:
        return unpack("<f", pack("<f", value))[0]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _conversion(
    operation: type[Operation], operands: tuple[Term, ...], type: Attribute
) -> Term | None:
    operand = operands[0] if operands else None
    if isinstance(operand, Constant):
        return _constant_conversion(operation, operand, type)
    if operation is arith.TruncIOp and operand is not None:
        stripped = _low_bits(operand, type)
        if stripped.type == type:
            return stripped
        if stripped is not operand:
            return apply(operation, (stripped,), type)
    return None


def _constant_conversion(
    operation: type[Operation], operand: Constant, type: Attribute
) -> Term | None:
    value = operand.value
    if operation in (arith.ExtSIOp, arith.TruncIOp, arith.IndexCastOp):
        return constant(wrap(int(value), type), type)
    if operation is arith.ExtUIOp and isinstance(operand.type, IntegerType):
        return constant(wrap(int(value) % (1 << operand.type.width.data), type), type)
    if operation is arith.SIToFPOp and isinstance(type, Float32Type | Float64Type):
        exact = float(value)
        return constant(round_to(exact, type), type) if int(exact) == value else None
    if operation in (arith.ExtFOp, arith.TruncFOp):
        return constant(round_to(float(value), type), type)
    if operation is arith.NegfOp:
        return constant(-float(value), type)
    return None


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


def _selection(operation: type[Operation], operands: tuple[Term, ...]) -> Term | None:
    if operation is not arith.SelectOp:
        return None
    condition, chosen, other = operands
    if chosen is other:
        return chosen
    if isinstance(condition, Constant):
        return chosen if condition.value else other
    return _widened_selection(condition, chosen, other) or _clamp(condition, chosen, other)


def _widened_selection(condition: Term, chosen: Term, other: Term) -> Term | None:
    """Turn ``c ? 127 : trunc x`` into ``trunc(c ? 127 : x)``, so that clamps are seen."""
    truncated = [
        arm for arm in (chosen, other) if isinstance(arm, Apply) and arm.operation is arith.TruncIOp
    ]
    if not truncated:
        return None
    wide = truncated[0].operands[0].type
    arms = (_widened(chosen, wide), _widened(other, wide))
    if arms[0] is None or arms[1] is None:
        return None
    return apply(
        arith.TruncIOp, (apply(arith.SelectOp, (condition, arms[0], arms[1]), wide),), chosen.type
    )


def _widened(term: Term, wide: Attribute) -> Term | None:
    """Return a term of type ``wide`` that truncates to ``term``."""
    if isinstance(term, Constant):
        return constant(wrap(int(term.value), wide), wide)
    if isinstance(term, Apply) and term.operation is arith.TruncIOp:
        inner = term.operands[0]
        return inner if inner.type == wide else None
    return None


def _clamp(condition: Term, chosen: Term, other: Term) -> Term | None:
    """Recognise a minimum or a maximum spelled as a comparison and a choice."""
    if not (isinstance(condition, Apply) and condition.operation is arith.CmpiOp):
        return None
    if isinstance(condition.operands[0], IndexValue):
        return None
    for name, left, right in _equivalent_tests(condition):
        if name not in _CLAMPS:
            continue
        same, opposite = _CLAMPS[name]
        if chosen is left and other is right:
            return apply(same, (left, right), chosen.type)
        if chosen is right and other is left:
            return apply(opposite, (left, right), chosen.type)
        if chosen is right and _is_clamped_within(other, left, right, opposite):
            return apply(opposite, (other, right), chosen.type)
        if other is right and _is_clamped_within(chosen, left, right, same):
            return apply(same, (chosen, right), chosen.type)
    return None


def _equivalent_tests(condition: Apply) -> list[tuple[str, Term, Term]]:
    """Return the test as it is and with a constant on the right moved by one (``> 126``)."""
    name, (left, right) = predicate_of(condition), condition.operands
    swapped = {"slt": "sgt", "sle": "sge", "sgt": "slt", "sge": "sle"}
    if isinstance(left, Constant) and name in swapped:
        name, left, right = swapped[name], right, left
    tests = [(name, left, right)]
    shifted = {"sgt": ("sge", 1), "sge": ("sgt", -1), "slt": ("sle", -1), "sle": ("slt", 1)}
    if isinstance(right, Constant) and name in shifted:
        other_name, step = shifted[name]
        moved = int(right.value) + step
        if wrap(moved, right.type) == moved:
            tests.append((other_name, left, constant(moved, right.type)))
    return tests


def _is_clamped_within(term: Term, value: Term, bound: Term, clamp: type[Operation]) -> bool:
    """Return whether ``term`` is ``value`` limited on the other side, not beyond ``bound``.

    With it, ``x > 127 ? 127 : max(x, -128)`` equals ``min(max(x, -128), 127)``.
    """
    opposite = {arith.MinSIOp: arith.MaxSIOp, arith.MaxSIOp: arith.MinSIOp}.get(clamp)
    if opposite is None or not (isinstance(term, Apply) and term.operation is opposite):
        return False
    inner, limit = term.operands
    if inner is not value or not isinstance(limit, Constant) or not isinstance(bound, Constant):
        return False
    ordered = limit.value <= bound.value
    return ordered if clamp is arith.MinSIOp else limit.value >= bound.value


def _clamp_order(operation: type[Operation], operands: tuple[Term, ...]) -> Term | None:
    """Write signed clamps in one way: the constant last, the upper limit outermost."""
    if operation not in (arith.MinSIOp, arith.MaxSIOp):
        return None
    left, right = operands
    if isinstance(left, Constant):
        return apply(operation, (right, left), left.type)
    if not isinstance(right, Constant) or not isinstance(left, Apply):
        return None
    if left.operation not in (arith.MinSIOp, arith.MaxSIOp):
        return None
    inner, limit = left.operands
    if not isinstance(limit, Constant):
        return None
    if left.operation is operation:
        tighter = min if operation is arith.MinSIOp else max
        merged = constant(tighter(int(limit.value), int(right.value)), right.type)
        return apply(operation, (inner, merged), right.type)
    if operation is arith.MaxSIOp and right.value <= limit.value:
        lowered = apply(arith.MaxSIOp, (inner, right), right.type)
        return raw_apply(arith.MinSIOp, (lowered, limit), right.type)
    return None
