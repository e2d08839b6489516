"""``trn-lower-blocks``: windows, slices and padding are proved, and computed as NumPy does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.passes.trainium.lower_blocks import LowerBlocksPass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

Lower = Callable[[str, ModulePass], ModuleOp]
Outputs = Callable[..., list[np.ndarray]]
Proof = Callable[[str, ModuleOp], Validation]

ROPE_HALVES = """
void rope(const float x[R][12], const float c[R][6], const float s[R][6], float y[R][12]) {
  for (int i = 0; i < R; i++)
    for (int j = 0; j < 6; j++) {
      y[i][j] = x[i][j] * c[i][j] - x[i][j + 6] * s[i][j];
      y[i][j + 6] = x[i][j + 6] * c[i][j] + x[i][j] * s[i][j];
    }
}"""
ROPE_PAIRS = """
void rope(float q[R][12], const float c[R][6], const float s[R][6]) {
  for (int i = 0; i < R; i++)
    for (int j = 0; j < 12; j += 2) {
      float a = q[i][j], b = q[i][j + 1];
      q[i][j] = a * c[i][j / 2] - b * s[i][j / 2];
      q[i][j + 1] = a * s[i][j / 2] + b * c[i][j / 2];
    }
}"""
SWIGLU = """
#include <math.h>
void swiglu(const float x[R][12], float y[R][6]) {
  for (int i = 0; i < R; i++)
    for (int j = 0; j < 6; j++)
      y[i][j] = x[i][j] / (1.0f + expf(-x[i][j])) * x[i][6 + j];
}"""
CONCATENATION = """
void concatenation(const float a[R][5], const float b[7][5], float y[R + 7][5]) {
  for (int i = 0; i < R; i++)
    for (int j = 0; j < 5; j++) y[i][j] = a[i][j];
  for (int i = 0; i < 7; i++)
    for (int j = 0; j < 5; j++) y[R + i][j] = b[i][j];
}"""
CONVOLUTION = """
void conv1d(const float x[R][20], const float w[R][4], const float b[R], float y[R][20]) {
  for (int c = 0; c < R; c++)
    for (int t = 0; t < 20; t++) {
      float s = b[c];
      for (int k = 0; k < 4; k++)
        if (t + k >= 3) s += w[c][k] * x[c][t + k - 3];
      y[c][t] = s;
    }
}"""
CONVOLUTION_OF_ROWS = """
void conv1d(const float *x, const float *w, float *y) {
  for (int t = 0; t < 20; t++)
    for (int c = 0; c < R; c++) {
      float s = 0.0f;
      for (int k = 0; k < 3; k++) {
        if (t - k < 0) continue;
        s += w[k * R + c] * x[(t - k) * R + c];
      }
      y[t * R + c] = s;
    }
}"""
MAXIMA = """
#include <float.h>
void maxima(const float x[R][10][12], float y[R][5][6]) {
  for (int c = 0; c < R; c++)
    for (int i = 0; i < 5; i++)
      for (int j = 0; j < 6; j++) {
        float m = -FLT_MAX;
        for (int u = 0; u < 3; u++)
          for (int v = 0; v < 3; v++) {
            int h = 2 * i + u - 1, w = 2 * j + v - 1;
            if (h >= 0 && h < 10 && w >= 0 && w < 12 && x[c][h][w] > m) m = x[c][h][w];
          }
        y[c][i][j] = m;
      }
}"""
MEANS = """
void means(const float x[2][R][6][8], float y[2][R][3][4]) {
  for (int n = 0; n < 2; n++)
    for (int c = 0; c < R; c++)
      for (int i = 0; i < 3; i++)
        for (int j = 0; j < 4; j++) {
          float s = 0.0f;
          for (int u = 0; u < 2; u++)
            for (int v = 0; v < 2; v++) s += x[n][c][2 * i + u][2 * j + v];
          y[n][c][i][j] = s * 0.25f;
        }
}"""

Arrays = list[np.ndarray]


def rope_halves(x: np.ndarray, c: np.ndarray, s: np.ndarray, y: np.ndarray) -> Arrays:
    a, b = x[:, :6], x[:, 6:]
    return [x, c, s, np.hstack([a * c - b * s, b * c + a * s])]


def rope_pairs(q: np.ndarray, c: np.ndarray, s: np.ndarray) -> Arrays:
    a, b = q[:, 0::2], q[:, 1::2]
    turned = np.stack([a * c - b * s, a * s + b * c], axis=2)
    return [turned.reshape(q.shape), c, s]


def swiglu(x: np.ndarray, y: np.ndarray) -> Arrays:
    return [x, x[:, :6] / (1 + np.exp(-x[:, :6])) * x[:, 6:]]


def concatenation(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> Arrays:
    return [a, b, np.vstack([a, b])]


def convolution(x: np.ndarray, w: np.ndarray, b: np.ndarray, y: np.ndarray) -> Arrays:
    padded = np.pad(x, ((0, 0), (3, 0)))
    shifted = [w[:, k : k + 1] * padded[:, k : k + 20] for k in range(4)]
    return [x, w, b, sum(shifted) + b[:, None]]


def convolution_of_rows(x: np.ndarray, w: np.ndarray, y: np.ndarray) -> Arrays:
    padded = np.pad(x, ((2, 0), (0, 0)))
    return [x, w, sum(w[k] * padded[2 - k : 22 - k] for k in range(3))]


def maxima(x: np.ndarray, y: np.ndarray) -> Arrays:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    parts = [padded[:, u : u + 10 : 2, v : v + 12 : 2] for u in range(3) for v in range(3)]
    return [x, np.max(parts, axis=0)]


def means(x: np.ndarray, y: np.ndarray) -> Arrays:
    return [x, x.reshape(2, -1, 3, 2, 4, 2).mean(axis=(3, 5))]


KERNELS = {
    "rope halves": (ROPE_HALVES, rope_halves, "Rx12 Rx6 Rx6 Rx12", LowerBlocksPass()),
    "rope pairs": (ROPE_PAIRS, rope_pairs, "Rx12 Rx6 Rx6", LowerBlocksPass()),
    "swiglu": (SWIGLU, swiglu, "Rx12 Rx6", LowerBlocksPass()),
    "concatenation": (CONCATENATION, concatenation, "Rx5 7x5 Sx5", LowerBlocksPass()),
    "conv1d": (CONVOLUTION, convolution, "Rx20 Rx4 R Rx20", LowerBlocksPass()),
    "conv1d of rows": (
        CONVOLUTION_OF_ROWS,
        convolution_of_rows,
        "20xR 3xR 20xR",
        LowerBlocksPass(1, 8),
    ),
    "maxima": (MAXIMA, maxima, "Rx10x12 Rx5x6", LowerBlocksPass(0, 4)),
    "means": (MEANS, means, "2xRx6x8 2xRx3x4", LowerBlocksPass(1, 1)),
}


def arrays(shapes: str, rows: int) -> list[np.ndarray]:
    """Random arrays; R stands for the rows, S for 7 more."""
    rng = np.random.default_rng(5)
    sizes = {"R": rows, "S": rows + 7}
    return [
        rng.standard_normal([sizes.get(n) or int(n) for n in shape.split("x")]).astype(np.float32)
        for shape in shapes.split()
    ]


def at(text: str, rows: int) -> str:
    return f"#define R {rows}\n{text}"


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("rows", [128, 131])
def test_blocks_are_numpys(name: str, rows: int, lowered: Lower, outputs: Outputs) -> None:
    """The functional simulator computes what NumPy does, whole blocks and ragged ones."""
    text, reference, shapes, instance = KERNELS[name]
    given = arrays(shapes, rows)
    found = outputs(lowered(at(text, rows), instance), *given)
    for mine, expected in zip(found, reference(*given), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", KERNELS)
def test_blocks_are_proved(name: str, lowered: Lower, proof: Proof) -> None:
    """A whole block and a ragged one are proved equal to the C kernel."""
    text, _, _, instance = KERNELS[name]
    result = proof(at(text, 131), lowered(at(text, 131), instance))
    assert result.verdict == "proved", result.reason


def test_a_sum_that_skips_the_border_is_lifted() -> None:
    """A sum of floats under a condition on counters adds nothing where it does not hold."""
    result = lift_and_prove(parse_c_kernel(at(CONVOLUTION, 3), "kernel.c"))
    assert result.verdict == "proved", result.reason


def test_interleaved_results_are_stored_at_once(lowered: Lower) -> None:
    """Both halves of pairs are put together in SBUF, so that memory sees whole rows."""
    module = lowered(at(ROPE_PAIRS, 128), LowerBlocksPass())
    moves = [str(op) for op in module.walk() if op.name == "trn.dma_copy"]
    assert len(moves) == 4
    steps = [op.properties["steps"] for op in module.walk() if op.name == "trn.view"]
    assert any("1, 2" in str(step) for step in steps)


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        (LowerBlocksPass(loop=3), "a result without a loop 3"),
        (LowerBlocksPass(size=-1), "at least 0"),
        (LowerBlocksPass(size=64), "no loop that is longer than 64"),
        (LowerBlocksPass(loop=1), "differs between rows"),
    ],
)
def test_blocks_refuse(instance: LowerBlocksPass, said: str, lowered: Lower) -> None:
    """A loop that cannot be in the partitions, and pieces that are none, are refused by name."""
    with pytest.raises(PassFailedException, match=said):
        lowered(at(CONVOLUTION, 8), instance)
