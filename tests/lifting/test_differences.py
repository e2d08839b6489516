"""Sums that C writes as differences, ``s -= x``, are lifted and proved as sums of negations."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.validation.validate import validate

KERNEL = """
void f(const float x[6][9], const float w[9], float y[6]) {
  for (int i = 0; i < 6; i++) {
    float s = w[0];
    for (int j = 0; j < 9; j++) s {step};
    y[i] = s;
  }
}"""
SUBTRACTED = "-= x[i][j] * w[j]"


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        (SUBTRACTED, "proved"),
        ("= s + -(x[i][j] * w[j])", "proved"),
        ("+= x[i][j] * w[j]", "refuted"),
        ("= x[i][j] * w[j] - s", "refuted"),
    ],
)
def test_a_difference_is_a_sum_of_the_negated(step: str, verdict: str) -> None:
    """The lifted kernel refines those that subtract the same numbers, and no others."""
    lifted = lift(parse_c_kernel(KERNEL.replace("{step}", SUBTRACTED), "a.c"))
    other = parse_c_kernel(KERNEL.replace("{step}", step), "b.c")
    assert validate(other, lifted).verdict == verdict
