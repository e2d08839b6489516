"""What stays in tiles: under masks, in loops, and between the products of an accumulation."""

from __future__ import annotations

import re

import numpy as np
import pytest
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import parameters_of, run
from liftproof.lifting.nki import NkiError, parse_shapes, read_nki

BETA_1 = """import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl
"""
BETA_2 = BETA_1.replace("neuronxcc.", "")
KERNEL = """
@nki.jit
def kernel(x):
    out = nl.ndarray({shape}, dtype=x.dtype, buffer=nl.shared_hbm)
    i_p, i_f = nl.arange(128)[:, None], nl.arange(32)[None, :]
"""
CASES = {
    "memset under a mask": (
        "x=128x32",
        """
    t = nl.load(x)
    nisa.memset(dst=t[i_p, i_f], value=0.0, mask=(i_f < 4))
    nl.store(out, t)
""",
        lambda x: np.where(np.arange(32) < 4, 0, x),
    ),
    "an operation with two operators under a mask": (
        "x=128x32",
        """
    t = nl.load(x)
    t[i_p, i_f] = nisa.scalar_tensor_tensor(
        data=t[i_p, i_f], op0=nl.multiply, operand0=2.0, op1=nl.add, operand1=t[i_p, i_f],
        mask=(i_p < 100) & (i_f < 4))
    nl.store(out, t)
""",
        lambda x: np.where((np.arange(128)[:, None] < 100) & (np.arange(32) < 4), 3 * x, x),
    ),
    "a selection, a reciprocal and a maximum under masks": (
        "x=128x32",
        """
    t = nl.load(x)
    t[i_p, i_f] = nl.where(t > 0, t, -1.0, mask=(i_p < 64))
    m = nl.max(nl.negative(t, mask=(i_p < 64)), axis=1, mask=(i_p < 64))
    nl.store(out, t)
    nl.store(out[i_p, i_f], nl.multiply(t, m), mask=(i_p < 64))
""",
        lambda x: np.where(
            np.arange(128)[:, None] < 64,
            np.where(x > 0, x, -1) * np.where(x > 0, -x, 1).max(1, keepdims=True),
            x,
        ),
    ),
    "a transposed load under a mask": (
        "x=100x32",
        """
    t = nl.zeros((32, 128), dtype=nl.float32)
    t[...] = nl.load_transpose2d(x[i_p, i_f], mask=(i_p < 100))
    nl.store(out, t[:, 0:100])
""",
        lambda x: x.T,
    ),
    "partitions that a mask has left out, written afterwards": (
        "x=96x32",
        """
    t = nl.load(x[i_p, i_f], mask=(i_p < 96))
    t[96:128, :] = 5.0
    total = nl.zeros((128, 32), dtype=nl.float32)
    total += t
    nl.store(out, total)
""",
        lambda x: np.concatenate([x, np.full((32, 32), 5.0)]),
    ),
    "a row that changes from one time it is repeated to the next": (
        "x=1x1024",
        """
    t = nl.load(x)
    total = nl.zeros((4, 1024), dtype=nl.float32)
    for i in nl.sequential_range(3):
        total[...] = nl.add(total, t.broadcast_to((4, 1024)))
        t[...] = nl.multiply(t, 2.0)
    nl.store(out, total)
""",
        lambda x: np.repeat(7 * x, 4, axis=0),
    ),
    "a row that is repeated after its array was overwritten": (
        "x=1x1024",
        """
    t = nl.load(x)
    nl.store(x, nl.multiply(t, 2.0))
    total = nl.zeros((4, 1024), dtype=nl.float32)
    nl.store(out, nl.add(total, t.broadcast_to((4, 1024))))
""",
        lambda x: np.repeat(x, 4, axis=0),
    ),
    "a row of a result that is repeated after it was overwritten": (
        "x=1x1024",
        """
    nl.store(out[0:1, :], nl.load(x))
    t = nl.load(out[0:1, :])
    nl.store(out[0:1, :], nl.multiply(t, 2.0))
    nl.store(out[1:4, :], nl.copy(t.broadcast_to((3, 1024))))
""",
        lambda x: np.concatenate([2 * x, x, x, x]),
    ),
    "a result that is written in other sizes": (
        "x=4x64",
        """
    flat = out.reshape((128, 2))
    nl.store(flat, nl.load(x.reshape((128, 2))))
""",
        lambda x: x,
    ),
    "products after a product that overwrote": (
        "x=128x32",
        """
    t = nl.load(x)
    p = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.psum)
    p[...] = nl.matmul(t, t, transpose_x=True)
    for i in nl.affine_range(2):
        p += nisa.nc_matmul(t, t)
    p += nisa.nc_matmul(t, t)
    nl.store(out, nl.copy(p))
""",
        lambda x: 4 * x.T @ x,
    ),
}
RESETS = """
    p = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.psum)
    for i in nl.{kind}(2):
        nisa.memset(dst=p, value=0.0)
        for k in nl.{kind}(3):
            t = nl.ndarray((128, 32), dtype=nl.float32, buffer=nl.sbuf)
            nisa.dma_copy(dst=t, src=x[i * 128 : (i + 1) * 128, k * 32 : (k + 1) * 32])
            nisa.nc_matmul(dst=p, stationary=t, moving=t)
        s = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_copy(dst=s, src=p)
        nisa.dma_copy(dst=out[i * 32 : (i + 1) * 32, :], src=s)
    return out
"""
REFUSED = {
    "a store of partitions that a mask has left out": (
        """
    t = nl.load(x[i_p, i_f], mask=(i_p < 100))
    total = nl.zeros((128, 32), dtype=nl.float32)
    total += t
    nl.store(out, total)
""",
        "a mask has left out",
    ),
    "a product added to what no product wrote": (
        """
    t = nl.load(x)
    p = nl.ndarray((32, 32), dtype=nl.float32, buffer=nl.psum)
    p[...] = 5.0
    p += nisa.nc_matmul(t, t)
""",
        "what no product wrote",
    ),
    "an argument that would change the meaning": (
        "    nisa.nc_matmul(nl.load(x), nl.load(x), perf_mode='double_row')\n",
        "has no 'perf_mode'",
    ),
    "a mask where none is understood": (
        "    nisa.max8(src=nl.load(x), mask=(i_p < 3))\n",
        "has no 'mask'",
    ),
}


def result_of(text: str, shape: str) -> tuple[np.ndarray, np.ndarray]:
    """A random input, and what the kernel's result is."""
    function = kernel_function(read_nki(text, "kernel.py", parse_shapes([shape])))
    random = np.random.default_rng(3)
    inputs = {
        one.name: random.standard_normal(one.shape).astype(np.float32)
        for one in parameters_of(function)
    }
    x = inputs["x"].copy()
    return x, run(function, load_config("trainium1"), inputs)["out"]


@pytest.mark.parametrize("name", CASES)
def test_tiles_hold_what_was_written_to_them(name):
    """Masks leave out what they say; loops and broadcasts see what is in a tile at their time."""
    shape, body, reference = CASES[name]
    sizes = reference(np.zeros([int(n) for n in shape[2:].split("x")])).shape
    text = BETA_1 + KERNEL.format(shape=sizes) + body + "    return out\n"
    x, out = result_of(text, shape)
    np.testing.assert_allclose(out, reference(x.astype(np.float64)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["affine_range", "static_range"])
def test_sum_begins_anew_where_its_tile_is_set_to_zero(kind):
    """A PSUM tile from outside of a loop that is reset in it does not keep older sums."""
    text = BETA_2 + KERNEL.format(shape=(64, 32)) + RESETS.format(kind=kind)
    x, out = result_of(text, "x=256x96")
    parts = x.reshape(2, 128, 3, 32)
    expected = np.einsum("ipka,ipkb->iab", parts, parts).reshape(64, 32)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_tile_may_hold_is_refused(name):
    """Garbage behind masks, sums on other values, and arguments that are not understood."""
    body, message = REFUSED[name]
    text = BETA_1 + KERNEL.format(shape=(128, 32)) + body + "    return out\n"
    with pytest.raises(NkiError, match=re.escape(message)):
        result_of(text, "x=128x32")
