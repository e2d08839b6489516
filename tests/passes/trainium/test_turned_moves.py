"""Arrays of which neighbours go to different partitions are moved by rows, and transposed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.dialects.trn import DmaCopyOp, NcTransposeOp, view_of
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.recurrences import lift_recurrence
from liftproof.passes.trainium.lower_blocks import LowerBlocksPass
from liftproof.passes.trainium.lower_scan import LowerScanPass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

Lower = Callable[[str, ModulePass], ModuleOp]
Outputs = Callable[..., list[np.ndarray]]
Proof = Callable[[str, ModuleOp], Validation]

COLUMN_SUMS = """
void sums(const float x[130][20], const float w[130], float y[20]) {
  for (int j = 0; j < 20; j++) {
    float s = 0.0f;
    for (int i = 0; i < 130; i++) s += x[i][j] * w[i];
    y[j] = s;
  }
}"""
LARGEST = """
void largest(const float x[5][3][6], float y[3][6]) {
  for (int b = 0; b < 3; b++)
    for (int j = 0; j < 6; j++) {
      float m = x[0][b][j];
      for (int i = 1; i < 5; i++) m = x[i][b][j] > m ? x[i][b][j] : m;
      y[b][j] = m;
    }
}"""
SOFTMAX = """
#include <math.h>
void softmax(const float x[70][9], float y[70][9]) {
  for (int j = 0; j < 9; j++) {
    float m = x[0][j], s = 0.0f;
    for (int i = 1; i < 70; i++) m = fmaxf(m, x[i][j]);
    for (int i = 0; i < 70; i++) s += expf(x[i][j] - m);
    for (int i = 0; i < 70; i++) y[i][j] = expf(x[i][j] - m) / s;
  }
}"""
CUMULATIVE = """
void cumulative(const float x[130][9], float y[130][9]) {
  for (int j = 0; j < 9; j++) {
    float s = 0.0f;
    for (int i = 0; i < 130; i++) {
      s += x[i][j];
      y[i][j] = s;
    }
  }
}"""


def shortest_run(module: ModuleOp) -> int:
    """The fewest elements of a row that a move takes."""
    moves = [op for op in module.walk() if isinstance(op, DmaCopyOp)]
    return min(view_of(side).shape[-1] for op in moves for side in (op.src, op.dst))


def test_column_sums_load_rows(lowered: Lower, outputs: Outputs, proof: Proof) -> None:
    """A sum along the first dimension is proved, right, and moves no single elements of rows."""
    module = lowered(COLUMN_SUMS, LowerBlocksPass())
    assert proof(COLUMN_SUMS, module).verdict == "proved"
    x = np.random.default_rng(0).random((130, 20), dtype=np.float32)
    w = np.linspace(0, 1, 130, dtype=np.float32)
    result = outputs(module, x, w, np.zeros(20, np.float32))[-1]
    np.testing.assert_allclose(result, w @ x, rtol=1e-5)
    assert any(isinstance(op, NcTransposeOp) for op in module.walk())


def test_limits_over_outer_dimensions(lowered: Lower, outputs: Outputs, proof: Proof) -> None:
    """A maximum over the first of three dimensions is proved and right."""
    module = lowered(LARGEST, LowerBlocksPass(loop=1))
    assert proof(LARGEST, module).verdict == "proved"
    x = np.random.default_rng(1).normal(size=(5, 3, 6)).astype(np.float32)
    np.testing.assert_array_equal(outputs(module, x, np.zeros((3, 6), "f"))[-1], x.max(0))


def test_softmax_of_columns(lowered: Lower, outputs: Outputs, proof: Proof) -> None:
    """A limit that starts from the first element of its column is one of all of them: proved."""
    module = lowered(SOFTMAX, LowerBlocksPass(loop=1))
    assert proof(SOFTMAX, module).verdict == "proved"
    x = np.random.default_rng(3).normal(size=(70, 9)).astype(np.float32)
    powers = np.exp(x - x.max(0))
    result = outputs(module, x, np.zeros((70, 9), "f"))[-1]
    np.testing.assert_allclose(result, powers / powers.sum(0), rtol=1e-5)


def test_cumulative_sums_along_columns(outputs: Outputs, proof: Proof) -> None:
    """Cumulative sums along the first dimension are loaded and stored by rows, and proved."""
    module = lift_recurrence(parse_c_kernel(CUMULATIVE, "kernel.c")).module
    LowerScanPass(loop=1).apply(new_context(), module)
    assert proof(CUMULATIVE, module).verdict == "proved"
    assert shortest_run(module) == 9
    x = np.random.default_rng(2).normal(size=(130, 9)).astype(np.float32)
    result = outputs(module, x, np.zeros((130, 9), "f"))[-1]
    np.testing.assert_allclose(result, np.cumsum(x, 0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "turned"), [(7, True), (9, False)])
def test_many_places_are_not_written_out(lowered: Lower, size: int, turned: bool) -> None:
    """Where transposes would be many, elements are moved as they lie."""
    text = f"""
    void scaled(const float x[9][9][{size}][5], float y[9][9][{size}][5]) {{
      for (int a = 0; a < 9; a++)
        for (int b = 0; b < 9; b++)
          for (int c = 0; c < {size}; c++)
            for (int d = 0; d < 5; d++) y[a][b][c][d] = 2.0f * x[a][b][c][d];
    }}"""
    module = lowered(text, LowerBlocksPass(loop=3))
    assert any(isinstance(op, NcTransposeOp) for op in module.walk()) is turned
