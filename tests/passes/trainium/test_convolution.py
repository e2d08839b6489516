"""``trn-lower-convolution``: windows on the tensor engine are proved, and are NumPy's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.passes.trainium.lower_convolution import LowerConvolutionPass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

Lower = Callable[[str, ModulePass], ModuleOp]
Outputs = Callable[..., list[np.ndarray]]
Proof = Callable[[str, ModuleOp], Validation]

PADDED = """
void conv(const float x[2][{c}][8][10], const float w[{o}][{c}][3][3], const float b[{o}],
          float y[2][{o}][4][5]) {{
  for (int n = 0; n < 2; n++)
    for (int o = 0; o < {o}; o++)
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 5; j++) {{
          float s = b[o];
          for (int c = 0; c < {c}; c++)
            for (int u = 0; u < 3; u++)
              for (int v = 0; v < 3; v++) {{
                int h = 2 * i + u - 1, k = 2 * j + v - 1;
                if (h >= 0 && h < 8 && k >= 0 && k < 10) s += x[n][c][h][k] * w[o][c][u][v];
              }}
          y[n][o][i][j] = s;
        }}
}}"""
CHANNELS_LAST = """
void conv(const float x[6][7][{c}], const float w[3][2][{c}][{o}], float y[4][6][{o}]) {{
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 6; j++)
      for (int o = 0; o < {o}; o++) {{
        float s = 0.0f;
        for (int u = 0; u < 3; u++)
          for (int v = 0; v < 2; v++)
            for (int c = 0; c < {c}; c++) s += x[i + u][j + v][c] * w[u][v][c][o];
        y[i][j][o] = 0.5f * s;
      }}
}}"""
SEQUENCE = """
void conv(const float x[{c}][12], const float w[{o}][{c}][3], float y[{o}][10]) {{
  for (int o = 0; o < {o}; o++)
    for (int t = 0; t < 10; t++) {{
      float s = 0.0f;
      for (int c = 0; c < {c}; c++)
        for (int u = 0; u < 3; u++) s += x[c][t + u] * w[o][c][u];
      y[o][t] = s;
    }}
}}"""


def padded(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    parts = [
        np.einsum("oc,nchw->nohw", w[:, :, u, v], wide[:, :, u : u + 8 : 2, v : v + 10 : 2])
        for u in range(3)
        for v in range(3)
    ]
    return np.sum(parts, axis=0) + b[:, None, None]


def channels_last(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    parts = [x[u : u + 4, v : v + 6] @ w[u, v] for u in range(3) for v in range(2)]
    return 0.5 * np.sum(parts, axis=0)


def sequence(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.sum([w[:, :, u] @ x[:, u : u + 10] for u in range(3)], axis=0)


Kernel = tuple[str, Callable[..., np.ndarray], str, int]
KERNELS: dict[str, Kernel] = {
    "padded": (PADDED, padded, "2xCx8x10 OxCx3x3 O", 3),
    "channels last": (CHANNELS_LAST, channels_last, "6x7xC 3x2xCxO", 2),
    "sequence": (SEQUENCE, sequence, "Cx12 OxCx3", 7),
}


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("padded", (4, 6)),
        ("padded", (5, 130)),
        ("channels last", (4, 6)),
        ("channels last", (131, 3)),
        ("sequence", (4, 6)),
        ("sequence", (131, 130)),
    ],
)
def test_convolutions_are_numpys(
    name: str, channels: tuple[int, int], lowered: Lower, outputs: Outputs
) -> None:
    """Padding and strides, both orders of dimensions, channels of less and more than one tile."""
    text, reference, shapes, size = KERNELS[name]
    c, o = channels
    module = lowered(text.format(c=c, o=o), LowerConvolutionPass(size))
    rng = np.random.default_rng(6)
    sizes = {"C": c, "O": o}
    given = [
        rng.standard_normal([sizes.get(n) or int(n) for n in shape.split("x")]).astype(np.float32)
        for shape in shapes.split()
    ]
    expected = reference(*given)
    found = outputs(module, *given, np.zeros(expected.shape, np.float32))[-1]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


SQUARES = """
void squares(const float x[{c}][40], float y[{c}]) {{
  for (int i = 0; i < {c}; i++) {{
    float s = 0.0f;
    for (int j = 0; j < 40; j++) s += x[i][j] * x[i][j];
    y[i] = s;
  }}
}}"""


@pytest.mark.parametrize("name", KERNELS)
def test_convolutions_are_proved(name: str, lowered: Lower, proof: Proof) -> None:
    """Each is proved equal to the C kernel, up to the order of the summands."""
    text, _, _, size = KERNELS[name]
    text = text.format(c=5, o=3)
    result = proof(text, lowered(text, LowerConvolutionPass(size)))
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SEQUENCE.replace("x[c][t + u]", "x[o][t + u]"), "only one factor has"),
        (SEQUENCE.replace("s += x[c][t + u] * w", "s += x[c][t + u] + w"), "sum of products"),
        (SQUARES, "sum of products of two arrays"),
        (PADDED.replace("u - 1", "u - 3"), "no summand that all elements of a block have"),
    ],
)
def test_what_is_no_convolution_is_refused(text: str, said: str, lowered: Lower) -> None:
    """Sums of other things, and windows that no summand fills."""
    with pytest.raises(PassFailedException, match=said):
        lowered(text.format(c=5, o=3), LowerConvolutionPass())
