"""``__bf16`` and ``_Float16``: types of memory, which a kernel converts to and from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.lifting.tensors.numpy_view import numpy_function
from liftproof.validation.validate import validate
from ml_dtypes import bfloat16

KERNEL = """
void f(const {type} a[8], const {type} b[8], {type} c[8]) {{
  for (int i = 0; i < 8; i++) c[i] = {value};
}}"""


def kernel(type: str, value: str) -> str:
    return KERNEL.format(type=type, value=value)


@pytest.mark.parametrize(("type", "name"), [("__bf16", "bf16"), ("_Float16", "f16")])
def test_conversions_are_operations(type: str, name: str) -> None:
    """Operands are widened exactly, the result is rounded, and constants are rounded as well."""
    text = str(parse_c_kernel(kernel(type, "(float)a[i] * (float)b[i] + 0.1f"), "k.c"))
    assert text.count(f"arith.extf %{{}} : {name} to f32".split("%{}")[1]) == 2
    assert f": f32 to {name}" in text
    assert f"arith.truncf %cst : f32 to {name}" in str(parse_c_kernel(kernel(type, "0.1f"), "k.c"))


@pytest.mark.parametrize("value", ["a[i] * b[i]", "-a[i]", "a[i] + 1", "a[i] < b[i]"])
def test_arithmetic_is_refused(value: str) -> None:
    """Compilers differ in how often they round, so that nothing is computed in 16 bits."""
    with pytest.raises(Diagnostic, match="compilers differ") as caught:
        parse_c_kernel(kernel("__bf16", value), "k.c")
    assert "(float)x" in str(caught.value.hint)


def test_one_16_bit_type_is_not_the_other() -> None:
    """There is no conversion between them but through float."""
    text = "void f(const __bf16 a[1], _Float16 c[1]) { c[0] = a[0]; }"
    with pytest.raises(Diagnostic, match="conversion from __bf16"):
        parse_c_kernel(text, "k.c")


def test_precision_is_not_changed_silently() -> None:
    """Rounding in between is another program, and so is not rounding."""
    rounded = parse_c_kernel(
        "void f(const float a[8], float c[8]) {"
        " for (int i = 0; i < 8; i++) { __bf16 t = a[i]; c[i] = (float)t; } }",
        "k.c",
    )
    plain = "void f(const float a[8], float c[8]) { for (int i = 0; i < 8; i++) c[i] = a[i]; }"
    assert validate(rounded, rounded).verdict == "proved"
    assert validate(parse_c_kernel(plain, "k.c"), rounded).verdict != "proved"


def test_lifted_kernels_run_in_numpy() -> None:
    """The Python text of a lifted product rounds as the kernel does."""
    text = """
void f(const __bf16 a[4][8], const _Float16 b[8][4], __bf16 c[4][4]) {
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) {
      float s = 0.0f;
      for (int k = 0; k < 8; k++) s += (float)a[i][k] * (float)b[k][j];
      c[i][j] = s;
    }
}"""
    names: dict[str, Any] = {}
    exec(numpy_function(lift(parse_c_kernel(text, "k.c"))), names)
    rng = np.random.default_rng(5)
    a = rng.integers(-9, 9, (4, 8)).astype(bfloat16)
    b = rng.integers(-9, 9, (8, 4)).astype(np.float16)
    expected = (a.astype(np.float32) @ b.astype(np.float32)).astype(bfloat16)
    assert np.array_equal(names["f"](a, b, np.zeros((4, 4), bfloat16)), expected)
