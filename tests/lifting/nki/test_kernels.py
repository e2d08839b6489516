"""Kernels of both forms of NKI, read and run against NumPy at small and ragged shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from liftproof.hw.gemmini.unroll import kernel_function
from liftproof.hw.trainium.config import load_config
from liftproof.hw.trainium.functional import parameters_of, run
from liftproof.hw.trainium.timing import simulate_tiles
from liftproof.lifting.nki import parse_shapes, read_nki

Arrays = dict[str, np.ndarray]
BETA_1 = """
import math
import numpy as np
import neuronxcc.nki as nki
import neuronxcc.nki.isa as nisa
import neuronxcc.nki.language as nl
from neuronxcc.nki.language import par_dim
"""
BETA_2 = """
import nki
import nki.isa as nisa
import nki.language as nl
"""


@dataclass(frozen=True)
class Case:
    """A kernel, the shapes to run it at, and what it computes."""

    name: str
    text: str
    shapes: Sequence[Sequence[str]]
    reference: Callable[[Arrays], Any]
    tolerance: float = 1e-5


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(i: Arrays) -> np.ndarray:
    scores = i["q_ref"] @ i["k_ref"].T * 0.125
    if "use_causal_mask" in i:
        scores = np.where(np.tri(len(scores), dtype=bool), scores, -9984.0)
    return softmax(scores) @ i["v_ref"]


def layernorm(i: Arrays) -> np.ndarray:
    x = i["x"]
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)


FOLDER = Path(__file__).parent / "kernels"


def text_of(name: str) -> str:
    """A kernel that stands in a file of its own, without its imports."""
    return (FOLDER / f"{name}.nki.txt").read_text(encoding="utf-8")


def windows(x: np.ndarray) -> np.ndarray:
    """All windows of 3 × 3 of each channel."""
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))


def flash(i: Arrays) -> np.ndarray:
    scores = i["q"].T @ i["k"] / 8
    if "causal" in i:
        scores = np.where(np.tri(len(scores), dtype=bool), scores, -1e9)
    return softmax(scores) @ i["v"]


def upsampled(x: np.ndarray) -> np.ndarray:
    """Twice as many elements along dimension 1, between those that there are."""
    left, right = x[:, :-1], x[:, 1:]
    between = np.stack((0.75 * left + 0.25 * right, 0.25 * left + 0.75 * right), 2)
    inner = between.reshape(len(x), -1, *x.shape[2:])
    return np.concatenate((x[:, :1], inner, x[:, -1:]), 1)


def swiglu(i: Arrays) -> np.ndarray:
    gate, up = i["xT"].T @ i["wg"], i["xT"].T @ i["wu"]
    return gate / (1 + np.exp(-gate)) * up


CASES = [
    Case(
        "add of two arrays, masked at the edges",
        BETA_1
        + """
@nki.jit
def add(a, b):
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    rows, columns = a.shape
    for i in nl.affine_range(math.ceil(rows / 128)):
        ix = i * 128 + nl.arange(128)[:, None]
        for j in nl.affine_range((columns + 511) // 512):
            iy = j * 512 + nl.arange(512)[None, :]
            mask = (ix < rows) & (iy < columns)
            a_tile = nl.load(a[ix, iy], mask=mask)
            b_tile = nl.load(b[ix, iy], mask=mask)
            nl.store(out[ix, iy], value=a_tile + b_tile, mask=mask)
    return out
""",
        (("a=256x1024", "b=256x1024"), ("a=200x512", "b=200x512")),
        lambda i: i["a"] + i["b"],
    ),
    Case(
        "rmsnorm",
        BETA_1
        + """
@nki.jit
def rmsnorm(a, g):
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    ix = nl.arange(128)[:, None]
    iw = nl.arange(1)[:, None]
    iy = nl.arange(a.shape[1])[None, :]
    num_rows = a.shape[0]
    g_tile = nl.load(g.reshape((1, g.shape[0]))[iw, iy])
    for i in nl.affine_range(math.ceil(a.shape[0] / 128)):
        a_tile = nl.load(a[i * 128 + ix, iy], mask=(i * 128 + ix < num_rows))
        in_square = nl.square(a_tile)
        square_sum = nl.sum(in_square, axis=[1])
        mean = square_sum / a.shape[1]
        rms_reciprocal = nl.rsqrt(mean)
        out_tile = nl.multiply(a_tile, rms_reciprocal)
        g_bcast = g_tile.broadcast_to((128, g.shape[0]))
        out_tile[...] = nl.multiply(out_tile, g_bcast, mask=(i * 128 + ix < num_rows))
        nl.store(out[i * 128 + ix, iy], value=out_tile, mask=(i * 128 + ix < num_rows))
    return out
""",
        (("a=256x512", "g=512:f32"), ("a=250x512", "g=512:f32")),
        lambda i: i["a"] / np.sqrt((i["a"] ** 2).mean(1, keepdims=True)) * i["g"],
    ),
    Case(
        "softmax of rows, with a helper function and constants",
        BETA_1
        + """
TILE = 128

def load_rows(x, start, count=TILE):
    return nl.load(x[start : start + count, :])

@nki.jit
def softmax(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    for i in nl.affine_range(x.shape[0] // TILE):
        tile = load_rows(x, i * TILE)
        largest = nl.max(tile, axis=1, keepdims=True)
        e = nl.exp(tile - largest)
        total = nl.sum(e, axis=1, keepdims=True)
        nl.store(out[i * TILE : (i + 1) * TILE, :], e / total)
    return out
""",
        (("x=256x96",),),
        lambda i: softmax(i["x"]),
    ),
    Case(
        "attention of one head, products and transposes through PSUM",
        BETA_1 + text_of("one_head"),
        (("q=64x256", "k=64x256", "v=256x64"),),
        lambda i: softmax(i["q"].T @ i["k"] / 8) @ i["v"],
        1e-4,
    ),
    Case(
        "causal weights by affine_select",
        BETA_1
        + """
@nki.jit
def causal(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    i_q, i_k = nl.mgrid[0:128, 0 : x.shape[1]]
    for i in nl.affine_range(x.shape[0] // 128):
        tile = nl.load(x[i * 128 + i_q, i_k])
        kept = nisa.affine_select(
            pred=(i * 128 + i_q >= i_k), on_true_tile=tile, on_false_value=-7.0
        )
        nl.store(out[i * 128 + i_q, i_k], value=kept)
    return out
""",
        (("x=256x256",),),
        lambda i: np.where(np.tri(256, dtype=bool), i["x"], -7.0),
    ),
    Case(
        "average pooling by a five-dimensional access pattern",
        BETA_1
        + """
@nki.jit
def pool(x):
    channels, height, width = x.shape
    size = 2
    out = nl.ndarray((channels, height // size, width // size), dtype=x.dtype, buffer=nl.shared_hbm)
    i_c = nl.arange(channels)[:, None, None]
    i_h = nl.arange(height)[None, :, None]
    i_w = nl.arange(width)[None, None, :]
    tile = nl.load(x[i_c, i_h, i_w])
    i0 = nl.arange(channels)[:, None, None, None, None]
    i1 = nl.arange(height // size)[None, :, None, None, None]
    i2 = nl.arange(width // size)[None, None, :, None, None]
    i3 = nl.arange(size)[None, None, None, :, None]
    i4 = nl.arange(size)[None, None, None, None, :]
    total = nl.sum(tile[i0, size * i1 + i3, size * i2 + i4], axis=[3, 4])
    nl.store(out, value=total / (size * size))
    return out
""",
        (("x=32x8x6",),),
        lambda i: i["x"].reshape(32, 4, 2, 3, 2).mean((2, 4)),
    ),
    Case(
        "depthwise convolution with shifted slices and a list of partial sums",
        BETA_2 + text_of("depthwise"),
        (("x=64x40", "w=64x3"), ("x=100x17", "w=100x4")),
        lambda i: sum(
            i["x"][:, t : t + i["x"].shape[1] - i["w"].shape[1] + 1] * i["w"][:, t : t + 1]
            for t in range(i["w"].shape[1])
        ),
    ),
    Case(
        "cumulative sum, each block continued from the one before",
        BETA_2 + text_of("cumulative_sum"),
        (("x=256x256",),),
        lambda i: np.cumsum(i["x"], axis=1),
        1e-4,
    ),
    Case(
        "transpose of a matrix through the tensor engine",
        BETA_2
        + """
@nki.jit
def transpose(x):
    rows, columns = x.shape
    out = nl.ndarray((columns, rows), dtype=x.dtype, buffer=nl.shared_hbm)
    for i in nl.affine_range(rows // 128):
        for j in nl.affine_range(columns // 128):
            tile = nl.ndarray((128, 128), dtype=x.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=tile, src=x[nl.ds(i * 128, 128), nl.ds(j * 128, 128)])
            turned = nl.ndarray((128, 128), dtype=x.dtype, buffer=nl.psum)
            nisa.nc_transpose(dst=turned, data=tile)
            back = nl.ndarray((128, 128), dtype=x.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=back, src=turned)
            nisa.dma_copy(dst=out[nl.ds(j * 128, 128), nl.ds(i * 128, 128)], src=back)
    return out
""",
        (("x=256x384",),),
        lambda i: i["x"].T,
    ),
    Case(
        "product whose partial sums are added by the vector engine",
        BETA_2 + text_of("partial_sums"),
        (("aT=256x128:bf16", "b=256x512:bf16"),),
        lambda i: i["aT"].T @ i["b"],
        1e-5,
    ),
    Case(
        "layernorm with statistics, lambdas and list comprehensions",
        BETA_1
        + """
halves = lambda x, n: [x[:, i * n : (i + 1) * n] for i in range(2)]

@nki.jit
def kernel(x, out):
    rows, columns = x.shape
    for i in nl.affine_range(rows // 128):
        tile = nl.load(x[i * 128 : (i + 1) * 128, :])
        stats = nl.ndarray((128, 12), dtype=nl.float32)
        for number, part in enumerate(halves(tile, columns // 2)):
            stats[:, number * 6 : number * 6 + 6] = nisa.bn_stats(part)
        both = nisa.bn_aggr(stats)
        scale = nl.rsqrt(both[:, 1:2] + 1e-5)
        result = nisa.tensor_scalar(
            tile, np.subtract, both[:, 0:1], op1=np.multiply, operand1=scale
        )
        nl.store(out[i * 128 : (i + 1) * 128, :], value=result)
""",
        (("x=256x128", "out=256x128"),),
        layernorm,
        1e-4,
    ),
    Case(
        "where, comparisons, minimum and powers on tiles",
        BETA_1
        + """
@nki.jit
def kernel(x, y):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    a, b = nl.load(x), nl.load(y)
    c = nl.where(a > b, nl.minimum(a, 1.0), -b)
    d = 1.0 - c * c / (2.0 + nl.abs(c))
    d += c ** 2
    nl.store(out, d)
    return out
""",
        (("x=128x32", "y=128x32"), ("x=5x7", "y=5x7")),
        lambda i: (lambda c: 1.0 - c * c / (2.0 + abs(c)) + c**2)(
            np.where(i["x"] > i["y"], np.minimum(i["x"], 1.0), -i["y"])
        ),
    ),
    Case(
        "max pooling with windows that overlap",
        BETA_1
        + """
@nki.jit
def maxpool(x, pool_size=3):
    channels, height, width = x.shape
    oh, ow = height - pool_size + 1, width - pool_size + 1
    out = nl.ndarray((channels, oh, ow), dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    i0, i1, i2, i3, i4 = nl.mgrid[0:channels, 0:oh, 0:ow, 0:pool_size, 0:pool_size]
    nl.store(out, value=nl.max(tile[i0, i1 + i3, i2 + i4], axis=[3, 4]))
    return out
""",
        (("x=16x6x7",),),
        lambda i: np.lib.stride_tricks.sliding_window_view(i["x"], (3, 3), (1, 2)).max((3, 4)),
    ),
    Case(
        "conditions on loop variables, dictionaries and while",
        BETA_2
        + """
@nki.jit
def kernel(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    factors = {"first": 2.0, "other": 3.0}
    step = 0
    while step * 32 < x.shape[1]:
        step += 1
    for i in nl.affine_range(step):
        tile = nl.ndarray((64, 32), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[:, i * 32 : (i + 1) * 32])
        factor = factors["first"] if i == 0 else factors["other"]
        if i % 2 == 1:
            nisa.activation(dst=tile, op=nl.copy, data=tile, scale=factor)
        else:
            nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=factor)
        nisa.dma_copy(dst=out[:, i * 32 : (i + 1) * 32], src=tile)
    return out
""",
        (("x=64x128",),),
        lambda i: i["x"] * np.where(np.arange(128) < 32, 2.0, 3.0),
    ),
    Case(
        "rows of eight largest numbers, and one-hot rows from iota",
        BETA_2
        + """
@nki.jit
def kernel(x):
    out = nl.ndarray((128, 8), dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    best = nl.ndarray((128, 8), dtype=x.dtype, buffer=nl.sbuf)
    nisa.max8(dst=best, src=tile)
    nisa.dma_copy(dst=out, src=best)
    return out
""",
        (("x=128x50",),),
        lambda i: -np.sort(-i["x"], axis=1)[:, :8],
    ),
    Case(
        "attention written with index tiles, and stored transposed",
        BETA_1 + text_of("self_attention"),
        (
            ("q_ref=256x64", "k_ref=256x64", "v_ref=256x64"),
            ("q_ref=256x64", "k_ref=256x64", "v_ref=256x64", "use_causal_mask=True"),
        ),
        lambda i: attention(i),
        1e-4,
    ),
    Case(
        "sum over a loop by loop_reduce, of products and of tiles",
        BETA_1
        + """
@nki.jit
def kernel(a, b):
    out = nl.ndarray((128, 256), dtype=nl.float32, buffer=nl.shared_hbm)
    for k in nl.affine_range(a.shape[0] // 128):
        a_tile = nl.load(a[k * 128 : (k + 1) * 128, :])
        b_tile = nl.load(b[k * 128 : (k + 1) * 128, :])
        product = nl.matmul(a_tile, b_tile, transpose_x=True)
        total = nl.loop_reduce(product, op=np.add, loop_indices=[k], dtype=nl.float32)
        largest = nl.loop_reduce(b_tile, op=np.maximum, loop_indices=[k])
    nl.store(out, total + largest)
    return out
""",
        (("a=384x128", "b=384x256"),),
        lambda i: i["a"].T @ i["b"] + i["b"].reshape(3, 128, 256).max(0),
        1e-4,
    ),
    Case(
        "products of what is not transposed yet, with an identity constant",
        BETA_1
        + """
@nki.jit
def kernel(a, b):
    out = nl.ndarray((a.shape[0], b.shape[1]), dtype=nl.float32, buffer=nl.shared_hbm)
    identity = nl.load(nl.shared_constant(np.identity(a.shape[0], dtype=np.float32)))
    product = nl.copy(nl.matmul(nl.load(a), nl.load(b)))
    nl.store(out, value=nl.copy(nisa.nc_matmul(identity, product)))
    return out
""",
        (("a=64x128", "b=128x256"), ("a=5x7", "b=7x9")),
        lambda i: i["a"] @ i["b"],
        1e-4,
    ),
    Case(
        "access patterns of every second element",
        BETA_2
        + """
@nki.jit
def kernel(x):
    rows, columns = x.shape
    out = nl.ndarray((rows, columns // 2), dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray((rows, columns), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    odd = nl.ndarray((rows, columns // 2), dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=odd, src=tile.ap(pattern=[[columns, rows], [2, columns // 2]], offset=1))
    nisa.dma_copy(dst=out, src=odd)
    return out
""",
        (("x=64x32",),),
        lambda i: i["x"][:, 1::2],
    ),
    Case(
        "transpose of the free dimensions, by index tiles",
        BETA_1
        + """
@nki.jit
def kernel(x, f1=4):
    rows, columns = x.shape
    f2 = columns // f1
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    result = nl.ndarray(shape=(rows, f2 * f1), dtype=x.dtype)
    i_p = nl.arange(0, rows)[:, None, None]
    i_1 = nl.arange(0, f1)[None, :, None]
    i_2 = nl.arange(0, f2)[None, None, :]
    result[i_p, i_2 * f1 + i_1] = nl.copy(tile[i_p, i_1 * f2 + i_2])
    nl.store(out, value=result)
    return out
""",
        (("x=32x24",),),
        lambda i: i["x"].reshape(32, 4, 6).transpose(0, 2, 1).reshape(32, 24),
    ),
    Case(
        "flash attention: online softmax, a class of tile sizes, helpers, special iterations",
        BETA_1 + text_of("flash_attention"),
        (
            ("q=64x384", "k=64x384", "v=384x64", "causal=True"),
            ("q=64x384", "k=64x384", "v=384x64", "causal=False"),
        ),
        flash,
        1e-4,
    ),
    Case(
        "max pooling whose mask cuts off windows",
        BETA_1 + text_of("max_pool_masked"),
        (("in_tensor=32x7x6",),),
        lambda i: windows(i["in_tensor"]).max((3, 4)),
    ),
    Case(
        "convolution as products over the taps, from lists of tiles",
        BETA_2 + text_of("conv2d"),
        (("x=16x10x12", "w=24x16x3x3"),),
        lambda i: np.einsum("chwrs,kcrs->khw", windows(i["x"]), i["w"]),
        1e-4,
    ),
    Case(
        "swiglu with positional destinations",
        BETA_2 + text_of("swiglu"),
        (("xT=256x128", "wg=256x512", "wu=256x512"),),
        swiglu,
        1e-4,
    ),
    Case(
        "double buffering by tiles in a dictionary, a class of sizes, one PSUM tile",
        BETA_2 + text_of("double_buffered"),
        (("lhsT=256x128", "rhs=256x600"),),
        lambda i: i["lhsT"].T @ i["rhs"],
        1e-4,
    ),
    Case(
        "softmax of the columns in a range",
        BETA_2 + text_of("range_softmax"),
        (("x=128x50", "lengths=128x1"),),
        lambda i: softmax(np.where(np.arange(50) < i["lengths"], i["x"], -3e38)),
    ),
    Case(
        "upsampling, of parts of an array in other sizes",
        BETA_2 + text_of("upsample"),
        (("src=8x3x4x5",),),
        lambda i: upsampled(i["src"]),
    ),
    Case(
        "tiles that are cut at a ragged end",
        BETA_2 + text_of("ragged_tiles"),
        (("x=300x40",), ("x=256x40",), ("x=7x3",)),
        lambda i: (i["x"] + 1) * 2,
    ),
]
PAIRS = [
    pytest.param(case, shapes, id=f"{case.name} at {' '.join(shapes)}")
    for case in CASES
    for shapes in case.shapes
]


def flags(shapes: Sequence[str]) -> list[str]:
    """Names of the parameters that are given as True."""
    return [text.split("=")[0] for text in shapes if text.endswith("=True")]


@pytest.mark.parametrize(("case", "shapes"), PAIRS)
def test_kernel_computes_what_its_author_means(case, shapes):
    """A kernel that was read gives NumPy's results, and its time is above its bound."""
    function = kernel_function(read_nki(case.text, "kernel.py", parse_shapes(list(shapes))))
    config = load_config("trainium1")
    random = np.random.default_rng(7)
    parameters = parameters_of(function)
    inputs = {one.name: (random.standard_normal(one.shape)).astype(one.dtype) for one in parameters}
    outputs = run(function, config, inputs)
    given = {name: one.astype(np.float64) for name, one in inputs.items()}
    expected = case.reference(given | {name: np.ones(1) for name in flags(shapes)})
    got = outputs[parameters[-1].name].astype(np.float64)
    np.testing.assert_allclose(got, expected, rtol=case.tolerance, atol=10 * case.tolerance)
    result, _ = simulate_tiles(function, config)
    assert result.nanoseconds >= result.bound.nanoseconds
