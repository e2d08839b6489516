"""The operators of the summary language on scalars, by the operations of ``arith`` and ``math``."""

from __future__ import annotations

import operator
from collections.abc import Callable

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import IndexType, IntegerAttr, i1, i64
from xdsl.ir import Operation

from ...diagnostics import Diagnostic
from ...validation.extract.pure_operations import FLOAT_PREDICATES
from ..invariants.simplify import apply, both, compare, constant, negate, select
from ..invariants.terms import Term
from .values import Value, common, converted, literal, mapped, promoted

_ORDER = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_ARITHMETIC: dict[str, tuple[type[Operation], type[Operation]]] = {
    "+": (arith.AddiOp, arith.AddfOp),
    "-": (arith.SubiOp, arith.SubfOp),
    "*": (arith.MuliOp, arith.MulfOp),
}
_OF_LITERALS: dict[str, Callable[..., int | float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_BITS: dict[str, type[Operation]] = {"&": arith.AndIOp, "|": arith.OrIOp, "^": arith.XOrIOp}


def float_compare(predicate: str, left: Term, right: Term) -> Term:
    """``arith.cmpf`` with the predicate of that name."""
    number = IntegerAttr(FLOAT_PREDICATES.index(predicate), i64)
    return apply(arith.CmpfOp, (left, right), i1, (("predicate", number),))


def compared(sign: str, left: Value, right: Value) -> Value:
    """A comparison; one with a NaN is false, ``!=`` is true, as in C."""
    left, right = common(left, right)
    if left.is_float:
        name = {"==": "oeq", "!=": "une"}.get(sign) or f"o{_ORDER[sign]}"
        return mapped(lambda a, b: float_compare(name, a, b), left, right)
    name = {"==": "eq", "!=": "ne"}.get(sign)
    name = name or ("u" if left.unsigned else "s") + _ORDER[sign]
    return mapped(lambda a, b: compare(name, a, b), left, right)


def truth(value: Value) -> Value:
    """The value as a condition: whether it is not 0."""
    return converted(value, i1)


def all_of(left: Value, right: Value) -> Value:
    return mapped(both, truth(left), truth(right))


def any_of(left: Value, right: Value) -> Value:
    return mapped(lambda a, b: apply(arith.OrIOp, (a, b), i1), truth(left), truth(right))


def not_(value: Value) -> Value:
    return mapped(negate, truth(value))


def binary(sign: str, left: Value, right: Value) -> Value:
    """An infix operator other than comparisons; raises :class:`Diagnostic` for wrong types."""
    if sign in _BITS and left.type == i1 and right.type == i1:
        return mapped(lambda a, b: apply(_BITS[sign], (a, b), i1), left, right)
    if sign in ("<<", ">>"):
        return _shifted(sign, left, right)
    if left.literal is not None and right.literal is not None and sign in _OF_LITERALS:
        # Still a literal: its type adapts to what it meets.
        return literal(_OF_LITERALS[sign](left.literal, right.literal))
    left, right = common(left, right)
    unsigned = left.unsigned
    if sign in _ARITHMETIC:
        integer, floating = _ARITHMETIC[sign]
        operation = floating if left.is_float else integer
        return mapped(lambda a, b: apply(operation, (a, b), a.type), left, right, unsigned=unsigned)
    if sign == "/":
        if not left.is_float:
            raise Diagnostic(
                "'/' divides floats",
                hint="C's division of integers is trunc_div(a, b); // rounds down",
            )
        return mapped(lambda a, b: apply(arith.DivfOp, (a, b), a.type), left, right)
    if left.is_float:
        raise Diagnostic(f"'{sign}' needs integers")
    rule = _INTEGER[sign]
    return mapped(lambda a, b: rule(unsigned, a, b), left, right, unsigned=unsigned)


def _shifted(sign: str, left: Value, right: Value) -> Value:
    if left.is_float or right.is_float:
        raise Diagnostic(f"'{sign}' needs integers")
    left = promoted(left)
    right = converted(right, left.type)
    right_shift = arith.ShRUIOp if left.unsigned else arith.ShRSIOp
    operation = arith.ShLIOp if sign == "<<" else right_shift
    return mapped(
        lambda a, b: apply(operation, (a, b), a.type), left, right, unsigned=left.unsigned
    )


def floor_quotient(unsigned: bool, left: Term, right: Term) -> Term:
    """The quotient rounded down."""
    return apply(arith.DivUIOp if unsigned else arith.FloorDivSIOp, (left, right), left.type)


def floor_remainder(unsigned: bool, left: Term, right: Term) -> Term:
    """What the quotient rounded down leaves; it has the sign of the divisor."""
    if unsigned:
        return apply(arith.RemUIOp, (left, right), left.type)
    whole = apply(arith.MuliOp, (floor_quotient(False, left, right), right), left.type)
    return apply(arith.SubiOp, (left, whole), left.type)


def quotient(unsigned: bool, left: Term, right: Term) -> Term:
    """The quotient rounded toward zero, as C's ``/``."""
    return apply(arith.DivUIOp if unsigned else arith.DivSIOp, (left, right), left.type)


def remainder(unsigned: bool, left: Term, right: Term) -> Term:
    """C's ``%``; it has the sign of the dividend."""
    return apply(arith.RemUIOp if unsigned else arith.RemSIOp, (left, right), left.type)


_INTEGER: dict[str, Callable[[bool, Term, Term], Term]] = {
    "//": floor_quotient,
    "%": floor_remainder,
    **{
        sign: lambda unsigned, a, b, operation=operation: apply(operation, (a, b), a.type)
        for sign, operation in _BITS.items()
    },
}


def integer_binary(rule: Callable[[bool, Term, Term], Term], left: Value, right: Value) -> Value:
    """A rule about integers on values of their common type."""
    left, right = common(left, right)
    if left.is_float:
        raise Diagnostic("the operands must be integers")
    unsigned = left.unsigned
    return mapped(lambda a, b: rule(unsigned, a, b), left, right, unsigned=unsigned)


def negative(value: Value) -> Value:
    """The value with the other sign."""
    if value.literal is not None:
        return literal(-value.literal)
    if value.is_float:
        return mapped(lambda a: apply(arith.NegfOp, (a,), a.type), value)
    value = value if isinstance(value.type, IndexType) else promoted(value)
    return mapped(
        lambda a: apply(arith.SubiOp, (constant(0, a.type), a), a.type),
        value,
        unsigned=value.unsigned,
    )


def inverted(value: Value) -> Value:
    """All bits, or the truth value, inverted."""
    if value.type == i1:
        return not_(value)
    if value.is_float:
        raise Diagnostic("'~' needs integers")
    return binary("^", value, literal(-1))


def chosen(condition: Value, then: Value, otherwise: Value) -> Value:
    """``then`` where the condition holds, else ``otherwise``."""
    if then.type != otherwise.type or then.literal is not None or otherwise.literal is not None:
        then, otherwise = common(then, otherwise)
    return mapped(select, truth(condition), then, otherwise, unsigned=then.unsigned)


def extreme(larger: bool, left: Value, right: Value) -> Value:
    """The larger or smaller value; a NaN is kept, as NumPy's ``maximum`` does."""
    left, right = common(left, right)
    if left.is_float:
        operation = arith.MaximumfOp if larger else arith.MinimumfOp
    elif left.unsigned:
        operation = arith.MaxUIOp if larger else arith.MinUIOp
    else:
        operation = arith.MaxSIOp if larger else arith.MinSIOp
    return mapped(
        lambda a, b: apply(operation, (a, b), a.type), left, right, unsigned=left.unsigned
    )


def float_extreme(larger: bool, left: Value, right: Value) -> Value:
    """The larger or smaller value; a number wins over a NaN, as C's ``fmax`` does."""
    left, right = common(left, right)
    if not left.is_float:
        return extreme(larger, left, right)
    operation = arith.MaxnumfOp if larger else arith.MinnumfOp
    return mapped(lambda a, b: apply(operation, (a, b), a.type), left, right)


def absolute(value: Value) -> Value:
    value = promoted(value)
    operation = math.AbsFOp if value.is_float else math.AbsIOp
    return mapped(lambda a: apply(operation, (a,), a.type), value)


def elementary(operation: type[Operation]) -> Callable[[Value], Value]:
    """A function of ``math`` on floats."""

    def rule(value: Value) -> Value:
        if not value.is_float:
            raise Diagnostic("the operand must be a float", hint="convert it: float32(x)")
        return mapped(lambda a: apply(operation, (a,), a.type), value)

    return rule
