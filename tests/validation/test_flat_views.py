"""Instructions on arrays with joined dimensions, as convolutions by one pixel use them."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.fuzz import parse_module
from liftproof.validation.validate import validate

COPY = """#include <stdint.h>
void f(const int8_t A[4][6][16], int8_t C[4][6][16]) {
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 6; j++)
      for (int k = 0; k < 16; k++) C[i][j][k] = A[i][j][k];
}"""
MOVES = """
func.func @f(%A: memref<4x6x16xi8>, %C: memref<4x6x16xi8>)
    attributes {{"liftproof.outputs" = array<i64: 1>}} {{
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %end = arith.constant {end} : index
  %c16 = arith.constant 16 : index
  %a = memref.collapse_shape %A [[0 : i64, 1 : i64], [2 : i64]]
    : memref<4x6x16xi8> into memref<24x16xi8>
  %c = memref.collapse_shape %C [[0 : i64, 1 : i64], [2 : i64]]
    : memref<4x6x16xi8> into memref<24x16xi8>
  gemmini.config_ld {{stride = 16 : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = {stride} : i64}}
  %rows = gemmini.spad %c0
  scf.for %i = %c0 to %end step %c8 {{
    gemmini.mvin %a[%i, %c0] to %rows[%c8, %c16] : memref<24x16xi8>, !gemmini.local<spad>
    gemmini.mvout %rows[%c8, %c16] to %c[%i, %c0] : !gemmini.local<spad>, memref<24x16xi8>
  }}
  gemmini.fence
  func.return
}}"""


@pytest.mark.parametrize(
    ("end", "stride", "verdict"),
    [(24, 16, "proved"), (16, 16, "refuted"), (32, 16, "refuted"), (24, 32, "refuted")],
    ids=["all rows", "too few", "too many", "other rows"],
)
def test_joined_dimensions_keep_their_order(end: int, stride: int, verdict: str) -> None:
    """Rows that lie across the joined dimensions are the same elements in both programs."""
    source = parse_c_kernel(COPY, "f.c")
    result = validate(source, parse_module(MOVES.format(end=end, stride=stride)))
    assert result.verdict == verdict, result.reason
