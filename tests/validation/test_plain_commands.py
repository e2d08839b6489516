"""Hardware loops that the second engine cannot decide are spelled out for the first one."""

from __future__ import annotations

from functools import cache

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c.reader import read_machine_c
from liftproof.validation.core.polyhedral import Unsupported
from liftproof.validation.decide import decide
from liftproof.validation.plain_commands import with_plain_commands
from liftproof.validation.validate import PreparedSource, prepare

CONFIG = load_config()
LAYERS = """#include <stdint.h>
void f(const int8_t X[16][16], const int8_t V[16][20], const int32_t b[20], const int8_t W[20][16],
       int8_t Y[16][16]) {
  int8_t H[16][20];
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 20; j++) {
      int32_t s = b[j];
      for (int k = 0; k < 16; k++) s += X[i][k] * V[k][j];
      H[i][j] = s < 0 ? 0 : s > 127 ? 127 : s;
    }
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) {
      int32_t s = 0;
      for (int k = 0; k < 20; k++) s += H[i][k] * W[k][j];
      s >>= 7;
      Y[i][j] = s > 127 ? 127 : s < -128 ? -128 : s;
    }
}"""
LIBRARY = """#include "include/gemmini.h"
static elem_t H[16][20];
static acc_t full[16][16];
#define PRODUCT(rows, cols, depth, a, b, d, c, act, wide) \\
  tiled_matmul_auto(rows, cols, depth, (elem_t*)a, (elem_t*)b, (acc_t*)d, (elem_t*)c, depth, \\
    cols, cols, cols, 1.0, 1.0, 1.0, act, 1.0, 0, true, false, false, wide, false, 0, WS)
void f(const elem_t X[16][16], const elem_t V[16][20], const acc_t b[20], const elem_t W[20][16],
       elem_t Y[16][16]) {
  PRODUCT(16, 20, 16, X, V, b, H, RELU, false);
  PRODUCT(16, 16, 20, H, W, NULL, full, NO_ACTIVATION, true);
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) {
      acc_t v = full[i][j] >> 7;
      Y[i][j] = v > 127 ? 127 : v < -128 ? -128 : v;
    }
}
"""


@cache
def layers() -> PreparedSource:
    return prepare(parse_c_kernel(LAYERS, "f.c"), CONFIG)


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ("", "", "proved"),
        ("RELU", "NO_ACTIVATION", "refuted"),
        ("H, W, NULL", "H, W, b", "refuted"),
        (">> 7", ">> 6", "refuted"),
    ],
)
def test_layers_of_library_calls_are_decided(old: str, new: str, verdict: str) -> None:
    """Two products with an array of the program in between, and the core behind them."""
    module = read_machine_c(LIBRARY.replace(old, new, 1), "f.c", CONFIG)
    assert decide(layers(), module, config=CONFIG).verdict == verdict


def test_loops_inside_of_loops_stay() -> None:
    """Only loops whose commands are always the same are spelled out."""
    text = LIBRARY.replace("  PRODUCT(16, 20", "  for (int t = 0; t < 2; t++) PRODUCT(16, 20")
    with pytest.raises(Unsupported, match="inside of a loop"):
        with_plain_commands(read_machine_c(text, "f.c", CONFIG), CONFIG)
