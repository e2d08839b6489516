"""Ranges of normal-form terms: what wraps around, what saturates, what converts exactly.

Integer ranges are exact bounds on mathematical integers. Floating-point ranges say besides that the
value is a finite number (never NaN).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from ..core.terms import Term, bit_width, constant_value, is_float
from ..execution.arithmetic import FLOATS
from .normal_terms import LIMITS

Range = tuple[float, float]
"""Least and greatest value; Python integers for integer terms."""

_EXACT_INTEGERS = {"bf16": 2**8, "f16": 2**11, "f32": 2**24, "f64": 2**53}


def exact_integers(type: str) -> int:
    """Up to this magnitude, a float type represents integers exactly (its precision)."""
    return _EXACT_INTEGERS.get(type, 0)


def type_range(type: str) -> Range:
    """All values of an integer type; ``int`` (a mathematical integer) is unbounded."""
    if type in ("int", "index"):
        return (-math.inf, math.inf)
    if type == "i1":
        return (0, 1)
    half = 1 << (bit_width(type) - 1)
    return (-half, half - 1)


class Ranges:
    """Computes ranges, given those of some leaves; each term once."""

    def __init__(self, known: Mapping[Term, Range]) -> None:
        self.given = dict(known)
        self._known = dict(known)

    def of(self, value: Term) -> Range | None:
        """The range of a value, ``None`` for a float that may be infinite or not a number."""
        if value not in self._known:
            found = self._compute(value)
            if found is not None and any(math.isnan(bound) for bound in found):
                found = None
            if found is None:
                return None
            self._known[value] = found
        return self._known[value]

    def integer(self, value: Term) -> Range:
        return self.of(value) or (-math.inf, math.inf)

    def _compute(self, value: Term) -> Range | None:
        number = constant_value(value)
        if number is not None:
            return (number, number) if math.isfinite(number) else None
        rule = _RULES.get(value.operation)
        if rule is None:
            return _fallback(value)
        inner = [self.of(operand) for operand in value.operands]
        known = [r for r in inner if r is not None]
        return rule(value, *known) if len(known) == len(inner) else _fallback(value)


def _fallback(value: Term) -> Range | None:
    return None if is_float(value.type) else type_range(value.type)


def _sum(value: Term, *parts: Range) -> Range:
    return (sum(part[0] for part in parts), sum(part[1] for part in parts))


def _product(value: Term, *parts: Range) -> Range:
    low, high = parts[0]
    for other in parts[1:]:
        corners = [_times(a, b) for a in (low, high) for b in other]
        low, high = min(corners), max(corners)
    return low, high


def _times(left: float, right: float) -> float:
    return 0 if left == 0 or right == 0 else left * right


def _minimum(value: Term, a: Range, b: Range) -> Range:
    return min(a[0], b[0]), min(a[1], b[1])


def _maximum(value: Term, a: Range, b: Range) -> Range:
    return max(a[0], b[0]), max(a[1], b[1])


def _choice(value: Term, _condition: Range, a: Range, b: Range) -> Range:
    return min(a[0], b[0]), max(a[1], b[1])


def _wrap(value: Term, inner: Range) -> Range:
    half = 1 << (_payload(value) - 1)
    return inner if -half <= inner[0] and inner[1] < half else (-half, half - 1)


def _low_bits(value: Term, inner: Range) -> Range:
    size = 1 << _payload(value)
    return inner if inner[0] >= 0 and inner[1] < size else (0, size - 1)


def _shift(value: Term, inner: Range) -> Range:
    return _floor(inner[0], _payload(value)), _floor(inner[1], _payload(value))


def _floor(bound: float, shift: int) -> float:
    return bound if math.isinf(bound) else int(bound) >> shift


def _nearest_shift(value: Term, inner: Range) -> Range:
    low, high = _shift(value, inner)
    return low, high + 1


def _to_float(value: Term, inner: Range) -> Range | None:
    if math.isinf(inner[0]) or math.isinf(inner[1]):
        return None
    return _rounded(value, inner[0], inner[1])


def _rounded(value: Term, *bounds: float) -> Range | None:
    """Round bounds to the type of the value, as the operation does (rounding is monotone)."""
    kind = FLOATS.get(value.type)
    if kind is None:
        return None
    with np.errstate(all="ignore"):
        numbers = [float(kind(bound)) for bound in bounds]
    return (min(numbers), max(numbers)) if all(map(math.isfinite, numbers)) else None


def _float_product(value: Term, a: Range, b: Range) -> Range | None:
    return _rounded(value, *(x * y for x in a for y in b))


def _float_sum(value: Term, a: Range, b: Range) -> Range | None:
    return _rounded(value, a[0] + b[0], a[1] + b[1])


def _whole(function: Callable[[float], float]) -> Callable[[Term, Range], Range]:
    return lambda value, inner: (int(function(inner[0])), int(function(inner[1])))


def _whole_float(value: Term, inner: Range) -> Range:
    return (math.floor(inner[0]), math.ceil(inner[1]))


def _remainder(value: Term, a: Range, b: Range) -> Range:
    """C's remainder has the sign of the dividend."""
    if b[0] <= 0 <= b[1]:
        return type_range(value.type)
    most = max(abs(b[0]), abs(b[1])) - 1
    return (-most if a[0] < 0 else 0, most if a[1] > 0 else 0)


def _same(value: Term, inner: Range) -> Range:
    return inner


def _payload(value: Term) -> int:
    assert isinstance(value.payload, int)
    return value.payload


_RULES: dict[str, Callable[..., Range | None]] = {
    "add": _sum,
    "mul": _product,
    "min": _minimum,
    "max": _maximum,
    "select": _choice,
    "wrap": _wrap,
    "low_bits": _low_bits,
    "shift": _shift,
    "remsi": _remainder,
    "nearest_shift": _nearest_shift,
    "to_float": _to_float,
    "mulf": _float_product,
    "addf": _float_sum,
    **{name: {"min": _minimum, "max": _maximum}[kind] for name, kind in LIMITS.items()},
    "extf": _same,
    "nearest": _whole(round),
    "floor_int": _whole(math.floor),
    "ceil_int": _whole(math.ceil),
    "truncate": _whole(math.trunc),
    "roundeven": _whole_float,
    "floor": _whole_float,
    "ceil": _whole_float,
    "trunc": _whole_float,
}
