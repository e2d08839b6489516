"""What is done to a sum before it is stored: scaling, rounding and limits in C's many spellings."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.smt import Answer
from liftproof.validation.core.terms import Term, term
from liftproof.validation.lemmas.encoding import equality_query
from liftproof.validation.lemmas.evaluation import MOST_VALUES, difference
from liftproof.validation.lemmas.normal_form import integer, number
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp

KERNEL = """#include <stdint.h>
#include <math.h>
void k(const int8_t A[20][12], const int8_t B[12][24], int8_t C[20][24]) {
  for (int i = 0; i < 20; i++)
    for (int j = 0; j < 24; j++) {
      int32_t acc = 0;
      for (int k = 0; k < 12; k++) acc += A[i][k] * B[k][j];
      POST
    }
}"""
FLOAT_CLAMP = (
    "float x = rintf((float)acc * SCALE); C[i][j] = x > 127 ? 127 : x < -128 ? -128 : (int8_t)x;"
)
EQUAL = {
    "integer clamp": "int32_t x = (int32_t)rintf((float)acc * SCALE);"
    " C[i][j] = x > 127 ? 127 : x < -128 ? -128 : x;",
    "mixed clamp": "float x = rintf((float)acc * SCALE);"
    " C[i][j] = (int8_t)(x > 127 ? 127 : x < -128 ? -128 : (int)x);",
    "clamp before rounding": "float x = (float)acc * SCALE;"
    " C[i][j] = x > 127.0f ? 127 : x < -128.0f ? -128 : (int8_t)rintf(x);",
    "fminf": "C[i][j] = (int8_t)fminf(fmaxf(rintf((float)acc * SCALE), -128.0f), 127.0f);",
    "double": "double x = rint((double)acc * SCALE);"
    " C[i][j] = x > 127 ? 127 : x < -128 ? -128 : (int8_t)x;",
}
POWER_OF_TWO = {
    "division": "float x = rintf((float)acc / 64.0f);"
    " C[i][j] = x > 127 ? 127 : x < -128 ? -128 : (int8_t)x;",
    "shift": "int32_t x = (acc + 31 + ((acc >> 6) & 1)) >> 6;"
    " C[i][j] = x > 127 ? 127 : x < -128 ? -128 : x;",
}
WRONG = {
    "half up": "int32_t x = (acc + 32) >> 6; C[i][j] = x > 127 ? 127 : x < -128 ? -128 : x;",
    "scale": FLOAT_CLAMP.replace("SCALE", "0.0157f"),
    "limit": FLOAT_CLAMP.replace("127 :", "126 :"),
    "truncated": FLOAT_CLAMP.replace("rintf", "truncf"),
    "rounded down": FLOAT_CLAMP.replace("rintf", "floorf"),
    "half away from zero": FLOAT_CLAMP.replace("rintf", "roundf"),
    "ReLU": FLOAT_CLAMP.replace("C[i]", "x = x < 0 ? 0 : x; C[i]"),
    "no limit": "C[i][j] = (int8_t)(int32_t)rintf((float)acc * SCALE);",
}


def kernel(post: str, scale: str = "0.015625f") -> ModuleOp:
    return parse_c_kernel(KERNEL.replace("POST", post).replace("SCALE", scale), "k.c")


@pytest.mark.parametrize("name", [*EQUAL, *POWER_OF_TWO])
def test_spellings_of_requantisation_are_equal(name: str) -> None:
    """However the limits and the rounding are written, it is the same function of the sum."""
    result = validate(kernel(FLOAT_CLAMP), kernel((EQUAL | POWER_OF_TWO)[name]))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize("name", ["integer clamp", "clamp before rounding", "double"])
def test_any_scale_is_decided(name: str) -> None:
    """So they are for a scale whose products are rounded."""
    result = validate(kernel(FLOAT_CLAMP, "0.0123f"), kernel(EQUAL[name], "0.0123f"))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize("name", WRONG)
def test_other_post_operations_are_refuted(name: str) -> None:
    """Another rounding, limit or scale is refuted by a sum that shows it."""
    result = validate(kernel(FLOAT_CLAMP), kernel(WRONG[name]))
    assert result.verdict == "refuted", (result.verdict, result.reason)


X = term("slot", "i32", payload=("sum", ("S", 0), 0))
FLOAT = term("to_float", "f32", X)
SCALED = term("mulf", "f32", FLOAT, number(0.3, "f32"))
TERMS: list[Term] = [
    term("add", "int", X, integer(7)),
    term("mul", "int", X, X, integer(-3)),
    term("min", "int", X, integer(11)),
    term("max", "int", X, integer(-11)),
    term("wrap", "int", X, payload=8),
    term("low_bits", "int", X, payload=5),
    term("shift", "int", X, payload=3),
    term("nearest_shift", "int", X, payload=4),
    term("andi", "i32", X, integer(0x55)),
    term("ori", "i32", X, integer(0x55)),
    term("xori", "i32", X, integer(0x55)),
    term("select", "int", term("lt", "i1", X, integer(3)), integer(1), X),
    term("select", "int", term("not", "i1", term("eq", "i1", X, integer(3))), integer(1), X),
    term("nearest", "int", SCALED),
    term("floor_int", "int", SCALED),
    term("ceil_int", "int", SCALED),
    term("truncate", "int", SCALED),
    term("fptosi", "i32", SCALED),
    term("nearest", "int", term("maxf", "f32", SCALED, number(2.0, "f32"))),
    term("nearest", "int", term("minf", "f32", SCALED, number(2.0, "f32"))),
    term("nearest", "int", term("addf", "f32", SCALED, FLOAT)),
    term(
        "select",
        "int",
        term("cmpf", "i1", SCALED, number(2.0, "f32"), payload="ogt"),
        integer(5),
        integer(6),
    ),
]


@pytest.mark.parametrize("value", TERMS, ids=lambda value: value.operation)
def test_evaluation_agrees_with_the_solver(value: Term) -> None:
    """Both readers of a lemma, NumPy and Z3, mean the same by each operation."""
    for x in (-70001, -5, 0, 7, 123457):
        point = {X: (x, x)}
        shifted = term("add", "int", value, integer(1))
        assert difference(value, shifted, point, combinations=MOST_VALUES) == (True, {X: x})
        near = _near(value, x)
        equal = [n for n in (near, near + 1) if not differs(value, integer(n), point)]
        assert len(equal) == 1
        answer, _ = equality_query(value, integer(equal[0]), point, frozenset(), 10_000_000)
        assert answer is Answer.UNSAT


def differs(left: Term, right: Term, point: dict[Term, tuple[float, float]]) -> bool:
    found = difference(left, right, point, combinations=MOST_VALUES)
    assert found is not None
    return found[0]


def _near(value: Term, x: int) -> int:
    """A number close to what the term is at ``x``, found by bisection over the integers."""
    low, high = -(2**40), 2**40
    point = {X: (x, x)}
    while high - low > 1:
        middle = (low + high) // 2
        above = term("lt", "i1", value, integer(middle))
        if differs(above, integer(1), point):
            low = middle
        else:
            high = middle
    return low


def test_evaluation_knows_its_limits() -> None:
    """Too many values, and conversions and quotients that do not fit, are not decided."""
    assert difference(X, term("max", "int", X, X), {}, combinations=MOST_VALUES) is None
    large = term("fptosi", "i8", FLOAT)
    wrapped = term("wrap", "int", X, payload=8)
    assert difference(large, wrapped, {X: (-1000, 1000)}, combinations=MOST_VALUES) is None
    minus_zero = term("mulf", "f32", FLOAT, number(-1.0, "f32"))
    found = difference(minus_zero, FLOAT, {X: (0, 0)}, combinations=MOST_VALUES)
    assert found is not None
    assert found[0]
    overflow = {X: (-128, 127)}
    for name in ("divsi", "floordivsi"):
        narrow, wide = (term(name, type, X, integer(-1)) for type in ("i8", "i32"))
        assert difference(wide, narrow, overflow, combinations=MOST_VALUES) is None
