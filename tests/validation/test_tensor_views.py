"""Slices and reshapes of tensors, and sums in narrow types."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.fuzz import parse_module
from liftproof.validation.validate import validate

HEAD = "#include <stdint.h>\n"
ATTRIBUTES = 'attributes {"liftproof.outputs" = array<i64: 1>}'

SLICES = (
    """void k(const int32_t A[12], int32_t y[12]) {
  for (int i = 0; i < 5; i++) y[2 * i + 1] = A[i + 3];
}""",
    f"""func.func @k(%A: tensor<12xi32>, %y: tensor<12xi32>) -> tensor<12xi32> {ATTRIBUTES} {{
  %part = tensor.extract_slice %A[3] [5] [1] : tensor<12xi32> to tensor<5xi32>
  %r = tensor.insert_slice %part into %y[1] [5] [2] : tensor<5xi32> into tensor<12xi32>
  func.return %r : tensor<12xi32>
}}""",
    ("%A[3]", "%A[2]"),
)
COLUMN = (
    """void k(const int32_t A[6][4], int32_t y[6]) {
  for (int i = 0; i < 6; i++) y[i] = A[i][2];
}""",
    f"""func.func @k(%A: tensor<6x4xi32>, %y: tensor<6xi32>) -> tensor<6xi32> {ATTRIBUTES} {{
  %part = tensor.extract_slice %A[0, 2] [6, 1] [1, 1] : tensor<6x4xi32> to tensor<6xi32>
  func.return %part : tensor<6xi32>
}}""",
    ("%A[0, 2]", "%A[0, 1]"),
)
RESHAPES = (
    """void k(const int32_t A[24], int32_t y[4][6]) {
  for (int i = 0; i < 6; i++) for (int j = 0; j < 4; j++) y[j][i] = A[6 * j + i];
}""",
    f"""func.func @k(%A: tensor<24xi32>, %y: tensor<4x6xi32>) -> tensor<4x6xi32> {ATTRIBUTES} {{
  %a = tensor.expand_shape %A [[0, 1]] output_shape [2, 12] : tensor<24xi32> into tensor<2x12xi32>
  %b = tensor.expand_shape %a [[0], [1, 2]] output_shape [2, 2, 6]
      : tensor<2x12xi32> into tensor<2x2x6xi32>
  %c = tensor.collapse_shape %b [[0, 1], [2]] : tensor<2x2x6xi32> into tensor<4x6xi32>
  func.return %c : tensor<4x6xi32>
}}""",
    None,
)
NARROW = """void k(const int8_t A[6][4], int8_t y[6]) {
  for (int i = 0; i < 6; i++) for (int j = 0; j < 4; j++) y[i] += A[i][j] * A[i][j];
}"""
WIDE = """void k(const int8_t A[6][4], int8_t y[6]) {
  for (int i = 0; i < 6; i++) {
    int32_t s = y[i];
    for (int j = 0; j < 4; j++) s += A[i][j] * A[i][j];
    y[i] = s;
  }
}"""


@pytest.mark.parametrize("case", [SLICES, COLUMN, RESHAPES], ids=["slices", "column", "reshapes"])
def test_views_are_proved_and_wrong_ones_refuted(case) -> None:
    """A slice or reshape is the loop that moves its elements; another offset is not."""
    text, tensors, wrong = case
    source = parse_c_kernel(HEAD + text, "k.c")
    result = validate(source, parse_module(tensors))
    assert result.verdict == "proved", result.reason
    if wrong is not None:
        result = validate(source, parse_module(tensors.replace(*wrong)))
        assert result.verdict == "refuted", (result.verdict, result.reason)


def test_slice_beyond_the_tensor_is_not_proved() -> None:
    """A slice that leaves its tensor is no program."""
    source = parse_c_kernel(HEAD + SLICES[0], "k.c")
    beyond = SLICES[1].replace("%y[1] [5] [2]", "%y[4] [5] [2]")
    assert validate(source, parse_module(beyond)).verdict != "proved"


def test_narrow_sums_wrap_like_wide_ones() -> None:
    """A sum in int8 is the low byte of the sum in int32."""
    narrow, wide = (parse_c_kernel(HEAD + text, "k.c") for text in (NARROW, WIDE))
    for first, second in ((narrow, wide), (wide, narrow)):
        result = validate(first, second)
        assert result.verdict == "proved", result.reason
    saturated = WIDE.replace("y[i] = s;", "y[i] = s > 127 ? 127 : s;")
    result = validate(narrow, parse_c_kernel(HEAD + saturated, "k.c"))
    assert result.verdict == "refuted", (result.verdict, result.reason)
