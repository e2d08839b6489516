"""Scans are proved by induction: same start, same step, for each of the source's steps once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from liftproof.lifting.c.frontend import parse_c_kernel
from liftproof.validation.core.checker import Violation
from liftproof.validation.core.index import Index, constant_index
from liftproof.validation.engine import analyse
from liftproof.validation.limits import ValidationOptions
from liftproof.validation.recurrences import Recurrence, Steps, cut, recurrent
from liftproof.validation.validate import Validation, prepare, validate

Proof = Callable[..., Validation]

LINEAR = """
void linear(const float a[6][5], const float x[6][5], float y[6][5]) {
  for (int i = 0; i < 6; i++) {
    float h = 0.0f;
    for (int t = 0; t < 5; t++) {
      h = a[i][t] * h + x[i][t];
      y[i][t] = h;
    }
  }
}"""
CUMULATIVE = """
void cumulative(const float x[6][5], float y[6][5]) {
  for (int i = 0; i < 6; i++) {
    float s = 0.0f;
    for (int t = 0; t < 5; t++) {
      s += x[i][t];
      y[i][t] = s;
    }
  }
}"""
SELECTIVE = """
void selective(const float d[4][6], const float u[4][6], const float A[4][3],
               const float B[3][6], const float C[3][6], float y[4][6]) {
  for (int c = 0; c < 4; c++) {
    float h[3];
    for (int n = 0; n < 3; n++) h[n] = 0.0f;
    for (int t = 0; t < 6; t++) {
      float s = 0.0f;
      for (int n = 0; n < 3; n++) {
        h[n] = expf(d[c][t] * A[c][n]) * h[n] + d[c][t] * u[c][t] * B[n][t];
        s += C[n][t] * h[n];
      }
      y[c][t] = s;
    }
  }
}"""
SCAN = """
def kernel(a, x, y):
    for b in nl.affine_range(2):
        data = nl.ndarray((3, 5), dtype=nl.float32, buffer=nl.sbuf)
        added = nl.ndarray((3, 5), dtype=nl.float32, buffer=nl.sbuf)
        result = nl.ndarray((3, 5), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=data, src=a[b * 3:b * 3 + 3, :])
        nisa.dma_copy(dst=added, src=x[b * 3:b * 3 + 3, :])
        nisa.tensor_tensor_scan(dst=result, data0=data, data1=added, initial=0.0,
                                op0=nl.multiply, op1=nl.add)
        nisa.dma_copy(dst=y[b * 3:b * 3 + 3, :], src=result)
"""
CHAINED = """
def kernel(a, x, y):
    data = nl.ndarray((6, 5), dtype=nl.float32, buffer=nl.sbuf)
    added = nl.ndarray((6, 5), dtype=nl.float32, buffer=nl.sbuf)
    result = nl.ndarray((6, 5), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=data, src=a)
    nisa.dma_copy(dst=added, src=x)
    nisa.tensor_tensor_scan(dst=result[:, 0:2], data0=data[:, 0:2], data1=added[:, 0:2],
                            initial=0.0, op0=nl.multiply, op1=nl.add)
    nisa.tensor_tensor_scan(dst=result[:, 2:5], data0=data[:, 2:5], data1=added[:, 2:5],
                            initial=result[:, 1:2], op0=nl.multiply, op1=nl.add)
    nisa.dma_copy(dst=y, src=result)
"""
ONES = """
def kernel(x, y):
    data = nl.ndarray((6, 5), dtype=nl.float32, buffer=nl.sbuf)
    ones = nl.ndarray((6, 5), dtype=nl.float32, buffer=nl.sbuf)
    result = nl.ndarray((6, 5), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=data, src=x)
    nisa.memset(dst=ones, value=1.0)
    nisa.tensor_tensor_scan(dst=result, data0=ones, data1=data, initial=0.0,
                            op0=nl.multiply, op1=nl.add)
    nisa.dma_copy(dst=y, src=result)
"""
STATES = """
def kernel(d, u, A, B, C, y):
    delta = nl.ndarray((4, 6), dtype=nl.float32, buffer=nl.sbuf)
    product = nl.ndarray((4, 6), dtype=nl.float32, buffer=nl.sbuf)
    rates = nl.ndarray((4, 3), dtype=nl.float32, buffer=nl.sbuf)
    total = nl.ndarray((4, 6), dtype=nl.float32, buffer=nl.sbuf)
    nisa.dma_copy(dst=delta, src=d)
    nisa.dma_copy(dst=product, src=u)
    nisa.dma_copy(dst=rates, src=A)
    nisa.tensor_tensor(dst=product, data1=delta, data2=product, op=nl.multiply)
    nisa.memset(dst=total, value=0.0)
    for n in nl.affine_range(3):
        decay = nl.ndarray((4, 6), dtype=nl.float32, buffer=nl.sbuf)
        inward = nl.ndarray((4, 6), dtype=nl.float32, buffer=nl.sbuf)
        outward = nl.ndarray((4, 6), dtype=nl.float32, buffer=nl.sbuf)
        h = nl.ndarray((4, 6), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=inward, src=B[n:n + 1, :].broadcast_to((4, 6)))
        nisa.dma_copy(dst=outward, src=C[n:n + 1, :].broadcast_to((4, 6)))
        nisa.activation(dst=decay, op=nl.exp, data=delta, scale=rates[:, n:n + 1])
        nisa.tensor_tensor(dst=inward, data1=product, data2=inward, op=nl.multiply)
        nisa.tensor_tensor_scan(dst=h, data0=decay, data1=inward, initial=0.0,
                                op0=nl.multiply, op1=nl.add)
        nisa.tensor_tensor(dst=h, data1=h, data2=outward, op=nl.multiply)
        nisa.tensor_tensor(dst=total, data1=total, data2=h, op=nl.add)
    nisa.dma_copy(dst=y, src=total)
"""
THREE = ("a=6x5:f32", "x=6x5:f32", "y=6x5:f32")
SHAPES = ("d=4x6:f32", "u=4x6:f32", "A=4x3:f32", "B=3x6:f32", "C=3x6:f32", "y=4x6:f32")


@pytest.mark.parametrize("nki", [SCAN, CHAINED])
def test_linear_recurrences(nki: str, proof: Proof) -> None:
    """Rows in blocks, and one scan that goes on from where another ended."""
    result = proof(LINEAR, nki, *THREE)
    assert result.verdict == "proved", result.reason


@pytest.mark.parametrize(
    ("nki", "change"),
    [
        (SCAN, ("initial=0.0", "initial=1.0")),
        (SCAN, ("op1=nl.add", "op1=nl.subtract")),
        (SCAN, ("y[b * 3:b * 3 + 3, :]", "y[3 - b * 3:6 - b * 3, :]")),
        (CHAINED, ("initial=result[:, 1:2]", "initial=result[:, 0:1]")),
    ],
    ids=["start", "operator", "rows", "early"],
)
def test_wrong_scans_are_refuted(nki: str, change: tuple[str, str], proof: Proof) -> None:
    """Another start, step or place of the results shows when both programs are run."""
    assert change[0] in nki
    assert proof(LINEAR, nki.replace(*change), *THREE).verdict == "refuted"


def test_cumulative_sums(proof: Proof) -> None:
    """A sum whose intermediate results are read goes on from step to step, too."""
    result = proof(CUMULATIVE, ONES, "x=6x5:f32", "y=6x5:f32")
    assert result.verdict == "proved", result.reason
    wrong = proof(CUMULATIVE, ONES.replace("value=1.0", "value=0.5"), "x=6x5:f32", "y=6x5:f32")
    assert wrong.verdict == "refuted"


MOVED = "nisa.dma_copy(dst=inward, src=B[n:n + 1, :].broadcast_to((4, 6)))"
MULTIPLIED = """row = nl.ndarray((1, 6), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=row, src=B[n:n + 1, :])
        nisa.tensor_copy(dst=inward, src=row.broadcast_to((4, 6)))"""


@pytest.mark.parametrize("repeated", [MOVED, MULTIPLIED], ids=["moved", "multiplied by ones"])
def test_selective_scans(repeated: str, proof: Proof) -> None:
    """The scan of a state-space model: states inside of the loop over time, or around it.

    A row reaches all partitions by a DMA, or by a product of one summand, which is no sum.
    """
    assert MOVED in STATES
    result = proof(SELECTIVE, STATES.replace(MOVED, repeated), *SHAPES)
    assert result.verdict == "proved", result.reason


def test_recurrences_in_blocks_of_time() -> None:
    """Two C kernels with the same steps are equal, whatever the loops around them."""
    blocked = LINEAR.replace("x[6][5]", "x[6][6]").replace("a[6][5]", "a[6][6]")
    blocked = blocked.replace("y[6][5]", "y[6][6]").replace("t < 5", "t < 6")
    loops = "for (int b = 0; b < 2; b++) for (int t = 3 * b; t < 3 * b + 3; t++)"
    other = blocked.replace("for (int t = 0; t < 6; t++)", loops)
    found = validate(parse_c_kernel(blocked, "a.c"), parse_c_kernel(other, "b.c"))
    assert found.verdict == "proved", found.reason


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (lambda i, t: (i, constant_index(0)), "no two executions are the same step"),
        (lambda i, t: (i, t + 1), "each execution is a step"),
    ],
    ids=["one step for all", "a step that is none"],
)
def test_claimed_steps_are_checked(
    step: Callable[[Index, Index], tuple[Index, ...]], said: str
) -> None:
    """A map of executions to steps that would hide some of them is refused."""
    source = prepare(parse_c_kernel(LINEAR, "kernel.c")).analysed
    (origin,) = recurrent(source.program, source.certificate)
    steps = Steps(origin.dims, tuple(Index.of(dim) for dim in origin.dims))
    claimed = Recurrence(0, "f32", origin.dims, origin.condition, {origin.name: steps})
    solver = ValidationOptions().solver()
    analyse(cut(source.program, source.certificate, [claimed]), solver)
    wrong = Steps(origin.dims, step(*steps.indices))
    lie = cut(source.program, source.certificate, [replace(claimed, steps={origin.name: wrong})])
    with pytest.raises(Violation, match=said):
        analyse(lie, solver)


BLOCKS = """
#include <math.h>
void blocks(const float x[6][20], float y[6][1]) {
  for (int i = 0; i < 6; i++) {
    float h = 0.0f;
    for (int b = 0; b < 5; b++) {
      float s = 0.0f;
      for (int j = 0; j < 4; j++) s += x[i][4 * b + j];
      h = h * 0.5f + expf(s);
    }
    y[i][0] = h;
  }
}"""
COPIED = """
def kernel(x, y):
    h = nl.ndarray((6, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=h, value=0.0)
    for b in nl.sequential_range(5):
        block = nl.ndarray((6, 4), dtype=nl.float32, buffer=nl.sbuf)
        total = nl.ndarray((6, 1), dtype=nl.float32, buffer=nl.sbuf)
        next = nl.ndarray((6, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=block, src=x[:, b * 4:b * 4 + 4])
        nisa.tensor_reduce(dst=total, op=nl.add, data=block, axis=1)
        nisa.activation(dst=total, op=nl.exp, data=total)
        nisa.scalar_tensor_tensor(dst=next, data=h, op0=nl.multiply, operand0=0.5,
                                  op1=nl.add, operand1=total)
        nisa.tensor_copy(dst=h, src=next)
    nisa.dma_copy(dst=y, src=h)
"""


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (("", ""), "proved"),
        (("operand0=0.5", "operand0=0.25"), "refuted"),
        (("x[:, b * 4:b * 4 + 4]", "x[:, 16 - b * 4:20 - b * 4]"), "refuted"),
        (("src=next", "src=total"), "refuted"),
    ],
    ids=["right", "factor", "backwards", "lost"],
)
def test_steps_with_sums_of_blocks(change: tuple[str, str], verdict: str, proof: Proof) -> None:
    """The counter is the number of a block, and a copy stands between a step and the next one."""
    shapes = ("x=6x20:f32", "y=6x1:f32")
    assert change[0] in COPIED
    assert proof(BLOCKS, COPIED.replace(*change), *shapes).verdict == verdict
