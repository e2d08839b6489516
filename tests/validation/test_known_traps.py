"""Wrong programs that this validator, its prototype, or one of the literature once accepted."""

from __future__ import annotations

import pytest
from liftproof.validation.fuzz import parse_module
from liftproof.validation.trace import validate_unrolled
from liftproof.validation.validate import validate

PRODUCT = """
func.func @f(%A: memref<2x2xi8>, %B: memref<2x5xi8>, %C: memref<2x5xi32>)
    attributes {"liftproof.outputs" = array<i64: 2>} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c5 = arith.constant 5 : index
  %zero = arith.constant 0 : i32
  scf.for %i = %c0 to %c2 step %c1 {
    scf.for %j = %c0 to %c5 step %c1 {
      memref.store %zero, %C[%i, %j] : memref<2x5xi32>
      scf.for %k = %c0 to %c2 step %c1 {
        %a = memref.load %A[%i, %k] : memref<2x2xi8>
        %b = memref.load %B[%k, %j] : memref<2x5xi8>
        %ax = arith.extsi %a : i8 to i32
        %bx = arith.extsi %b : i8 to i32
        %p = arith.muli %ax, %bx : i32
        %s = memref.load %C[%i, %j] : memref<2x5xi32>
        %t = arith.addi %s, %p : i32
        memref.store %t, %C[%i, %j] : memref<2x5xi32>
      }
    }
  }
  func.return
}"""

INSTRUCTIONS = """
func.func @f(%A: memref<2x2xi8>, %B: memref<2x5xi8>, %C: memref<2x5xi32>)
    attributes {{"liftproof.outputs" = array<i64: 2>}} {{
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c5 = arith.constant 5 : index
  %on = arith.constant true
  %b_row = arith.constant 4096 : index
  gemmini.config_ex
  gemmini.config_ld {{stride = 0 : i64, block_stride = 16 : i64}}
  gemmini.config_ld {{channel = 1 : i64, stride = 2 : i64, block_stride = 16 : i64}}
  gemmini.config_ld {{channel = 2 : i64, stride = 5 : i64, block_stride = 16 : i64}}
  gemmini.config_st {{stride = 20 : i64}}
  %start = gemmini.acc %c0
  gemmini.mvin_zeros %start[%c2, %c5] : !gemmini.local<acc>
  %a = gemmini.spad %c0
  gemmini.mvin %A[%c0, %c0] to %a[%c2, %c2] {{channel = 1 : i64}}
    : memref<2x2xi8>, !gemmini.local<spad>
  %b = gemmini.spad %b_row
  gemmini.mvin %B[%c0, %c0] to %b[%c2, %c5] {{channel = 2 : i64}}
    : memref<2x5xi8>, !gemmini.local<spad>
  %sum = gemmini.acc %c0 accumulate %on
  %none = gemmini.none
  {products}
  %result = gemmini.acc %c0 full
  gemmini.mvout %result[%c2, %c5] to %C[%c0, %c0] : !gemmini.local<acc>, memref<2x5xi32>
  gemmini.fence
  func.return
}}"""

ONE_PRODUCT = """
  gemmini.preload %b[%c2, %c5] to %sum[{rows}, %c5] : !gemmini.local<spad>, !gemmini.local<acc>
  gemmini.compute_preloaded %a[{a_rows}, %c2], %none[%c2, %c5]
    : !gemmini.local<spad>, !gemmini.local<none>"""


def product(rows: str, a_rows: str = "%c2") -> str:
    return ONE_PRODUCT.format(rows=rows, a_rows=a_rows)


@pytest.mark.parametrize(
    ("products", "verdict"),
    [
        (product("%c2"), "proved"),
        (product("%c5"), "refuted"),
        (product("%c2", a_rows="%c5"), "refuted"),
        (2 * product("%c2"), "refuted"),
    ],
    ids=[
        "right",
        "adds to rows that nobody wrote or reads",
        "fetches rows of A that nobody wrote or uses",
        "a second statement adds it again",
    ],
)
def test_both_engines_on_accumulated_products(products: str, verdict: str) -> None:
    """Adding to uninitialised rows, and the same product in two statements, are refuted."""
    source, target = parse_module(PRODUCT), parse_module(INSTRUCTIONS.format(products=products))
    for engine in (validate, validate_unrolled):
        result = engine(source, target)
        assert result.verdict == verdict, (engine, result.reason)
        assert (result.counterexample is not None) == (verdict == "refuted")
