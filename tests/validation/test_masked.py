"""Sums in which masks leave nothing of some summands: proved where these are zero, and said so."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.masked import ADDS_NOTHING
from liftproof.validation.validate import validate

KERNEL = """
#include <math.h>
void kernel(const float p[6][6], const float v[6][3], float y[6][3]) {{
  for (int i = 0; i < 6; i++)
    for (int c = 0; c < 3; c++) {{
      float s = 0.0f;
      for (int j = 0; j < {end}; j++) s += {weight} * v[j][c];
      y[i][c] = s;
    }}
}}
"""


@pytest.mark.parametrize(
    ("weight", "masked", "verdict"),
    [
        ("p[i][j]", "(j <= i ? p[i][j] : 0.0f)", "proved"),
        ("expf(p[i][j])", "expf(j <= i ? p[i][j] : -INFINITY)", "proved"),
        ("(p[i][j] / p[i][0])", "((j <= i ? p[i][j] : 0.0f) / p[i][0])", "proved"),
        ("p[i][j]", "(j < i ? p[i][j] : 0.0f)", "refuted"),
        ("p[i][j]", "(j <= i ? p[i][j] : 1.0f)", "refuted"),
        ("expf(p[i][j])", "expf(j <= i ? p[i][j] : INFINITY)", "refuted"),
        ("expf(p[i][j])", "expf(j <= i ? p[i][j] : 0.0f)", "refuted"),
    ],
)
def test_masked_summands(weight: str, masked: str, verdict: str) -> None:
    """What is masked by 0, or by -inf before exp, adds nothing; no other mask leaves nothing."""
    short = KERNEL.format(end="i + 1", weight=weight)
    programs = (short, KERNEL.format(end="6", weight=masked))
    result = validate(*(parse_c_kernel(text, "kernel.c") for text in programs))
    assert result.verdict == verdict, result.reason
    assert (ADDS_NOTHING in result.assumptions) == (verdict == "proved")


def test_sums_without_masks_assume_no_more() -> None:
    """A sum in another order lists that masked summands are zero only where some are masked."""
    programs = (KERNEL.format(end="6", weight=weight) for weight in ("p[i][j]", "p[i][j]"))
    source, target = (parse_c_kernel(text, "kernel.c") for text in programs)
    result = validate(source, target)
    assert result.verdict == "proved"
    assert ADDS_NOTHING not in result.assumptions
