"""Normal-form terms evaluated on many values at once: lemmas by trying all values (trusted core).

A post-operation of one sum has as many cases as the sum has values; with the range of the sum
derived, these are few. Before a solver is asked, a sample of the values often shows a difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.terms import Term, bit_width, constant_value, is_float
from ..core.values import slots_of
from ..execution.arithmetic import FLOATS, UnknownOperation, apply
from .ranges import Range, Ranges, type_range

MOST_VALUES = 1 << 22
"""Combinations of the slots' values that are all tried, some tenths of a second."""
FEW_VALUES = 1 << 16
"""Combinations that are tried sooner than a solver is asked."""
SAMPLE = 4096
_LARGEST = 2.0**62

Values = NDArray[Any]
Evaluated = tuple[Values, Values]
"""Numbers, and where they are defined."""


def difference(
    left: Term, right: Term, ranges: Mapping[Term, Range], *, combinations: int
) -> tuple[bool, dict[Term, int]] | None:
    """Whether two terms differ for some values of their slots, and for which.

    All values are tried if there are at most so many combinations. ``None`` if that was not found
    out: there are more, or a term has no evaluation. With 0 combinations, a sample is tried, which
    never shows that terms are equal.
    """
    slots = list(dict.fromkeys([*slots_of(left), *slots_of(right)]))
    known = Ranges(ranges)
    floats = {slot.type for slot in slots if is_float(slot.type)}
    if (combinations and (floats or not slots)) or not floats <= FLOATS.keys():
        return None
    points = _points(slots, known, combinations)
    if points is None:
        return None
    try:
        with np.errstate(all="ignore"):
            evaluator = _Evaluator(points, known)
            (a, a_defined), (b, b_defined) = evaluator.of(left), evaluator.of(right)
    except UnknownOperation:
        return None
    everywhere = np.broadcast_shapes(*(values.shape for values in points.values()))
    a, b = np.broadcast_to(a, everywhere), np.broadcast_to(b, everywhere)
    defined = np.broadcast_to(a_defined & b_defined, everywhere)
    same = (a == b) & (np.signbit(a) == np.signbit(b)) | (a != a) & (b != b)
    found = np.flatnonzero(defined & ~same)
    if found.size:
        place = np.unravel_index(found[0], everywhere)
        numbers = {s: np.broadcast_to(points[s], everywhere)[place] for s in slots}
        return True, {s: int(number) for s, number in numbers.items() if not is_float(s.type)}
    return (False, {}) if combinations and bool(defined.all()) else None


def _points(slots: Sequence[Term], known: Ranges, combinations: int) -> dict[Term, Values] | None:
    """All combinations of the slots' values, or a sample with the ends of their ranges."""
    rng = np.random.default_rng(0)
    points: dict[Term, Values] = {}
    for slot in slots:
        if is_float(slot.type):
            points[slot] = rng.choice(_floats(rng, slot.type), SAMPLE)
            continue
        low, high = known.integer(slot)
        if max(-low, high) > _LARGEST:
            return None
        low, high = int(low), int(high)
        if combinations:
            sizes = [*(values.size for values in points.values()), high - low + 1]
            if math.prod(sizes) > combinations:
                return None
            # A dimension for each slot: together they are all combinations.
            shape = (-1, *(1 for _ in points))
            points[slot] = np.arange(low, high + 1, dtype=np.int64).reshape(shape)
            continue
        ends = [value for near in (low, 0, high) for value in range(near - 2, near + 3)]
        inside = [value for value in ends if low <= value <= high]
        scales = [2**power for power in range(4, 63) if 2**power <= max(-low, high)] or [1]
        drawn = [rng.integers(max(low, -s), min(high, s), 64, endpoint=True) for s in scales]
        numbers = np.concatenate([np.array(inside, dtype=np.int64), *drawn])
        points[slot] = rng.choice(numbers, SAMPLE) if len(slots) > 1 else numbers
    return points


def _floats(rng: np.random.Generator, type: str) -> Values:
    """Numbers of all magnitudes, and the special ones."""
    limits = np.finfo(FLOATS[type])
    ends = [float(end) for end in (limits.max, limits.tiny, limits.smallest_subnormal)]
    special = np.array([0.0, 1.0, math.inf, math.nan, *ends])
    plain = rng.standard_normal(SAMPLE) * np.exp2(rng.integers(-24, 25, SAMPLE))
    numbers = np.concatenate([np.repeat(special, SAMPLE // 16), plain]).astype(FLOATS[type])
    return np.concatenate([numbers, -numbers])


class _Evaluator:
    def __init__(self, points: Mapping[Term, Values], ranges: Ranges) -> None:
        self._done: dict[Term, Evaluated] = {
            slot: (values, np.asarray(True)) for slot, values in points.items()
        }
        self._ranges = ranges

    def of(self, value: Term) -> Evaluated:
        if value not in self._done:
            self._done[value] = self._compute(value)
        return self._done[value]

    def _compute(self, value: Term) -> Evaluated:
        number = constant_value(value)
        if not is_float(value.type):
            low, high = self._ranges.integer(value)
            if max(-low, high) > _LARGEST:
                raise UnknownOperation(f"a large {value.operation}")
        if number is not None:
            kind = FLOATS[value.type] if is_float(value.type) else np.int64
            return np.asarray(kind(number)), np.asarray(True)
        inner = [self.of(operand) for operand in value.operands]
        if value.operation == "select":
            (condition, known), (a, a_known), (b, b_known) = inner
            chosen = condition != 0
            return np.where(chosen, a, b), known & np.where(chosen, a_known, b_known)
        defined = np.asarray(True)
        for _, known in inner:
            defined = defined & known
        numbers = [operand for operand, _ in inner]
        if value.operation in ("fptosi", "fptoui"):
            low, high = type_range(value.type)
            whole = np.trunc(numbers[0].astype(np.float64))
            shift = -low if value.operation == "fptoui" else 0
            inside = (whole >= low + shift) & (whole <= high + shift)
            # The bits of an unsigned number, read as one with a sign.
            signed = np.where(whole > high, whole - 2 * shift, whole)
            return np.where(inside, signed, 0).astype(np.int64), defined & inside
        rule = _RULES.get(value.operation)
        if rule is not None:
            return np.asarray(rule(value, *numbers)), defined
        if is_float(value.type) or value.operation == "cmpf":
            result = apply(value.operation, value.type, numbers, value.payload)
            return (result.astype(np.int64) if result.dtype == np.bool_ else result), defined
        raise UnknownOperation(value.operation)


def _payload(value: Term) -> int:
    assert isinstance(value.payload, int)
    return value.payload


def _wrap(value: Term, a: Values) -> Values:
    half = 1 << (_payload(value) - 1)
    return ((a + half) & (2 * half - 1)) - half


def _nearest_shift(value: Term, a: Values) -> Values:
    shift = _payload(value)
    quotient = a >> shift
    return (a + ((1 << (shift - 1)) - 1) + (quotient & 1)) >> shift


def _whole(function: Callable[[Values], Values]) -> Callable[..., Values]:
    return lambda value, a: function(a.astype(np.float64)).astype(np.int64)


def _bits(name: str) -> Callable[..., Values]:
    def rule(value: Term, a: Values, b: Values) -> Values:
        width = 1 if value.type == "i1" else bit_width(value.type)
        result = getattr(np, name)(a, b)
        return result & 1 if width == 1 else result

    return rule


def _product(value: Term, *parts: Values) -> Values:
    result = parts[0]
    for part in parts[1:]:
        result = result * part
    return result


def _division(rule: Callable[[Values, Values], Values]) -> Callable[..., Values]:
    def divide(value: Term, a: Values, b: Values) -> Values:
        if not np.all(b):
            raise UnknownOperation(f"{value.operation} by zero")
        result = rule(a, b)
        low, high = type_range(value.type)
        if np.any((result < low) | (result > high)):
            raise UnknownOperation(f"{value.operation} of the least number by -1")
        return result

    return divide


_RULES: dict[str, Callable[..., Any]] = {
    "add": lambda value, *parts: sum(parts[1:], parts[0]),
    "mul": _product,
    "min": lambda value, a, b: np.minimum(a, b),
    "max": lambda value, a, b: np.maximum(a, b),
    "lt": lambda value, a, b: (a < b).astype(np.int64),
    "remsi": _division(np.fmod),
    "divsi": _division(lambda a, b: (a - np.fmod(a, b)) // b),
    "floordivsi": _division(np.floor_divide),
    "eq": lambda value, a, b: (a == b).astype(np.int64),
    "not": lambda value, a: 1 - a,
    "wrap": _wrap,
    "low_bits": lambda value, a: a & ((1 << _payload(value)) - 1),
    "shift": lambda value, a: a >> _payload(value),
    "nearest_shift": _nearest_shift,
    "andi": _bits("bitwise_and"),
    "ori": _bits("bitwise_or"),
    "xori": _bits("bitwise_xor"),
    "to_float": lambda value, a: a.astype(FLOATS[value.type]),
    "minf": lambda value, a, b: np.where(b < a, b, a),
    "maxf": lambda value, a, b: np.where(b > a, b, a),
    "nearest": _whole(np.rint),
    "floor_int": _whole(np.floor),
    "ceil_int": _whole(np.ceil),
    "truncate": _whole(np.trunc),
}
