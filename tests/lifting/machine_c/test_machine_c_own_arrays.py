"""Arrays of the program itself, in memory that the accelerator reaches."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.unroll import stream_of_module
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c import read_machine_c
from liftproof.passes.emission.emit_c import emit_c
from liftproof.validation.validate import validate

SOURCE = """#include <stdint.h>
void copy(const int8_t A[16][16], int8_t C[16][16]) {
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) C[i][j] = A[i][j];
}"""
PROGRAM = """#include "gemmini.h"
void copy(const elem_t A[16][16], elem_t C[16][16]) {
  static elem_t between[16][16];
  gemmini_config_ld(16);
  gemmini_config_st(16);
  gemmini_mvin(A, 0);
  gemmini_mvout(between, 0);
  gemmini_fence();
  for (int i = 0; i < 16; i += 4) {
    gemmini_extended_mvin(&between[i][0], 16 + i, 16, 4);
    gemmini_extended_mvout(C[i], 16 + i, 16, 4);
  }
  gemmini_fence();
}"""


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("", "", "proved"),
        ("  gemmini_fence();\n  for", "  for", "unknown"),
        ("mvout(between", "mvout(C", "refuted"),
    ],
)
def test_programs_with_own_arrays_are_decided(old: str, new: str, verdict: str) -> None:
    """What is stored there may be loaded behind a fence; what was never stored is no value."""
    target = read_machine_c(PROGRAM.replace(old, new, 1), "copy.c", load_config())
    assert validate(parse_c_kernel(SOURCE, "copy.c"), target).verdict == verdict


def test_own_arrays_survive_the_round_trip() -> None:
    """The C that is emitted for a program issues the same commands."""
    config = load_config()
    first = read_machine_c(PROGRAM, "copy.c", config)
    again = read_machine_c(emit_c(first), "again.c", config)
    (one, layout), (two, _) = (stream_of_module(module, config) for module in (first, again))
    assert [array.name for array in layout.own_arrays] == ["between"]
    assert all(
        (a == b).all() for a, b in ((one.funct, two.funct), (one.rs1, two.rs1), (one.rs2, two.rs2))
    )
