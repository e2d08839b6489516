"""``trn-lower-transpose``: permuted copies are proved, and computed as NumPy does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.passes.trainium.lower_transpose import LowerTransposePass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

Lower = Callable[[str, ModulePass], ModuleOp]
Outputs = Callable[..., list[np.ndarray]]
Proof = Callable[[str, ModuleOp], Validation]

MATRIX = """
void transpose(const float *x, float *y) {{
  for (int i = 0; i < {m}; i++)
    for (int j = 0; j < {n}; j++) y[j * {m} + i] = x[i * {n} + j];
}}"""
PERMUTED = """
void permuted(const float x[{a}][{b}][{c}], float y[{to}]) {{
  for (int i = 0; i < {a}; i++)
    for (int j = 0; j < {b}; j++)
      for (int k = 0; k < {c}; k++) y[{at}] = x[i][j][k];
}}"""


def permuted(shape: tuple[int, int, int], order: tuple[int, ...]) -> str:
    return PERMUTED.format(
        a=shape[0],
        b=shape[1],
        c=shape[2],
        to="][".join(str(shape[number]) for number in order),
        at="][".join("ijk"[number] for number in order),
    )


@pytest.mark.parametrize("shape", [(256, 128), (150, 300)])
def test_transposes_are_numpys(
    shape: tuple[int, int], lowered: Lower, outputs: Outputs, proof: Proof
) -> None:
    """Whole tiles and ragged ones, of pointers."""
    text = MATRIX.format(m=shape[0], n=shape[1])
    module = lowered(text, LowerTransposePass(256))
    assert proof(text, module).verdict == "proved"
    x = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    np.testing.assert_array_equal(outputs(module, x, np.zeros_like(x.T))[1], x.T)


@pytest.mark.parametrize("order", [(2, 0, 1), (2, 1, 0), (0, 2, 1), (1, 2, 0)])
def test_permutations_are_numpys(
    order: tuple[int, ...], lowered: Lower, outputs: Outputs, proof: Proof
) -> None:
    """Dimensions that stay together count as one; the others become loops."""
    shape = (3, 20, 131)
    text = permuted(shape, order)
    module = lowered(text, LowerTransposePass(128))
    assert proof(text, module).verdict == "proved"
    x = np.random.default_rng(4).standard_normal(shape).astype(np.float32)
    expected = np.transpose(x, order)
    found = outputs(module, x, np.zeros(expected.shape, np.float32))[1]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("instance", "text", "said"),
    [
        (LowerTransposePass(1024), MATRIX.format(m=4, n=4), "from 1 to 512"),
        (LowerTransposePass(), permuted((2, 3, 4), (1, 0, 2)), "last dimension stays the last"),
        (LowerTransposePass(), MATRIX.format(m=4, n=4).replace("] = x", "] = 2 * x"), "copy"),
    ],
)
def test_what_is_no_transpose_is_refused(
    instance: LowerTransposePass, text: str, said: str, lowered: Lower
) -> None:
    """Blocks that do not fit PSUM, rows that stay rows, and arithmetic."""
    with pytest.raises(PassFailedException, match=said):
        lowered(text, instance)
