"""Scalar operations of a tensor program as NumPy expressions on whole arrays.

Every entry is exact: integers keep their width and wrap around, divisions truncate, and each float
operation rounds once, as the ``arith`` and ``math`` operations do. Signless integers are shown as
NumPy's signed types; operations on unsigned numbers reinterpret them.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
)
from xdsl.ir import Attribute, Operation, SSAValue

from ...diagnostics import Diagnostic
from ..loops.comparisons import PREDICATES

_INFIX: dict[type[Operation], str] = {
    arith.AddiOp: "+",
    arith.SubiOp: "-",
    arith.MuliOp: "*",
    arith.AddfOp: "+",
    arith.SubfOp: "-",
    arith.MulfOp: "*",
    arith.DivfOp: "/",
    arith.AndIOp: "&",
    arith.OrIOp: "|",
    arith.XOrIOp: "^",
    arith.ShLIOp: "<<",
    arith.ShRSIOp: ">>",
}

_CALLS: dict[type[Operation], str] = {
    arith.MinSIOp: "np.minimum",
    arith.MaxSIOp: "np.maximum",
    arith.MinimumfOp: "np.minimum",
    arith.MaximumfOp: "np.maximum",
    arith.MinnumfOp: "np.fmin",
    arith.MaxnumfOp: "np.fmax",
    arith.RemSIOp: "np.fmod",
    arith.SelectOp: "np.where",
    math.RoundEvenOp: "np.rint",
    math.FloorOp: "np.floor",
    math.CeilOp: "np.ceil",
    math.TruncOp: "np.trunc",
    math.AbsFOp: "np.abs",
    math.AbsIOp: "np.abs",
    math.SqrtOp: "np.sqrt",
    math.CbrtOp: "np.cbrt",
    math.ExpOp: "np.exp",
    math.Exp2Op: "np.exp2",
    math.ExpM1Op: "np.expm1",
    math.LogOp: "np.log",
    math.Log2Op: "np.log2",
    math.Log10Op: "np.log10",
    math.Log1pOp: "np.log1p",
    math.SinOp: "np.sin",
    math.CosOp: "np.cos",
    math.TanOp: "np.tan",
    math.AsinOp: "np.arcsin",
    math.AcosOp: "np.arccos",
    math.AtanOp: "np.arctan",
    math.SinhOp: "np.sinh",
    math.CoshOp: "np.cosh",
    math.TanhOp: "np.tanh",
    math.ErfOp: "erf",
    math.PowFOp: "np.power",
    math.Atan2Op: "np.arctan2",
    math.CopySignOp: "np.copysign",
}

_CASTS = (
    arith.ExtSIOp,
    arith.TruncIOp,
    arith.SIToFPOp,
    arith.FPToSIOp,
    arith.ExtFOp,
    arith.TruncFOp,
    arith.IndexCastOp,
)

_SIGNED_SIGNS = {"eq": "==", "ne": "!=", "slt": "<", "sle": "<=", "sgt": ">", "sge": ">="}
_UNSIGNED_SIGNS = {"ult": "<", "ule": "<=", "ugt": ">", "uge": ">="}
_FLOAT_SIGNS = {1: "==", 2: ">", 3: ">=", 4: "<", 5: "<=", 13: "!="}
"""Comparisons of ``arith.cmpf`` that are Python's, by number: the ordered ones and ``une``."""


def dtype(type: Attribute) -> str:
    """Return the NumPy type of an element type, such as ``np.int8``."""
    if isinstance(type, IntegerType):
        return "bool" if type.width.data == 1 else f"np.int{type.width.data}"
    if isinstance(type, IndexType):
        return "np.int64"
    if isinstance(type, Float32Type):
        return "np.float32"
    if isinstance(type, Float64Type):
        return "np.float64"
    if isinstance(type, Float16Type):
        return "np.float16"
    if isinstance(type, BFloat16Type):
        return "bfloat16"
    raise Diagnostic(f"no NumPy type for {type}")


def python_module(body: str) -> str:
    """A function with the imports that it needs; NumPy itself lacks bfloat16 and erf."""
    extra = "from ml_dtypes import bfloat16\n" if "bfloat16" in body else ""
    extra += "from scipy.special import erf\n" if "erf(" in body else ""
    return f"import numpy as np\n{extra}\n\n{body}\n"


def unsigned(type: Attribute) -> str:
    """Return the unsigned NumPy type of an integer type."""
    return dtype(type).replace("np.int", "np.uint")


def number(op: arith.ConstantOp, *, typed: bool) -> str:
    """Return a constant as a Python number or, if ``typed``, as a NumPy scalar of its type.

    A plain number takes the type of the array that it meets.
    """
    value = op.value
    if isinstance(value, IntegerAttr):
        if op.result.type == IntegerType(1):
            return str(bool(value.value.data))
        text = str(value.value.data)
    elif isinstance(value, FloatAttr):
        text = repr(value.value.data)
        text = f"np.{text}" if text.lstrip("-") in ("inf", "nan") else text.replace("np.-", "-np.")
    else:
        raise Diagnostic(f"no NumPy number for {value}")
    return f"{dtype(op.result.type)}({text})" if typed else text


def parenthesised(text: str) -> str:
    """Return the expression so that any operator may stand next to it."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        is_loose = character == " " or (character == "-" and position == 0)
        if depth == 0 and is_loose:
            return f"({text})"
    return text


def cast(text: str, to: str) -> str:
    """Return the expression converted to the NumPy type ``to``."""
    if text.isdecimal():
        return f"{to}({text})"
    return f"{parenthesised(text)}.astype({to})"


def scalar_expression(op: Operation, operands: list[str]) -> str:
    """Return the NumPy expression of one scalar operation applied to arrays.

    Raises :class:`Diagnostic` if the operation has no exact NumPy form.
    """
    kind = type(op)
    if kind in _INFIX:
        left, right = (parenthesised(operand) for operand in operands)
        return f"{left} {_INFIX[kind]} {right}"
    if kind in _CALLS:
        return f"{_CALLS[kind]}({', '.join(operands)})"
    if kind in _CASTS:
        return _converted(op, operands[0])
    special = _SPECIAL.get(kind)
    if special is None:
        raise Diagnostic(f"no NumPy form for the operation {op.name}")
    return special(op, operands)


def _converted(op: Operation, operand: str) -> str:
    target, source = op.results[0].type, op.operands[0].type
    if isinstance(op, arith.TruncIOp) and target == IntegerType(1):
        return f"({parenthesised(operand)} & 1).astype(bool)"
    if isinstance(op, arith.ExtSIOp) and source == IntegerType(1):
        return f"-{cast(operand, dtype(target))}"
    return cast(operand, dtype(target))


def _is_bit(value: SSAValue) -> bool:
    return value.type == IntegerType(1)


def _as_unsigned(value: SSAValue, text: str) -> str:
    return text if _is_bit(value) else cast(text, unsigned(value.type))


def _widen_unsigned(op: Operation, operands: list[str]) -> str:
    return cast(_as_unsigned(op.operands[0], operands[0]), dtype(op.results[0].type))


def _from_unsigned(op: Operation, operands: list[str], template: str) -> str:
    texts = [
        parenthesised(_as_unsigned(value, text))
        for value, text in zip(op.operands, operands, strict=True)
    ]
    return cast(f"({template.format(*texts)})", dtype(op.results[0].type))


def _compare_integers(op: Operation, operands: list[str]) -> str:
    predicate = op.properties["predicate"]
    assert isinstance(predicate, IntegerAttr)
    name = PREDICATES[predicate.value.data]
    if name in _UNSIGNED_SIGNS:
        operands = [
            _as_unsigned(value, text) for value, text in zip(op.operands, operands, strict=True)
        ]
    sign = _SIGNED_SIGNS.get(name) or _UNSIGNED_SIGNS[name]
    return f"{parenthesised(operands[0])} {sign} {parenthesised(operands[1])}"


def _compare_floats(op: Operation, operands: list[str]) -> str:
    predicate = op.properties["predicate"]
    assert isinstance(predicate, IntegerAttr)
    left, right = (parenthesised(operand) for operand in operands)
    sign = _FLOAT_SIGNS.get(predicate.value.data)
    if sign is not None:
        return f"{left} {sign} {right}"
    # An unordered comparison is the negation of the opposite ordered one.
    opposite = {8: "!=", 9: "<=", 10: "<", 11: ">=", 12: ">"}.get(predicate.value.data)
    if opposite is None:
        raise Diagnostic(f"no NumPy form for predicate {predicate.value.data} of {op.name}")
    return f"~({left} {opposite} {right})"


def _divide(op: Operation, operands: list[str]) -> str:
    left, right = (parenthesised(operand) for operand in operands)
    return f"({left} - np.fmod({operands[0]}, {operands[1]})) // {right}"


def _round_half_away(op: Operation, operands: list[str]) -> str:
    (value,) = operands
    whole = f"np.trunc({value})"
    half = f"np.abs({parenthesised(value)} - {whole}) >= 0.5"
    return f"np.where({half}, {whole} + np.copysign(1.0, {value}), {whole})"


_SPECIAL: dict[type[Operation], Callable[[Operation, list[str]], str]] = {
    arith.CmpiOp: _compare_integers,
    arith.CmpfOp: _compare_floats,
    arith.DivSIOp: _divide,
    arith.ExtUIOp: _widen_unsigned,
    arith.UIToFPOp: _widen_unsigned,
    arith.DivUIOp: lambda op, texts: _from_unsigned(op, texts, "{0} // {1}"),
    arith.RemUIOp: lambda op, texts: _from_unsigned(op, texts, "{0} % {1}"),
    arith.ShRUIOp: lambda op, texts: _from_unsigned(op, texts, "{0} >> {1}"),
    arith.MinUIOp: lambda op, texts: _from_unsigned(op, texts, "np.minimum({0}, {1})"),
    arith.MaxUIOp: lambda op, texts: _from_unsigned(op, texts, "np.maximum({0}, {1})"),
    arith.NegfOp: lambda op, texts: f"-{parenthesised(texts[0])}",
    math.RoundOp: _round_half_away,
}


def unsigned_type(declared: str) -> str | None:
    """Return the NumPy type of an unsigned C declaration such as ``uint8_t[4]``."""
    for bits in (8, 16, 32, 64):
        if f"uint{bits}_t" in declared:
            return f"np.uint{bits}"
    return None
