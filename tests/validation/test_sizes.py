"""Sizes become symbols: what is related stays related, and the programs at hand stay the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.lift import lift
from liftproof.lifting.prove import lift_and_prove
from liftproof.validation.core.index import Index
from liftproof.validation.generalize import generalizations
from liftproof.validation.size_equations import SizeEquations

KERNELS = Path(__file__).parents[1] / "lifting" / "lift_kernels"

CONVOLUTION = """
void conv(const float in[9][11], const float w[3][2], float out[4][10]) {
  for (int y = 0; y < 4; y++)
    for (int x = 0; x < 10; x++) {
      float sum = 0.0f;
      for (int ky = 0; ky < 3; ky++)
        for (int kx = 0; kx < 2; kx++)
          sum += in[2 * y + ky][x + kx] * w[ky][kx];
      out[y][x] = sum;
    }
}
"""


def test_sizes_of_a_convolution_are_related() -> None:
    """The input of a strided convolution is as large as output and kernel say."""
    source = parse_c_kernel(CONVOLUTION, "conv.c")
    general, *_ = generalizations(source, lift(source))
    assert "in[0] = 2·out[0] + w[0] - 2" in general.sizes
    assert "in[1] = out[1] + w[1] - 1" in general.sizes


@pytest.mark.parametrize(
    "name",
    ["all_but_last", "blocked", "convolution_2d", "dot_product", "jacobi_step", "last_column"],
)
def test_lifts_hold_for_all_sizes(name: str) -> None:
    """Stencils, windows, blocks and subscripts that are numbers do not tie a proof to one size."""
    result = lift_and_prove(parse_c_kernel((KERNELS / f"{name}.c").read_text(), f"{name}.c"))
    assert (result.verdict, result.method) == ("proved", "for all sizes")


def test_contradictions_are_left_out() -> None:
    """An equation that the program's own numbers violate is not taken."""
    equations = SizeEquations()
    left = equations.variable(("parameter", 0, 0), 4)
    right = equations.variable(("parameter", 1, 0), 5)
    equations.add(left, right)
    assert equations.solution(("parameter", 0, 0)) == left
    equations.add(left + 1, right)
    assert equations.solution(("parameter", 1, 0)) == left + 1


def test_solutions_have_the_numbers_of_the_program() -> None:
    """Whatever equations are added, every solution is worth the number of its size."""
    equations = SizeEquations()
    sizes = [equations.variable(("parameter", place, 0), 3 + place) for place in range(5)]
    equations.add(sizes[4], sizes[0] + sizes[1] * 2 - 4)
    equations.add(sizes[2] * 2, sizes[3] + sizes[1])
    equations.add(sizes[3], Index((), 6))
    for place in range(5):
        node = ("parameter", place, 0)
        assert equations.value(equations.solution(node)) == 3 + place
