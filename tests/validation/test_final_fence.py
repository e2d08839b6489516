"""A program whose last store no fence follows is refuted, and told whether that is all."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini.config import load_config
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.machine_c import read_machine_c
from liftproof.validation.decide import decide
from liftproof.validation.validate import Validation

COPY = """
#include <stdint.h>
void copy(const int8_t A[16][16], int8_t B[16][16]) {
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++)
      B[i][j] = A[i][j];
}
"""
BY_MACHINE = """
void copy(elem_t A[16][16], elem_t B[16][16]) {
  config_ld(16, 1.0, 16, 0);
  config_st(16);
  mvin(&A[0][0], 0, 16, 16);
  mvout(&B[0][0], ROW, 16, 16);
  FENCE
}
"""


def _validated(row: int, fence: str) -> Validation:
    text = BY_MACHINE.replace("ROW", str(row)).replace("FENCE", fence)
    target = read_machine_c(text, "copy.c", load_config())
    return decide(parse_c_kernel(COPY, "spec.c"), target, config=load_config())


def test_a_program_that_only_lacks_its_fence_is_told_so() -> None:
    """The verdict is refuted, at the last store, and says that a fence would do."""
    result = _validated(0, "")
    assert result.verdict == "refuted"
    assert "with a fence at its end the program is proved" in result.reason
    assert "gemmini.mvout" in result.instruction


def test_another_fault_comes_before_the_missing_fence() -> None:
    """A program that is wrong with a fence too is refuted for that."""
    result = _validated(4, "")
    assert result.verdict == "refuted"
    assert result.counterexample is not None
    assert "fence" not in result.reason


def test_a_fence_within_the_program_is_not_enough() -> None:
    """Only a fence behind the last store counts."""
    assert _validated(0, "fence();").verdict == "proved"
    assert _validated(0, "fence(); mvout(&B[0][0], 0, 16, 16);").verdict == "refuted"


LOOP = "for (int i = 0; i < {trips}; i++) {{ mvout(&B[0][0], 0, 16, 16); {inside} }}"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (LOOP.format(trips=2, inside="fence();"), "proved"),
        (LOOP.format(trips=2, inside="if (i == 0) fence();"), "refuted"),
        (LOOP.format(trips=2, inside="if (i == 0) fence(); else fence();"), "proved"),
        ("for (int i = 0; i < 2; i++) { fence(); mvout(&B[0][0], 0, 16, 16); }", "refuted"),
        ("for (int i = 0; i < 2; i++) for (int j = 0; j < i; j++) fence();", "refuted"),
        ("if (1) { fence(); }", "proved"),
    ],
)
def test_fences_in_loops_count_where_they_surely_come_last(text: str, verdict: str) -> None:
    """Whatever way the program takes, a fence follows its last store, or it is refuted."""
    assert _validated(0, text).verdict == verdict
