"""Rows of which masks hide a part: what is hidden is neither computed nor multiplied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from liftproof.dialects.context import new_context
from liftproof.dialects.trn import AffineSelectOp
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.timing.simulate import simulate_tiles
from liftproof.passes.trainium.lower_rows import LowerRowsPass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

Lower = Callable[..., ModuleOp]

TRIANGULAR = """
#include <math.h>
void attention(const float q[{n}][{d}], const float k[{m}][{d}], const float v[{m}][{d}],
               float o[{n}][{d}]) {{
  for (int i = 0; i < {n}; i++) {{
    float s[{m}];
    float top = -INFINITY;
    for (int j = 0; j < {end}; j++) {{
      float t = 0.0f;
      for (int c = 0; c < {d}; c++) t += q[i][c] * k[j][c];
      s[j] = t * 0.25f;
      if (s[j] > top) top = s[j];
    }}
    float sum = 0.0f;
    for (int j = 0; j < {end}; j++) {{ s[j] = expf(s[j] - top); sum += s[j]; }}
    for (int c = 0; c < {d}; c++) {{
      float t = 0.0f;
      for (int j = 0; j < {end}; j++) t += s[j] * v[j][c];
      o[i][c] = t / sum;
    }}
  }}
}}"""
MASKED = """
#include <math.h>
void attention(const float q[{n}][{d}], const float k[{m}][{d}], const float v[{m}][{d}],
               float o[{n}][{d}]) {{
  float s[{n}][{m}];
  for (int i = 0; i < {n}; i++)
    for (int j = 0; j < {m}; j++) {{
      float t = 0.0f;
      for (int c = 0; c < {d}; c++) t += q[i][c] * k[j][c];
      s[i][j] = j < {end} ? t * 0.25f : -INFINITY;
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


def attention(q: Any, k: Any, v: Any, behind: int) -> Any:
    scores = np.where(np.tri(len(q), len(k), behind, dtype=bool), q @ k.T / 4, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ v


@pytest.mark.parametrize(
    ("text", "n", "m", "behind"),
    [
        pytest.param(TRIANGULAR, 650, 650, 0, id="several_parts_and_a_ragged_block"),
        pytest.param(TRIANGULAR, 300, 500, 200, id="keys_before_the_first_query"),
        pytest.param(MASKED, 140, 200, 5, id="masked"),
    ],
)
def test_causal_attention(
    lowered: Lower, outputs: Callable[..., list[np.ndarray]], text: str, n: int, m: int, behind: int
) -> None:
    """Whichever way the mask is written, the numbers are NumPy's."""
    end = f"i + {behind + 1}"
    random = np.random.default_rng(n)
    arrays = [random.standard_normal((rows, 8)).astype(np.float32) for rows in (n, m, m, n)]
    expected = attention(arrays[0], arrays[1], arrays[2], behind)
    for turned in (False, True):
        module = lowered(text.format(n=n, m=m, d=8, end=end), LowerRowsPass(turned=turned))
        np.testing.assert_allclose(outputs(module, *arrays)[-1], expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("turned", "old", "new", "verdict"),
    [
        (False, "", "", "proved"),
        (True, "", "", "proved"),
        (True, "step = -1 : i64}", "step = -1 : i64, base = 1 : i64}", "refuted"),
    ],
)
def test_masks_are_proved(
    lowered: Lower,
    proof: Callable[..., Validation],
    turned: bool,
    old: str,
    new: str,
    verdict: str,
) -> None:
    """Left out are the masked summands and no others: a mask that is wrong anywhere is refuted."""
    text = TRIANGULAR.format(n=130, m=130, d=2, end="i + 1")
    module = lowered(text, LowerRowsPass(turned=turned))
    assert old in str(module)
    found = proof(text, Parser(new_context(), str(module).replace(old, new)).parse_module())
    assert found.verdict == verdict, found.reason


def test_hidden_tiles_are_left_out(lowered: Lower) -> None:
    """Of 512 rows the blocks see 10 of 16 tiles of keys, and only the diagonal is masked."""
    causal, full = (
        lowered(TRIANGULAR.format(n=512, m=512, d=32, end=end), LowerRowsPass())
        for end in ("i + 1", "512")
    )
    masks = [op for op in causal.walk() if isinstance(op, AffineSelectOp)]
    assert [op.dst.type.shape for op in masks] == [(128, 127)] * 2
    config = load_config("trainium1")
    results = [simulate_tiles(kernel_function(one), config)[0] for one in (causal, full)]
    busy = [result.units["pe"]["busy"] for result in results]
    assert busy[0] < 0.7 * busy[1]
