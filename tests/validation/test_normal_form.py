"""The normal form of value terms, and the lemmas, against their definitions on numbers."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from liftproof.validation.core.smt import Answer
from liftproof.validation.core.terms import Term, bit_width, constant, constant_value, term
from liftproof.validation.execution.arithmetic import FLOATS, apply
from liftproof.validation.extract.gemmini_values import round_half_even_shift, saturate, store_value
from liftproof.validation.lemmas.equality import equal_for_all
from liftproof.validation.lemmas.normal_form import NormalForm

SUM = term("slot", "i32", payload=("sum", "S", 0))
OTHER = term("slot", "i32", payload=("sum", "T", 1))
INT32 = (-(2**31), 2**31 - 1)
NARROW = {
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f8E4M3": ml_dtypes.float8_e4m3,
    "f8E5M2": ml_dtypes.float8_e5m2,
}


def evaluate(value: Term, slots: dict[Term, int]) -> object:
    """The value of a term on numbers: original terms by ``arithmetic``, normal ones exactly."""
    if value.operation == "slot":
        return np.int32(slots[value]) if value.type == "i32" else slots[value]
    number = constant_value(value)
    if number is not None:
        if value.type in FLOATS:
            return FLOATS[value.type](number)
        return (
            int(number)
            if value.type == "int"
            else apply("trunci", value.type, [np.int64(number)])[()]
        )
    operands = [evaluate(operand, slots) for operand in value.operands]
    exact = EXACT.get(value.operation)
    if exact is not None and value.type in ("int", "i1", *FLOATS) and is_normal(value):
        return exact(value, *operands)
    return apply(value.operation, value.type, operands, value.payload)[()]


def is_normal(value: Term) -> bool:
    """Whether an operation is one of the normal form only, or forms a mathematical integer."""
    return value.type == "int" or value.operation in ("lt", "eq", "not", "to_float", "minf", "maxf")


def wrap(value: Term, x: int) -> int:
    half = 1 << (value.payload - 1)
    return (int(x) + half) % (2 * half) - half


def rounded(value: Term, x: float) -> int:
    return round(float(x))


EXACT = {
    "add": lambda v, *xs: sum(int(x) for x in xs),
    "mul": lambda v, *xs: math.prod(int(x) for x in xs),
    "min": lambda v, a, b: min(int(a), int(b)),
    "max": lambda v, a, b: max(int(a), int(b)),
    "lt": lambda v, a, b: int(a) < int(b),
    "eq": lambda v, a, b: int(a) == int(b),
    "not": lambda v, a: not a,
    "select": lambda v, c, a, b: a if c else b,
    "wrap": wrap,
    "low_bits": lambda v, x: int(x) % (1 << v.payload),
    "shift": lambda v, x: int(x) >> v.payload,
    "nearest": rounded,
    "nearest_shift": lambda v, x: round(int(x) / 2**v.payload),
    "truncate": lambda v, x: int(x),
    "to_float": lambda v, x: FLOATS[v.type](int(x)),
    "minf": lambda v, a, b: min(a, b),
    "maxf": lambda v, a, b: max(a, b),
}


def i32(value: int) -> Term:
    return constant(value, "i32")


@st.composite
def integer_terms(draw, depth: int = 4) -> Term:
    """Post-operations on i32 as C programs write them."""
    if depth == 0 or draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from((SUM, OTHER)))
    x = draw(integer_terms(depth=depth - 1))
    number = i32(draw(st.sampled_from((0, 1, 2, 7, 127, -128, 128, 255, 2**31 - 1))))
    kind = draw(st.sampled_from(KINDS))
    if kind == "select":
        predicate = draw(st.sampled_from(("sgt", "slt", "sge", "sle", "eq", "ult", "ugt")))
        condition = term("cmpi", "i1", x, number, payload=predicate)
        then, otherwise = draw(st.sampled_from(((number, x), (x, number))))
        return term("select", "i32", condition, then, otherwise)
    if kind == "narrow":
        type = draw(st.sampled_from(("i8", "i16")))
        back = draw(st.sampled_from(("extsi", "extui")))
        return term(back, "i32", term("trunci", type, x))
    if kind in ("shrsi", "shrui", "shli"):
        return term(kind, "i32", x, i32(draw(st.integers(0, 31))))
    if kind == "both":
        return term("addi", "i32", x, draw(integer_terms(depth=depth - 1)))
    return term(kind, "i32", x, number)


KINDS = (
    *("select", "select", "narrow", "shrsi", "shrui", "shli", "both", "addi", "subi", "muli"),
    *("minsi", "maxsi", "minui", "maxui", "andi", "xori", "ori"),
)
numbers = st.one_of(
    st.sampled_from((0, 1, -1, 127, 128, -128, -129, 255, 256, *INT32)), st.integers(*INT32)
)


@settings(max_examples=400, deadline=None)
@given(integer_terms(), numbers, numbers)
@example(term("shrui", "i32", SUM, constant(0, "i32")), -1, 0)
def test_integer_terms_keep_their_value(value: Term, x: int, y: int) -> None:
    """Normalising never changes the value of an integer term, wrap-around included."""
    slots = {SUM: x, OTHER: y}
    normal = NormalForm().of(value)
    assert int(evaluate(normal, slots)) == int(evaluate(value, slots))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from((1.0, 0.5, 1 / 64, 0.013, 2.0, 1e-6, 3.7)),
    st.booleans(),
    st.booleans(),
    numbers,
    st.sampled_from((INT32, (-(2**20), 2**20), (-1000, 1000))),
)
def test_store_values_keep_their_value(
    scale: float, before: bool, after: bool, x: int, bounds: tuple[int, int]
) -> None:
    """Scaling, rounding, saturation and ReLU on either side keep their value."""
    x = min(max(x, bounds[0]), bounds[1])
    value = store_value(SUM, before, scale, "i8")
    if after:
        value = term("maxsi", "i8", value, constant(0, "i8"))
    normal = NormalForm({SUM: bounds}).of(value)
    assert int(evaluate(normal, {SUM: x})) == int(evaluate(value, {SUM: x}))


def in_c(relu: str, scale: float, limit: str) -> Term:
    """The same post-operation in one of the spellings of C programs."""
    x = term("maxsi", "i32", SUM, i32(0)) if relu == "before" else SUM
    y = term("mulf", "f32", term("sitofp", "f32", x), constant(scale, "f32"))
    y = term("roundeven", "f32", y)
    if limit == "float":
        for predicate, bound in (("ogt", 127.0), ("olt", -128.0)):
            number = constant(bound, "f32")
            y = term("select", "f32", term("cmpf", "i1", y, number, payload=predicate), number, y)
        return term("fptosi", "i8", y)
    z = term("fptosi", "i32", y)
    if relu == "after":
        z = term("select", "i32", term("cmpi", "i1", z, i32(0), payload="slt"), i32(0), z)
    z = term("select", "i32", term("cmpi", "i1", z, i32(127), payload="sgt"), i32(127), z)
    z = term("select", "i32", term("cmpi", "i1", z, i32(-128), payload="slt"), i32(-128), z)
    return term("trunci", "i8", z)


@pytest.mark.parametrize("scale", [1.0, 1 / 64, 0.0078, 0.73])
@pytest.mark.parametrize(
    ("relu", "limit"),
    [("none", "float"), ("none", "int"), ("before", "float"), ("before", "int"), ("after", "int")],
)
def test_spellings_of_the_store(relu: str, limit: str, scale: float) -> None:
    """Limits in floats or integers, ReLU before or after scaling: all equal the machine's store."""
    stored = store_value(SUM, relu != "none", scale, "i8")
    # Near 2^31 the conversion back to int32 would overflow, which C leaves undefined.
    defined = {SUM: (-(2**30), 2**30)}
    assert equal_for_all(in_c(relu, scale, limit), stored, defined).answer is Answer.UNSAT


def test_a_truth_value_has_two_numbers() -> None:
    """``extui`` of one bit gives 1, ``extsi`` and ``sitofp`` give -1, as MLIR defines them."""
    truth = term("cmpi", "i1", SUM, i32(0), payload="slt")
    signed, unsigned = (term(name, "i32", truth) for name in ("extsi", "extui"))
    assert equal_for_all(signed, unsigned, {}).answer is Answer.SAT
    negated = term("subi", "i32", i32(0), unsigned)
    assert equal_for_all(signed, negated, {}).answer is Answer.UNSAT
    floats = [term(name, "f32", truth) for name in ("sitofp", "uitofp")]
    assert equal_for_all(floats[0], floats[1], {}).answer is not Answer.UNSAT


def test_clamp_of_converted_values_is_a_limit() -> None:
    """``x > 127 ? 127 : x < -128 ? -128 : (int8_t)x`` is the limited x: the cast keeps it there."""
    x = term("slot", "i32", payload=("sum", 0, 0))
    byte = term("trunci", "i8", x)

    def below(number: int, then: Term, otherwise: Term) -> Term:
        low = term("cmpi", "i1", x, constant(number, "i32"), payload="slt")
        return term("select", "i8", low, then, otherwise)

    clamp = below(-128, constant(-128, "i8"), below(128, byte, constant(127, "i8")))
    loose = below(-128, constant(-128, "i8"), below(129, byte, constant(127, "i8")))
    form = NormalForm()
    assert form.of(clamp) is form.of(saturate(x, "i8"))
    assert form.of(loose) is not form.of(clamp)


def test_truncation_is_not_saturation() -> None:
    """Truncating to int8 differs from saturating, unless the sum is known to fit."""
    truncated = term("trunci", "i8", SUM)
    result = equal_for_all(truncated, saturate(SUM, "i8"), {})
    assert result.answer is Answer.SAT
    value = dict(result.witness)[SUM]
    assert not -128 <= value <= 127
    small = {SUM: (-100, 100)}
    assert equal_for_all(truncated, saturate(SUM, "i8"), small).answer is Answer.UNSAT


def shifted(shift: int) -> Term:
    return saturate(round_half_even_shift(SUM, shift), "i8")


@pytest.mark.parametrize("shift", [1, 6, 8])
def test_rounding_shift_equals_scaling_while_exact(shift: int) -> None:
    """A shift that rounds half to even is a scale by a power of two, up to 2^24."""
    scaled = store_value(SUM, False, 2.0**-shift, "i8")
    exact = {SUM: (-(2**24), 2**24)}
    assert equal_for_all(shifted(shift), scaled, exact).answer is Answer.UNSAT


def test_shift_by_18_is_not_scaling_beyond_2_to_24() -> None:
    """For K just above 1024 the conversion to float32 shows: 19005441 · 2^-18 rounds to 72."""
    scaled = store_value(SUM, False, 2.0**-18, "i8")
    beyond = {SUM: (-(2**25), 2**25)}
    result = equal_for_all(shifted(18), scaled, beyond)
    assert result.answer is Answer.SAT
    value = dict(result.witness)[SUM]
    assert evaluate(shifted(18), {SUM: value}) != evaluate(scaled, {SUM: value})
    assert abs(value) > 2**24


def test_other_rounding_is_not_equal() -> None:
    """Truncation toward zero differs from rounding to nearest even."""
    y = term("mulf", "f32", term("sitofp", "f32", SUM), constant(0.25, "f32"))
    dropped = term("fptosi", "i32", y)
    limited = saturate(dropped, "i8")
    exact = {SUM: (-(2**20), 2**20)}
    result = equal_for_all(limited, store_value(SUM, False, 0.25, "i8"), exact)
    assert result.answer is Answer.SAT


@pytest.mark.parametrize("name", ["f16", "bf16", "f8E4M3", "f8E5M2"])
def test_narrowing_takes_back_widening(name: str) -> None:
    """Widening to float32 is exact for every number of every narrow type, also back again."""
    numbers = np.arange(2 ** bit_width(name), dtype=f"uint{bit_width(name)}").view(NARROW[name])
    numbers = numbers[~np.isnan(numbers)]
    assert np.array_equal(numbers.astype(np.float32).astype(NARROW[name]), numbers)
    narrow = term("slot", name, payload=("input", 0, 0))
    wide = term("extf", "f32", narrow)
    assert NormalForm().of(term("truncf", name, wide)) is narrow


def test_narrowing_to_another_type_stays() -> None:
    """What was widened from bfloat16 may not fit a half, so that conversion is none."""
    wide = term("extf", "f32", term("slot", "bf16", payload=("input", 0, 0)))
    half = term("truncf", "f16", wide)
    assert NormalForm().of(half) is half


@pytest.mark.parametrize("factors", [(0.3, -1.0), (-1.0, 0.3), (-1.0, -1.0), (0.3, 0.7)])
def test_signs_of_factors(factors: tuple[float, float]) -> None:
    """A sign goes into another factor, which rounds alike; two other factors round twice."""
    value = x = term("input", "f32", payload=0)
    for factor in factors:
        value = term("mulf", "f32", value, constant(factor, "f32"))
    product = factors[0] * factors[1]
    once = NormalForm().of(term("mulf", "f32", x, constant(product, "f32")))
    assert (NormalForm().of(value) is once) == (-1.0 in factors)


def test_selections_where_a_condition_fails() -> None:
    """That a comparison is 0 selects what the comparison itself does the other way round."""
    x, y = (term("slot", "f32", payload=("input", place, place)) for place in (0, 1))
    holds = term("cmpf", "i1", x, constant(0.0, "f32"), payload="oeq")
    fails = term("cmpi", "i1", holds, constant(0, "i1"), payload="eq")
    one = NormalForm().of(term("select", "f32", fails, x, y))
    assert one is NormalForm().of(term("select", "f32", holds, y, x))
    assert one is not NormalForm().of(term("select", "f32", fails, y, x))


def test_quotients_and_roots_of_constants() -> None:
    """They are the floats that C computes, rounded after each operation."""
    root = term("sqrt", "f32", constant(128.0, "f32"))
    scale = NormalForm().of(term("divf", "f32", constant(1.0, "f32"), root))
    assert constant_value(scale) == float(np.float32(1) / np.sqrt(np.float32(128)))
    for value in (
        term("sqrt", "f32", constant(-1.0, "f32")),
        term("divf", "f32", root, constant(0.0, "f32")),
    ):
        assert constant_value(NormalForm().of(value)) is None
