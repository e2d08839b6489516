"""``trn-lower-scan``: recurrences of C kernels are lifted, proved, and computed as NumPy does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from liftproof.diagnostics import Diagnostic
from liftproof.dialects.context import new_context
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.lifting.recurrences import lift_recurrence
from liftproof.passes.trainium.lower_scan import LowerScanPass
from liftproof.validation.validate import Validation
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

Outputs = Callable[..., list[np.ndarray]]
Proof = Callable[[str, ModuleOp], Validation]

CUMULATIVE = """
void cumulative(const float x[R][9], float y[R][9]) {
  for (int i = 0; i < R; i++) {
    float s = 0.0f;
    for (int t = 0; t < 9; t++) {
      s += x[i][t];
      y[i][t] = 0.5f * s;
    }
  }
}"""
SMOOTHED = """
void smoothed(const float *x, float *y) {
  for (int i = 0; i < R; i++) {
    float h = 1.0f;
    for (int t = 0; t < 9; t++) {
      h = 0.25f * x[i * 9 + t] + h * 0.75f;
      y[i * 9 + t] = h;
    }
  }
}"""
SELECTIVE = """
#include <math.h>
void selective(const float d[R][9], const float u[R][9], const float A[R][3],
               const float B[3][9], const float C[3][9], float y[R][9]) {
  for (int c = 0; c < R; c++) {
    float h[3];
    for (int n = 0; n < 3; n++) h[n] = 0.0f;
    for (int t = 0; t < 9; t++) {
      float s = 0.0f;
      for (int n = 0; n < 3; n++) {
        h[n] = expf(d[c][t] * A[c][n]) * h[n] + d[c][t] * u[c][t] * B[n][t];
        s += C[n][t] * h[n];
      }
      y[c][t] = s;
    }
  }
}"""
STATE_AFTER_STATE = """
void states(const float a[R][3][9], const float b[R][3][9], const float c[3][9], float y[R][9]) {
  for (int i = 0; i < R; i++)
    for (int t = 0; t < 9; t++) y[i][t] = 0.0f;
  for (int i = 0; i < R; i++)
    for (int n = 0; n < 3; n++) {
      float h = 0.0f;
      for (int t = 0; t < 9; t++) {
        h = a[i][n][t] * h + b[i][n][t];
        y[i][t] += c[n][t] * h;
      }
    }
}"""

NEIGHBOURS = """
void neighbours(const float x[R][9], float y[R][9]) {
  for (int i = 0; i < R; i++) {
    y[i][0] = x[i][0];
    for (int t = 1; t < 9; t++) y[i][t] = 0.5f * y[i][t - 1] + x[i][t];
  }
}"""
FIRST = """
void first(const float x[R][9], float y[R][9]) {
  for (int i = 0; i < R; i++) {
    float h = x[i][0];
    y[i][0] = h;
    for (int t = 1; t < 9; t++) {
      h = h * 0.5f + x[i][t];
      y[i][t] = h;
    }
  }
}"""
IN_PLACE = """
void in_place(float x[R][9]) {
  for (int i = 0; i < R; i++)
    for (int t = 1; t < 9; t++) x[i][t] += x[i][t - 1];
}"""


def cumulative(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.cumsum(x, axis=1)


def smoothed(x: np.ndarray) -> np.ndarray:
    return scanned(np.full_like(x, 0.75), 0.25 * x, 1.0)


def halved(x: np.ndarray) -> np.ndarray:
    return scanned(np.full_like(x, 0.5), x, 0.0)


def selective(
    d: np.ndarray, u: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    factors = np.exp(d[:, None] * a[:, :, None])
    return np.sum(c * scanned(factors, (d * u)[:, None] * b, 0.0), axis=1)


def states(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.sum(c * scanned(a, b, 0.0), axis=1)


def scanned(factors: np.ndarray, summands: np.ndarray, start: float) -> np.ndarray:
    """The steps of a recurrence along the last axis."""
    found = np.zeros_like(factors)
    h = np.full(factors.shape[:-1], start)
    for t in range(factors.shape[-1]):
        h = factors[..., t] * h + summands[..., t]
        found[..., t] = h
    return found


KERNELS: dict[str, tuple[str, Callable[..., np.ndarray], str]] = {
    "cumulative": (CUMULATIVE, cumulative, "Rx9"),
    "smoothed": (SMOOTHED, smoothed, "Rx9"),
    "neighbours": (NEIGHBOURS, halved, "Rx9"),
    "first": (FIRST, halved, "Rx9"),
    "selective": (SELECTIVE, selective, "Rx9 Rx9 Rx3 3x9 3x9"),
    "states": (STATE_AFTER_STATE, states, "Rx3x9 Rx3x9 3x9"),
}


def at(text: str, rows: int) -> str:
    return f"#define R {rows}\n{text}"


def lowered(text: str, instance: LowerScanPass) -> ModuleOp:
    result = lift_recurrence(parse_c_kernel(text, "kernel.c"))
    assert result.verdict == "proved", result.reason
    instance.apply(new_context(), result.module)
    result.module.verify()
    return result.module


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("rows", [4, 130])
def test_scans_are_proved_and_numpys(name: str, rows: int, outputs: Outputs, proof: Proof) -> None:
    """Scans alone, and sums over several; one block of rows, or one and a rest."""
    text, reference, shapes = KERNELS[name]
    module = lowered(at(text, rows), LowerScanPass())
    rng = np.random.default_rng(7)
    given = [
        rng.uniform(0.1, 0.9, [rows if n == "R" else int(n) for n in shape.split("x")])
        for shape in shapes.split()
    ]
    given = [array.astype(np.float32) for array in given]
    expected = reference(*given)
    found = outputs(module, *given, np.zeros(expected.shape, np.float32))[-1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    if rows == 4 or name == "smoothed":
        result = proof(at(text, rows), module)
        assert result.verdict == "proved", result.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("h = a[i][n][t] * h", "h = a[i][n][t] * h * h"), "depend on it in other ways"),
        (
            ("h = a[i][n][t] * h + b[i][n][t];", "if (t > 1) h = a[i][n][t] * h + 1.0f;"),
            "condition",
        ),
    ],
)
def test_other_recurrences_are_refused(change: tuple[str, str], said: str) -> None:
    """What is not linear, or goes on under a condition."""
    text = at(STATE_AFTER_STATE, 4)
    assert change[0] in text
    with pytest.raises(Diagnostic, match=said):
        lift_recurrence(parse_c_kernel(text.replace(*change), "kernel.c"))


def test_sums_in_place(outputs: Outputs, proof: Proof) -> None:
    """An array of which each element is added to the next one is proved, and NumPy's sums."""
    module = lowered(at(IN_PLACE, 4), LowerScanPass())
    assert proof(at(IN_PLACE, 4), module).verdict == "proved"
    x = np.random.default_rng(3).normal(size=(4, 9)).astype(np.float32)
    np.testing.assert_allclose(outputs(module, x)[-1], np.cumsum(x, 1), rtol=1e-5, atol=1e-6)


def test_a_start_of_other_loops_is_refused() -> None:
    """A recurrence that starts from data needs the loops around its start to be its own."""
    text = SELECTIVE.replace("h[n] = 0.0f", "h[n] = A[c][n]")
    with pytest.raises(Diagnostic, match="starts from values of other loops"):
        lift_recurrence(parse_c_kernel(at(text, 4), "kernel.c"))


def test_a_recurrence_between_partitions_is_refused() -> None:
    """The loop that goes on cannot lie in the partitions."""
    with pytest.raises(PassFailedException, match="from one partition to the next"):
        lowered(at(CUMULATIVE, 4), LowerScanPass(loop=1))
