"""What every program for a kernel needs: counted from the kernel, never more than programs do."""

from __future__ import annotations

from math import prod

import pytest
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.kernel_bound import Demand, kernel_bound
from liftproof.hw.trainium.timing import simulate_tiles
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.passes.trainium.kernel_demand import demand_of
from liftproof.passes.trainium.lower_rows import LowerRowsPass
from xdsl.dialects.builtin import ModuleOp

ROWS, DEPTH = 40, 16
ATTENTION = """
#include <math.h>
#define N 40
#define D 16
void attention(const {type} q[N][D], const {type} k[N][D], const {type} v[N][D], float o[N][D]) {{
  for (int i = 0; i < N; i++) {{
    float s[N], top = -INFINITY, sum = 0.0f;
    {type} p[N];
    for (int j = 0; j < {end}; j++) {{
      float t = 0.0f;
      for (int c = 0; c < D; c++) t += (float)q[i][c] * (float)k[j][c];
      s[j] = {score};
      top = fmaxf(top, s[j]);
    }}
    for (int j = 0; j < {end}; j++) {{
      p[j] = ({type})expf(s[j] - top);
      sum += expf(s[j] - top);
    }}
    for (int c = 0; c < D; c++) {{
      float t = 0.0f;
      for (int j = 0; j < {end}; j++) t += (float)p[j] * (float)v[j][c];
      o[i][c] = t / sum;
    }}
  }}
}}"""
NEIGHBOURS = """
void neighbours(const float x[40][64], float y[40][32]) {
  for (int i = 0; i < 40; i++)
    for (int j = 0; j < 32; j++) y[i][j] = x[i][2 * j] * x[i][2 * j + 1];
}"""
WINDOWS = """
void windows(const float x[3][3][8][8], const float w[4][3][3][3], float y[3][4][6][6]) {
  for (int n = 0; n < 3; n++)
    for (int c = 0; c < 4; c++)
      for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
          float s = 0.0f;
          for (int k = 0; k < 3; k++)
            for (int a = 0; a < 3; a++)
              for (int b = 0; b < 3; b++) s += x[n][k][i + a][j + b] * w[c][k][a][b];
          y[n][c][i][j] = s;
        }
}"""
ROTATED = """
void rotated(const float x[40][64], const float c[40][32], float y[40][64]) {
  for (int i = 0; i < 40; i++)
    for (int j = 0; j < 32; j++) {
      y[i][j] = x[i][j] * c[i][j] - x[i][j + 32];
      y[i][j + 32] = x[i][j + 32] * c[i][j] + x[i][j];
    }
}"""
TRANSPOSED = """
void product(const float A[30][20], const float B[30][50], float C[20][50]) {
  for (int i = 0; i < 20; i++)
    for (int j = 0; j < 50; j++) {
      float s = 0.0f;
      for (int k = 0; k < 30; k++) s += A[k][i] * B[k][j];
      C[i][j] = s;
    }
}"""


def lifted(c: str) -> ModuleOp:
    return lift(parse_c_kernel(c, "kernel.c"))


def demand(c: str) -> Demand:
    return demand_of(kernel_function(lifted(c)))


def attention(type: str = "float", end: str = "N", score: str = "t") -> str:
    return ATTENTION.format(type=type, end=end, score=score)


@pytest.mark.parametrize(
    ("end", "score", "pairs"),
    [
        ("N", "t", ROWS * ROWS),
        ("i + 1", "t", sum(i + 1 for i in range(ROWS))),
        ("N", "j <= i ? t : -INFINITY", sum(i + 1 for i in range(ROWS))),
        ("N", "j <= i + 3 ? t : -INFINITY", sum(min(i + 4, ROWS) for i in range(ROWS))),
    ],
)
def test_what_masks_hide_is_not_counted(end: str, score: str, pairs: int) -> None:
    """However the mask is written, products and exponentials of visible pairs are needed."""
    assert demand(attention("float", end, score)) == Demand(
        wide_products=2 * pairs * DEPTH,
        table_elements=pairs,
        moved_bytes=4 * DEPTH * 4 * ROWS,
    )


def test_precision_decides_how_long_products_take() -> None:
    """Products of 16-bit floats need one pass of the array, float32 four; exponentials none."""
    found = demand(attention("__bf16"))
    assert found.wide_products == 0
    assert found.narrow_products == 2 * ROWS * ROWS * DEPTH
    assert found.moved_bytes == (2 * 3 + 4) * DEPTH * ROWS


def test_each_element_is_moved_once() -> None:
    """Slices of an array that do not overlap are all of it."""
    assert demand(NEIGHBOURS) == Demand(moved_bytes=4 * (40 * 64 + 40 * 32))


def test_other_products_count_too() -> None:
    """A product whose rows are not alone is bounded by its multiplications and arrays."""
    config = load_config("trainium1")
    bound = kernel_bound(demand(TRANSPOSED), config)
    passes = config.wide_float_factor * prod((20, 50, 30))
    assert bound.terms["pe"] == pytest.approx(passes / config.peak_macs_per_ns)
    assert bound.terms["hbm"] == 4 * (30 * 20 + 30 * 50 + 20 * 50) / config.hbm_rate


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (WINDOWS, Demand(0, 3 * 4 * 6 * 6 * 27, 0, 4 * (3 * 3 * 64 + 4 * 27 + 3 * 4 * 36))),
        (ROTATED, Demand(moved_bytes=4 * (64 + 32 + 64) * 40)),
    ],
)
def test_windows_and_slices_of_arrays(kernel: str, expected: Demand) -> None:
    """Elements that several windows or slices see are moved once."""
    assert demand(kernel) == expected


@pytest.mark.parametrize("name", ["trainium1", "trainium2"])
@pytest.mark.parametrize("kernel", [attention(), attention("float", "i + 1"), NEIGHBOURS])
def test_no_program_beats_the_bound(kernel: str, name: str) -> None:
    """Each unit of a program is busy at least as long as the kernel's bound says."""
    config, module = load_config(name), lifted(kernel)
    bound = kernel_bound(demand_of(kernel_function(module)), config)
    LowerRowsPass().apply(new_context(), module)
    timing, _ = simulate_tiles(kernel_function(module), config)
    assert bound.nanoseconds <= timing.bound.nanoseconds <= timing.nanoseconds
    for unit, least in bound.terms.items():
        assert least <= timing.bound.terms[unit]
