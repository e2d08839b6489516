"""Layers behind one another: each sum is computed once, whatever window reads it."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import untuned_pipeline
from liftproof.passes.statements import join_programs, split_statements
from liftproof.validation.validate import prepare, validate

PRELUDE = """
#include <stdint.h>
#include <math.h>
static int8_t q(int32_t s) { float v = rintf(s * 0.125f); return v > 127 ? 127 : v < 0 ? 0 : v; }
"""
CONVOLUTION = """
  for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) for (int o = 0; o < 5; o++) {{
    int32_t s = 0;
    for (int a = 0; a < 3; a++) for (int b = 0; b < 3; b++) {{
      int r = i + a - 1, v = j + b - 1;
      if (r < 0 || r >= 4 || v < 0 || v >= 4) continue;
      for (int c = 0; c < 5; c++) s += {0}[r][v][c] * {1}[a][b][c][o];
    }}
    {2}[i][j][o] = q(s);
  }}"""
POOLING = """
  for (int i = 0; i < 2; i++) for (int j = 0; j < 2; j++) for (int o = 0; o < 5; o++) {
    int8_t m = t[2 * i][2 * j][o];
    for (int a = 0; a < 2; a++) for (int b = 0; b < 2; b++)
      if (t[2 * i + a][2 * j + b][o] > m) m = t[2 * i + a][2 * j + b][o];
    p[i][j][o] = m;
  }"""
DENSE = """
  for (int n = 0; n < 3; n++) {
    y[n] = 0;
    for (int i = 0; i < 2; i++) for (int j = 0; j < 2; j++) for (int o = 0; o < 5; o++)
      y[n] += p[i][j][o] * u[(i * 2 + j) * 5 + o][n];
  }"""
INPUTS = "const int8_t x[4][4][5], const int8_t w[3][3][5][5]"
FIRST = CONVOLUTION.format("x", "w", "t")
KERNELS = {
    "two convolutions with borders": (
        f"void f({INPUTS}, const int8_t u[3][3][5][5], int8_t y[4][4][5]) {{ int8_t t[4][4][5];"
        f"{FIRST}{CONVOLUTION.format('t', 'u', 'y')} }}",
        2,
    ),
    "a pooling of what is stored": (
        f"void f({INPUTS}, int8_t t[4][4][5], int8_t p[2][2][5]) {{ {FIRST}{POOLING} }}",
        2,
    ),
    "a pooled convolution within a network": (
        f"void f({INPUTS}, const int8_t u[20][3], int32_t y[3]) {{ int8_t t[4][4][5], p[2][2][5];"
        f"{FIRST}{POOLING}{DENSE} }}",
        2,
    ),
}


@pytest.mark.parametrize("name", KERNELS)
def test_layers_are_computed_once_and_proved(name: str) -> None:
    """A sum that windows read is one contraction, and a maximum of sums needs no statement."""
    text, count = KERNELS[name]
    config = load_config()
    loops = parse_c_kernel(PRELUDE + text, "f.c")
    lifted = lift_and_prove(loops).module
    statements = split_statements(lifted)
    assert len(statements) == count
    assert str(lifted).count("arith.muli") == count - ("stored" in name)
    programs = [
        lower(text, parse_pipeline(untuned_pipeline(text, config.name, separate=True)))
        for text in (str(statement.kernel) for statement in statements)
    ]
    joined = join_programs(lifted, statements, programs)
    assert validate(prepare(loops, config), joined).verdict == "proved"
