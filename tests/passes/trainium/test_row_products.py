"""Products with row operations between them: proved equal to plain C, and NumPy's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.dialects.trn import NcMatmulOp, NcTransposeOp, TensorTensorOp, view_of
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.check import check
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import run
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.passes.trainium.lower_rows import LowerRowsPass
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import bf16, f32
from xdsl.utils.exceptions import PassFailedException

CONFIG = load_config("trainium1")
ATTENTION = """
#include <math.h>
void attention(const float q[{n}][{d}], const float k[{m}][{d}], const float v[{m}][{d}],
               float o[{n}][{d}]) {{
  float s[{n}][{m}];
  for (int i = 0; i < {n}; i++)
    for (int j = 0; j < {m}; j++) {{
      float t = 0.0f;
      for (int c = 0; c < {d}; c++) t += q[i][c] * k[j][c];
      s[i][j] = t * 0.25f;
    }}
  for (int i = 0; i < {n}; i++) {{
    float top = s[i][0];
    for (int j = 1; j < {m}; j++) if (s[i][j] > top) top = s[i][j];
    float sum = 0.0f;
    for (int j = 0; j < {m}; j++) {{ s[i][j] = expf(s[i][j] - top); sum += s[i][j]; }}
    for (int j = 0; j < {m}; j++) s[i][j] /= sum;
  }}
  for (int i = 0; i < {n}; i++)
    for (int c = 0; c < {d}; c++) {{
      float t = 0.0f;
      for (int j = 0; j < {m}; j++) t += s[i][j] * v[j][c];
      o[i][c] = t;
    }}
}}"""
FUSED_ATTENTION = """
#include <math.h>
void attention(const float q[{n}][{d}], const float k[{m}][{d}], const float v[{m}][{d}],
               float o[{n}][{d}]) {{
  for (int i = 0; i < {n}; i++) {{
    float s[{m}];
    float top = -INFINITY;
    for (int j = 0; j < {m}; j++) {{
      float t = 0.0f;
      for (int c = 0; c < {d}; c++) t += q[i][c] * k[j][c];
      s[j] = t * 0.25f;
      if (s[j] > top) top = s[j];
    }}
    float sum = 0.0f;
    for (int j = 0; j < {m}; j++) {{ s[j] = expf(s[j] - top); sum += s[j]; }}
    for (int c = 0; c < {d}; c++) {{
      float t = 0.0f;
      for (int j = 0; j < {m}; j++) t += s[j] / sum * v[j][c];
      o[i][c] = t;
    }}
  }}
}}"""
HEADS = """
#include <math.h>
void attention(const float q[2][{n}][{d}], const float k[2][{m}][{d}], const float v[2][{m}][{d}],
               float o[2][{n}][{d}]) {{
  for (int h = 0; h < 2; h++)
    for (int i = 0; i < {n}; i++) {{
      float s[{m}];
      float sum = 0.0f;
      for (int j = 0; j < {m}; j++) {{
        float t = 0.0f;
        for (int c = 0; c < {d}; c++) t += q[h][i][c] * k[h][j][c];
        s[j] = expf(t * 0.25f);
        sum += s[j];
      }}
      float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;
      for (int c = 0; c < {d}; c++) {{
        float t = 0.0f;
        for (int j = 0; j < {m}; j++) t += s[j] * v[h][j][c];
        o[h][i][c] = t * inverse;
      }}
    }}
}}"""
LINEAR = """
#include <math.h>
void linear(const float x[{n}][{m}], const float w[{d}][{m}], const float b[{d}],
            float o[{n}][{d}]) {{
  for (int i = 0; i < {n}; i++)
    for (int j = 0; j < {d}; j++) {{
      float s = b[j];
      for (int k = 0; k < {m}; k++) s += x[i][k] * w[j][k];
      o[i][j] = {activation};
    }}
}}"""
SWIGLU = """
#include <math.h>
void swiglu(const float x[{n}][{m}], const float g[{m}][{d}], const float u[{m}][{d}],
            float o[{n}][{d}]) {{
  for (int i = 0; i < {n}; i++)
    for (int j = 0; j < {d}; j++) {{
      float a = 0.0f, b = 0.0f;
      for (int k = 0; k < {m}; k++) {{ a += x[i][k] * g[k][j]; b += x[i][k] * u[k][j]; }}
      o[i][j] = a / (1.0f + expf(-a)) * b;
    }}
}}"""
MLP = """
#include <math.h>
void mlp(const float x[{n}][{m}], const float g[{m}][{d}], const float u[{m}][{d}],
         const float w[{d}][{m}], float o[{n}][{m}]) {{
  float h[{n}][{d}];
  for (int i = 0; i < {n}; i++)
    for (int j = 0; j < {d}; j++) {{
      float a = 0.0f, b = 0.0f;
      for (int k = 0; k < {m}; k++) {{ a += x[i][k] * g[k][j]; b += x[i][k] * u[k][j]; }}
      h[i][j] = a / (1.0f + expf(-a)) * b;
    }}
  for (int i = 0; i < {n}; i++)
    for (int k = 0; k < {m}; k++) {{
      float s = 0.0f;
      for (int j = 0; j < {d}; j++) s += h[i][j] * w[j][k];
      o[i][k] = s;
    }}
}}"""
RELU = "s > 0.0f ? s : 0.0f"
FMAX = "fmaxf(s, 0.0f)"
GELU = "0.5f * s * (1.0f + tanhf(0.79788456f * (s + 0.044715f * s * s * s)))"
Array = Any


def attention(q: Array, k: Array, v: Array) -> Array:
    scores = q @ np.swapaxes(k, -1, -2) * np.float32(0.25)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


def relu(x: Array, w: Array, b: Array) -> Array:
    return np.maximum(x @ w.T + b, 0)


def gelu(x: Array, w: Array, b: Array) -> Array:
    s = x @ w.T + b
    return s * (1 + np.tanh(0.79788456 * (s + 0.044715 * s**3))) / 2


def swiglu(x: Array, g: Array, u: Array) -> Array:
    return x @ g / (1 + np.exp(-(x @ g))) * (x @ u)


def mlp(x: Array, g: Array, u: Array, w: Array) -> Array:
    return swiglu(x, g, u) @ w


CASES = [
    pytest.param(ATTENTION, (3, 520, 2), attention, id="attention"),
    pytest.param(FUSED_ATTENTION, (60, 150, 16), attention, id="attention_row_by_row"),
    pytest.param(LINEAR.replace("{activation}", RELU), (20, 140, 600), relu, id="relu"),
    pytest.param(LINEAR.replace("{activation}", FMAX), (20, 14, 60), relu, id="relu_by_fmaxf"),
    pytest.param(LINEAR.replace("{activation}", GELU), (256, 128, 128), gelu, id="gelu"),
    pytest.param(SWIGLU, (130, 200, 72), swiglu, id="swiglu"),
    pytest.param(SWIGLU, (128, 128, 512), swiglu, id="swiglu_whole_tiles"),
]
EITHER_WAY = [
    pytest.param(ATTENTION, (128, 128, 128), attention, id="attention_whole_tiles"),
    pytest.param(HEADS, (40, 130, 16), attention, id="attention_of_two_heads"),
    pytest.param(MLP, (20, 24, 140), mlp, id="two_layers_with_a_gate"),
]


@pytest.mark.parametrize(("text", "sizes", "expected"), [*CASES, *EITHER_WAY])
def test_products_between_rows(
    text: str, sizes: tuple[int, int, int], expected: Callable[..., Array]
) -> None:
    """What is lowered is proved, and what it computes is NumPy's up to the rounding of sums."""
    check_lowered(LowerRowsPass(), text, sizes, expected)


@pytest.mark.parametrize(
    ("text", "sizes", "expected"),
    [*EITHER_WAY, pytest.param(FUSED_ATTENTION, (2, 130, 2), attention, id="ragged_attention")],
)
def test_products_between_turned_arrays(
    text: str, sizes: tuple[int, int, int], expected: Callable[..., Array]
) -> None:
    """The same where what lies between two products has its columns in the partitions."""
    check_lowered(LowerRowsPass(turned=True), text, sizes, expected)


def test_turned_arrays_need_no_transposes() -> None:
    """Of attention, queries, keys, limits and sums of rows are transposed, no scores."""
    module = lift(parse_c_kernel(ATTENTION.format(n=128, m=512, d=128), "kernel.c"))
    LowerRowsPass(turned=True).apply(new_context(), module)
    found = [op.src.type.shape for op in module.walk() if isinstance(op, NcTransposeOp)]
    assert found == [(128, 128)] * 6
    loops = [op for op in module.walk() if isinstance(op, TensorTensorOp)]
    assert {op.dst.type.shape for op in loops} == {(128, 4, 128)}


@pytest.mark.parametrize("turned", [False, True])
def test_matrices_of_another_type(turned: bool) -> None:
    """The tensor engine takes no weights in float32 with values in bf16: these are converted."""
    text = HEADS.replace("const float", "const __bf16").replace("* k", "* (float)k")
    text = text.replace("+= q", "+= (float)q").replace("* v", "* (float)v")
    loops = parse_c_kernel(text.format(n=20, m=24, d=8), "kernel.c")
    module = lift(loops)
    LowerRowsPass(turned=turned).apply(new_context(), module)
    module.verify()
    assert validate(loops, module).verdict == "proved"
    products = [op for op in module.walk() if isinstance(op, NcMatmulOp)]
    types = {view_of(op.moving).element_type for op in products}
    assert types == {bf16, f32}


def test_nothing_lies_turned_that_is_stored() -> None:
    """One layer has no product behind it, and what is between two may be a result."""
    text = LINEAR.replace("{activation}", RELU).format(n=20, m=14, d=60)
    with pytest.raises(PassFailedException, match="nothing that can lie turned"):
        LowerRowsPass(turned=True).apply(new_context(), lift(parse_c_kernel(text, "kernel.c")))


def check_lowered(
    lowering: LowerRowsPass,
    text: str,
    sizes: tuple[int, int, int],
    expected: Callable[..., Array],
) -> None:
    n, m, d = sizes
    loops = parse_c_kernel(text.format(n=n, m=m, d=d), "kernel.c")
    module = lift(loops)
    lowering.apply(new_context(), module)
    module.verify()
    result = validate(loops, module)
    assert result.verdict == "proved", result.reason
    function = kernel_function(module)
    check(function, CONFIG)
    rng = np.random.default_rng(3)
    arrays = {
        argument.name_hint or "": rng.standard_normal(argument.type.get_shape()).astype(np.float32)  # pyright: ignore
        for argument in function.args
    }
    found = run(function, CONFIG, arrays)["o"]
    given = [value for name, value in arrays.items() if name != "o"]
    np.testing.assert_allclose(found, expected(*given), rtol=2e-4, atol=2e-4)
