"""The same passes on the 4×4 float machine: nothing assumes 16 rows or int8."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.hw.gemmini.functional import run_function
from liftproof.passes.pipelines import baseline_pipeline, first_pipelines
from xdsl.dialects.builtin import ModuleOp

CONFIG = "gemmini-4x4-fp32"


def kernel(m: int, n: int, k: int) -> str:
    """C = A·B in float32 as tensor IR."""
    a, b, c = f"tensor<{m}x{k}xf32>", f"tensor<{k}x{n}xf32>", f"tensor<{m}x{n}xf32>"
    return f"""
func.func @kernel(%A: {a}, %B: {b}, %C: {c}) -> {c}
    attributes {{liftproof.outputs = array<i64: 2>}} {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : {c}
  %init = linalg.fill ins(%zero : f32) outs(%empty : {c}) -> {c}
  %sums = linalg.generic {{indexing_maps = [affine_map<(i, j, k) -> (i, k)>,
      affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>],
      iterator_types = ["parallel", "parallel", "reduction"]}}
      ins(%A, %B : {a}, {b}) outs(%init : {c}) {{
  ^bb0(%a: f32, %b: f32, %c: f32):
    %product = arith.mulf %a, %b : f32
    %sum = arith.addf %c, %product : f32
    linalg.yield %sum : f32
  }} -> {c}
  func.return %sums : {c}
}}
"""


@pytest.mark.parametrize("shape", [(1, 1, 1), (12, 12, 4), (13, 7, 9), (64, 40, 64)])
def test_float_products_are_right(
    apply: Callable[..., ModuleOp], shape: tuple[int, int, int]
) -> None:
    """Baseline and schedule sum in the same order, so that they agree bit for bit."""
    m, n, k = shape
    text = kernel(m, n, k)
    random = np.random.default_rng(0)
    a = random.standard_normal((m, k)).astype(np.float32)
    b = random.standard_normal((k, n)).astype(np.float32)
    pipelines = [baseline_pipeline(CONFIG), *islice(first_pipelines(text, CONFIG), 2)]
    results = [
        run_function(apply(text, pipeline), load_config(CONFIG), [a, b, None])[-1]
        for pipeline in pipelines
    ]
    assert np.allclose(results[0], a @ b, atol=1e-4)
    for result in results[1:]:
        assert np.array_equal(result, results[0])
