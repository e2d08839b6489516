"""Which loops of an NKI kernel stay loops, and that the others mean the same."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import run
from liftproof.lifting.nki import parse_shapes, read_nki

HEAD = """
import nki
import nki.isa as nisa
import nki.language as nl

@nki.jit
def kernel(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray((128, 64), dtype=x.dtype, buffer=nl.sbuf)
    nisa.memset(dst=tile, value=0.0)
"""
TAIL = "    return out\n"


def read(body: str):
    """A kernel with the given body, and how often each operation stands in it."""
    text = HEAD + "".join(f"    {line}\n" for line in body.splitlines()) + TAIL
    function = kernel_function(read_nki(text, "kernel.py", parse_shapes(["x=128x512"])))
    return function, Counter(op.name for op in function.walk())


def result_of(function) -> tuple[np.ndarray, np.ndarray]:
    """A random input, and what the kernel makes of it."""
    x = np.random.default_rng(3).standard_normal((128, 512)).astype(np.float32)
    arrays = {"x": x, "out": np.zeros_like(x)}
    return x, run(function, load_config("trainium1"), arrays)["out"]


MOVE = """nisa.dma_copy(dst=tile, src=x[:, nl.ds(i * 64, 64)])
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
    nisa.dma_copy(dst=out[:, nl.ds(i * 64, 64)], src=tile)"""
DOUBLE_OF = {
    "a plain loop": (f"for i in nl.affine_range(8):\n    {MOVE}", 1, 0),
    "two loops": (
        "for a in nl.affine_range(4):\n  for b in nl.affine_range(2):\n"
        f"    i = a * 2 + b\n    {MOVE}",
        2,
        0,
    ),
    "a name that is read behind the loop": (
        f"for i in nl.affine_range(8):\n    {MOVE}\n    last = i\nassert last == 7",
        1,
        0,
    ),
    "a number carried from one iteration to the next": (
        f"i = 0\nfor k in range(8):\n    {MOVE}\n    i = i + 1",
        0,
        0,
    ),
    "a list that the loop fills": (
        f"places = []\nfor k in range(8):\n    places.append(k)\nfor i in places:\n    {MOVE}",
        0,
        0,
    ),
    "a last iteration that is special": (
        "for i in nl.affine_range(8):\n"
        "    size = min(64, 500 - i * 64)\n"
        "    part = tile[:, 0:size]\n"
        f"    {MOVE}",
        1,
        0,
    ),
    "a branch on the loop's variable": (
        f"for i in nl.affine_range(8):\n  if i >= 3:\n    {MOVE}\n  else:\n    {MOVE}",
        1,
        1,
    ),
    "slices that grow": (
        "wide = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.sbuf)\n"
        "two = nl.ndarray((128, 1), dtype=x.dtype, buffer=nl.sbuf)\n"
        "nisa.memset(dst=two, value=2.0)\n"
        "for i in nl.affine_range(8):\n"
        "    part = wide[:, 0 : (i + 1) * 64]\n"
        "    twos = two.broadcast_to((128, (i + 1) * 64))\n"
        "    nisa.dma_copy(dst=part, src=x[:, nl.ds(0, (i + 1) * 64)])\n"
        "    nisa.tensor_tensor(dst=part, data1=part, data2=twos, op=nl.multiply)\n"
        "    nisa.dma_copy(dst=out[:, 0 : (i + 1) * 64], src=part)",
        1,
        0,
    ),
    "slices that grow, of a size that is asked for": (
        "wide = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.sbuf)\n"
        "for i in nl.affine_range(8):\n"
        "    part = wide[:, 0 : (i + 1) * 64]\n"
        "    nisa.dma_copy(dst=part, src=x[:, 0 : part.shape[1]])\n"
        "    nisa.activation(dst=part, op=nl.copy, data=part, scale=2.0)\n"
        "    nisa.dma_copy(dst=out[:, 0 : (i + 1) * 64], src=part)",
        0,
        0,
    ),
    "break": (f"for i in range(100):\n    if i == 8:\n        break\n    {MOVE}", 0, 0),
}


@pytest.mark.parametrize("name", DOUBLE_OF)
def test_loops_stay_loops_where_they_can(name):
    """The expected loops and branches are in the program, and it computes the same in any case."""
    body, loops, branches = DOUBLE_OF[name]
    function, counts = read(body)
    assert (counts["scf.for"], counts["scf.if"]) == (loops, branches)
    x, out = result_of(function)
    np.testing.assert_allclose(out, 2 * x, rtol=1e-6)


def test_product_under_a_condition_overwrites_first():
    """Where the first product depends on a condition, the loop is unrolled to know which it is."""
    body = """psum = nl.ndarray((64, 512), dtype=nl.float32, buffer=nl.psum)
for i in nl.affine_range(4):
    if i >= 2:
        nisa.dma_copy(dst=tile, src=x[:, 0:64])
        wide = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=wide, src=x)
        nisa.nc_matmul(dst=psum, stationary=tile, moving=wide)
done = nl.ndarray((64, 512), dtype=x.dtype, buffer=nl.sbuf)
nisa.tensor_copy(dst=done, src=psum)
nisa.dma_copy(dst=out[0:64, :], src=done)"""
    function, counts = read(body)
    assert counts["trn.nc_matmul"] == 2
    x, out = result_of(function)
    np.testing.assert_allclose(out[:64], 2 * x[:, :64].T @ x, rtol=1e-4, atol=1e-3)


def test_list_changed_under_a_condition_is_not_changed_twice():
    """A list that only some iterations change is that of the iterations that do."""
    body = (
        """places = []
for i in nl.affine_range(8):
    if i < 5:
        places.append(i)
assert len(places) == 5
for i in nl.affine_range(8):
    """
        + MOVE
    )
    x, out = result_of(read(body)[0])
    np.testing.assert_allclose(out, 2 * x, rtol=1e-6)


def test_first_product_of_a_loop_overwrites():
    """Only past the first iteration a product adds, and the loop stays one."""
    body = """psum = nl.ndarray((64, 512), dtype=nl.float32, buffer=nl.psum)
wide = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.sbuf)
nisa.dma_copy(dst=wide, src=x)
for i in nl.affine_range(3):
    nisa.dma_copy(dst=tile, src=x[:, nl.ds(i * 64, 64)])
    nisa.nc_matmul(dst=psum, stationary=tile, moving=wide)
done = nl.ndarray((64, 512), dtype=x.dtype, buffer=nl.sbuf)
nisa.tensor_copy(dst=done, src=psum)
nisa.dma_copy(dst=out[0:64, :], src=done)"""
    function, counts = read(body)
    assert (counts["scf.for"], counts["trn.nc_matmul"]) == (1, 1)
    x, out = result_of(function)
    expected = sum(x[:, i * 64 : i * 64 + 64] for i in range(3)).T @ x
    np.testing.assert_allclose(out[:64], expected, rtol=1e-4, atol=1e-3)
