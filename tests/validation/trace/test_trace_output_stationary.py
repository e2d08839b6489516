"""Output-stationary products: sums that stay in the array, and the clip on their way out."""

from __future__ import annotations

import pytest
from liftproof.hw.gemmini import isa
from liftproof.validation.trace.api import validate_stream

SPAD_TARGET = 8192


def stream_of(product, builder, *, target=isa.ACCUMULATOR_BIT, keep=True):
    """The product with sums that are kept in the array until the last tile of k."""
    build, layout = builder(), product.layout()
    a, b, c = layout.arrays
    build.config_ex(
        weight_stationary=False,
        a_transpose=int(product.a_transposed),
        b_transpose=int(product.b_transposed),
    )
    build.config_ld(a.strides[0], 0)
    build.config_ld(b.strides[0], 1)
    build.config_st(product.n * c.dtype.itemsize, product.scale)
    number = 0
    for i in range(0, product.m, 16):
        for j in range(0, product.n, 16):
            rows, cols = min(16, product.m - i), min(16, product.n - j)
            for k in range(0, product.k, 16):
                depth = min(16, product.k - k)
                at_a = (k, i, depth, rows) if product.a_transposed else (i, k, rows, depth)
                at_b = (j, k, cols, depth) if product.b_transposed else (k, j, depth, cols)
                left, right = 256 * (number % 2), 4096 + 256 * (number % 2)
                build.mvin(a.address + at_a[0] * a.strides[0] + at_a[1], left, *at_a[2:], 0)
                build.mvin(b.address + at_b[0] * b.strides[0] + at_b[1], right, *at_b[2:], 1)
                last = k + 16 >= product.k
                build.preload(
                    (isa.GARBAGE_ADDRESS, 16, 16),
                    (target if last else isa.GARBAGE_ADDRESS, rows, cols),
                )
                build.compute(
                    (left, rows, depth), (right, depth, cols), preloaded=k == 0 or not keep
                )
                number += 1
            source = target | (isa.FULL_WIDTH_BIT if product.full else 0)
            place = (i * product.n + j) * c.dtype.itemsize
            build.mvout(c.address + place, source, rows, cols)
    build.fence()
    return build.stream()


@pytest.mark.parametrize(
    "changes",
    [
        {"k": 31},
        {"k": 300},
        {"k": 31, "full": True},
        {"k": 40, "a_transposed": True},
        {"k": 40, "a_transposed": True, "b_transposed": True},
        {"k": 31, "scale": 0.25},
    ],
)
def test_sums_in_the_array_are_proved(changes, gemm, builder, config):
    """Sums that stay in the array over k are proved, whatever the transposition."""
    product = gemm(m=20, n=18, **changes)
    stream = stream_of(product, builder)
    result = validate_stream(product.kernel(), stream, product.layout(), config)
    assert (result.verdict, result.reason) == ("proved", "")


def test_results_in_the_scratchpad_are_proved(gemm, builder, config):
    """A result that is saturated on its way to the scratchpad equals a saturated store."""
    product = gemm(m=20, n=18, k=40)
    stream = stream_of(product, builder, target=SPAD_TARGET)
    result = validate_stream(product.kernel(), stream, product.layout(), config)
    assert (result.verdict, result.reason) == ("proved", "")


def test_the_clip_to_20_bits_is_seen(gemm, builder, config):
    """A sum of more than 31 products may not fit the array's 20-bit output; fewer always do."""
    product = gemm(m=20, n=18, k=32, full=True)
    stream = stream_of(product, builder)
    result = validate_stream(product.kernel(), stream, product.layout(), config)
    assert result.verdict == "refuted"
    assert result.counterexample is not None
    assert result.counterexample.expected == str(1 << 19)
    assert result.counterexample.actual == str((1 << 19) - 1)


def test_sums_that_are_lost_are_refuted(gemm, builder, config):
    """A sum that starts again with every tile lacks the first tiles' products."""
    product = gemm(m=20, n=18, k=40)
    stream = stream_of(product, builder, keep=False)
    result = validate_stream(product.kernel(), stream, product.layout(), config)
    assert result.verdict == "refuted"
    assert "lacks A[0][0]·B[0][0]" in result.reason
