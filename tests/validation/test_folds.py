"""Products, minima and maxima: reductions that are proved, and those that are not the same."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.validation.validate import Validation, validate

KERNEL = """
#include <stdint.h>
void kernel(const {type} A[5][7], {type} y[5]) {{
  for (int i = 0; i < 5; i++) {{
    {type} m = {start};
    for (int j = {first}; j < 7; j++) {{ {step} }}
    y[i] = m;
  }}
}}
"""
MAXIMUM = "if (A[i][j] > m) m = A[i][j];"
MINIMUM = "m = A[i][j] < m ? A[i][j] : m;"
PRODUCT = "m *= A[i][j];"


def _kernel(type: str, start: str, step: str, first: int = 0) -> str:
    return KERNEL.format(type=type, start=start, step=step, first=first)


def _compared(left: str, right: str) -> Validation:
    source = parse_c_kernel(left, "left.c")
    return validate(source, lift(parse_c_kernel(right, "right.c")))


@pytest.mark.parametrize("type", ["int8_t", "uint8_t", "int32_t", "uint32_t"])
@pytest.mark.parametrize(
    ("start", "step", "first"),
    [("A[i][0]", MAXIMUM, 1), ("A[i][0]", MINIMUM, 1), ("0", MAXIMUM, 0)],
)
def test_integer_limits_are_proved(type: str, start: str, step: str, first: int) -> None:
    """A lifted minimum or maximum equals the loop, with no more assumptions."""
    text = _kernel(type, start, step, first)
    result = _compared(text, text)
    assert result.verdict == "proved"
    assert not any("NaN" in text for text in result.assumptions)


@pytest.mark.parametrize("type", ["int32_t", "uint32_t"])
def test_integer_products_are_proved(type: str) -> None:
    """A lifted product equals the loop modulo 2^32, with no more assumptions."""
    text = _kernel(type, "1", PRODUCT)
    result = _compared(text, text)
    assert result.verdict == "proved"
    assert not any("reassociated" in text for text in result.assumptions)


@pytest.mark.parametrize(
    ("step", "assumption"), [(MAXIMUM, "NaN"), (MINIMUM, "NaN"), (PRODUCT, "reassociated")]
)
def test_float_reductions_name_what_they_assume(step: str, assumption: str) -> None:
    """Order matters in floating point: the verdict says what is taken for granted."""
    text = _kernel("float", "A[i][0]", step, 1)
    result = _compared(text, text)
    assert result.verdict == "proved"
    assert any(assumption in text for text in result.assumptions)


def test_the_order_of_a_maximum_does_not_matter() -> None:
    """Columns from last to first have the same maximum."""
    backwards = MAXIMUM.replace("[j]", "[6 - j]")
    right = _kernel("int32_t", "A[i][6]", backwards, 1)
    assert _compared(_kernel("int32_t", "A[i][0]", MAXIMUM, 1), right).verdict == "proved"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("A[i][0]", MAXIMUM, 1), ("A[i][0]", MAXIMUM, 0)),
        (("A[i][3]", MAXIMUM, 0), ("A[i][6]", MAXIMUM, 0)),
        (("INT8_MIN", MAXIMUM, 0), ("A[i][0]", MAXIMUM, 1)),
        (("INT8_MAX", MINIMUM, 0), ("A[i][0]", MINIMUM, 1)),
        (("INT8_MIN", MAXIMUM + " m = A[i][6] > m ? A[i][6] : m;", 0), ("INT8_MIN", MAXIMUM, 0)),
    ],
)
def test_a_limit_does_not_count(left: tuple[str, str, int], right: tuple[str, str, int]) -> None:
    """How often a value occurs in a minimum or maximum, and what is beyond all, do not matter."""
    assert _compared(_kernel("int8_t", *left), _kernel("int8_t", *right)).verdict == "proved"


@pytest.mark.parametrize("step", [MAXIMUM, MINIMUM])
def test_a_limit_in_a_wider_type_is_the_same(step: str) -> None:
    """Widened elements have the same order; what starts in between does matter."""
    narrow = _kernel("int8_t", "A[i][0]", step, 1)
    start = "-1000" if step is MAXIMUM else "1000"
    wide = _kernel("int8_t", start, step).replace("int8_t m", "int m")
    assert _compared(narrow, wide).verdict == "proved"
    assert _compared(narrow, wide.replace(start, "5")).verdict == "refuted"
    unsigned = wide.replace("A[i][j]", "(uint8_t)A[i][j]")
    assert _compared(narrow, unsigned).verdict == "refuted"


@pytest.mark.parametrize(
    ("start", "step", "first"),
    [
        ("A[i][0]", MINIMUM, 1),
        ("A[i][0]", MAXIMUM, 2),
        ("A[i][1]", MAXIMUM, 1),
        ("0", MAXIMUM, 0),
        ("A[i][0]", MAXIMUM.replace("A[i][j]", "A[0][j]"), 1),
        ("A[i][0]", PRODUCT, 1),
        ("A[i][0]", "m += A[i][j];", 1),
    ],
)
def test_other_reductions_are_refuted(start: str, step: str, first: int) -> None:
    """Another operation, a missing element or another start gives inputs that differ."""
    left = _kernel("int32_t", "A[i][0]", MAXIMUM, 1)
    result = _compared(left, _kernel("int32_t", start, step, first))
    assert result.verdict == "refuted"
    assert result.counterexample is not None


def test_signed_and_unsigned_maxima_differ() -> None:
    """The same bits have another maximum when they count as unsigned."""
    signed = _kernel("int8_t", "A[i][0]", MAXIMUM, 1)
    unsigned = signed.replace("> m", "> (uint8_t)m").replace("if (A", "if ((uint8_t)A")
    assert _compared(signed, unsigned).verdict != "proved"


def test_a_limit_after_a_sum_is_no_reduction() -> None:
    """A cell that is summed up and then limited once keeps its sum."""
    text = _kernel("int32_t", "0", "m += A[i][j];")
    text = text.replace("y[i] = m", "if (m < 0) m = 0; y[i] = m")
    result = _compared(text, text)
    assert result.verdict == "proved"


def test_sums_and_maxima_in_one_cell_are_not_mixed() -> None:
    """A running sum that is limited at every step is neither a sum nor a maximum."""
    text = _kernel("int32_t", "0", "m += A[i][j]; if (m < 0) m = 0;")
    source = parse_c_kernel(text, "left.c")
    plain = _kernel("int32_t", "0", "m += A[i][j];")
    assert validate(source, lift(parse_c_kernel(plain, "right.c"))).verdict != "proved"


MASKED = """
#include <math.h>
void kernel(const float A[6][6], float y[6]) {{
  for (int i = 0; i < 6; i++) {{
    float m = {start};
    for (int j = 0; j < {end}; j++) {{
      float v = {value};
      if (v {order} m) m = v;
    }}
    y[i] = m;
  }}
}}
"""


@pytest.mark.parametrize(
    ("order", "infinity", "fill", "verdict"),
    [
        (">", "-INFINITY", "-INFINITY", "proved"),
        ("<", "INFINITY", "INFINITY", "proved"),
        (">", "-INFINITY", "INFINITY", "refuted"),
        (">", "-INFINITY", "0.0f", "refuted"),
    ],
)
def test_infinities_never_decide_a_limit(
    order: str, infinity: str, fill: str, verdict: str
) -> None:
    """Elements may be masked by the infinity that every number is beyond, and by nothing else."""
    short = MASKED.format(start=infinity, end="i + 1", value="A[i][j]", order=order)
    value = f"j <= i ? A[i][j] : {fill}"
    masked = MASKED.format(start=infinity, end="6", value=value, order=order)
    programs = (parse_c_kernel(text, "kernel.c") for text in (short, masked))
    assert validate(*programs).verdict == verdict


SCALED = """
#include <math.h>
void kernel(const float A[5][7], float y[5]) {{
  for (int i = 0; i < 5; i++) {{
    float m = {start};
    for (int j = 0; j < 7; j++) m = {limit}(m, {element});
    y[i] = {result};
  }}
}}
"""
MAXIMA, MINIMA = ("-INFINITY", "fmaxf"), ("INFINITY", "fminf")


@pytest.mark.parametrize(
    ("limits", "element", "result", "verdict"),
    [
        (MINIMA, "-A[i][j]", "expf(m)", "proved"),
        (MINIMA, "-0.3f * A[i][j]", "expf(0.3f * m)", "refuted"),
        (MAXIMA, "-A[i][j]", "expf(m)", "refuted"),
        (MAXIMA, "A[i][j]", "expf(-1.0f * m)", "proved"),
    ],
)
def test_numbers_go_through_limits(
    limits: tuple[str, str], element: str, result: str, verdict: str
) -> None:
    """Minus a maximum is the least of the negated values, and so for any number but zero."""
    largest = SCALED.format(start="-INFINITY", limit="fmaxf", element="A[i][j]", result="expf(-m)")
    other = SCALED.format(start=limits[0], limit=limits[1], element=element, result=result)
    programs = (parse_c_kernel(text, "kernel.c") for text in (largest, other))
    assert validate(*programs).verdict == verdict


@pytest.mark.parametrize(
    ("factor", "limits", "verdict"),
    [("0.3f", MAXIMA, "proved"), ("-0.3f", MINIMA, "proved"), ("-0.3f", MAXIMA, "refuted")],
)
def test_rounding_keeps_the_order_of_a_limit(
    factor: str, limits: tuple[str, str], verdict: str
) -> None:
    """Scores may be scaled before their maximum, or the maximum after it."""
    after = SCALED.format(
        start="-INFINITY", limit="fmaxf", element="A[i][j]", result=f"{factor} * m"
    )
    element = f"{factor} * A[i][j]"
    before = SCALED.format(start=limits[0], limit=limits[1], element=element, result="m")
    programs = (parse_c_kernel(text, "kernel.c") for text in (after, before))
    assert validate(*programs).verdict == verdict
