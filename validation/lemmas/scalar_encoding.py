"""``arith`` operations on scalars as bit-vectors and floats of exactly their width (trusted core).

As MLIR defines them: division by zero is undefined behaviour, a shift by the width or more gives
poison, poison spreads. Values are pairs: the value, and whether it is free of poison. NaNs are all
alike. ``validation.arithmetic`` says the same with NumPy; tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import z3
from xdsl.dialects import arith
from xdsl.dialects.builtin import FloatAttr, IndexType, IntegerAttr, IntegerType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ..core.polyhedral import Unsupported
from ..core.terms import bit_width
from ..extract.pure_operations import FLOAT_PREDICATES, PREDICATES, type_name
from .float_extremes import FLOAT_EXTREMES

_FLOATS = {"f16": z3.Float16, "f32": z3.Float32, "f64": z3.Float64}
_NEAREST = z3.RNE()
_TRUNCATE = z3.RTZ()


@dataclass(frozen=True)
class Scalar:
    """A value, and the condition under which it is not poison."""

    value: Any
    ok: Any


@dataclass
class Encoded:
    """A block of pure operations: values by SSA value, and when none of them is undefined."""

    values: dict[SSAValue, Scalar] = field(default_factory=dict[SSAValue, Scalar])
    defined: list[Any] = field(default_factory=list[Any])

    def run(self, block: Block) -> None:
        """Encode all operations but the terminator; raises ``Unsupported`` for one without rule."""
        for operation in block.ops:
            if operation is not block.last_op:
                self.values[operation.results[0]] = self._one(operation)

    def _one(self, operation: Operation) -> Scalar:
        if len(operation.results) != 1:
            raise Unsupported("an operation without exactly one result", operation)
        if isinstance(operation, arith.ConstantOp):
            return Scalar(_constant(operation), z3.BoolVal(True))
        operands = [self.values[operand] for operand in operation.operands]
        if isinstance(operation, arith.SelectOp):
            chosen, then, otherwise = operands
            truth = chosen.value == 1
            value = z3.If(truth, then.value, otherwise.value)
            return Scalar(value, z3.And(chosen.ok, z3.If(truth, then.ok, otherwise.ok)))
        rule = _rule(operation)
        made = rule(operation, *(operand.value for operand in operands))
        self.defined.append(made.defined)
        return Scalar(made.value, all_true([*(operand.ok for operand in operands), made.ok]))


def all_true(parts: Sequence[Any]) -> Any:
    """The conjunction, without the conjunctions of one part that not all solvers can read."""
    kept = [part for part in parts if not z3.is_true(part)]
    if not kept:
        return z3.BoolVal(True)
    return kept[0] if len(kept) == 1 else z3.And(*kept)


def variable(name: str, type: Attribute) -> Any:
    """An arbitrary value of a scalar type."""
    return z3.Const(name, sort_of(type))


def sort_of(type: Attribute) -> Any:
    name = type_name(type)
    if name in _FLOATS:
        return _FLOATS[name]()
    if isinstance(type, IntegerType | IndexType):
        return z3.BitVecSort(bit_width(name))
    raise Unsupported(f"a value of type {name}")


@dataclass(frozen=True)
class _Made:
    value: Any
    ok: Any = field(default_factory=lambda: z3.BoolVal(True))
    """Not poison."""
    defined: Any = field(default_factory=lambda: z3.BoolVal(True))
    """No undefined behaviour."""


def _constant(operation: arith.ConstantOp) -> Any:
    value = operation.value
    if isinstance(value, IntegerAttr):
        return z3.BitVecVal(value.value.data, sort_of(value.type))
    if isinstance(value, FloatAttr):
        return z3.FPVal(value.value.data, sort_of(value.type))
    raise Unsupported("a constant that is not a number", operation)


def _rule(operation: Operation) -> Callable[..., _Made]:
    dialect, name = operation.name.split(".", 1)
    if dialect == "math" and len(operation.operands) == 1 and name not in _FLOAT_UNARY:
        return _uninterpreted
    if dialect in ("arith", "math"):
        for table in (_INTEGER, _FLOAT_UNARY, _FLOAT_BINARY):
            if name in table:
                return lambda op, *parts, rule=table[name]: _Made(rule(*parts))
        if name in _SPECIAL:
            return _SPECIAL[name]
    raise Unsupported(f"`{operation.name}` has no value semantics here", operation)


def _uninterpreted(operation: Operation, a: Any) -> _Made:
    """A function of its operand, whichever it is."""
    function = z3.Function(operation.name, a.sort(), sort_of(operation.results[0].type))
    return _Made(function(a))


def _least(a: Any) -> Any:
    return z3.BitVecVal(1 << (a.size() - 1), a.size())


def _signed_division(rule: Callable[[Any, Any], Any]) -> Callable[..., _Made]:
    def divide(operation: Operation, a: Any, b: Any) -> _Made:
        overflow = z3.And(a == _least(a), b == -1)
        return _Made(rule(a, b), defined=z3.And(b != 0, z3.Not(overflow)))

    return divide


def _unsigned_division(rule: Callable[[Any, Any], Any]) -> Callable[..., _Made]:
    return lambda operation, a, b: _Made(rule(a, b), defined=b != 0)


def _shift(rule: Callable[[Any, Any], Any]) -> Callable[..., _Made]:
    return lambda operation, a, b: _Made(
        rule(a, b), ok=z3.ULT(b, a.size()) if a.size() > 1 else b == 0
    )


def _rounded_down(a: Any, b: Any) -> Any:
    inexact = z3.And(z3.SRem(a, b) != 0, (a < 0) != (b < 0))
    return z3.If(inexact, a / b - 1, a / b)


def _rounded_up(a: Any, b: Any) -> Any:
    inexact = z3.And(z3.SRem(a, b) != 0, (a < 0) == (b < 0))
    return z3.If(inexact, a / b + 1, a / b)


def _compare(operation: Operation, a: Any, b: Any) -> _Made:
    assert isinstance(operation, arith.CmpiOp)
    predicate = PREDICATES[operation.predicate.value.data]
    rules: dict[str, Callable[[], Any]] = {
        "eq": lambda: a == b,
        "ne": lambda: a != b,
        "slt": lambda: a < b,
        "sle": lambda: a <= b,
        "sgt": lambda: a > b,
        "sge": lambda: a >= b,
        "ult": lambda: z3.ULT(a, b),
        "ule": lambda: z3.ULE(a, b),
        "ugt": lambda: z3.UGT(a, b),
        "uge": lambda: z3.UGE(a, b),
    }
    return _Made(_bit(rules[predicate]()))


def _compare_floats(operation: Operation, a: Any, b: Any) -> _Made:
    assert isinstance(operation, arith.CmpfOp)
    predicate = FLOAT_PREDICATES[operation.predicate.value.data]
    unordered = z3.Or(z3.fpIsNaN(a), z3.fpIsNaN(b))
    plain = {
        "false": z3.BoolVal(False),
        "true": z3.BoolVal(True),
        "ord": z3.Not(unordered),
        "uno": unordered,
    }
    if predicate in plain:
        return _Made(_bit(plain[predicate]))
    relation = {
        "eq": z3.fpEQ(a, b),
        "ne": z3.Not(z3.fpEQ(a, b)),
        "lt": z3.fpLT(a, b),
        "le": z3.fpLEQ(a, b),
        "gt": z3.fpGT(a, b),
        "ge": z3.fpGEQ(a, b),
    }[predicate[1:]]
    if predicate[0] == "u":
        return _Made(_bit(z3.Or(unordered, relation)))
    return _Made(_bit(z3.And(z3.Not(unordered), relation)))


def _bit(truth: Any) -> Any:
    return z3.If(truth, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1))


def _resize(signed: bool) -> Callable[..., _Made]:
    """Extension, truncation, and casts between integers and ``index``."""

    def rule(operation: Operation, a: Any) -> _Made:
        size = sort_of(operation.results[0].type).size()
        if size <= a.size():
            return _Made(z3.Extract(size - 1, 0, a))
        extend = z3.SignExt if signed else z3.ZeroExt
        return _Made(extend(size - a.size(), a))

    return rule


def _to_float(signed: bool) -> Callable[..., _Made]:
    def rule(operation: Operation, a: Any) -> _Made:
        convert = z3.fpSignedToFP if signed else z3.fpUnsignedToFP
        return _Made(convert(_NEAREST, a, sort_of(operation.results[0].type)))

    return rule


def _to_integer(signed: bool) -> Callable[..., _Made]:
    """Truncation toward zero; poison where the result does not fit."""

    def rule(operation: Operation, a: Any) -> _Made:
        size = sort_of(operation.results[0].type).size()
        whole = z3.fpRoundToIntegral(_TRUNCATE, a)
        low, high = (-(2 ** (size - 1)), 2 ** (size - 1)) if signed else (0, 2**size)
        finite = z3.Not(z3.Or(z3.fpIsNaN(a), z3.fpIsInf(a)))
        bounds = [z3.fpToFP(_NEAREST, z3.RealVal(bound), a.sort()) for bound in (low, high)]
        fits = z3.And(finite, z3.fpGEQ(whole, bounds[0]), z3.fpLT(whole, bounds[1]))
        convert = z3.fpToSBV if signed else z3.fpToUBV
        return _Made(convert(_TRUNCATE, a, z3.BitVecSort(size)), ok=fits)

    return rule


def _change_precision(operation: Operation, a: Any) -> _Made:
    return _Made(z3.fpFPToFP(_NEAREST, a, sort_of(operation.results[0].type)))


_INTEGER: dict[str, Callable[..., Any]] = {
    "addi": lambda a, b: a + b,
    "subi": lambda a, b: a - b,
    "muli": lambda a, b: a * b,
    "andi": lambda a, b: a & b,
    "ori": lambda a, b: a | b,
    "xori": lambda a, b: a ^ b,
    "minsi": lambda a, b: z3.If(a <= b, a, b),
    "maxsi": lambda a, b: z3.If(a >= b, a, b),
    "minui": lambda a, b: z3.If(z3.ULE(a, b), a, b),
    "maxui": lambda a, b: z3.If(z3.UGE(a, b), a, b),
}
_FLOAT_BINARY: dict[str, Callable[..., Any]] = {
    "addf": lambda a, b: z3.fpAdd(_NEAREST, a, b),
    "subf": lambda a, b: z3.fpSub(_NEAREST, a, b),
    "mulf": lambda a, b: z3.fpMul(_NEAREST, a, b),
    "divf": lambda a, b: z3.fpDiv(_NEAREST, a, b),
    **FLOAT_EXTREMES,
}
_FLOAT_UNARY: dict[str, Callable[..., Any]] = {
    "negf": z3.fpNeg,
    "absf": z3.fpAbs,
    "sqrt": lambda a: z3.fpSqrt(_NEAREST, a),
    "roundeven": lambda a: z3.fpRoundToIntegral(z3.RNE(), a),
    "floor": lambda a: z3.fpRoundToIntegral(z3.RTN(), a),
    "ceil": lambda a: z3.fpRoundToIntegral(z3.RTP(), a),
    "trunc": lambda a: z3.fpRoundToIntegral(z3.RTZ(), a),
    "round": lambda a: z3.fpRoundToIntegral(z3.RNA(), a),
}
_SPECIAL: dict[str, Callable[..., _Made]] = {
    "divsi": _signed_division(lambda a, b: a / b),
    "remsi": _signed_division(z3.SRem),
    "floordivsi": _signed_division(_rounded_down),
    "ceildivsi": _signed_division(_rounded_up),
    "divui": _unsigned_division(z3.UDiv),
    "remui": _unsigned_division(z3.URem),
    "shli": _shift(lambda a, b: a << b),
    "shrsi": _shift(lambda a, b: a >> b),
    "shrui": _shift(z3.LShR),
    "cmpi": _compare,
    "cmpf": _compare_floats,
    "extsi": _resize(signed=True),
    "extui": _resize(signed=False),
    "trunci": _resize(signed=True),
    "index_cast": _resize(signed=True),
    "index_castui": _resize(signed=False),
    "sitofp": _to_float(signed=True),
    "uitofp": _to_float(signed=False),
    "fptosi": _to_integer(signed=True),
    "fptoui": _to_integer(signed=False),
    "extf": _change_precision,
    "truncf": _change_precision,
}


def encode(block: Block, inputs: Sequence[Scalar]) -> Encoded:
    """Encode a block of pure operations for given values of its arguments."""
    encoded = Encoded(dict(zip(block.args, inputs, strict=True)))
    encoded.run(block)
    return encoded
