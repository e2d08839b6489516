"""Gemmini's value formulas (``hw.gemmini.semantics``) as terms (trusted core).

Each function is the term of the formula of the same name there; the tests evaluate both on the same
numbers.
"""

from __future__ import annotations

import math

from ..core.terms import Term, bit_width, constant, is_float, term


def store_value(value: Term, relu: bool, scale: float, type: str) -> Term:
    """What a move-out makes of an accumulator element: ReLU, then scaling and saturation."""
    if is_float(value.type):
        return store_value_float(value, relu, scale)
    if relu:
        value = term("maxsi", value.type, value, constant(0, value.type))
    return scale_and_saturate(value, scale, type)


def store_value_float(value: Term, relu: bool, scale: float) -> Term:
    """``store_value`` of a floating-point configuration."""
    if relu:
        zero = constant(0.0, value.type)
        positive = term("cmpf", "i1", zero, value, payload="ogt")
        value = term("select", value.type, positive, zero, value)
    return scaled_float(value, scale)


def scaled_float(value: Term, scale: float) -> Term:
    """A float times the scale; the factor 1 changes nothing."""
    if scale == 1.0:
        return value
    return term("mulf", value.type, value, constant(scale, value.type))


def scale_and_saturate(value: Term, scale: float, type: str) -> Term:
    """``value · scale`` in float32, rounded half to even, clipped to an integer type."""
    if not math.isfinite(scale):
        raise ValueError(f"scale {scale}")
    single = term("sitofp", "f32", value)
    product = term("mulf", "f32", single, constant(scale, "f32"))
    whole = term("roundeven", "f32", product)
    half = 1 << (bit_width(type) - 1)
    raised = term("maximumf", "f32", whole, constant(float(-half), "f32"))
    limited = term("minimumf", "f32", raised, constant(float(half - 1), "f32"))
    return term("fptosi", type, limited)


def saturate(value: Term, type: str) -> Term:
    """Clip to the range of a narrower integer type."""
    half = 1 << (bit_width(type) - 1)
    raised = term("maxsi", value.type, value, constant(-half, value.type))
    limited = term("minsi", value.type, raised, constant(half - 1, value.type))
    return term("trunci", type, limited)


def clipped(value: Term, bits: int) -> Term:
    """Clip to ``bits`` signed bits, in the type of the value."""
    half = 1 << (bits - 1)
    raised = term("maxsi", value.type, value, constant(-half, value.type))
    return term("minsi", value.type, raised, constant(half - 1, value.type))


def round_half_even_shift(value: Term, shift: int) -> Term:
    """``value / 2**shift`` rounded to nearest, ties to even, on integers."""
    if shift == 0:
        return value
    kind = value.type
    quotient = term("shrsi", kind, value, constant(shift, kind))
    odd = term("andi", kind, quotient, constant(1, kind))
    # Formed in 64 bits, as the machine's wider adder does: no wrap-around.
    wide = term("extsi", "i64", value)
    biased = term("addi", "i64", wide, constant((1 << (shift - 1)) - 1, "i64"))
    biased = term("addi", "i64", biased, term("extsi", "i64", odd))
    return term("trunci", kind, term("shrsi", "i64", biased, constant(shift, "i64")))


def spad_result(value: Term, relu: bool, type: str) -> Term:
    """What a computation writes to a scratchpad target."""
    result = value if is_float(value.type) else saturate(value, type)
    if not relu:
        return result
    if is_float(type):
        return store_value_float(result, True, 1.0)
    return term("maxsi", type, result, constant(0, type))


def widened(value: Term, type: str) -> Term:
    """A scratchpad element as an accumulator element."""
    if value.type == type:
        return value
    return term("extf" if is_float(type) else "extsi", type, value)


def product(left: Term, right: Term, type: str) -> Term:
    operation = "mulf" if is_float(type) else "muli"
    return term(operation, type, widened(left, type), widened(right, type))


def zero(type: str) -> Term:
    return constant(0.0 if is_float(type) else 0, type)
