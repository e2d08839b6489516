"""Causal attention against programs that do not compute what the mask hides."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.masked import ADDS_NOTHING
from liftproof.validation.validate import validate

ATTENTION = """
#include <math.h>
void attention(const float q[8][4], const float k[8][4], const float v[8][4], float y[8][4]) {{
  for (int b = 0; b < 2; b++)
    for (int r = 0; r < 4; r++) {{
      float s[8], m = -INFINITY, z = 0.0f;
      for (int c = 0; c < {blocks}; c++)
        for (int e = 0; e < 4; e++) {{
          float t = 0.0f;
          for (int d = 0; d < 4; d++) t += q[4 * b + r][d] * k[4 * c + e][d];
          s[4 * c + e] = 4 * c + e <= 4 * b + r ? t : -INFINITY;
          m = fmaxf(m, s[4 * c + e]);
        }}
      for (int c = 0; c < {blocks}; c++)
        for (int e = 0; e < 4; e++) {{
          s[4 * c + e] = expf(s[4 * c + e] - m);
          z += s[4 * c + e];
        }}
      for (int d = 0; d < 4; d++) {{
        float t = 0.0f;
        for (int c = 0; c < {blocks}; c++)
          for (int e = 0; e < 4; e++) t += s[4 * c + e] * v[4 * c + e][d];
        y[4 * b + r][d] = t / z;
      }}
    }}
}}"""


@pytest.mark.parametrize(("blocks", "verdict"), [("b + 1", "proved"), ("2 - b", "refuted")])
def test_blocks_behind_the_mask_are_left_out(blocks: str, verdict: str) -> None:
    """A row needs the blocks up to its own; maximum, sum and products of it are told apart."""
    source, target = (
        parse_c_kernel(ATTENTION.format(blocks=count), "attention.c") for count in ("2", blocks)
    )
    result = validate(source, target)
    assert result.verdict == verdict, result.reason
    assert (ADDS_NOTHING in result.assumptions) == (verdict == "proved")
