"""Loops against tiles with sizes that are parameters: one proof for all of them."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.extract.structured import single_function
from liftproof.validation.fuzz import parse_module
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ArrayAttr, StringAttr

LOOPS = """#include <stdint.h>
void matmul(int m, int n, int k, const int8_t A[m][k], const int8_t B[k][n], int8_t C[m][n]) {
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      int32_t acc = 0;
      for (int p = 0; p < k; p++) acc += A[i][p] * B[p][j];
      C[i][j] = acc > 127 ? 127 : acc < -128 ? -128 : acc;
    }
}"""

SPAD, ACC = "memref<2x16x16xi8, #gemmini.space spad>", "memref<16x16xi32, #gemmini.space acc>"
TILES = f"""
func.func @matmul(%mi: i32, %ni: i32, %ki: i32, %A: memref<?x?xi8>, %B: memref<?x?xi8>,
    %C: memref<?x?xi8>) attributes {{"liftproof.outputs" = array<i64: 5>,
    "liftproof.parameters" = ["m", "n", "k", "A", "B", "C"],
    "liftproof.extents" = [[], [], [], ["m", "k"], ["k", "n"], ["m", "n"]]}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c16 = arith.constant 16 : index
  %M = arith.index_cast %mi : i32 to index
  %N = arith.index_cast %ni : i32 to index
  %K = arith.index_cast %ki : i32 to index
  %rows = arith.ceildivsi %M, %c16 : index
  %columns = arith.ceildivsi %N, %c16 : index
  %steps = arith.ceildivsi %K, %c16 : index
  %a = memref.alloc() : {SPAD}
  %b = memref.alloc() : {SPAD}
  %c = memref.alloc() : {ACC}
  scf.for %io = %c0 to %rows step %c1 {{
    %i = arith.muli %io, %c16 : index
    %left_m = arith.subi %M, %i : index
    %m = arith.minsi %left_m, %c16 : index
    scf.for %jo = %c0 to %columns step %c1 {{
      %j = arith.muli %jo, %c16 : index
      %left_n = arith.subi %N, %j : index
      %n = arith.minsi %left_n, %c16 : index
      %first = arith.minsi %K, %c16 : index
      tile.load %A[%i, %c0] to %a[%c0] sizes %m, %first : memref<?x?xi8>, {SPAD}
      tile.load %B[%c0, %j] to %b[%c0] sizes %first, %n : memref<?x?xi8>, {SPAD}
      scf.for %ko = %c0 to %steps step %c1 {{
        %k = arith.muli %ko, %c16 : index
        %left_k = arith.subi %K, %k : index
        %depth = arith.minsi %left_k, %c16 : index
        %phase = arith.remsi %ko, %c2 : index
        %next = arith.addi %ko, %c1 : index
        %more = arith.cmpi slt, %next, %steps : index
        scf.if %more {{
          %k_next = arith.muli %next, %c16 : index
          %left_next = arith.subi %K, %k_next : index
          %depth_next = arith.minsi %left_next, %c16 : index
          %phase_next = arith.remsi %next, %c2 : index
          tile.load %A[%i, %k_next] to %a[%phase_next] sizes %m, %depth_next
            : memref<?x?xi8>, {SPAD}
          tile.load %B[%k_next, %j] to %b[%phase_next] sizes %depth_next, %n
            : memref<?x?xi8>, {SPAD}
        }}
        %not_first = arith.cmpi sgt, %ko, %c0 : index
        tile.matmul %a[%phase], %b[%phase] to %c[] sizes %m, %n, %depth accumulate %not_first
          : {SPAD}, {SPAD}, {ACC}
      }}
      tile.store %c[] to %C[%i, %j] sizes %m, %n {{scale = 1.0 : f32}} : {ACC}, memref<?x?xi8>
    }}
  }}
  func.return
}}"""


def test_double_buffered_tiles_are_proved_for_all_sizes() -> None:
    """Tiles with edges in two phases equal the loops whatever m, n and k."""
    result = validate(parse_c_kernel(LOOPS, "k.c"), parse_module(TILES))
    assert result.verdict == "proved", result.reason


WRONG = {
    "stale phase": ("to %a[%phase_next]", "to %a[%phase]"),
    "no remainder": ("%steps = arith.ceildivsi", "%steps = arith.floordivsi"),
    "edge as wide as a tile": ("sizes %m, %n {", "sizes %m, %c16 {"),
    "never accumulates": ("accumulate %not_first", ""),
}


@pytest.mark.parametrize("change", WRONG)
def test_wrong_tiles_are_refuted(change: str) -> None:
    """A mistake that shows at some sizes only is found, and inputs that show it."""
    assert WRONG[change][0] in TILES
    wrong = parse_module(TILES.replace(*WRONG[change]))
    assert validate(parse_c_kernel(LOOPS, "k.c"), wrong).verdict == "refuted"


PADDED = LOOPS.replace("A[m][k]", "A[512][512]").replace("B[k][n]", "B[512][512]")
PADDED = PADDED.replace("C[m][n]", "C[512][512]")


def padded_instructions(kernel) -> str:
    """Double-buffered instructions of which only the rows in memory have a fixed length."""
    text = kernel(512, 512, 512).instructions()
    header = (
        "  %M = arith.index_cast %mi : i32 to index\n"
        "  %N = arith.index_cast %ni : i32 to index\n"
        "  %K = arith.index_cast %ki : i32 to index\n"
        "  %rows = arith.ceildivsi %M, %c16 : index\n"
        "  %columns = arith.ceildivsi %N, %c16 : index\n"
        "  %steps = arith.ceildivsi %K, %c16 : index\n"
        "  gemmini.config_ex\n"
    )
    for old, new in (
        ("@matmul(%A", "@matmul(%mi: i32, %ni: i32, %ki: i32, %A"),
        ("array<i64: 2>", "array<i64: 5>"),
        ("  gemmini.config_ex\n", header),
        ("%io = %c0 to %c32", "%io = %c0 to %rows"),
        ("%jo = %c0 to %c32", "%jo = %c0 to %columns"),
        ("%ko = %c0 to %c32", "%ko = %c0 to %steps"),
        ("slt, %next, %c32", "slt, %next, %steps"),
        ("%left_m = arith.subi %c512", "%left_m = arith.subi %M"),
        ("%left_n = arith.subi %c512", "%left_n = arith.subi %N"),
        ("%k0 = arith.minsi %c512", "%k0 = arith.minsi %K"),
        ("%left_k = arith.subi %c512", "%left_k = arith.subi %K"),
        ("%left_next = arith.subi %c512", "%left_next = arith.subi %K"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_instructions_are_proved_for_all_sizes_that_fit(kernel) -> None:
    """Sizes for which the source leaves its arrays are excluded, and the verdict says so."""
    text = padded_instructions(kernel)
    result = validate(parse_c_kernel(PADDED, "k.c"), parse_module(text))
    assert result.verdict == "proved", result.reason
    limits = next(text for text in result.assumptions if "stays within its arrays" in text)
    assert "m <= 512" in limits
    assert "k <= 512" in limits


def test_instructions_that_leave_the_arrays_are_not_excused(kernel) -> None:
    """Only the source's own limits are taken for granted: one more row is one too many."""
    text = padded_instructions(kernel).replace("%M, %c16", "%more_rows, %c16")
    text = text.replace("  %rows =", "  %more_rows = arith.addi %M, %c1 : index\n  %rows =")
    assert validate(parse_c_kernel(PADDED, "k.c"), parse_module(text)).verdict != "proved"


@pytest.mark.parametrize(
    ("source", "target", "is_proved"),
    [(["n - 8"], ["n - 4"], True), ([], ["n - 100"], False), (["n - 100"], ["50 - n"], False)],
)
def test_targets_assume_no_more_than_sources(
    source: list[str], target: list[str], is_proved: bool
) -> None:
    """A target may not choose the sizes for which it is right."""
    modules = [
        parse_c_kernel(f"void k(int n, const int x[n], int y[n]) {{ y[0] = {value}; }}", "k.c")
        for value in ("x[0]", "n < 8 ? 1 : x[0]" if is_proved else "n < 50 ? 1 : x[0]")
    ]
    for module, facts in zip(modules, (source, target), strict=True):
        stated = ArrayAttr([StringAttr(fact) for fact in facts])
        single_function(module).attributes["liftproof.preconditions"] = stated
    assert (validate(*modules).verdict == "proved") == is_proved
