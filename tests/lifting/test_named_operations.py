"""Generic operations that are products of matrices get their name, others do not."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.lifting.tensors.named_operations import with_named_operations
from liftproof.validation.fuzz import parse_module
from liftproof.validation.validate import validate

KERNEL = """#include <stdint.h>
void f(const {type} A[{a}], const {type} B[{b}], {sum} C[12][20]) {{
  for (int i = 0; i < 12; i++)
    for (int j = 0; j < 20; j++) {{
      {sum} s = 0;
      for (int k = 0; k < 8; k++) s {add} {value};
      C[i][j] = s;
    }}
}}"""
PLAIN = {"a": "12][8", "b": "8][20", "add": "+=", "value": "A[i][k] * B[k][j]"}
TURNED = {"a": "8][12", "b": "20][8", "add": "+=", "value": "A[k][i] * B[j][k]"}


@pytest.mark.parametrize("types", [("int32_t", "int32_t"), ("float", "float")])
@pytest.mark.parametrize("form", [PLAIN, PLAIN | {"value": "B[k][j] * A[i][k]"}])
def test_products_have_a_name(types: tuple[str, str], form: dict[str, str]) -> None:
    """The named program is printed, read back, and proved equal to the loops."""
    loops = parse_c_kernel(KERNEL.format(type=types[0], sum=types[1], **form), "f.c")
    text = str(with_named_operations(lift_and_prove(loops).module))
    assert "linalg.matmul" in text
    assert "linalg.generic" not in text
    result = validate(loops, parse_module(text))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize(
    ("types", "form"),
    [
        (("int8_t", "int32_t"), PLAIN),
        (("float", "float"), TURNED),
        (("int32_t", "int32_t"), PLAIN | {"value": "A[i][k] + B[k][j]"}),
        (("int32_t", "int32_t"), PLAIN | {"value": "A[i][k] * B[k][j] * 2"}),
        (("int32_t", "int32_t"), PLAIN | {"value": "A[i][k] * A[i][k]"}),
    ],
)
def test_others_have_none(types: tuple[str, str], form: dict[str, str]) -> None:
    """Widened or transposed operands, other operations, products of one matrix stay generic."""
    loops = parse_c_kernel(KERNEL.format(type=types[0], sum=types[1], **form), "f.c")
    assert "linalg.matmul" not in str(with_named_operations(lift_and_prove(loops).module))
