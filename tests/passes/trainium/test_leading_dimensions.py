"""Kernels whose rows or elements have any dimensions fill all partitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.dialects.trn import ViewOp
from liftproof.dialects.trn.limits import PARTITIONS
from liftproof.passes.trainium.lower_elements import LowerElementsPass
from liftproof.passes.trainium.lower_rows import LowerRowsPass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

Lower = Callable[[str, ModulePass], ModuleOp]
Outputs = Callable[..., list[np.ndarray]]
Proof = Callable[[str, ModuleOp], Validation]

FLAT = """
void update(const float x[{0}], float y[{0}]) {{
  for (int i = 0; i < {0}; i++) y[i] = 1.5f * x[i] + y[i];
}}"""
CUBE = """
void update(const float x[3][{0}][7], float y[3][{0}][7]) {{
  for (int a = 0; a < 3; a++)
    for (int b = 0; b < {0}; b++)
      for (int c = 0; c < 7; c++) y[a][b][c] = 1.5f * x[a][b][c] + y[a][b][c];
}}"""
NORM = """
void norm(const float x[5][33][24], const float w[24], float y[5][33][24]) {
  for (int b = 0; b < 5; b++)
    for (int s = 0; s < 33; s++) {
      float total = 0.0f;
      for (int d = 0; d < 24; d++) total += x[b][s][d] * x[b][s][d];
      for (int d = 0; d < 24; d++) y[b][s][d] = x[b][s][d] * total * w[d];
    }
}"""
WEIGHTED = """
void weighted(const float x[6][4][5], const float w[4][5], float y[6][4][5]) {
  for (int a = 0; a < 6; a++)
    for (int b = 0; b < 4; b++)
      for (int c = 0; c < 5; c++) y[a][b][c] = x[a][b][c] * w[b][c];
}"""


def partitions(module: ModuleOp) -> set[int]:
    """The partitions that the views of a program on the chip have."""
    views = [op.view.type for op in module.walk() if isinstance(op, ViewOp)]
    return {view.shape[0] for view in views if view.on_chip}


@pytest.mark.parametrize(
    ("text", "shape", "columns", "filled"),
    [
        (FLAT.format(100), (100,), 0, {1}),
        (FLAT.format(1000), (1000,), 0, {PARTITIONS, 1}),
        (FLAT.format(1280), (1280,), 3, {PARTITIONS}),
        (CUBE.format(61), (3, 61, 7), 4, {PARTITIONS, 1}),
    ],
)
def test_elements_fill_the_partitions(
    lowered: Lower,
    outputs: Outputs,
    proof: Proof,
    text: str,
    shape: tuple[int, ...],
    columns: int,
    filled: set[int],
) -> None:
    """All partitions work, what is left follows in one, and the program is the kernel's."""
    module = lowered(text, LowerElementsPass(columns))
    assert partitions(module) == filled
    assert proof(text, module).verdict == "proved"
    x, y = np.random.default_rng(0).standard_normal((2, *shape), np.float32)
    assert np.array_equal(outputs(module, x, y)[-1], np.float32(1.5) * x + y)


def test_rows_of_two_dimensions_are_merged(lowered: Lower, outputs: Outputs, proof: Proof) -> None:
    """165 rows take two blocks, of 128 and of 37 partitions."""
    module = lowered(NORM, LowerRowsPass())
    assert partitions(module) == {PARTITIONS, 5 * 33 - PARTITIONS}
    assert proof(NORM, module).verdict == "proved"
    generator = np.random.default_rng(1)
    x, w = (generator.standard_normal(shape, np.float32) for shape in ((5, 33, 24), (24,)))
    expected = x * (x * x).sum(-1, keepdims=True) * w
    assert np.allclose(outputs(module, x, w, np.zeros_like(x))[-1], expected, rtol=1e-5)


def test_rows_that_weights_tell_apart_stay(lowered: Lower, proof: Proof) -> None:
    """A dimension that some tensor has and another lacks is no part of the rows."""
    module = lowered(WEIGHTED, LowerRowsPass())
    assert 6 in partitions(module)
    assert proof(WEIGHTED, module).verdict == "proved"
    with pytest.raises(PassFailedException, match="elements that are alone"):
        lowered(WEIGHTED, LowerElementsPass())
