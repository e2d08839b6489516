"""A normal form of value terms, so that most equal post-operations become the same term.

Integers become *mathematical* integers: an operation whose result provably fits its type is the
plain operation, else an explicit ``wrap`` to the type's width. Conversions that keep the value
disappear, comparisons with selections become ``min`` and ``max``, and rounding to an integer
becomes one integer operation (``nearest``) around which limits and ReLU have one order.

Part of the trusted core; ``tests/validation/test_normal_form.py`` holds each rule against the
definitions in ``arithmetic``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from ..core.terms import Term, bit_width, constant_value, is_float, rewrite, term
from ..execution.arithmetic import FLOATS
from .normal_terms import (
    LIMITS,
    WHOLE_OPERATIONS,
    has_conversion,
    integer,
    is_limited,
    kept_bits,
    never_minus_zero,
    number,
    order_key,
)
from .operations import RULES
from .ranges import Range, Ranges, exact_integers, type_range

_ORDER = frozenset(("lt", "le", "gt", "ge", "eq", "ne"))
_TRUTHS = frozenset(("lt", "eq", "cmpf", "not"))
"""What is 1 if it holds, else 0."""
_COMMUTATIVE = frozenset(("add", "mul", "min", "max", "minf", "maxf", "addf", "mulf", "eq"))


class NormalForm:
    """Rewrites terms, given ranges of their leaves; each term once."""

    def __init__(
        self, ranges: Mapping[Term, Range] | None = None, *, shares_slots: bool = False
    ) -> None:
        """``shares_slots``: the terms are about the same slots, which then order operands too."""
        self.ranges = Ranges(ranges or {})
        self._shares_slots = shares_slots

    def of(self, value: Term) -> Term:
        return rewrite(value, self._visit)

    def _visit(self, old: Term, operands: tuple[Term, ...]) -> Term:
        if old.operation == "constant":
            if is_float(old.type) or old.type == "int":
                return old
            value = constant_value(old)
            return integer(int(value or 0))
        rule = RULES.get(old.operation)
        if rule is not None:
            return rule(self, old, *operands)
        return self.ordered(old.operation, old.type, operands, old.payload)

    # Integers.

    def fits(self, value: Term, bits: int) -> bool:
        low, high = self.ranges.integer(value)
        least, greatest = type_range(f"i{bits}")
        return least <= low and high <= greatest

    def wrap(self, value: Term, type: str) -> Term:
        """The value reduced to the width of ``type``, if it may lie outside."""
        if type in ("int", "index"):
            return value
        bits = bit_width(type)
        if bits == 1:
            return self.low_bits(value, 1)
        if self.fits(value, bits):
            return value
        if value.operation == "constant":
            half = 1 << (bits - 1)
            return integer((int(constant_value(value) or 0) + half) % (2 * half) - half)
        if value.operation in ("wrap", "low_bits") and kept_bits(value) >= bits:
            return self.wrap(value.operands[0], type)
        return term("wrap", "int", value, payload=bits)

    def low_bits(self, value: Term, bits: int) -> Term:
        """The value modulo 2^bits: what an unsigned operation sees."""
        low, high = self.ranges.integer(value)
        if low >= 0 and high < 1 << bits:
            return value
        if value.operation == "constant":
            return integer(int(constant_value(value) or 0) % (1 << bits))
        if value.operation == "wrap" and kept_bits(value) >= bits:
            return self.low_bits(value.operands[0], bits)
        return term("low_bits", "int", value, payload=bits)

    def add(self, *parts: Term) -> Term:
        total = 0
        rest: list[Term] = []
        for part in parts:
            for inner in part.operands if part.operation == "add" else (part,):
                value = constant_value(inner)
                total += int(value) if value is not None else 0
                rest += [] if value is not None else [inner]
        if total or not rest:
            rest.append(integer(total))
        return rest[0] if len(rest) == 1 else self.ordered("add", "int", tuple(rest), None)

    def multiply(self, *parts: Term) -> Term:
        factor = 1
        rest: list[Term] = []
        for part in parts:
            for inner in part.operands if part.operation == "mul" else (part,):
                value = constant_value(inner)
                factor *= int(value) if value is not None else 1
                rest += [] if value is not None else [inner]
        if factor == 0:
            return integer(0)
        if factor != 1 or not rest:
            rest.append(integer(factor))
        return rest[0] if len(rest) == 1 else self.ordered("mul", "int", tuple(rest), None)

    def minimum(self, a: Term, b: Term) -> Term:
        return self._limit("min", a, b)

    def maximum(self, a: Term, b: Term) -> Term:
        return self._limit("max", a, b)

    def _limit(self, kind: str, a: Term, b: Term) -> Term:
        if a is b:
            return a
        if constant_value(a) is not None:
            a, b = b, a
        (low, high), (least, greatest) = self.ranges.integer(a), self.ranges.integer(b)
        if high <= least:
            return a if kind == "min" else b
        if greatest <= low:
            return b if kind == "min" else a
        bound = constant_value(b)
        if bound is not None:
            return self._limit_by_constant(kind, a, int(bound))
        return self.ordered(kind, "int", (a, b), None)

    def _limit_by_constant(self, kind: str, a: Term, bound: int) -> Term:
        """Limits by constants have one order: the upper bound outside, each side once."""
        inner = constant_value(a.operands[1]) if a.operation in ("min", "max") else None
        if inner is not None:
            if a.operation == kind:
                merged = min(inner, bound) if kind == "min" else max(inner, bound)
                return self._limit(kind, a.operands[0], integer(int(merged)))
            if kind == "max":
                # max(min(x, h), l) = min(max(x, l), h) where l <= h; the range said l < h before.
                return self._limit(
                    "min", self._limit("max", a.operands[0], integer(bound)), integer(int(inner))
                )
        if kind == "max" and bound == 0 and (pushed := self._relu_inside(a)) is not None:
            return pushed
        exact = self._without_conversion(kind, a, bound)
        if exact is not None:
            return self._limit(kind, exact, integer(bound))
        return self.ordered(kind, "int", (a, integer(bound)), None)

    def _relu_inside(self, value: Term) -> Term | None:
        """``max(nearest(float(x) · c), 0) = nearest(float(max(x, 0)) · c)`` for c >= 0.

        Scaling and rounding are monotone and keep 0; the sign of a zero is lost in the integer.
        """
        if value.operation in ("nearest", "nearest_shift"):
            inner = self._relu_inside(value.operands[0])
            if value.operation == "nearest_shift":
                inner = self.maximum(value.operands[0], integer(0))
            return None if inner is None else self._rebuild(value, inner)
        if value.operation == "mulf":
            scale = constant_value(value.operands[1])
            if scale is None or not scale >= 0 or math.isinf(scale):
                return None
            inner = self._relu_inside(value.operands[0])
            return None if inner is None else self.float_product(inner, value.operands[1])
        if value.operation == "to_float":
            return self.to_float(self.maximum(value.operands[0], integer(0)), value.type)
        return None

    def _rebuild(self, old: Term, inner: Term) -> Term:
        if old.operation == "nearest":
            return self.nearest(inner)
        return term(old.operation, old.type, inner, payload=old.payload)

    def _without_conversion(self, kind: str, value: Term, bound: int) -> Term | None:
        """``limit(nearest(float(x)))`` is ``limit(x)`` where the limit hides the rounding.

        The conversion is monotone and exact up to 2^p. Above, it stays above; so an upper limit
        below 2^p hides what it does there, and likewise below.
        """
        if value.operation in ("min", "max"):
            return None
        if value.operation != "nearest" or value.operands[0].operation != "to_float":
            return None
        inner = value.operands[0].operands[0]
        exact = exact_integers(value.operands[0].type)
        low, high = self.ranges.integer(inner)
        if abs(bound) > exact:
            return None
        hidden = low >= -exact if kind == "min" else high <= exact
        return inner if hidden else None

    def clamp_conversion(self, value: Term) -> Term:
        """``min(max(nearest(float(x)), l), h)`` is ``min(max(x, l), h)`` for small l and h."""
        if value.operation != "min" or value.operands[0].operation != "max":
            return value
        inner, low = value.operands[0].operands
        high = value.operands[1]
        bounds = constant_value(low), constant_value(high)
        if inner.operation != "nearest" or inner.operands[0].operation != "to_float":
            return value
        exact = exact_integers(inner.operands[0].type)
        if any(bound is None or abs(bound) > exact for bound in bounds):
            return value
        return self.minimum(self.maximum(inner.operands[0].operands[0], low), high)

    # Truth values.

    def compare(self, predicate: str, a: Term, b: Term) -> Term:
        """``lt`` or ``eq`` of mathematical integers; the other predicates reduce to them."""
        if predicate in ("gt", "le"):
            less = self.compare("lt", b, a)
            return less if predicate == "gt" else self.negate(less)
        if predicate in ("ge", "ne"):
            inner = self.compare("lt" if predicate == "ge" else "eq", a, b)
            return self.negate(inner)
        (low, high), (least, greatest) = self.ranges.integer(a), self.ranges.integer(b)
        if predicate == "lt" and (high < least or low >= greatest):
            return integer(int(high < least))
        if predicate == "eq" and (
            high < least or low > greatest or low == high == least == greatest
        ):
            return integer(int(low == least and high == greatest))
        if predicate == "eq" and a.operation in _TRUTHS and constant_value(b) == 0:
            return self.negate(a)
        return self.ordered(predicate, "i1", (a, b), None)

    def compare_floats(self, old: Term, a: Term, b: Term) -> Term:
        """A comparison of whole numbers is one of integers, unless ranges decide it."""
        whole = [self.whole(value) for value in (a, b)]
        finite = all(self.ranges.of(value) is not None for value in (a, b))
        predicate = str(old.payload)[1:]
        if finite and predicate in _ORDER:
            decided = self.compare(predicate, a, b)
            if decided.operation == "constant":
                return decided
        if whole[0] is None or whole[1] is None or not finite or predicate not in _ORDER:
            return term("cmpf", old.type, a, b, payload=old.payload)
        return self.compare(predicate, whole[0], whole[1])

    def negate(self, truth: Term) -> Term:
        if truth.operation == "constant":
            return integer(1 - int(constant_value(truth) or 0))
        if truth.operation == "not":
            return truth.operands[0]
        return term("not", "i1", truth)

    def select(self, type: str, condition: Term, then: Term, otherwise: Term) -> Term:
        if then is otherwise:
            return then
        if condition.operation == "constant":
            return then if constant_value(condition) else otherwise
        if condition.operation == "not":
            return self.select(type, condition.operands[0], otherwise, then)
        then = self._under(condition, True, then)
        otherwise = self._under(condition, False, otherwise)
        if condition.operation == "lt" and not is_float(type):
            limit = self._select_limit(
                condition.operands[0], condition.operands[1], then, otherwise
            )
            if limit is not None:
                return limit
        if condition.operation == "cmpf" and is_float(type):
            limit = self._select_float_limit(condition, then, otherwise)
            if limit is not None:
                return limit
        kind = type if is_float(type) else "int"
        return term("select", kind, condition, then, otherwise)

    def _under(self, condition: Term, truth: bool, value: Term) -> Term:
        """The value where a comparison with a number is known to be true, or false.

        C's clamps convert a float only where the result fits: there, the conversion is exact.
        """
        if condition.operation != "lt" or not has_conversion(value):
            return value
        a, b = condition.operands
        above, below = constant_value(a), constant_value(b)
        if (above is None) == (below is None):
            return value
        low, high = -math.inf, math.inf
        if above is not None:
            low, high = (int(above) + 1, high) if truth else (low, int(above))
        elif below is not None:
            low, high = (low, int(below) - 1) if truth else (int(below), high)
        limited = b if above is not None else a
        least, greatest = self.ranges.integer(limited)
        bounds = max(low, least), min(high, greatest)
        if bounds[0] > bounds[1]:
            return value
        known = {**self.ranges.given, limited: bounds}
        return NormalForm(known, shares_slots=self._shares_slots).of(value)

    def _select_limit(self, a: Term, b: Term, then: Term, otherwise: Term) -> Term | None:
        """``a < b ? a : b`` and its variants, bounds that are off by one included."""
        if then is a and otherwise is b:
            return self.minimum(a, b)
        if then is b and otherwise is a:
            return self.maximum(a, b)
        value_a, value_b = constant_value(a), constant_value(b)
        other = constant_value(otherwise)
        if value_b is not None and then is a and other == value_b - 1:
            return self.minimum(a, otherwise)  # a < c ? a : c - 1
        first = constant_value(then)
        if value_a is not None and first == value_a and self._limited(otherwise, "max", b, value_a):
            return self.minimum(otherwise, then)  # c < b ? c : max(b, l) with l <= c
        if value_b is not None and first == value_b and self._limited(otherwise, "min", a, value_b):
            return self.maximum(otherwise, then)  # a < c ? c : min(a, h) with h >= c
        if value_a is not None and other == value_a and self._limited(then, "min", b, value_a):
            return self.maximum(then, otherwise)  # c < b ? min(b, h) : c with h >= c
        if value_b is not None and other == value_b and self._limited(then, "max", a, value_b):
            return self.minimum(then, otherwise)  # a < c ? max(a, l) : c with l <= c
        if value_b is not None and otherwise is a and first == value_b - 1:
            # a < c ? c - 1 : a: only a < c - 1 changes, and a = c - 1 is the same.
            return self.maximum(a, then)
        if value_a is not None and then is b and other == value_a + 1:
            return self.maximum(b, otherwise)  # c < b ? b : c + 1
        if value_a is not None and otherwise is b and first == value_a + 1:
            return self.minimum(b, then)  # c < b ? c + 1 : b
        return None

    def _limited(self, value: Term, kind: str, inner: Term, bound: float) -> bool:
        """``is_limited``, also where a ReLU went inside of what rounds the value."""
        if is_limited(value, kind, inner, bound):
            return True
        return kind == "max" and bound >= 0 and value is self.maximum(inner, integer(0))

    def _select_float_limit(self, condition: Term, then: Term, otherwise: Term) -> Term | None:
        """A selection between compared floats that are not NaN and not both zero."""
        a, b = condition.operands
        predicate = str(condition.payload)[1:]
        if self.ranges.of(a) is None or self.ranges.of(b) is None:
            return None
        if not self.orders_zeros(a, b):
            return None
        if {then, otherwise} != {a, b} or predicate not in ("gt", "ge", "lt", "le"):
            return None
        smaller = (predicate[0] == "l") == (then is a)
        return self.float_limit("minf" if smaller else "maxf", a, b)

    # Floating point.

    def to_float(self, value: Term, type: str) -> Term:
        known = constant_value(value)
        if known is not None and type in FLOATS:
            return number(float(FLOATS[type](known)), type)
        return term("to_float", type, value)

    def float_product(self, a: Term, b: Term) -> Term:
        x, y = constant_value(a), constant_value(b)
        if x is not None and y is not None and a.type in FLOATS:
            return number(float(FLOATS[a.type](x) * FLOATS[a.type](y)), a.type)
        if x is not None:
            a, b, y = b, a, x
        if y == 1:
            return a
        if y is None:
            return self.ordered("mulf", a.type, (a, b), None)
        inner = constant_value(a.operands[1]) if a.operation == "mulf" else None
        if inner is not None and -1 in (inner, y) and a.type in FLOATS:
            # Rounding is symmetric: -(x · c) is x · (-c).
            return self.float_product(a.operands[0], number(float(inner * y), a.type))
        return term("mulf", a.type, a, b)

    def float_quotient(self, old: Term, a: Term, b: Term) -> Term:
        """Division by a power of two is multiplication with its inverse, which is exact."""
        dividend, divisor = constant_value(a), constant_value(b)
        if dividend is not None and divisor and old.type in FLOATS:
            kind = FLOATS[old.type]
            return number(float(kind(dividend) / kind(divisor)), old.type)
        small = divisor is not None and 2.0**-10 <= abs(divisor) <= 2.0**10
        has_inverse = small and bit_width(old.type) >= 16
        if divisor is not None and has_inverse and math.frexp(abs(divisor))[0] == 0.5:
            return self.float_product(a, number(1.0 / divisor, old.type))
        return term("divf", old.type, a, b)

    def float_root(self, old: Term, a: Term) -> Term:
        """The root of a number, which is rounded once as IEEE and C ask for."""
        known = constant_value(a)
        if known is None or known < 0 or old.type not in FLOATS:
            return term("sqrt", old.type, a)
        return number(float(np.sqrt(FLOATS[old.type](known))), old.type)

    def orders_zeros(self, a: Term, b: Term) -> bool:
        """Whether two finite floats are never zeros of different signs."""
        ranges = [self.ranges.of(value) for value in (a, b)]
        if any(found is not None and not found[0] <= 0 <= found[1] for found in ranges):
            return True
        return never_minus_zero(a) and never_minus_zero(b)

    def float_limit(self, kind: str, a: Term, b: Term) -> Term:
        """The limit of two finite floats for which ``orders_zeros``: no operand comes first."""
        return self.ordered(kind, a.type, (a, b), None)

    def nearest(self, value: Term) -> Term:
        """The float rounded to the nearest integer, ties to even, as a mathematical integer."""
        whole = self.whole(value)
        if whole is not None:
            return whole
        if value.operation == "extf":
            return self.nearest(value.operands[0])
        if value.operation in LIMITS:
            limit = constant_value(value.operands[1])
            if limit is not None and float(limit).is_integer():
                inner = self.nearest(value.operands[0])
                return self._limit(LIMITS[value.operation], inner, integer(int(limit)))
        shift = self._power_of_two_scaling(value)
        if shift is not None:
            return shift
        return term("nearest", "int", value)

    def _power_of_two_scaling(self, value: Term) -> Term | None:
        """``nearest(float(x) · 2^-s)`` of an exactly converted x is an integer operation."""
        if value.operation != "mulf" or value.operands[0].operation != "to_float":
            return None
        scale = constant_value(value.operands[1])
        inner = value.operands[0].operands[0]
        if scale is None or not 0 < scale < 1 or math.frexp(scale)[0] != 0.5:
            return None
        low, high = self.ranges.integer(inner)
        if max(-low, high) > exact_integers(value.type):
            return None
        shift = 1 - math.frexp(scale)[1]
        # Far above the smallest exponent of any type here, so the product is exact.
        return term("nearest_shift", "int", inner, payload=shift) if shift <= 14 else None

    def whole(self, value: Term) -> Term | None:
        """A float that is a whole number, as a mathematical integer."""
        known = constant_value(value)
        if known is not None:
            return integer(int(known)) if float(known).is_integer() else None
        if value.operation in WHOLE_OPERATIONS and self.ranges.of(value.operands[0]) is not None:
            inner = value.operands[0]
            if value.operation == "roundeven":
                return self.nearest(inner)
            return self.whole(inner) or term(WHOLE_OPERATIONS[value.operation], "int", inner)
        if value.operation == "extf":
            return self.whole(value.operands[0])
        if value.operation in LIMITS and self.ranges.of(value) is not None:
            parts = [self.whole(operand) for operand in value.operands]
            if parts[0] is None or parts[1] is None:
                return None
            return self._limit(LIMITS[value.operation], parts[0], parts[1])
        if value.operation == "select":
            then, otherwise = (self.whole(operand) for operand in value.operands[1:])
            if then is None or otherwise is None:
                return None
            return self.select("int", value.operands[0], then, otherwise)
        if value.operation == "to_float":
            low, high = self.ranges.integer(value.operands[0])
            if max(-low, high) <= exact_integers(value.type):
                return value.operands[0]
        return None

    def to_integer(self, old: Term, value: Term) -> Term:
        """C's conversion to an integer, which drops the fraction; undefined where it overflows."""
        whole = self.whole(value)
        if whole is None and self.ranges.of(value) is not None:
            whole = term("truncate", "int", value)
        if whole is not None:
            whole = self.clamp_conversion(whole)
            bits = bit_width(old.type)
            if old.operation == "fptosi" and self.fits(whole, bits):
                return whole
            if old.operation == "fptoui" and self.low_bits(whole, bits) is whole:
                return self.wrap(whole, old.type)
        return term(old.operation, old.type, value)

    def in_order(self, operands: tuple[Term, ...]) -> tuple[Term, ...]:
        """Operands whose order does not matter, in a fixed one."""
        return tuple(sorted(operands, key=partial(order_key, numbered=self._shares_slots)))

    def ordered(
        self, operation: str, type: str, operands: tuple[Term, ...], payload: object
    ) -> Term:
        """The operation, with operands in a fixed order where their order does not matter."""
        if operation in _COMMUTATIVE:
            operands = self.in_order(operands)
        return term(operation, type, *operands, payload=payload)  # pyright: ignore[reportArgumentType]
