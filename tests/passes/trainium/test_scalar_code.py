"""Scalar parameters, functions of constants and choices have instructions on Trainium."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.passes.trainium.lower_blocks import LowerBlocksPass
from liftproof.passes.trainium.lower_convolution import LowerConvolutionPass
from liftproof.passes.trainium.lower_elements import LowerElementsPass
from liftproof.passes.trainium.lower_rows import LowerRowsPass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

Lower = Callable[[str, ModulePass], ModuleOp]
Outputs = Callable[..., list[np.ndarray]]
Proof = Callable[[str, ModuleOp], Validation]

KERNEL = """
#include <math.h>
void f(float a, const float x[6][40], float y[6][40]) {
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 40; j++) y[i][j] = {value};
}"""
X = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(6, 40)).astype(np.float32)
CASES = {
    "parameter": ("a * x[i][j] + y[i][j] / a", 3 * X + Y / 3),
    "constants": ("sqrtf(2.0f / M_PI) * x[i][j]", np.sqrt(2 / np.pi) * X),
    "sign": ("x[i][j] > a - 3.0f ? 1.0f : -1.0f", np.sign(X)),
    "leaky": ("x[i][j] >= 0.0f ? x[i][j] : a * x[i][j]", np.where(X >= 0, X, 3 * X)),
    "fmaxf": ("fmaxf(x[i][j], 0.0f)", np.maximum(X, 0)),
    "larger": ("x[i][j] > y[i][j] ? x[i][j] : y[i][j] + 1.0f", np.where(X > Y, X, Y + 1)),
}


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        *((name, LowerRowsPass()) for name in ("parameter", "constants", "sign")),
        *((name, LowerBlocksPass()) for name in CASES if name != "constants"),
        ("parameter", LowerElementsPass()),
    ],
)
def test_element_wise_code(
    lowered: Lower, outputs: Outputs, proof: Proof, name: str, instance: ModulePass
) -> None:
    """All lowerings of elements give such code instructions that are proved and right."""
    value, expected = CASES[name]
    text = KERNEL.replace("{value}", value)
    module = lowered(text, instance)
    assert proof(text, module).verdict == "proved"
    result = outputs(module, np.array([3], "f"), X, Y)[-1]
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_convolution_with_relu(lowered: Lower, outputs: Outputs, proof: Proof) -> None:
    """What becomes of a convolution's sums may be chosen by a comparison."""
    text = """
    void conv(const float x[4][20], const float w[3][4][3], float y[3][18]) {
      for (int o = 0; o < 3; o++)
        for (int i = 0; i < 18; i++) {
          float s = 0.0f;
          for (int c = 0; c < 4; c++)
            for (int k = 0; k < 3; k++) s += w[o][c][k] * x[c][i + k];
          y[o][i] = s > 0.0f ? s : 0.0f;
        }
    }"""
    module = lowered(text, LowerConvolutionPass())
    assert proof(text, module).verdict == "proved"
    x, w = X[:4, :20], Y.reshape(-1)[:36].reshape(3, 4, 3)
    sums = sum(np.einsum("oc,ci->oi", w[:, :, k], x[:, k : k + 18]) for k in range(3))
    result = outputs(module, x, w, np.zeros((3, 18), "f"))[-1]
    np.testing.assert_allclose(result, np.maximum(sums, 0), rtol=1e-5, atol=1e-6)
