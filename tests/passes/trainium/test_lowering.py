"""Lowering to Trainium: what is lowered is proved equal to the C kernel, and runs as NumPy does."""

from __future__ import annotations

import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.check import check
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import parameters_of, run
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from liftproof.passes.trainium.lower_matmul import LowerMatmulPass
from liftproof.passes.trainium.lower_rows import LowerRowsPass
from liftproof.validation.validate import validate
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

CONFIG = load_config("trainium1")
SOFTMAX = """
#include <math.h>
void softmax(const float x[{rows}][40], float y[{rows}][40]) {{
  for (int i = 0; i < {rows}; i++) {{
    float m = x[i][0];
    for (int j = 1; j < 40; j++) m = x[i][j] > m ? x[i][j] : m;
    float s = 0.0f;
    for (int j = 0; j < 40; j++) s += expf(x[i][j] - m);
    for (int j = 0; j < 40; j++) y[i][j] = expf(x[i][j] - m) / s;
  }}
}}"""
LAYERNORM = """
#include <math.h>
void layernorm(const float x[150][40], const float g[40], const float b[40], float y[150][40]) {
  for (int i = 0; i < 150; i++) {
    float s = 0.0f, v = 0.0f;
    for (int j = 0; j < 40; j++) s += x[i][j];
    float mean = s / 40.0f;
    for (int j = 0; j < 40; j++) v += (x[i][j] - mean) * (x[i][j] - mean);
    float r = 1.0f / sqrtf(v / 40.0f + 1e-5f);
    for (int j = 0; j < 40; j++) y[i][j] = (x[i][j] - mean) * r * g[j] + b[j];
  }
}"""
ADAMW = """
#include <math.h>
void adamw(const float g[130][24], float p[130][24], float m[130][24], float v[130][24]) {
  for (int i = 0; i < 130; i++)
    for (int j = 0; j < 24; j++) {
      float mi = 0.9f * m[i][j] + 0.1f * g[i][j];
      float vi = 0.999f * v[i][j] + 0.001f * g[i][j] * g[i][j];
      p[i][j] = p[i][j] - 0.001f * (mi / (sqrtf(vi) + 1e-8f) + 0.01f * p[i][j]);
      m[i][j] = mi;
      v[i][j] = vi;
    }
}"""
MATMUL = """
void matmul(const {type} A[{a}], const {type} B[{b}], {type} C[{m}][{n}]) {{
  for (int i = 0; i < {m}; i++)
    for (int j = 0; j < {n}; j++) {{
      float s = 0.0f;
      for (int k = 0; k < {k}; k++) s += (float)A[{ai}] * (float)B[{bi}];
      C[i][j] = s;
    }}
}}"""


def lowered(text: str, instance: ModulePass) -> tuple[ModuleOp, ModuleOp]:
    """The loops and the lowered program of a C kernel."""
    loops = parse_c_kernel(text, "kernel.c")
    module = lift_and_prove(loops).module.clone()
    instance.apply(new_context(), module)
    module.verify()
    return loops, module


def outputs(module: ModuleOp, *inputs: np.ndarray) -> list[np.ndarray]:
    """The arrays after a run of the functional simulator."""
    function = kernel_function(module)
    check(function, CONFIG)
    given = {
        parameter.name: array.astype(parameter.dtype)
        for parameter, array in zip(parameters_of(function), inputs, strict=True)
    }
    return list(run(function, CONFIG, given).values())


def matmul(
    m: int, n: int, k: int, a_turned: bool = False, b_turned: bool = False, type: str = "float"
) -> str:
    return MATMUL.format(
        type=type,
        m=m,
        n=n,
        k=k,
        a=f"{k}][{m}" if a_turned else f"{m}][{k}",
        b=f"{n}][{k}" if b_turned else f"{k}][{n}",
        ai="k][i" if a_turned else "i][k",
        bi="j][k" if b_turned else "k][j",
    )


BATCHED = """
void products(const float A[{a}], const float B[{b}], float C[3][20][30]) {{
  for (int n = 0; n < 3; n++)
    for (int i = 0; i < 20; i++)
      for (int j = 0; j < 30; j++) {{
        float s = 0.0f;
        for (int k = 0; k < 140; k++) s += A[{ai}] * B[{bi}];
        C[n][i][j] = s;
      }}
}}"""


@pytest.mark.parametrize(
    ("left", "right", "formula"),
    [
        ("n i k", "n k j", "nik,nkj->nij"),
        ("n k i", "n j k", "nki,njk->nij"),
        ("i k", "n k j", "ik,nkj->nij"),
        ("n i k", "k j", "nik,kj->nij"),
    ],
)
@pytest.mark.parametrize("hold", [False, True])
def test_products_of_a_batch(left: str, right: str, formula: str, hold: bool) -> None:
    """Products behind each other, with an operand that all share, and rows that are merged."""
    extents = {"n": 3, "i": 20, "j": 30, "k": 140}
    shapes = [tuple(extents[name] for name in side.split()) for side in (left, right)]
    text = BATCHED.format(
        a="][".join(map(str, shapes[0])),
        b="][".join(map(str, shapes[1])),
        ai=left.replace(" ", "]["),
        bi=right.replace(" ", "]["),
    )
    instance = LowerMatmulPass(rows=128, columns=512, depth=128, hold=hold)
    if hold and left == "n k i":
        with pytest.raises(PassFailedException, match="contiguous"):
            lowered(text, instance)
        return
    loops, module = lowered(text, instance)
    assert validate(loops, module).verdict == "proved"
    generator = np.random.default_rng(2)
    a, b = (generator.standard_normal(shape).astype(np.float32) for shape in shapes)
    expected = np.einsum(formula, a, b)
    result = outputs(module, a, b, np.zeros((3, 20, 30), np.float32))[-1]
    assert np.allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "at_once"), [(SOFTMAX.format(rows=256), False), (ADAMW, False), (ADAMW, True)]
)
def test_rows_are_proved(text: str, at_once: bool) -> None:
    """Reductions along rows, weights, several results in place, a ragged last block."""
    loops, module = lowered(text, LowerRowsPass(at_once=at_once))
    result = validate(loops, module)
    assert result.verdict == "proved", result.reason
    assert ("engine pool" in str(module)) == at_once


@pytest.mark.parametrize("rows", [256, 77])
def test_softmax_is_numpys(rows: int) -> None:
    """The functional simulator computes what NumPy does, up to the rounding of sums in float32."""
    _, module = lowered(SOFTMAX.format(rows=rows), LowerRowsPass())
    x = np.random.default_rng(1).standard_normal((rows, 40)).astype(np.float32)
    found = outputs(module, x, np.zeros_like(x))[1]
    shifted = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, shifted / shifted.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_products_are_proved(turned: tuple[bool, bool]) -> None:
    """Both operands as they are or transposed; no size is a multiple of a tile."""
    loops, module = lowered(matmul(150, 530, 140, *turned), LowerMatmulPass(256, 512, 100))
    result = validate(loops, module)
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize(("type", "turned"), [("float", True), ("__bf16", False)])
def test_held_operands_are_proved(type: str, turned: bool) -> None:
    """Rows of the left operand that stay in SBUF, as they are or transposed, in either type."""
    text = matmul(300, 530, 140, turned, type=type)
    loops, module = lowered(text, LowerMatmulPass(256, 512, 128, hold=True))
    result = validate(loops, module)
    assert result.verdict == "proved", result.reason
    m, n, k = 300, 530, 140
    rng = np.random.default_rng(4)
    sizes = ((k, m) if turned else (m, k), (k, n))
    a, b = (rng.integers(-8, 8, size).astype(np.float32) for size in sizes)
    found = outputs(module, a, b, np.zeros((m, n), np.float32))[2]
    exact = (a.T if turned else a) @ b
    np.testing.assert_allclose(np.asarray(found, np.float32), exact, rtol=2**-8)


@pytest.mark.parametrize("shape", [(256, 512, 128), (150, 530, 140), (1, 1, 1)])
def test_products_are_numpys(shape: tuple[int, int, int]) -> None:
    """The functional simulator computes the product, whole tiles or ragged ones."""
    m, n, k = shape
    _, module = lowered(matmul(m, n, k), LowerMatmulPass())
    rng = np.random.default_rng(2)
    a, b = (rng.standard_normal(size).astype(np.float32) for size in ((m, k), (k, n)))
    found = outputs(module, a, b, np.zeros((m, n), np.float32))[2]
    np.testing.assert_allclose(found, a @ b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        (LowerMatmulPass(rows=1024), "takes 8 banks"),
        (LowerMatmulPass(depth=0), "depth must be at least 1"),
        (LowerMatmulPass(), "a product and nothing else"),
    ],
)
def test_matmul_refuses(instance: LowerMatmulPass, said: str) -> None:
    """Blocks that do not fit, and programs that are more than a product, are refused by name."""
    with pytest.raises(PassFailedException, match=said):
        lowered(LAYERNORM, instance)


def test_rows_that_depend_on_each_other_are_refused() -> None:
    """A sum over the first dimension is not computed row by row."""
    text = """
void columns(const float x[8][4], float y[4]) {
  for (int j = 0; j < 4; j++) {
    float s = 0.0f;
    for (int i = 0; i < 8; i++) s += x[i][j];
    y[j] = s;
  }
}"""
    with pytest.raises(PassFailedException, match="rows"):
        lowered(text, LowerRowsPass())


def test_schedules_of_a_product_fit() -> None:
    """Every block of the space applies, and no two are the same."""
    module = lift_and_prove(parse_c_kernel(matmul(512, 1024, 256), "kernel.c")).module
    space = LowerMatmulPass.schedule_space(new_context(), module)
    assert len(space) == len(set(space)) > 10
    assert LowerMatmulPass.schedule_space(new_context(), parse_c_kernel(LAYERNORM, "k.c")) == ()


def test_widths_of_rows_are_tried_where_they_differ() -> None:
    """Rows of 40 elements are one part, whatever the limit: only the engines differ."""
    module = lift_and_prove(parse_c_kernel(ADAMW, "kernel.c")).module
    space = LowerRowsPass.schedule_space(new_context(), module)
    assert space == (LowerRowsPass(), LowerRowsPass(at_once=True))


@pytest.mark.parametrize("columns", [0, 16])
def test_parts_of_rows_are_proved(columns: int) -> None:
    """What needs no whole rows is computed on some columns at a time, the last ones fewer."""
    loops, module = lowered(LAYERNORM, LowerRowsPass(columns))
    result = validate(loops, module)
    assert result.verdict == "proved", result.reason
    assert ("16xf32" in str(module)) == (columns == 16)
