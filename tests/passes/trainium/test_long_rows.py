"""Rows that do not fit one partition: in passes over their columns, or shared by partitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.dialects.trn import ViewOp
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.passes.trainium.lower_rows import LowerRowsPass
from liftproof.passes.trainium.lower_totals import LowerTotalsPass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

Lower = Callable[[str, ModulePass], ModuleOp]
Outputs = Callable[..., list[np.ndarray]]
Proof = Callable[[str, ModuleOp], Validation]
Array = np.ndarray

STREAM = LowerRowsPass(columns=64, stream=True)
SOFTMAX = """
#include <math.h>
void softmax(const float x[ROWS][150], float y[ROWS][150]) {
  for (int i = 0; i < ROWS; i++) {
    float m = x[i][0], s = 0.0f;
    for (int j = 1; j < 150; j++) m = fmaxf(m, x[i][j]);
    for (int j = 0; j < 150; j++) s += expf(x[i][j] - m);
    for (int j = 0; j < 150; j++) y[i][j] = expf(x[i][j] - m) / s;
  }
}"""
LAYERNORM = """
#include <math.h>
void layernorm(const float x[ROWS][150], const float w[150], float y[ROWS][150]) {
  for (int i = 0; i < ROWS; i++) {
    float s = 0.0f, v = 0.0f;
    for (int j = 0; j < 150; j++) s += x[i][j];
    s /= 150.0f;
    for (int j = 0; j < 150; j++) v += (x[i][j] - s) * (x[i][j] - s);
    for (int j = 0; j < 150; j++) y[i][j] = (x[i][j] - s) / sqrtf(v / 150.0f + 0.5f) * w[j];
  }
}"""
DOT = """
void dot(const float x[150], const float y[150], float z[1]) {
  float s = 0.0f;
  for (int i = 0; i < 150; i++) s += x[i] * y[i];
  z[0] = s * s + z[0];
}"""
LARGEST = """
void largest(const float x[15][10], float y[1]) {
  float m = -10.0f;
  for (int i = 0; i < 15; i++)
    for (int j = 0; j < 10; j++) m = x[i][j] > m ? x[i][j] : m;
  y[0] = m;
}"""
FIRST = """
void first(const float x[4][150], float y[4]) {
  for (int i = 0; i < 4; i++) {
    float s = 0.0f;
    for (int j = 0; j < 150; j++) s += x[i][j] * x[i][0];
    y[i] = s;
  }
}"""
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(130, 150)).astype(np.float32)
W = RANDOM.normal(size=150).astype(np.float32)


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def layernorm(x: Array, w: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 0.5) * w


CASES = {
    "softmax in passes": (SOFTMAX.replace("ROWS", "20"), STREAM, (X[:20],), softmax(X[:20])),
    "layernorm in passes": (
        LAYERNORM.replace("ROWS", "20"),
        STREAM,
        (X[:20], W),
        layernorm(X[:20], W),
    ),
    "softmax in shares": (
        SOFTMAX.replace("[ROWS]", "[1]").replace("ROWS", "1"),
        LowerTotalsPass(),
        (X[:1],),
        softmax(X[:1]),
    ),
    "dot product": (DOT, LowerTotalsPass(), (X[0], W), [(X[0] @ W) ** 2 + 1]),
    "largest in passes": (
        LARGEST.replace("-10.0f", "9.0f"),
        LowerTotalsPass(columns=1, stream=True),
        (X[0].reshape(15, 10),),
        [9],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_long_rows(lowered: Lower, outputs: Outputs, proof: Proof, name: str) -> None:
    """Rows in passes and in shares are proved, and computed as NumPy does."""
    text, instance, inputs, expected = CASES[name]
    module = lowered(text, instance)
    assert proof(text, module).verdict == "proved"
    result = outputs(module, *inputs, np.ones_like(expected, dtype=np.float32))[-1]
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-6)


def test_passes_keep_no_whole_rows(lowered: Lower) -> None:
    """No view on the chip has more columns than a pass takes at a time."""
    module = lowered(LAYERNORM.replace("ROWS", "130"), STREAM)
    views = [op.view.type for op in module.walk() if isinstance(op, ViewOp)]
    assert max(view.shape[-1] for view in views if view.on_chip) == 64


@pytest.mark.parametrize(
    ("text", "instance", "reason"),
    [
        (FIRST, STREAM, "elements at other places"),
        (SOFTMAX.replace("ROWS", "3"), LowerTotalsPass(), "no totals of rows of one length"),
        (DOT.replace("150", "151"), LowerTotalsPass(), "no number of partitions shares 151"),
        (SOFTMAX.replace("ROWS", "3"), LowerRowsPass(stream=True), "a number of columns"),
    ],
)
def test_refusals(text: str, instance: ModulePass, reason: str) -> None:
    """What needs whole rows, or cannot be shared, is refused with the reason."""
    module = lift(parse_c_kernel(text, "kernel.c"))
    with pytest.raises(PassFailedException, match=reason):
        instance.apply(new_context(), module)
