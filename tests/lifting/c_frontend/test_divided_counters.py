"""Subscripts by a loop variable over what divides its steps: tables with an entry for each pair."""

from __future__ import annotations

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.prove import lift_and_prove
from xdsl.dialects.func import FuncOp

KERNEL = """
void f(const float *x, const float *w, float *y) {{
  for (int t = 0; t < 4; t++)
    for (int i = {first}; i < 15; i += {step}) y[t * 16 + i] = x[t * 16 + i] * w[t * 8 + {index}];
}}"""


@pytest.mark.parametrize(
    ("first", "step", "index", "extents"),
    [
        (0, 2, "i / 2", "memref<4x8xf32>"),
        (4, 4, "(i >> 1)", "memref<4x8xf32>"),
        (0, 6, "i / 3", "memref<4x8xf32>"),
        (0, 3, "i / 2", "memref<?xf32>"),
        (1, 2, "i / 2", "memref<?xf32>"),
    ],
)
def test_extents_of_a_table(first: int, step: int, index: str, extents: str) -> None:
    """Where every quotient is whole, the table's rows are found; else nothing is said of it."""
    module = parse_c_kernel(KERNEL.format(first=first, step=step, index=index), "kernel.c")
    function = next(op for op in module.walk() if isinstance(op, FuncOp))
    assert str(function.args[1].type) == extents


def test_rotated_pairs_are_lifted() -> None:
    """A rotation of pairs by tables of half the length is proved."""
    text = KERNEL.format(first=0, step=2, index="i / 2")
    assert lift_and_prove(parse_c_kernel(text, "kernel.c")).verdict == "proved"
