"""Contractions that see dimensions of arrays split: heads, groups, several pixels for one."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.llm.evaluate import lower, parse_pipeline
from liftproof.passes.pipelines import baseline_pipeline
from liftproof.validation.validate import prepare, validate

KERNELS = {
    "heads side by side in both inputs": """
        void f(const int8_t q[18][20], const int8_t k[18][20], int32_t y[2][18][18]) {
          for (int h = 0; h < 2; h++) for (int i = 0; i < 18; i++) for (int j = 0; j < 18; j++) {
            int32_t s = 0;
            for (int d = 0; d < 10; d++) s += q[i][h * 10 + d] * k[j][h * 10 + d];
            y[h][i][j] = s;
          } }""",
    "heads side by side in the output": """
        void f(const int8_t p[2][18][20], const int8_t v[20][36], int8_t y[18][36]) {
          for (int h = 0; h < 2; h++) for (int i = 0; i < 18; i++) for (int d = 0; d < 18; d++) {
            int32_t s = 0;
            for (int j = 0; j < 20; j++) s += p[h][i][j] * v[j][h * 18 + d];
            y[i][h * 18 + d] = s > 127 ? 127 : s < -128 ? -128 : s;
          } }""",
    "groups of channels with a bias": """
        void f(const int8_t x[5][5][40], const int8_t w[2][3][3][20][18], const int32_t b[36],
               int32_t y[3][3][36]) {
          for (int g = 0; g < 2; g++) for (int i = 0; i < 3; i++) for (int j = 0; j < 3; j++)
            for (int o = 0; o < 18; o++) {
              int32_t s = b[g * 18 + o];
              for (int u = 0; u < 3; u++) for (int v = 0; v < 3; v++) for (int c = 0; c < 20; c++)
                s += x[i + u][j + v][g * 20 + c] * w[g][u][v][c][o];
              y[i][j][g * 18 + o] = s;
            } }""",
    "four pixels for each one": """
        void f(const int8_t x[3][5][16], const int8_t w[2][2][16][17], int32_t y[6][10][17]) {
          for (int i = 0; i < 3; i++) for (int j = 0; j < 5; j++) for (int u = 0; u < 2; u++)
            for (int v = 0; v < 2; v++) for (int o = 0; o < 17; o++) {
              int32_t s = 0;
              for (int c = 0; c < 16; c++) s += x[i][j][c] * w[u][v][c][o];
              y[2 * i + u][2 * j + v][o] = s;
            } }""",
}


@pytest.mark.parametrize("name", KERNELS)
def test_split_dimensions_are_lowered_and_proved(name: str) -> None:
    """Tiles that do not fill a group, a head or an image are read and written where they lie."""
    config = load_config()
    loops = parse_c_kernel("#include <stdint.h>\n" + KERNELS[name], "f.c")
    lifted = lift_and_prove(loops).module
    program = lower(str(lifted), parse_pipeline(baseline_pipeline(config.name)))
    assert validate(prepare(loops, config), program).verdict == "proved"
