"""C spelling of what the core computes itself: arithmetic on elements of arrays, in their types.

Numbers wrap around as they do in the IR, so additions go through unsigned types, where C defines
it. A compiler must not contract a product and a sum of floats into one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    Float32Type,
    Float64Type,
    FloatAttr,
    IndexType,
    IntegerType,
    i1,
    i32,
)
from xdsl.ir import Attribute, Operation

from ..kernel import refusal

MATH_HEADER = "#include <math.h> /* compile with -ffp-contract=off */\n"

_WRAPPING: dict[type[Operation], str] = {
    arith.AddiOp: "+",
    arith.SubiOp: "-",
    arith.MuliOp: "*",
    arith.ShLIOp: "<<",
}
_PLAIN: dict[type[Operation], str] = {
    arith.AndIOp: "&",
    arith.OrIOp: "|",
    arith.XOrIOp: "^",
    arith.ShRSIOp: ">>",
    arith.DivSIOp: "/",
    arith.RemSIOp: "%",
    arith.AddfOp: "+",
    arith.SubfOp: "-",
    arith.MulfOp: "*",
    arith.DivfOp: "/",
}
_UNSIGNED: dict[type[Operation], str] = {
    arith.DivUIOp: "/",
    arith.RemUIOp: "%",
    arith.ShRUIOp: ">>",
}
_HELPERS: dict[type[Operation], str] = {
    arith.MinSIOp: "min",
    arith.MaxSIOp: "max",
    math.AbsIOp: "abs",
}
"""With ``_int`` or ``_int64`` behind it: functions that are emitted with the program."""
_FUNCTIONS: dict[type[Operation], str] = {
    arith.MaxnumfOp: "fmax",
    arith.MinnumfOp: "fmin",
    math.AbsFOp: "fabs",
    math.CeilOp: "ceil",
    math.CopySignOp: "copysign",
    math.CosOp: "cos",
    math.ErfOp: "erf",
    math.ExpOp: "exp",
    math.FloorOp: "floor",
    math.LogOp: "log",
    math.PowFOp: "pow",
    math.RoundEvenOp: "rint",
    math.RoundOp: "round",
    math.SinOp: "sin",
    math.SqrtOp: "sqrt",
    math.TanhOp: "tanh",
    math.TruncOp: "trunc",
}
_SIGNED_PREDICATES = ("==", "!=", "<", "<=", ">", ">=")
_UNSIGNED_PREDICATES = ("<", "<=", ">", ">=")
"""Of ``arith.cmpi``, behind the signed ones."""
_FLOAT_PREDICATES = {1: "==", 2: ">", 3: ">=", 4: "<", 5: "<=", 13: "!="}
_NOT_ORDERED = {9: "<=", 10: "<", 11: ">=", 12: ">"}
"""Predicates that hold unless the ordered comparison does."""


def type_name(type: Attribute) -> str:
    """The C type of a number."""
    match type:
        case IntegerType():
            bits = type.width.data
            return "int" if bits == 1 else f"int{bits}_t"
        case IndexType():
            return "int"
        case Float32Type():
            return "float"
        case Float64Type():
            return "double"
        case _:
            raise ValueError(f"C has no type for {type}")


def is_arithmetic(op: Operation) -> bool:
    """Whether ``op`` computes with elements of arrays, and not with subscripts and conditions."""
    values = (*op.operands, *op.results)
    return any(value.type not in (IndexType(), i1) for value in values)


def literal(op: arith.ConstantOp) -> str:
    """A floating-point constant in the type that it has."""
    suffix = "f" if isinstance(op.result.type, Float32Type) else ""
    if not isinstance(op.value, FloatAttr) or not isfinite(op.value.value.data):
        raise refusal(op, "has no C spelling")
    return f"{op.value.value.data!r}{suffix}"


def expression(
    op: Operation, operands: Sequence[str], call: Callable[[str, Sequence[str]], str]
) -> str:
    """What an operation computes; ``operands`` are in parentheses or single names.

    ``call`` spells the call of a helper.

    Raises ``PassFailedException`` for an operation without a C spelling.
    """
    kind, result = type(op), op.results[0].type
    if kind in _PLAIN:
        return f"{operands[0]} {_PLAIN[kind]} {operands[1]}"
    if kind in _WRAPPING:
        return _wrapped(result, f" {_WRAPPING[kind]} ".join(map(_unsigned(result), operands)))
    if kind in _UNSIGNED:
        return _wrapped(result, f" {_UNSIGNED[kind]} ".join(map(_unsigned(result), operands)))
    if kind in _HELPERS:
        is_wide = isinstance(result, IntegerType) and result.width.data > 32
        text = call(f"{_HELPERS[kind]}_{'int64' if is_wide else 'int'}", operands)
        return text if is_wide or result == i32 else f"({type_name(result)}){text}"
    if kind in _FUNCTIONS:
        suffix = "f" if isinstance(result, Float32Type) else ""
        return f"{_FUNCTIONS[kind]}{suffix}({', '.join(operands)})"
    match op:
        case arith.SelectOp():
            return f"{operands[0]} ? {operands[1]} : {operands[2]}"
        case arith.CmpiOp():
            return _comparison(op, *operands)
        case arith.CmpfOp():
            return _float_comparison(op, *operands)
        case arith.NegfOp():
            return f"-{operands[0]}"
        case arith.ExtUIOp() | arith.UIToFPOp():
            unsigned = _unsigned(op.operands[0].type)(operands[0])
            return f"({type_name(result)}){unsigned}"
        case arith.ExtSIOp() if op.input.type == IntegerType(1):
            return f"-{operands[0]}"
        case arith.TruncIOp() if result == IntegerType(1):
            return f"{operands[0]} & 1"
        case (
            arith.ExtSIOp()
            | arith.TruncIOp()
            | arith.SIToFPOp()
            | arith.FPToSIOp()
            | arith.ExtFOp()
            | arith.TruncFOp()
            | arith.IndexCastOp()
        ):
            return f"({type_name(result)}){operands[0]}"
        case _:
            raise refusal(op, "has no C spelling")


def may_fail(op: Operation) -> bool:
    """Whether ``op`` is undefined for some operands, so that it stays where it is needed."""
    return isinstance(op, arith.FPToSIOp | arith.DivSIOp | arith.RemSIOp | arith.DivUIOp)


def needs_math(op: Operation) -> bool:
    """Whether the spelling of ``op`` needs the header of ``MATH_HEADER``, or its advice."""
    return type(op) in _FUNCTIONS or isinstance(op, arith.MulfOp)


def _unsigned(type: Attribute) -> Callable[[str], str]:
    """The spelling of an operand of this type as a number without a sign."""
    name = type_name(type)
    if not name.endswith("_t"):
        return lambda text: text
    return lambda text: f"(u{name}){text}"


def _wrapped(type: Attribute, text: str) -> str:
    name = type_name(type)
    return f"({name})({text})" if name.endswith("_t") else text


def _comparison(op: arith.CmpiOp, a: str, b: str) -> str:
    predicate = op.predicate.value.data
    if predicate < len(_SIGNED_PREDICATES):
        return f"{a} {_SIGNED_PREDICATES[predicate]} {b}"
    sign = _UNSIGNED_PREDICATES[predicate - len(_SIGNED_PREDICATES)]
    unsigned = _unsigned(op.lhs.type)
    return f"{unsigned(a)} {sign} {unsigned(b)}"


def _float_comparison(op: arith.CmpfOp, a: str, b: str) -> str:
    predicate = op.predicate.value.data
    if predicate in _FLOAT_PREDICATES:
        return f"{a} {_FLOAT_PREDICATES[predicate]} {b}"
    if predicate in _NOT_ORDERED:
        return f"!({a} {_NOT_ORDERED[predicate]} {b})"
    raise refusal(op, "has no C spelling")
