"""What the operations of terms compute, on NumPy arrays: C on the reference machine, bit for bit.

Integers are two's complement and wrap around, division truncates, floats are IEEE 754 with the
result rounded to its type. The reference executor runs on these definitions, and the normal form
folds constants with them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.terms import bit_width

Values = NDArray[Any]

SIGNED = {"i1": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64}
UNSIGNED = {"i1": np.bool_, "i8": np.uint8, "i16": np.uint16, "i32": np.uint32, "i64": np.uint64}
FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}


class UnknownOperation(Exception):  # noqa: N818 - it names what was met
    """An operation or a type without a definition here."""


def numpy_type(type: str) -> np.dtype[Any]:
    """The NumPy type of an element type such as ``i8`` or ``f32``; ``index`` is 64 bits."""
    found = {**SIGNED, **FLOATS, "index": np.int64}.get(type)
    if found is None:
        raise UnknownOperation(f"element type {type}")
    return np.dtype(np.float64 if type in FLOATS and _WIDE.get() else found)


_WIDE = ContextVar("wide", default=False)


@contextmanager
def wide_floats() -> Generator[None]:
    """All floats have 64 bits within: what differs from a run without is what rounding did."""
    token = _WIDE.set(True)
    try:
        yield
    finally:
        _WIDE.reset(token)


def apply(operation: str, type: str, operands: Sequence[Any], payload: object = None) -> Values:
    """The result of an operation on arrays of equal shape (or numbers)."""
    arrays = [np.asarray(operand) for operand in operands]
    with np.errstate(all="ignore"):
        if operation in ("cmpi", "cmpf"):
            return _compare(str(payload), operation == "cmpf", arrays[0], arrays[1])
        rule = _RULES.get(operation)
        if rule is None:
            raise UnknownOperation(operation)
        return np.asarray(rule(type, *arrays))


DIVISIONS = frozenset(("divsi", "divui", "remsi", "remui", "floordivsi", "ceildivsi"))
"""Operations that a program must not execute with 0 as the second operand."""


def undefined(operation: str, type: str, operands: Sequence[Values]) -> Values | None:
    """Where the result is none that the language defines; ``None`` if it is defined everywhere.

    C and MLIR leave open a shift by the width or more, and the conversion of a float that does not
    fit.
    """
    if operation in ("shli", "shrsi", "shrui"):
        return (operands[1] < 0) | (operands[1] >= operands[0].dtype.itemsize * 8)
    if operation in ("fptosi", "fptoui"):
        bits, is_signed = bit_width(type), operation == "fptosi"
        low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1)) if is_signed else (0.0, 2.0**bits)
        whole = np.trunc(operands[0].astype(np.float64))
        return ~((whole >= low) & (whole < high))
    return None


def _unsigned(value: Values) -> Values:
    if value.dtype == np.bool_:
        return value
    return value.astype(np.dtype(f"u{value.dtype.name}"), copy=False)


def _wrapping(function: Callable[..., Any]) -> Callable[..., Values]:
    """An integer operation whose low bits do not depend on the operands' high bits."""

    def rule(type: str, left: Values, right: Values) -> Values:
        if type == "i1":
            return (function(left.astype(np.int8), right.astype(np.int8)) & 1).astype(np.bool_)
        return function(_unsigned(left), _unsigned(right)).astype(numpy_type(type))

    return rule


def _on_unsigned(function: Callable[..., Any]) -> Callable[..., Values]:
    def rule(type: str, *values: Values) -> Values:
        return function(*(_unsigned(value) for value in values)).astype(numpy_type(type))

    return rule


def _plain(function: Callable[..., Any]) -> Callable[..., Values]:
    def rule(type: str, *values: Values) -> Values:
        return np.asarray(function(*values)).astype(numpy_type(type), copy=False)

    return rule


def _truncating_quotient(left: Values, right: Values) -> Values:
    """C's quotient; the caller's program is undefined where the divisor is 0."""
    divisor = np.where(right == 0, 1, right)
    quotient = left // divisor
    inexact = quotient * divisor != left
    return np.where(inexact & ((left < 0) != (divisor < 0)), quotient + 1, quotient)


def _quotient_rounded_up(left: Values, right: Values) -> Values:
    divisor = np.where(right == 0, 1, right)
    quotient = left // divisor
    # Negating the dividend instead would overflow for the smallest number.
    return np.where(quotient * divisor != left, quotient + 1, quotient)


def _truncating_remainder(left: Values, right: Values) -> Values:
    return left - _truncating_quotient(left, right) * right


def _shift(function: Callable[..., Any]) -> Callable[..., Values]:
    """A shift; by the width or more it is undefined in the program, here it gives some value."""

    def rule(left: Values, right: Values) -> Values:
        bits = left.dtype.itemsize * 8
        return function(left, np.where((right < 0) | (right >= bits), 0, right).astype(left.dtype))

    return rule


def _round_half_away(value: Values) -> Values:
    rounded = np.trunc(value)
    step = np.where(np.abs(value - rounded) >= 0.5, np.copysign(1.0, value), 0.0)
    return (rounded + step).astype(value.dtype)


def _to_integer(type: str, value: Values) -> Values:
    """Truncation toward zero; undefined in the program where the result does not fit."""
    limits = np.iinfo(numpy_type(type))
    whole = np.trunc(np.nan_to_num(value.astype(np.float64)))
    if type == "i64":
        return np.clip(whole, -(2.0**63), 2.0**63 - 1024).astype(np.int64)
    return np.clip(whole, limits.min, limits.max).astype(numpy_type(type))


def _to_unsigned(type: str, value: Values) -> Values:
    bits = numpy_type(type).itemsize * 8
    whole = np.trunc(np.nan_to_num(value.astype(np.float64)))
    return np.clip(whole, 0, 2.0**bits - 1).astype(UNSIGNED[type]).astype(numpy_type(type))


def _signed_extreme(function: Callable[..., Any], of_truths: Callable[..., Any]) -> Any:
    """A minimum or maximum; as a number with a sign, ``true`` is -1."""
    return _plain(lambda a, b: (of_truths if a.dtype == np.bool_ else function)(a, b))


def _float_extreme(function: Callable[..., Any], *, largest: bool) -> Callable[..., Values]:
    """A minimum or maximum with -0 below +0 (IEEE 754-2019), whatever NumPy's loops do."""

    def rule(type: str, left: Values, right: Values) -> Values:
        found = function(left, right)
        equal = np.where(np.signbit(left) == largest, right, left)
        return np.where(left == right, equal, found).astype(numpy_type(type))

    return rule


def _compare(predicate: str, is_float: bool, left: Values, right: Values) -> Values:
    if is_float:
        return _compare_floats(predicate, left, right)
    if predicate.startswith("u"):
        left, right = _unsigned(left), _unsigned(right)
    elif left.dtype == np.bool_:
        left, right = -left.astype(np.int8), -right.astype(np.int8)
    name = predicate.lstrip("us")
    return np.asarray(getattr(operator, name)(left, right))


def _compare_floats(predicate: str, left: Values, right: Values) -> Values:
    unordered = np.isnan(left) | np.isnan(right)
    if predicate in ("true", "false"):
        return np.full(unordered.shape, predicate == "true")
    if predicate in ("ord", "uno"):
        return unordered if predicate == "uno" else ~unordered
    result = np.asarray(getattr(operator, predicate[1:])(left, right))
    return result | unordered if predicate.startswith("u") else result & ~unordered


_ERF = np.frompyfunc(math.erf, 1, 1)
_OF_NUMPY = (
    *("sqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p"),
    *("sin", "cos", "tan", "sinh", "cosh", "tanh", "copysign"),
)
"""Functions whose names NumPy shares."""
_RULES: dict[str, Callable[..., Any]] = {
    "addi": _wrapping(np.add),
    "subi": _wrapping(np.subtract),
    "muli": _wrapping(np.multiply),
    "andi": _plain(np.bitwise_and),
    "ori": _plain(np.bitwise_or),
    "xori": _plain(np.bitwise_xor),
    "divsi": _plain(_truncating_quotient),
    "remsi": _plain(_truncating_remainder),
    "floordivsi": _plain(lambda a, b: a // np.where(b == 0, 1, b)),
    "ceildivsi": _plain(_quotient_rounded_up),
    "divui": _on_unsigned(lambda a, b: a // np.where(b == 0, 1, b)),
    "remui": _on_unsigned(lambda a, b: a % np.where(b == 0, 1, b)),
    "shli": _plain(_shift(np.left_shift)),
    "shrsi": _plain(_shift(np.right_shift)),
    "shrui": _on_unsigned(_shift(np.right_shift)),
    "maxsi": _signed_extreme(np.maximum, np.minimum),
    "minsi": _signed_extreme(np.minimum, np.maximum),
    "maxui": _on_unsigned(np.maximum),
    "minui": _on_unsigned(np.minimum),
    "absi": _plain(np.abs),
    "extsi": lambda type, a: (-a.astype(np.int8) if a.dtype == np.bool_ else a).astype(
        numpy_type(type)
    ),
    "extui": lambda type, a: _unsigned(a).astype(numpy_type(type)),
    "trunci": lambda type, a: (
        (a & 1).astype(np.bool_) if type == "i1" else a.astype(numpy_type(type))
    ),
    "index_cast": lambda type, a: a.astype(numpy_type(type)),
    "index_castui": lambda type, a: _unsigned(a).astype(numpy_type(type)),
    "sitofp": lambda type, a: (-a.astype(np.int8) if a.dtype == np.bool_ else a).astype(
        numpy_type(type)
    ),
    "uitofp": lambda type, a: _unsigned(a).astype(numpy_type(type)),
    "fptosi": _to_integer,
    "fptoui": _to_unsigned,
    "extf": _plain(lambda a: a),
    "truncf": _plain(lambda a: a),
    "bitcast": lambda type, a: a.view(numpy_type(type)),
    "select": lambda type, c, a, b: np.where(c, a, b).astype(numpy_type(type)),
    "addf": _plain(np.add),
    "subf": _plain(np.subtract),
    "mulf": _plain(np.multiply),
    "divf": _plain(np.divide),
    "negf": _plain(np.negative),
    "maximumf": _float_extreme(np.maximum, largest=True),
    "minimumf": _float_extreme(np.minimum, largest=False),
    "maxnumf": _float_extreme(np.fmax, largest=True),
    "minnumf": _float_extreme(np.fmin, largest=False),
    "roundeven": _plain(np.rint),
    "round": _plain(_round_half_away),
    "floor": _plain(np.floor),
    "ceil": _plain(np.ceil),
    "trunc": _plain(np.trunc),
    "absf": _plain(np.abs),
    "rsqrt": _plain(lambda a: 1 / np.sqrt(a)),
    "erf": _plain(lambda a: np.asarray(_ERF(a), a.dtype)),
    **{name: _plain(getattr(np, name)) for name in _OF_NUMPY},
    "asin": _plain(np.arcsin),
    "acos": _plain(np.arccos),
    "atan": _plain(np.arctan),
    "atan2": _plain(np.arctan2),
    "powf": _plain(np.power),
}
